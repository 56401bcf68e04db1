"""A kill at any moment leaves a whole checkpoint."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from learners.ddpg.checkpoint import latest_checkpoint, save_checkpoint
from s3k_dist.errors import StorageError


class Notes:
    """Saves its text in two files."""

    def __init__(self, text: str) -> None:
        self.text = text

    def save_to_path(self, path: str) -> None:
        Path(path).mkdir(parents=True)
        for name in ("first", "second"):
            (Path(path) / name).write_text(self.text)


def read(checkpoint: Path | None) -> tuple[str, str]:
    assert checkpoint is not None
    return (checkpoint / "first").read_text(), (checkpoint / "second").read_text()


def test_the_newest_two_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "nothing") is None
    for number in range(4):
        saved = save_checkpoint(Notes(str(number)), tmp_path)
        assert latest_checkpoint(tmp_path) == saved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-000002", "checkpoint-000003"]
    assert read(latest_checkpoint(tmp_path)) == ("3", "3")


KILLED = """
import os, signal, sys
from pathlib import Path
from learners.ddpg.checkpoint import save_checkpoint

class Doomed:
    def save_to_path(self, path):
        Path(path).mkdir(parents=True)
        (Path(path) / "first").write_text("torn")
        os.kill(os.getpid(), signal.SIGKILL)

save_checkpoint(Doomed(), Path(sys.argv[1]))
"""


def test_a_kill_while_saving_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(Notes("whole"), tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert read(latest_checkpoint(tmp_path)) == ("whole", "whole")
    save_checkpoint(Notes("next"), tmp_path)
    assert read(latest_checkpoint(tmp_path)) == ("next", "next")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_is_a_storage_error_and_spares_the_previous(tmp_path: Path) -> None:
    save_checkpoint(Notes("whole"), tmp_path)

    class Full:
        def save_to_path(self, path: str) -> None:
            Path(path).mkdir()
            raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        save_checkpoint(Full(), tmp_path)
    assert read(latest_checkpoint(tmp_path)) == ("whole", "whole")
