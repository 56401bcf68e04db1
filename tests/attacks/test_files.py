"""Files that claim to be huge, lead elsewhere or are somebody else's are refused before they are read."""

import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.episode_file import load_fields
from actors.recording import RecordedEpisode
from actors.robots.kinematics import Arm
from learners.ddpg import checkpoint as checkpoints
from learners.ddpg.checkpoint import find_checkpoint, save_checkpoint
from learners.ddpg.offline import read_sound_episodes
from s3k_dist.archives import require_modest
from s3k_dist.datasets.exchange_frames import ExchangeFrames
from s3k_dist.errors import ConfigError, StorageError

GIB = 1024**3


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "episode.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("actions.npy", "w") as member:
        for _ in range(3):
            member.write(bytes(1024**2))
    with path.open("rb") as file, pytest.raises(StorageError, match="1 members of 3145728 bytes, at most"):
        require_modest(file, most_bytes=GIB // 1024)
    with pytest.raises(StorageError, match="is not a recorded episode"):
        load_fields(path, RecordedEpisode)


def test_an_array_that_claims_to_be_giant_is_an_error_and_no_crash(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    path = tmp_path / "episode.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("episode_id.npy", header.getvalue())
    with pytest.raises(StorageError, match="is not a recorded episode"):
        load_fields(path, RecordedEpisode)


def test_a_table_of_a_billion_rows_in_some_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learners.ddpg.offline.MOST_VALUES", 10**6)
    same = pa.array(np.zeros(2 * 10**6, np.int8))
    pq.write_table(pa.table({"eps_id": same}), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    _, damaged = read_sound_episodes(tmp_path)
    assert "claims 2000000 values" in damaged[str(tmp_path / "bomb.parquet")]


def test_links_out_of_an_exchange_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "left.png").write_bytes(b"not yours")
    root = tmp_path / "exchange"
    frames = root / "frames" / "bench"
    (frames / "00000000").mkdir(parents=True)
    (frames / "00000001").symlink_to(tmp_path / "secret")
    (frames / "00000000" / "left.png").symlink_to(tmp_path / "secret" / "left.png")
    camera = (
        '{"width_px": 8, "height_px": 8, "K": [[9, 0, 4], [0, 9, 4], [0, 0, 1]], "distortion": [0, 0, 0, 0, 0], '
        '"R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "t_m": [0, 0, 0]}'
    )
    (root / "cameras.json").write_text(f'{{"left": {camera}, "../../secret/left": {camera}, "..": {camera}}}')
    found = ExchangeFrames(root)
    for _, folders in found.cells():
        assert [found.read(folder) for folder in folders] == [None, None]
    reasons = [str(refusal) for refusal in found.refused]
    assert sum("leads out of the exchange folder" in reason for reason in reasons) == 2
    assert sum("cannot name a file" in reason for reason in reasons) == 2
    assert not any("not yours" in reason for reason in reasons)


class Harmless:
    def save_to_path(self, path: str) -> None:
        Path(path).mkdir()
        (Path(path) / "algorithm_state.pkl").write_bytes(b"a pickle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(Harmless(), tmp_path / "checkpoints")
    found = find_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    return found.path


def test_a_checkpoint_that_anybody_may_write_is_not_loaded(folder: Path) -> None:
    (folder / "algorithm_state.pkl").chmod(0o666)
    with pytest.raises(StorageError, match="anybody may write it, and a checkpoint can run anything"):
        find_checkpoint(folder.parent)


def test_a_checkpoint_of_another_user_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.geteuid()
    if (folder / "algorithm_state.pkl").stat().st_uid == 0:
        os.chown(folder / "algorithm_state.pkl", 12345, -1)
        owner = 12345
    else:
        monkeypatch.setattr(checkpoints.os, "geteuid", lambda: real + 1)
        owner = real
    with pytest.raises(StorageError, match=f"belongs to user {owner}, not to"):
        find_checkpoint(folder.parent)


def test_nothing_is_smuggled_into_a_checkpoint(folder: Path) -> None:
    (folder / "more.pkl").write_bytes(b"another pickle")
    with pytest.raises(StorageError, match=r"more\.pkl was not written with it"):
        find_checkpoint(folder.parent)
    (folder / "more.pkl").unlink()
    (folder / "algorithm_state.pkl").rename(folder.parent / "elsewhere")
    (folder / "algorithm_state.pkl").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(StorageError, match="is a link"):
        find_checkpoint(folder.parent)
    assert stat.S_ISLNK((folder / "algorithm_state.pkl").lstat().st_mode)


def test_a_robots_description_declares_no_entities() -> None:
    laughs = '<!DOCTYPE robot [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><robot name="&b;"/>'
    with pytest.raises(ConfigError, match="declares a document type"):
        Arm(laughs, (), "hand", np.zeros(3))
