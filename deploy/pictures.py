"""Frames kept for the report: the film of an insertion, and held-out frames with their heatmaps."""

import io
from pathlib import Path

import numpy as np
import torch

from actors.collector import Film, reprojected_pixels
from deploy.keypoints import held_out_frames
from deploy.run_folder import RunFolder
from learners.keypoint.data import find_frames
from s3k_dist.atomic import write_atomic
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.labels.store import load_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

HELD_OUT_SHOWN = 6


def keep_film(path: Path, film: Film) -> None:
    """Add an episode, T moments of V views, with the served keypoints projected into every view.

    Moments that lack a view, for a camera failed, are left out.
    """
    views = max(len(frame.views) for frame in film.frames)
    whole = [index for index, frame in enumerate(film.frames) if len(frame.views) == views]
    features, frames = [film.features[index] for index in whole], [film.frames[index] for index in whole]
    _add(
        path,
        keypoint_names=np.array(features[0].keypoint_names),
        film_images=np.stack([np.stack([view.image for view in frame.views]) for frame in frames]),
        film_pixels=np.stack(
            [reprojected_pixels(frame, seen.positions_m) for frame, seen in zip(frames, features, strict=True)]
        ),
        film_distance_mm=np.array([1e3 * film.steps[index].distance_m for index in whole]),
        film_depth=np.array([film.true_depth[index] for index in whole]),
        film_claimed=np.array([film.steps[index].claimed for index in whole]),
    )


def keep_held_out(folder: RunFolder) -> None:
    """Add a few held-out frames: heatmaps, detections, re-projections and truth."""
    registry = WeightsRegistry(folder.models)
    version = registry.current()
    if version is None:
        return
    detector = KeypointDetector.load(registry, version)
    reader = StreamReader(folder.stream)
    reader.refresh()
    labels = load_labels(folder.labels).finished("held_out")[:HELD_OUT_SHOWN]
    frames = find_frames(reader, [label.frame for label in labels])
    truth = held_out_frames(folder, reader).points_m[: len(labels)].numpy()
    images = np.stack([np.stack([view.image for view in frame.views]) for frame in frames])
    size = detector.config.heatmap_size
    features = detector.detect(frames)
    both = list(zip(frames, features, strict=True))
    _add(
        folder.pictures,
        keypoint_names=np.array(detector.keypoint_names),
        view_images=images,
        view_heatmaps=detector.heatmaps(torch.from_numpy(images))
        .exp()
        .unflatten(-1, (size, size))
        .numpy()
        .astype("f2"),
        view_detected=np.stack([seen.pixels for seen in features]),
        view_reprojected=np.stack([reprojected_pixels(frame, seen.positions_m) for frame, seen in both]),
        view_truth=np.stack([reprojected_pixels(frame, point) for frame, point in zip(frames, truth, strict=True)]),
        view_error_mm=np.stack(
            [
                1e3 * np.linalg.norm(seen.positions_m - point, axis=-1)
                for seen, point in zip(features, truth, strict=True)
            ]
        ),
    )


def _add(path: Path, **arrays: np.ndarray) -> None:
    kept: dict[str, np.ndarray] = {}
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            kept = dict(file)
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **(kept | arrays))
    write_atomic(path, data.getvalue())
