"""Labels and stream become tensors."""

from pathlib import Path

import numpy as np
import pytest
import torch

from learners.keypoint.data import UnlabelledPool, find_frames, labelled_frames, with_truth
from s3k_dist.errors import StorageError, TooFewViewsError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.labels.store import Label, load_labels, save_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from tests.scenes import frame, look_at, ring

NAMES = ("tip", "base")
CAMERAS = ring(3, size_px=32, focal_px=80.0)
POINTS = torch.tensor([[0.01, 0.02, -0.01], [-0.02, 0.0, 0.015]], dtype=torch.float64)


def write(root: Path, frames: list[MultiViewFrame], shard_frames: int = 2) -> StreamReader:
    with StreamWriter(root, "cell0", shard_frames=shard_frames) as writer:
        for taken in frames:
            writer.append(StreamRecord(taken, "episode", 0, 0))
    reader = StreamReader(root)
    reader.refresh()
    return reader


def frames(count: int, first: int = 0) -> list[MultiViewFrame]:
    return [frame(CAMERAS, sequence=first + index, seed=first + index) for index in range(count)]


def clicks(cameras: list[Camera], names: tuple[str, ...] = NAMES) -> dict[str, dict[str, tuple[float, float]]]:
    pixels, _ = project(POINTS, Cameras.stack(cameras))
    return {
        camera.name: {name: tuple(pixels[view, NAMES.index(name)].tolist()) for name in names}
        for view, camera in enumerate(cameras)
    }


def label(sequence: int, split: str = "train", **where: dict[str, tuple[float, float]]) -> Label:
    return Label.model_validate({"frame": f"cell0/{sequence:08d}", "split": split, "clicks": where or clicks(CAMERAS)})


@pytest.fixture
def reader(tmp_path: Path) -> StreamReader:
    return write(tmp_path / "stream", frames(5))


def test_labelled_frames_are_images_cameras_and_points(reader: StreamReader, tmp_path: Path) -> None:
    save_labels(tmp_path / "labels.json", NAMES, [label(3), label(1, "held_out"), label(0)])
    stored = load_labels(tmp_path / "labels.json")
    labelled = labelled_frames(reader, stored.of_split("train"), stored.keypoints)
    assert len(labelled) == 2
    for row, sequence in enumerate((3, 0)):
        for view in range(3):
            np.testing.assert_array_equal(labelled.images[row, view], frames(5)[sequence].views[view].image)
    torch.testing.assert_close(labelled.points_m, POINTS.float().expand(2, 2, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        project(POINTS.float(), labelled.cameras[0])[0][1, 0].tolist(), [*clicks(CAMERAS)["cam1"]["tip"]]
    )


def test_clicks_in_two_views_suffice_and_a_stray_camera_is_no_view(reader: StreamReader) -> None:
    all_clicks = clicks(CAMERAS)
    two = label(2, cam0=all_clicks["cam0"], cam2=all_clicks["cam2"], attic={"tip": (1.0, 1.0), "base": (1.0, 1.0)})
    labelled = labelled_frames(reader, [two], NAMES)
    torch.testing.assert_close(labelled.points_m[0], POINTS.float(), atol=1e-6, rtol=0)


def test_clicks_in_one_view_are_refused(reader: StreamReader) -> None:
    all_clicks = clicks(CAMERAS)
    one = label(2, cam0=all_clicks["cam0"], cam1={"tip": all_clicks["cam1"]["tip"]})
    with pytest.raises(TooFewViewsError, match=r"frame cell0/00000002: keypoint 'base' is labelled in 1 view\(s\)"):
        labelled_frames(reader, [label(0), one], NAMES)


def test_a_point_in_the_world_wins_over_clicks_keypoint_by_keypoint(reader: StreamReader) -> None:
    known = label(1).model_copy(update={"points_m": {"base": (0.5, 0.25, -0.5)}})
    alone = Label(frame="cell0/00000002", split="train", points_m={"tip": (0.0, 1.0, 0.0), "base": (1.0, 0.0, 0.0)})
    labelled = labelled_frames(reader, [label(0), known, alone], NAMES)
    torch.testing.assert_close(labelled.points_m[0], POINTS.float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(labelled.points_m[1, 0], POINTS[0].float(), atol=1e-6, rtol=0)
    assert labelled.points_m[1, 1].tolist() == [0.5, 0.25, -0.5]
    assert labelled.points_m[2].tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]


def test_labels_of_points_alone_suffice_and_come_in_the_order_asked_for(reader: StreamReader) -> None:
    alone = Label(frame="cell0/00000004", split="train", points_m={"tip": (0.0, 1.0, 0.0), "base": (1.0, 0.0, 0.0)})
    labelled = labelled_frames(reader, [alone], ["base", "tip"])
    assert labelled.points_m.tolist() == [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]


def test_a_keypoint_without_a_point_or_clicks_is_refused(reader: StreamReader) -> None:
    half = Label(frame="cell0/00000002", split="train", points_m={"tip": (0.0, 1.0, 0.0)})
    with pytest.raises(TooFewViewsError, match=r"'base' is labelled in 0 view\(s\); .* or a point in points_m"):
        labelled_frames(reader, [half], NAMES)


def test_a_labelled_frame_that_is_missing_is_named(reader: StreamReader) -> None:
    with pytest.raises(StorageError, match=r"labelled frame cell0/00000017 is not in the stream .*\(5 frames\)"):
        labelled_frames(reader, [label(0), label(17)], NAMES)


def test_no_labels_at_all_are_refused(reader: StreamReader) -> None:
    with pytest.raises(StorageError, match="no labelled frames"):
        labelled_frames(reader, [], NAMES)


def test_frames_are_found_in_the_order_asked_for(reader: StreamReader) -> None:
    found = find_frames(reader, ["cell0/00000004", "cell0/00000001"])
    assert [taken.sequence for taken in found] == [4, 1]


def test_truth_takes_the_place_of_clicks_where_it_is_known(reader: StreamReader) -> None:
    labels = [label(0), label(1)]
    labelled = labelled_frames(reader, labels, NAMES)
    judged = with_truth(labelled, labels, {"cell0/00000001": np.ones((2, 3))})
    torch.testing.assert_close(judged.points_m[0], labelled.points_m[0])
    torch.testing.assert_close(judged.points_m[1], torch.ones(2, 3))
    assert not torch.equal(labelled.points_m[1], judged.points_m[1])  # the labels themselves stay


def images_of(taken: list[MultiViewFrame]) -> set[bytes]:
    return {view.image.tobytes() for one in taken for view in one.views[:1]}


def held(pool: UnlabelledPool) -> set[bytes]:
    inside = pool.frames()
    assert inside is not None
    assert len(inside) == len(pool) == len(inside.cameras.intrinsics)
    return {image.numpy().tobytes() for image in inside.images[:, 0]}


def test_a_pool_holds_what_the_stream_holds(reader: StreamReader) -> None:
    pool = UnlabelledPool(10, seed=0)
    assert pool.frames() is None
    assert pool.follow(reader) == 5
    assert held(pool) == images_of(frames(5))
    inside = pool.frames()
    assert inside is not None
    np.testing.assert_allclose(inside.cameras.intrinsics[4, 2], CAMERAS[2].intrinsics, rtol=1e-6)
    np.testing.assert_allclose(inside.cameras.centre_m[4, 2], CAMERAS[2].centre_m, atol=1e-6)
    assert pool.follow(reader) == 0


def test_a_full_pool_stays_bounded_takes_every_new_frame_and_keeps_some_old_ones(tmp_path: Path) -> None:
    reader = write(tmp_path, frames(20))
    pool = UnlabelledPool(8, seed=0)
    pool.follow(reader)
    write(tmp_path, frames(1, first=20))
    assert pool.follow(reader) == 1
    assert len(pool) == 8
    assert images_of(frames(1, first=20)) <= held(pool)
    assert held(pool) & images_of(frames(20))


def test_a_pool_takes_at_most_what_it_is_asked_to(reader: StreamReader) -> None:
    pool = UnlabelledPool(10, seed=0)
    assert [pool.follow(reader, at_most=2) for _ in range(4)] == [2, 2, 1, 0]
    assert held(pool) == images_of(frames(5))


def test_a_pool_does_not_read_the_whole_of_a_long_stream(tmp_path: Path) -> None:
    reader = write(tmp_path, frames(60))
    pool = UnlabelledPool(8, seed=0)
    assert [pool.follow(reader, at_most=5) for _ in range(3)] == [5, 3, 0]
    assert len(held(pool)) == 8
    assert images_of(frames(4, first=56)) <= held(pool)  # the newest
    write(tmp_path, frames(2, first=60))
    assert pool.follow(reader) == 2
    assert images_of(frames(2, first=60)) <= held(pool)


def test_the_seed_decides_what_a_pool_keeps(tmp_path: Path) -> None:
    reader = write(tmp_path, frames(30))
    pools = [UnlabelledPool(6, seed=seed) for seed in (1, 1, 2)]
    for pool in pools:
        pool.follow(reader)
    assert held(pools[0]) == held(pools[1]) != held(pools[2])


def test_a_pool_goes_on_past_a_damaged_shard(tmp_path: Path) -> None:
    reader = write(tmp_path, frames(6))
    damaged = sorted(tmp_path.glob("cell0/*.s3k"))[1]
    content = bytearray(damaged.read_bytes())
    content[-10] ^= 0xFF
    damaged.write_bytes(content)
    pool = UnlabelledPool(10, seed=0)
    assert pool.follow(reader) == 6
    assert held(pool) == images_of([*frames(3), *frames(2, first=4)])
    assert list(reader.damaged) == [str(damaged)]


def test_a_frame_of_another_layout_is_left_out(tmp_path: Path) -> None:
    few = frame(CAMERAS[:2], sequence=1, seed=50)
    mixed = frame([*CAMERAS[:2], look_at(2.0, 0.4, name="cam9", size_px=64)], sequence=2, seed=51)
    reader = write(tmp_path, [*frames(1), few, mixed, *frames(1, first=3)])
    pool = UnlabelledPool(10, seed=0)
    assert pool.follow(reader) == 4
    assert held(pool) == images_of([*frames(1), *frames(1, first=3)])


def test_a_pool_that_began_with_frames_that_lack_a_view_begins_anew_with_whole_ones(tmp_path: Path) -> None:
    lacking = [frame(CAMERAS[:2], sequence=index, seed=60 + index) for index in range(2)]
    reader = write(tmp_path, [*lacking, *frames(3, first=2)])
    pool = UnlabelledPool(10, seed=0)
    pool.follow(reader)
    assert held(pool) == images_of(frames(3, first=2))


def stream_of(root: Path, cell: str, count: int, first: int = 0) -> None:
    with StreamWriter(root, cell, shard_frames=2) as writer:
        for sequence in range(first, first + count):
            taken = frame(CAMERAS, sequence=sequence, cell_id=cell, seed=sequence)
            writer.append(StreamRecord(taken, "episode", 0, 0))


def test_a_restored_pool_holds_the_same_frames_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """Another reader finds the shards in another order; frames came while it was away."""
    root = tmp_path / "stream"
    stream_of(root, "cell1", 6)
    whole, reader = UnlabelledPool(5, seed=0), StreamReader(root)
    whole.follow(reader, 4)
    stream_of(root, "cell0", 6)  # found after cell1 by this reader, before it by the next
    whole.follow(reader, 4)
    state = whole.state_dict()
    back, later = UnlabelledPool(5, seed=9), StreamReader(root)
    back.load_state_dict(state, later)
    assert held(back) == held(whole)
    assert back.state_dict() == state
    stream_of(root, "cell1", 3, first=6)
    stream_of(root, "cell0", 3, first=6)
    # Four of cell0 were left, and six are new; none is taken twice, none is left out.
    assert [back.follow(later, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert [whole.follow(reader, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert back.state_dict()["passed"] == whole.state_dict()["passed"] == {"cell0": 8, "cell1": 8}


def test_a_restored_pool_does_without_frames_that_are_gone(tmp_path: Path) -> None:
    root = tmp_path / "stream"
    stream_of(root, "cell0", 6)
    pool = UnlabelledPool(6, seed=0)
    pool.follow(StreamReader(root))
    next(iter(sorted((root / "cell0").glob("*.s3k")))).unlink()
    back = UnlabelledPool(6, seed=0)
    back.load_state_dict(pool.state_dict(), StreamReader(root))
    assert len(back) == 4
    assert held(back) < held(pool)


def test_after_a_long_absence_it_takes_evenly_what_it_missed(tmp_path: Path) -> None:
    root = tmp_path / "stream"
    stream_of(root, "cell0", 1)
    pool, reader = UnlabelledPool(1, seed=0), StreamReader(root)
    pool.follow(reader)
    stream_of(root, "cell0", 20, first=1)
    back = UnlabelledPool(1, seed=0)
    back.load_state_dict(pool.state_dict(), reader)
    assert 4 <= back.follow(reader) <= 8
    assert back.follow(reader) == 0
