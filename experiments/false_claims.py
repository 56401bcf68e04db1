"""Pictures of the moments at which an agent claimed a success that was none."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deploy.report.palette import OUTLINE, keypoint_colour
from deploy.run_folder import RunFolder
from deploy.session import episode_lines
from experiments.pages import save
from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

SHOWN = 4


def draw_false_claims(folders: Sequence[Path], name: str) -> str | None:
    """Draw a few false claims, one of each run after another: a row each, four views, with what the model saw.

    Args:
        folders: of runs.
        name: of the picture.

    Returns:
        The Markdown that shows it; None where there was no false claim whose frames are still in the stream.
    """
    from matplotlib.figure import Figure

    found: list[tuple[str, MultiViewFrame, np.ndarray]] = []
    for folder in folders:
        found += _false_claims(folder, SHOWN - len(found))
    if not found:
        return None
    views = len(found[0][1].views)
    figure = Figure(figsize=(2.2 * views, 2.4 * len(found)), layout="constrained", facecolor="white")
    grid = figure.subplots(len(found), views, squeeze=False)
    for row, (text, frame, pixels) in zip(grid, found, strict=True):
        for plot, view, seen in zip(row, frame.views, pixels, strict=True):
            plot.imshow(view.image)
            for keypoint, (x, y) in enumerate(seen):
                for colour, stroke in ((OUTLINE, 3.0), (keypoint_colour(keypoint), 1.6)):
                    plot.plot(x, y, "o", markersize=8, markerfacecolor="none", markeredgecolor=colour, mew=stroke)
            plot.set(
                xticks=[], yticks=[], xlim=(-0.5, view.image.shape[1] - 0.5), ylim=(view.image.shape[0] - 0.5, -0.5)
            )
        row[0].set_title(text, loc="left", size=8)
    return save(figure, name)


def _false_claims(folder: Path, most: int) -> list[tuple[str, MultiViewFrame, np.ndarray]]:
    """Captions, frames at the claim, and the detections of the model that served then, shape (views, keypoints, 2)."""
    run = RunFolder(folder)
    lines = {line["episode"]: line for line in episode_lines(run) if line["claimed"] and not line["truly_inserted"]}
    reader = StreamReader(run.stream)
    reader.refresh()
    registry = WeightsRegistry(run.models)
    shown: list[tuple[str, MultiViewFrame, np.ndarray]] = []
    for index in range(len(reader) if lines else 0):
        if len(shown) >= most:
            break
        record = reader.read(index)
        line = lines.get(record.episode_id)
        if line is None or record.step != line["steps"]:  # a claim is made at the last frame of its episode
            continue
        try:
            detector = KeypointDetector.load(registry, int(line["model_version"]))
        except StorageError:
            continue  # that version is gone; another claim's may be there
        caption = f"{folder.name}, seed {line['seed']}: truly {100 * line['true_depth']:.0f}% in"
        shown.append((caption, record.frame, detector.detect([record.frame])[0].pixels))
    return shown
