"""A kill at any moment leaves a whole checkpoint."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from learners.ddpg.checkpoint import SUMS_FILE, find_checkpoint, latest_checkpoint, save_checkpoint
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


def test_a_damaged_checkpoint_is_passed_over_named_and_put_aside(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path) is None
    older, newer = (save_checkpoint(Notes(text), tmp_path) for text in ("older", "newer"))
    whole = find_checkpoint(tmp_path)
    assert whole is not None
    assert (whole.path, whole.damaged) == (newer, ())
    (newer / "second").write_text("newel")
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.path == older
    assert found.damaged == (f"checkpoint {newer} is damaged: second is not as it was written",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-000000", "damaged-checkpoint-000001"]
    for text in ("next", "after"):
        save_checkpoint(Notes(text), tmp_path)
    assert read(latest_checkpoint(tmp_path)) == ("after", "after")


@pytest.mark.parametrize("damage", ["file gone", "sums torn", "sums of something else"])
def test_every_damage_is_seen(tmp_path: Path, damage: str) -> None:
    save_checkpoint(Notes("older"), tmp_path)
    newer = save_checkpoint(Notes("newer"), tmp_path)
    match damage:
        case "file gone":
            (newer / "first").unlink()
        case "sums torn":
            (newer / SUMS_FILE).write_bytes((newer / SUMS_FILE).read_bytes()[:-5])
        case "sums of something else":
            (newer / SUMS_FILE).write_text("[1, 2]")
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert read(found.path) == ("older", "older")


def test_where_none_is_whole_all_stay_and_are_named(tmp_path: Path) -> None:
    for text in ("older", "newer"):
        (save_checkpoint(Notes(text), tmp_path) / "first").write_text("damaged")
    for _ in range(2):  # whoever tries again must not find an empty folder, and begin from nothing
        with pytest.raises(StorageError, match=r"no checkpoint below .*000001 is damaged.*000000 is damaged"):
            find_checkpoint(tmp_path)


def test_a_checkpoint_from_before_there_were_sums_passes(tmp_path: Path) -> None:
    saved = save_checkpoint(Notes("old"), tmp_path)
    (saved / SUMS_FILE).unlink()
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.path == saved
