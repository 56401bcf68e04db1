"""``s3k labels suggest``: the frames of a stream that are worth labelling next, by a model's own doubt."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from deploy.evaluate_keypoints import named_registry
from s3k_dist.atomic import write_atomic
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import FrameError, StorageError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.labels.suggestion import Doubt, appearance, doubtfulness, pick
from s3k_dist.stream.reader import StreamReader

BATCH = 8
LABELLED_COMPARED = 500  # of the labelled frames, at most, evenly over all: the others are like these
SHEET_VIEW_PX = 160
CAPTION_PX = 16
PIPE_COLUMNS = 160  # a file or a pipe has no edge to fold at
MARK_PX = 3


@dataclass(frozen=True, eq=False)
class _Looked:
    """A frame as the model sees it."""

    frame_id: str
    captured_at_ns: int
    features: FrameFeatures
    shown: np.ndarray


@dataclass(frozen=True)
class Suggestion:
    """A frame worth labelling.

    Attributes:
        frame: its ``frame_id``.
        captured_at_ns: host time, nanoseconds since the Unix epoch.
        score: how informative it is among the frames looked at, in (0, 1].
        residual_px: of the keypoint that the views disagree most on.
        confidence: of the keypoint that is least sharp.
        missing: detections that are not there.
    """

    frame: str
    captured_at_ns: int
    score: float
    residual_px: float
    confidence: float
    missing: int


def print_suggestions(
    data: Path, weights: str, count: int, candidates: int, *, as_json: bool = False, pictures: Path | None = None
) -> int:
    """Print the frames, best first; and draw them, if asked for.

    Args:
        data: a data set, or the folder of a run.
        weights: folder of a registry, for its promoted version, or ``FOLDER:VERSION``.
        count: frames to suggest, at most.
        candidates: frames to look at, at most, evenly over all that have no label.
        as_json: print JSON in place of a table.
        pictures: PNG to draw the frames into, every view with what the model sees.

    Raises:
        StorageError: there is no stream or no model, every frame is labelled, or none can be read by the model.
    """
    registry, version = named_registry(weights)
    detector = KeypointDetector.load(registry, version)
    folder = DatasetFolder(data)
    found = suggest(folder, detector, count, candidates)
    if as_json:
        print(json.dumps({"model_version": version, "frames": [asdict(each) for each in found]}, indent=1))  # noqa: T201
    else:
        _print_table(found, version)
    if pictures is not None:
        write_atomic(pictures, _contact_sheet(folder.open_stream(), detector, found))
        if not as_json:
            print(f"pictures: {pictures}")  # noqa: T201
    return 0


def suggest(
    folder: DatasetFolder,
    detector: KeypointDetector,
    count: int,
    candidates: int,
    *,
    wanted: Callable[[], bool] = lambda: True,
) -> list[Suggestion]:
    """The frames worth labelling, best first; raises as `print_suggestions`.

    Looks no further, and suggests nothing, once it is not ``wanted`` any more.
    """
    reader = folder.open_stream()
    file = folder.read_labels()
    labelled = {label.frame for label in file.labels} if file is not None else set()
    frame_ids = reader.frame_ids()
    free = [name for name in frame_ids if name not in labelled]
    known = [name for name in frame_ids if name in labelled]
    if not free:
        raise StorageError(f"every one of the {len(frame_ids)} frames of {folder.stream} has a label already")
    looked = _look(reader, detector, _evenly(free, candidates), wanted)
    if not wanted():
        return []
    if not looked:
        raise StorageError(
            f"no frame of {folder.stream} can be read by model version {detector.version}, "
            f"which takes two or more views of {detector.image_size_px} x {detector.image_size_px} px"
        )
    # Only views as many as the suggested frames have compare with them.
    size = looked[0].shown.size
    looked = [each for each in looked if each.shown.size == size]
    labelled_looked = _look(reader, detector, _evenly(known, LABELLED_COMPARED), wanted)
    compared = [each for each in labelled_looked if each.shown.size == size]
    doubts = [Doubt.of(each.features) for each in looked]
    scores = doubtfulness(doubts)
    places, taken = _places(looked), _places(compared)
    if not compared:
        taken = [np.zeros((0, place.shape[1])) for place in places]
    return [_suggestion(looked[i], float(scores[i]), doubts[i]) for i in pick(scores, places, taken, count)]


def _look(
    reader: StreamReader, detector: KeypointDetector, names: list[str], wanted: Callable[[], bool]
) -> list[_Looked]:
    """Frames that can be read, by the model; what is damaged or of another size is passed over."""
    looked: list[_Looked] = []
    for start in range(0, len(names), BATCH):
        if not wanted():
            break
        frames = []
        for name in names[start : start + BATCH]:
            try:
                frames.append(reader.read_by_id(name).frame)
            except (StorageError, FrameError):
                continue
        for frame, features in _detected(detector, frames):
            looked.append(_Looked(frame.frame_id, frame.captured_at_ns, features, appearance(frame)))
    return looked


def _detected(detector: KeypointDetector, frames: list[MultiViewFrame]) -> list[tuple[MultiViewFrame, FrameFeatures]]:
    try:
        return list(zip(frames, detector.detect(frames), strict=True))
    except FrameError:
        found = []
        for frame in frames:
            try:
                found.append((frame, detector.extract(frame)))
            except FrameError:
                continue
        return found


def _places(looked: list[_Looked]) -> list[np.ndarray]:
    """What each frame shows, where its keypoints are, when it was taken; shape (N, D) each."""
    if not looked:
        return [np.zeros((0, 0))] * 3
    points = np.stack([np.nan_to_num(each.features.positions_m, posinf=0, neginf=0).ravel() for each in looked])
    return [
        np.stack([each.shown for each in looked]),
        # A point that is nowhere must not be farther from all others than they can be from one another.
        np.clip(points, np.quantile(points, 0.02, axis=0), np.quantile(points, 0.98, axis=0)),
        np.array([[each.captured_at_ns / 1e9] for each in looked]),
    ]


def _evenly(names: list[str], at_most: int) -> list[str]:
    if len(names) <= at_most:
        return names
    return [names[i] for i in np.linspace(0, len(names) - 1, at_most).round().astype(int)]


def _suggestion(looked: _Looked, score: float, doubt: Doubt) -> Suggestion:
    return Suggestion(
        frame=looked.frame_id,
        captured_at_ns=looked.captured_at_ns,
        score=round(score, 4),
        residual_px=round(doubt.residual_px, 3),
        confidence=round(doubt.confidence, 4),
        missing=doubt.missing,
    )


def _print_table(found: list[Suggestion], version: int) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("frame", overflow="fold")
    for name in ("score", "disagreement", "confidence", "missing"):
        table.add_column(name, justify="right")
    for each in found:
        table.add_row(
            each.frame, f"{each.score:.2f}", f"{each.residual_px:.2f} px", f"{each.confidence:.2f}", str(each.missing)
        )
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=PIPE_COLUMNS)
    console.print(table)
    console.print(f"{len(found)} frames, by model version {version}")


def _contact_sheet(reader: StreamReader, detector: KeypointDetector, found: list[Suggestion]) -> bytes:
    """A row for each frame: its name, and every view with a ring where the model sees each keypoint."""
    from PIL import Image, ImageDraw

    from deploy.report.palette import keypoint_colour

    frames = [reader.read_by_id(each.frame).frame for each in found]
    columns = max(len(frame.views) for frame in frames)
    rows = SHEET_VIEW_PX + CAPTION_PX
    sheet = Image.new("RGB", (columns * SHEET_VIEW_PX, len(frames) * rows), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (each, frame) in enumerate(zip(found, frames, strict=True)):
        top = row * rows
        caption = f"{each.frame}   {each.residual_px:.1f} px   {each.confidence:.2f}   {each.missing} missing"
        pen.text((4, top + 2), caption, fill="black")
        for column, (view, pixels) in enumerate(zip(frame.views, detector.extract(frame).pixels, strict=True)):
            left, below = column * SHEET_VIEW_PX, top + CAPTION_PX
            height, width = view.image.shape[:2]
            sheet.paste(Image.fromarray(view.image).resize((SHEET_VIEW_PX, SHEET_VIEW_PX)), (left, below))
            for k, (u, v) in enumerate(pixels):
                x, y = left + (u + 0.5) * SHEET_VIEW_PX / width, below + (v + 0.5) * SHEET_VIEW_PX / height
                ring = (x - MARK_PX, y - MARK_PX, x + MARK_PX, y + MARK_PX)
                pen.ellipse(ring, outline=keypoint_colour(k), width=1)
    data = io.BytesIO()
    sheet.save(data, "PNG")
    return data.getvalue()
