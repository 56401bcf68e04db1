"""``s3k stream``: what a person sees of a stream."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.cli import main
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from tests.scenes import look_at

Shown = Callable[..., tuple[int, str, str]]


def record(sequence: int, cell_id: str) -> StreamRecord:
    at_ns = 1_800_000_000_000_000_000 + sequence * 250_000_000
    views = tuple(
        View(
            look_at(azimuth, 0.4, name=f"cam{number}", size_px=64),
            np.random.default_rng((sequence, number)).integers(0, 256, (64, 64, 3), dtype=np.uint8),
            at_ns,
        )
        for number, azimuth in enumerate((0.0, 2.0))
    )
    return StreamRecord(MultiViewFrame(cell_id, sequence, at_ns, views), "cell0-noisy-3", sequence, 2)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A data set of two cells with a label."""
    for cell_id, frames in (("cell0", 40), ("cell1", 5)):
        with StreamWriter(tmp_path / "stream", cell_id, 8) as writer:
            for sequence in range(frames):
                writer.append(record(sequence, cell_id))
    label = Label(frame="cell0/00000003", split="train", points_m={"tip": (0.0, 0.0, 0.0)})
    save_labels(tmp_path / "labels.json", ["tip"], [label])
    return tmp_path


@pytest.fixture
def s3k(capsys: pytest.CaptureFixture[str]) -> Shown:
    def call(*arguments: object) -> tuple[int, str, str]:
        status = main(["stream", *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def test_stat_says_how_much_there_is(run: Path, s3k: Shown) -> None:
    status, out, _ = s3k("stat", run)
    assert status == 0
    lines = {line.split()[0]: line.split() for line in out.splitlines()}
    assert lines["cell0"][1:3] == ["5", "40"]
    assert lines["cell0"][5] == "4.0"  # Hz
    assert lines["cell1"][6:8] == ["2027-01-15", "08:00:01"]
    assert "45 frames of 2 cells" in out


def test_ls_lists_the_shards(run: Path, s3k: Shown) -> None:
    status, out, _ = s3k("ls", run / "stream", "--cell", "cell0")
    assert status == 0
    assert "cell0/00000032-8.s3k" in out
    assert "v2" in out
    assert "cell1" not in out
    assert "unknown cell 'x'; this stream has cell0, cell1" in s3k("ls", run, "--cell", "x")[2]


def test_show_writes_all_views_and_the_facts(run: Path, s3k: Shown, tmp_path: Path) -> None:
    status, out, _ = s3k("show", run, "cell0/00000017", "--out", tmp_path / "frame.png")
    assert status == 0
    assert "episode cell0-noisy-3, step 17, keypoint model v2" in out
    page = cv2.imread(str(tmp_path / "frame.png"))[..., ::-1]
    views = record(17, "cell0").frame.views
    np.testing.assert_array_equal(page[:64, :64], views[0].image)
    np.testing.assert_array_equal(page[:64, 68:132], views[1].image)
    assert (page[64:].min(axis=2) < 100).sum() > 200  # text below


@pytest.mark.parametrize("frame", ["cell0/00000099", "cell7/00000001", "nonsense", "cell0/x"])
def test_a_frame_that_is_not_there_is_named(run: Path, s3k: Shown, tmp_path: Path, frame: str) -> None:
    status, _, err = s3k("show", run, frame, "--out", tmp_path / "x.png")
    assert status == 1
    assert f"frame {frame} is not in the stream" in err
    assert not (tmp_path / "x.png").exists()


def test_a_picture_is_a_png(run: Path, s3k: Shown, tmp_path: Path) -> None:
    assert "ends in .png" in s3k("show", run, "cell0/00000017", "--out", tmp_path / "x.gif")[2]


def test_verify_names_damage_and_fails_and_moves_it_aside_when_asked(run: Path, s3k: Shown) -> None:
    assert s3k("verify", run, "--decode")[:2] == (0, "45 frames in 6 shards are sound\n")
    path = run / "stream" / "cell0" / "00000008-8.s3k"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    status, out, _ = s3k("verify", run)
    assert status == 1
    assert f"{path}: record 7 (frame 15): CRC mismatch" in out
    assert "44 frames in 6 shards are sound; 1 shards are damaged" in out
    assert path.exists()

    assert s3k("verify", run, "--quarantine")[0] == 1
    assert not path.exists()
    status, out, _ = s3k("verify", run)
    assert status == 0
    assert "44 frames in 6 shards are sound" in out  # the seven others of that shard, too
    assert "00000008-8.s3k.damaged was moved aside: record 7 (frame 15): CRC mismatch" in out
    assert "was moved aside" in s3k("stat", run)[1]


def test_prune_keeps_to_the_budget_and_to_the_labels(run: Path, s3k: Shown) -> None:
    status, out, _ = s3k("prune", run, "--max-mb", "0.5", "--dry-run")
    assert status == 0
    assert "would keep" in out
    assert "of 45 frames" in out
    status, out, _ = s3k("prune", run, "--max-mb", "0.5")
    assert "1 labelled" in out
    assert "labels and recordings name 1 frames" in out
    reader = StreamReader(run / "stream")
    reader.refresh()
    assert len(reader) < 40
    assert sum(shard.size_bytes for shard in reader.shards() if shard.cell_id == "cell0") <= 500_000
    assert reader.read_by_id("cell0/00000003").step == 3
    assert "kept of older shards" in s3k("ls", run)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--max-mb", "0"), "--max-mb is 0, expected more than 0"),
        (("--max-age", "nan"), "--max-age is nan, expected more than 0"),
        (("--reservoir", "-1"), "--reservoir is -1"),
        (("--labels", "nowhere.json"), "no labels at nowhere.json"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(run: Path, s3k: Shown, arguments: tuple[str, str], says: str) -> None:
    status, _, err = s3k("prune", run, *arguments)
    assert status == 1
    assert says in err


@pytest.mark.parametrize("command", ["ls", "stat", "verify"])
def test_a_stream_that_is_not_there_is_named(command: str, tmp_path: Path, s3k: Shown) -> None:
    assert "is no folder" in s3k(command, tmp_path / "nowhere")[2]
    assert "holds no frames" in s3k(command, tmp_path)[2]
    assert "cannot be opened" in s3k(command, "gopher://x/y")[2]
