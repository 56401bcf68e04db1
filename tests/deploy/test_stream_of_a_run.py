"""Where a run's frames go, and what becomes of them, as its configuration says."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.recording import RecordedEpisode, save_recording
from deploy.cells import collector_spec, configured_cells
from deploy.config import load_config
from deploy.run_folder import RunFolder
from deploy.stream_keeper import StreamKeeper
from s3k_dist.errors import ConfigError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.store import point_to
from s3k_dist.stream.writer import StreamWriter
from tests.scenes import look_at

HANG_GUARD_S = 60.0


def append(writer: StreamWriter, sequences: range) -> None:
    for sequence in sequences:
        image = np.random.default_rng(sequence).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        view = View(look_at(0.0, 0.4, size_px=32), image, sequence)
        writer.append(StreamRecord(MultiViewFrame("cell0", sequence, sequence, (view,)), "e", sequence, 0))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


def test_by_default_a_run_keeps_everything_in_its_own_folder(folder: RunFolder) -> None:
    config = load_config("laptop")
    spec = collector_spec(config, folder, configured_cells(config)[0])
    with spec.writer.open(spec.stream, "cell0") as writer:
        append(writer, range(3))
        assert writer.spool is None
    assert [path.name for path in (folder.stream / "cell0").glob("*.s3k")] == ["00000000-3.s3k"]
    with StreamKeeper(config.stream, folder, print) as keeper:
        assert keeper._thread is None


def test_a_stream_elsewhere_is_found_through_the_run_folder(folder: RunFolder, tmp_path: Path) -> None:
    url = f"local://{tmp_path}/elsewhere"
    config = load_config("laptop", [f"stream.url={url}", "stream.encoding=JPEG", "stream.shard_age_s=5"])
    point_to(folder.stream, url)
    point_to(folder.stream, url)
    spec = collector_spec(config, folder, configured_cells(config)[0])
    with spec.writer.open(spec.stream, "cell0") as writer:
        append(writer, range(3))
        assert writer.spool is not None
        assert writer.spool.folder == folder.root / "spool" / "cell0"
    assert (tmp_path / "elsewhere" / "cell0" / "00000000-3.s3k").is_file()
    reader = StreamReader(folder.stream)
    assert reader.refresh() == 3
    with pytest.raises(ConfigError, match="stands for the stream at local://"):
        point_to(folder.stream, "s3://another/stream")


def test_a_folder_with_frames_cannot_stand_for_another_stream(folder: RunFolder) -> None:
    with StreamWriter(folder.stream, "cell0") as writer:
        append(writer, range(1))
    with pytest.raises(ConfigError, match="holds a stream of its own"):
        point_to(folder.stream, "s3://bucket/stream")


@pytest.mark.parametrize(
    ("setting", "says"),
    [("stream.encoding=TIFF", "stream.encoding"), ("stream.max_mb=0", "stream.max_mb"), ("stream.mb=1", "available")],
)
def test_a_setting_that_makes_no_sense_is_refused(setting: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config("laptop", [setting])


def recording(sequences: range) -> RecordedEpisode:
    many: dict[str, Any] = dict.fromkeys(("grippers", "actions", "true_keypoints_m", "true_depth", "visible"))
    many = {name: np.zeros((len(sequences), 3)) for name in many}
    return RecordedEpisode("e", "cell0", np.array(sequences), kind="random", seed=0, **many)


def test_a_run_with_a_budget_keeps_what_its_labels_and_recordings_name(folder: RunFolder) -> None:
    with StreamWriter(folder.stream, "cell0", 8) as writer:
        append(writer, range(200))
    save_labels(folder.labels, ["tip"], [Label(frame="cell0/00000003", split="train", points_m={"tip": (0, 0, 0)})])
    save_recording(folder.recordings, recording(range(20, 30)))
    config = load_config("laptop", ["stream.max_mb=0.2", "stream.prune_every_s=0.05"]).stream
    told: list[str] = []
    (folder.stream / "cell0" / "00000048-8.s3k").write_bytes(b"torn")

    reader = StreamReader(folder.stream)
    with StreamKeeper(config, folder, told.append):
        give_up = time.monotonic() + HANG_GUARD_S
        while reader.refresh() >= 0 and reader.stats().bytes > 200_000:
            assert time.monotonic() < give_up
            time.sleep(0.02)
    kept = {int(frame_id.rpartition("/")[2]) for frame_id in reader.frame_ids()}
    assert {3, *range(20, 30), 199} <= kept
    assert len(kept) < 100
    assert len([text for text in told if "00000048-8.s3k is damaged and was moved aside: bad magic" in text]) == 1
