"""``s3k evaluate keypoints``: accuracy of a run's promoted model, or all there is to say of a model on a data set."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.keypoint_frames import EvaluatedFrame, evaluated_frames
from deploy.keypoint_page import INDEX_FILE, DatasetEvaluation, page
from deploy.keypoints import held_out_frames
from deploy.run_folder import RunFolder
from learners.keypoint.batches import LabelledFrames
from learners.keypoint.calibration import reliability
from learners.keypoint.data import find_frames, labelled_frames
from learners.keypoint.detections import Detections, look
from learners.keypoint.evaluation import evaluate, metrics_of
from learners.keypoint.robustness import by_view_count, occlusion_curve, one_view_corrupted
from s3k_dist.atomic import write_atomic
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import StorageError
from s3k_dist.folders import make_folder
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.labels.store import Label
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

METRICS_FILE = "metrics.json"
# Corrupted and covered images are looked at anew, some ten times each: this many frames tell enough.
ROBUSTNESS_FRAMES = 100


def print_evaluation(root: Path) -> int:
    """Print the metrics of a run's promoted model on its held-out frames, as JSON.

    Raises:
        StorageError: the run has no promoted model, or no labels.
    """
    folder = RunFolder(root.absolute())
    version = folder.require_model()
    reader = StreamReader(folder.stream)
    reader.refresh()
    detector = KeypointDetector.load(WeightsRegistry(folder.models), version)
    metrics = evaluate(detector, held_out_frames(folder, reader))
    print(json.dumps({"model_version": version, **asdict(metrics)}, indent=1))  # noqa: T201
    return 0


def print_dataset_evaluation(weights: str, data: Path, out: Path) -> int:
    """Judge a model by a data set; write ``metrics.json`` and ``index.html`` into ``out``, and print where they are.

    Args:
        weights: folder of a registry, for its promoted version, or ``FOLDER:VERSION``.
        data: folder with a stream and labels.
        out: made where it is missing.

    Raises:
        StorageError: the version or the data set is missing or damaged, the model has diverged, or ``out`` cannot be
            written.
        FrameError: the frames are not what the model takes.
        TooFewViewsError: a label lacks a keypoint of the model.
    """
    registry, version = named_registry(weights)
    detector = KeypointDetector.load(registry, version)
    frames = _judged_by(DatasetFolder(data), detector)
    seen = look(detector, frames.labelled)
    metrics = metrics_of(detector, seen)
    if not math.isfinite(metrics.median_mm):
        raise StorageError(f"version {version} in {registry.root} answers with not-finite keypoints: it has diverged")
    make_folder(out)
    few = _spread(frames.labelled, ROBUSTNESS_FRAMES)
    seen_few = seen if len(few) == len(seen) else look(detector, few)
    found = DatasetEvaluation(
        weights=str(registry.root),
        model_version=version,
        data=str(data),
        labels=frames.split,
        image_px=detector.image_size_px,
        keypoints=detector.keypoint_names,
        metrics=metrics,
        by_view_count=by_view_count(detector, seen),
        reliability=reliability(detector, seen),
        robustness_frames=len(few),
        one_view_corrupted=one_view_corrupted(detector, few, seen_few),
        occlusion=occlusion_curve(detector, few, seen_few),
    )
    shown = _best_median_worst(detector, frames, seen)
    write_atomic(out / METRICS_FILE, json.dumps(_as_json(found, shown), indent=1, allow_nan=False).encode())
    write_atomic(out / INDEX_FILE, page(found, shown).encode())
    print(f"metrics: {out / METRICS_FILE}\npage: {out / INDEX_FILE}")  # noqa: T201
    return 0


@dataclass(frozen=True)
class _JudgedBy:
    """The labelled frames of a data set, and which labels they are."""

    labelled: LabelledFrames
    frame_ids: tuple[str, ...]
    reader: StreamReader
    split: str


def named_registry(weights: str) -> tuple[WeightsRegistry, int]:
    """The registry and version of ``FOLDER`` or ``FOLDER:VERSION``.

    Raises:
        StorageError: there are no weights, or no version is named and none promoted.
    """
    folder, colon, tail = weights.rpartition(":")
    root, wanted = (Path(folder), int(tail)) if colon and tail.isdecimal() else (Path(weights), None)
    registry = WeightsRegistry(root)
    if not registry.versions():
        raise StorageError(f"no weights in {root}; expected the folder of a registry, or FOLDER:VERSION")
    version = registry.current() if wanted is None else wanted
    if version is None:
        available = ", ".join(map(str, registry.versions()))
        raise StorageError(f"no version in {root} is promoted; there are {available}: name one, as in {root}:1")
    return registry, version


def _judged_by(folder: DatasetFolder, detector: KeypointDetector) -> _JudgedBy:
    """Held-out frames; where none is held out, all that are labelled."""
    reader = folder.open_stream()
    file = folder.read_labels()
    if file is None or not file.labels:
        raise StorageError(f"{folder.root} has no labels to judge a model by; docs/data.md says how to add them")
    missing = [name for name in detector.keypoint_names if name not in file.keypoints]
    if missing:
        raise StorageError(
            f"the model finds {', '.join(detector.keypoint_names)}, but {folder.labels} has no {', '.join(missing)}; "
            f"it has {', '.join(file.keypoints)}"
        )
    finished = tuple(label for label in file.labels if label.unfinished(detector.keypoint_names) is None)
    held_out = tuple(label for label in finished if label.split == "held_out")
    labels: tuple[Label, ...] = held_out or finished or file.labels[:1]  # that one says what it lacks
    return _JudgedBy(
        labelled_frames(reader, labels, detector.keypoint_names),
        tuple(label.frame for label in labels),
        reader,
        "held_out" if held_out else "all",
    )


def _spread(labelled: LabelledFrames, at_most: int) -> LabelledFrames:
    """So many frames, evenly over all."""
    if len(labelled) <= at_most:
        return labelled
    chosen = np.linspace(0, len(labelled) - 1, at_most).round().astype(int)
    return LabelledFrames(labelled.images[chosen], labelled.cameras[chosen], labelled.points_m[chosen])


def _best_median_worst(detector: KeypointDetector, frames: _JudgedBy, seen: Detections) -> list[EvaluatedFrame]:
    """Ranked by the mean error of their keypoints; of very few frames, those there are."""
    order = seen.error_mm(detector).mean(1).argsort().tolist()
    ranked = {"Best": order[0], "Worst": order[-1], "Median": order[(len(order) - 1) // 2]}
    chosen = {index: title for title, index in reversed(ranked.items())}  # one frame is drawn once, as best
    rows = sorted(chosen, key=lambda index: order.index(index))
    found = find_frames(frames.reader, [frames.frame_ids[row] for row in rows])
    return evaluated_frames(detector, [chosen[row] for row in rows], found, seen.truth_m[rows].numpy())


def _as_json(found: DatasetEvaluation, shown: list[EvaluatedFrame]) -> dict[str, Any]:
    flat = asdict(found)
    merged = {**flat.pop("metrics"), **flat}
    merged["frames_shown"] = [{"which": each.title, "frame": each.frame_id, "mean_mm": each.mean_mm} for each in shown]
    cleaned: dict[str, Any] = _without_nan(merged)
    return cleaned


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
