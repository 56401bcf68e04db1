"""`s3k evaluate keypoints` on a data set: the files that it leaves, and what it says where it cannot."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from deploy.cli import main
from deploy.evaluate_keypoints import METRICS_FILE
from deploy.keypoint_frames import evaluated_frames
from deploy.keypoint_page import INDEX_FILE
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import MODEL_KIND, NOISE_METRIC, KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.labels.store import Label, load_labels, save_labels
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.deploy.test_report import Page, check_whole
from tests.scenes import frame, ring

NAMES = ("top_left", "top_right", "bottom_left")
SIZE_PX = 64
NETWORK = NetworkConfig(keypoint_names=NAMES, image_size_px=SIZE_PX, channels=(8, 8), residual_blocks=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """Ten scenes of the box; two labelled to train on, five held out."""
    folder = DatasetFolder(tmp_path_factory.mktemp("data") / "box")
    simulate(SceneSpec("box", seed=0, size_px=SIZE_PX), 10, LabelPlan(train=2, held_out=5), folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a tiny network; the first is promoted."""
    registry = WeightsRegistry(tmp_path_factory.mktemp("models"))
    for seed in (0, 1):
        torch.manual_seed(seed)
        manifest = ModelManifest(
            kind=MODEL_KIND,
            config=NETWORK.model_dump(mode="json"),
            metrics={NOISE_METRIC: 4.0, "noise_scale/top_left": 2},
        )
        registry.publish(KeypointNetwork(NETWORK).state_dict(), manifest)
    registry.promote(1)
    return registry.root


def relabelled(data: DatasetFolder, root: Path, labels: Sequence[Label], keypoints: Sequence[str] = NAMES) -> Path:
    """The same stream with other labels."""
    root.mkdir()
    (root / "stream").symlink_to(data.stream)
    save_labels(root / "labels.json", keypoints, labels)
    return root


def evaluated(weights: str | Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command measures; both files are where it says."""
    assert main(["evaluate", "keypoints", "--weights", str(weights), "--data", str(data), "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"metrics: {out / METRICS_FILE}", f"page: {out / INDEX_FILE}"]
    assert sorted(path.name for path in out.iterdir()) == [INDEX_FILE, METRICS_FILE]
    metrics: dict[str, Any] = json.loads((out / METRICS_FILE).read_text())
    return metrics


def refusal(arguments: Sequence[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["evaluate", "keypoints", *map(str, arguments)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("s3k: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_a_model_is_judged_by_the_held_out_frames(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = evaluated(models, data.root, tmp_path / "out", capsys)
    assert (metrics["model_version"], metrics["frames"], metrics["labels"]) == (1, 5, "held_out")
    file = load_labels(data.labels)
    held_out = file.of_split("held_out")
    detector, reader = KeypointDetector.load(WeightsRegistry(models), 1), data.open_stream()
    index = {frame_id: position for position, frame_id in enumerate(reader.frame_ids())}
    by_hand = []
    for label in held_out:
        found = detector.extract(reader.read(index[label.frame]).frame)
        by_hand.append(1e3 * np.linalg.norm(found.positions_m - [label.points_m[name] for name in NAMES], axis=-1))
    assert metrics["median_mm"] == pytest.approx(np.median(by_hand), rel=1e-3)
    assert metrics["p95_mm"] == pytest.approx(np.quantile(by_hand, 0.95), rel=1e-3)
    for k, name in enumerate(NAMES):
        assert metrics["per_keypoint_median_mm"][name] == pytest.approx(np.median(by_hand, axis=0)[k], rel=1e-3)
    means = sorted(np.mean(by_hand, axis=1))
    shown = [(each["which"], each["mean_mm"]) for each in metrics["frames_shown"]]
    assert shown == [
        ("Best", pytest.approx(means[0], rel=1e-3)),
        ("Median", pytest.approx(means[2], rel=1e-3)),
        ("Worst", pytest.approx(means[4], rel=1e-3)),
    ]
    assert set(metrics["by_view_count"]) == {"2", "3", "4"}
    assert set(metrics["one_view_corrupted"]) == {"noise", "blackout", "another frame"}
    assert [point["share"] for point in metrics["occlusion"]][:2] == [0, 0.05]
    assert metrics["reliability"]["held"]["90"] == metrics["reliability"]["coverage_90"]


def test_the_page_is_whole_and_shows_every_view_with_its_marks(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = evaluated(models, data.root, tmp_path, capsys)
    page = Page(tmp_path / INDEX_FILE)
    check_whole(page)
    assert "5 held-out frames" in page.text
    assert f"{metrics['median_mm']:.0f} mm median 3-D error" in page.text
    for each in metrics["frames_shown"]:
        assert each["which"] in page.text
        assert each["frame"] in page.text
    for name in NAMES:
        assert name.replace("_", " ") in page.text
    # Three frames of four views, each with its heatmap; and two charts.
    assert len([reference for reference in page.references if reference.startswith("data:image/")]) == 2 * 12
    assert page.source.count("Close-up of") == page.elements.count("figcaption") - 2
    assert page.elements.count("ellipse") > 2 * 3


def test_a_version_can_be_named(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluated(f"{models}:1", data.root, tmp_path / "one", capsys)
    second = evaluated(f"{models}:2", data.root, tmp_path / "two", capsys)
    assert (first["model_version"], second["model_version"]) == (1, 2)
    assert first["median_mm"] != second["median_mm"]
    assert evaluated(models, data.root, tmp_path / "again", capsys) == first


def test_where_none_is_held_out_all_labels_count_and_the_page_says_so(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = load_labels(data.labels).of_split("train")
    metrics = evaluated(models, relabelled(data, tmp_path / "data", train), tmp_path / "out", capsys)
    assert (metrics["labels"], metrics["frames"]) == ("all", 2)
    assert "none is held out" in Page(tmp_path / "out" / INDEX_FILE).text


def test_a_single_frame_is_drawn_once(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = load_labels(data.labels).of_split("held_out")[:1]
    metrics = evaluated(models, relabelled(data, tmp_path / "data", one), tmp_path / "out", capsys)
    assert [each["which"] for each in metrics["frames_shown"]] == ["Best"]
    check_whole(Page(tmp_path / "out" / INDEX_FILE))


def test_what_no_frame_can_tell_is_null(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = [
        label.model_copy(update={"points_m": {**label.points_m, "top_left": (50.0, 0.0, 0.0)}})
        for label in load_labels(data.labels).of_split("held_out")
    ]
    metrics = evaluated(models, relabelled(data, tmp_path / "data", away), tmp_path / "out", capsys)
    assert metrics["per_keypoint_rms_px"]["top_left"] is None
    assert metrics["per_keypoint_rms_px"]["top_right"] > 0
    assert "nan" not in Page(tmp_path / "out" / INDEX_FILE).text.split()


@pytest.mark.parametrize(
    "arguments",
    [[], ["--weights", "models"], ["--data", "box"], ["--run", "r", "--data", "box"], ["--run", "r", "--out", "o"]],
)
def test_one_form_or_the_other(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    says = refusal(arguments, capsys)
    assert "either --run DIR, or --weights REGISTRY[:VERSION] and --data DIR" in says


def test_weights_that_are_not_there_are_named(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    rest = ["--data", data.root, "--out", out]
    assert "no version 7" in refusal(["--weights", f"{models}:7", *rest], capsys)
    assert f"no weights in {tmp_path / 'none'}" in refusal(["--weights", tmp_path / "none", *rest], capsys)
    registry = WeightsRegistry(tmp_path / "new")
    registry.publish(KeypointNetwork(NETWORK).state_dict(), ModelManifest(kind=MODEL_KIND))
    assert "is promoted; there are 1: name one" in refusal(["--weights", registry.root, *rest], capsys)
    assert not out.exists()


def test_data_that_do_not_fit_the_model_are_refused(
    models: Path, data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(root: Path, weights: Path = models) -> str:
        return refusal(["--weights", weights, "--data", root, "--out", tmp_path / "out"], capsys)

    assert "is no data set" in said(tmp_path / "nowhere")
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "stream").symlink_to(data.stream)
    assert "has no labels to judge a model by" in said(bare)
    label = load_labels(data.labels).labels[0]
    tip = label.model_copy(update={"points_m": {"tip": (0.0, 0.0, 0.0)}})
    assert "has no top_left, top_right, bottom_left; it has tip" in said(
        relabelled(data, tmp_path / "o", [tip], ["tip"])
    )
    half = label.model_copy(update={"points_m": {"top_left": (0.0, 0.0, 0.0)}})
    assert "keypoint 'top_right' is labelled in 0 view(s)" in said(relabelled(data, tmp_path / "h", [half]))
    larger = WeightsRegistry(tmp_path / "larger")
    network = NETWORK.model_copy(update={"image_size_px": 128})
    larger.promote(
        larger.publish(
            KeypointNetwork(network).state_dict(),
            ModelManifest(kind=MODEL_KIND, config=network.model_dump(mode="json")),
        )
    )
    assert "expected labelled frames of two or more views of 128 x 128 px" in said(data.root, larger.root)
    assert not (tmp_path / "out").exists()


def test_a_model_that_diverged_is_told(data: DatasetFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = WeightsRegistry(tmp_path / "models")
    weights = {name: torch.full_like(value, torch.nan) for name, value in KeypointNetwork(NETWORK).state_dict().items()}
    manifest = ModelManifest(kind=MODEL_KIND, config=NETWORK.model_dump(mode="json"))
    registry.promote(registry.publish(weights, manifest))
    says = refusal(["--weights", registry.root, "--data", data.root, "--out", tmp_path / "out"], capsys)
    assert "it has diverged" in says


def test_the_ellipse_is_the_picture_of_the_covariance() -> None:
    cameras = ring(3, size_px=SIZE_PX, focal_px=150.0)
    taken = frame(cameras)
    standard_m = np.array([0.001, 0.002, 0.003])
    detector = KeypointDetector(NETWORK, KeypointNetwork(NETWORK).state_dict())

    def detect(frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        found = KeypointDetector.detect(detector, frames)[0]
        spread = np.stack([np.diag([each**2] * 3) for each in standard_m])
        return [
            FrameFeatures(**{**vars(found), "positions_m": np.zeros((3, 3)), "covariance_m2": spread}),
        ]

    detector.detect = detect  # type: ignore[method-assign]
    drawn = evaluated_frames(detector, ["Only"], [taken], np.full((1, 3, 3), 0.001))[0]
    assert drawn.error_mm == pytest.approx([3**0.5] * 3)
    for view in drawn.views:
        assert [each.keypoint for each in view.ellipses] == [0, 1, 2]
        for each, standard in zip(view.ellipses, standard_m, strict=True):
            radius = 4.605**0.5 * standard * 150.0 / 0.5  # focal length over distance
            assert (each.along, each.across) == pytest.approx((radius, radius), abs=0.02)
            assert (each.x, each.y) == pytest.approx((31.5, 31.5), abs=0.01)
