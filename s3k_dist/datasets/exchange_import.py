"""An exchange folder as a data set. Malformed files are refused one by one, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from s3k_dist.datasets.exchange_format import LABELS, LAYOUT, Refusal, label_fault, read_object, validated
from s3k_dist.datasets.exchange_frames import ExchangeFrames
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.datasets.new_folder import new_folder
from s3k_dist.errors import StorageError
from s3k_dist.labels.store import Colour, Label, save_labels, unknown_keypoint
from s3k_dist.stream.writer import StreamWriter


class RefusedFilesError(StorageError):
    """Files of an exchange folder that cannot be imported; ``refused`` names each with its reason."""

    def __init__(self, message: str, refused: Sequence[Refusal]) -> None:
        super().__init__(message)
        self.refused = tuple(refused)


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        frames: their number.
        labels: their number.
        refused: what was left out.
    """

    frames: int
    labels: int
    refused: tuple[Refusal, ...]


def import_dataset(folder: Path, out: Path, *, skip_bad: bool = False) -> Imported:
    """Make the data set ``out`` of an exchange folder; it appears whole or not at all.

    Every file is looked at, whatever was wrong with those before it. Holds at most one shard in memory.

    Args:
        folder: the exchange folder (`exchange_format.py`).
        out: the data set's folder; must not exist or be empty.
        skip_bad: import the good frames and labels where others are refused.

    Raises:
        RefusedFilesError: files are refused, and ``skip_bad`` is false or no frame is left.
        StorageError: ``folder`` is no exchange folder or has no frames, or ``out`` is not empty or cannot be written.
    """
    frames = ExchangeFrames(folder)
    sheet, labels = _read_labels(frames, folder / LABELS)
    labelled = {label.frame for label in labels}
    cameras: dict[str, list[str]] = {}  # of the labelled frames
    count = 0
    with new_folder(out) as aside:
        dataset = DatasetFolder(aside)
        dataset.create()
        for cell_id, frame_folders in frames.cells():
            with StreamWriter(dataset.stream, cell_id) as writer:
                for record in filter(None, map(frames.read, frame_folders)):
                    writer.append(record)
                    count += 1
                    if record.frame.frame_id in labelled:
                        cameras[record.frame.frame_id] = [camera.name for camera in record.frame.cameras]
        kept = _good_labels(frames, folder / LABELS, labels, cameras)
        _refuse_import(folder, frames.refused, count, skip_bad)
        if sheet is not None:
            save_labels(dataset.labels, sheet.keypoints, kept, sheet.colours)
    return Imported(count, len(kept), tuple(frames.refused))


class _LabelSheet(BaseModel):
    """``labels.json`` before its labels are looked at one by one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keypoints: tuple[str, ...]
    labels: tuple[Any, ...]
    colours: dict[str, Colour] = {}


def _read_labels(frames: ExchangeFrames, path: Path) -> tuple[_LabelSheet | None, list[Label]]:
    """The sheet, None where there is no usable label file, and the labels that are well-formed."""
    if not path.exists():
        return None, []
    try:
        sheet = validated(_LabelSheet, read_object(path))
        if len(set(sheet.keypoints)) != len(sheet.keypoints):
            raise StorageError(f"a keypoint is listed twice: {', '.join(sheet.keypoints)}")
        for name in sheet.colours.keys() - {*sheet.keypoints}:
            raise StorageError(f"colour of unknown keypoint {name!r}; there are {', '.join(sheet.keypoints)}")
    except StorageError as error:
        frames.refuse(path, str(error))
        return None, []
    labels: dict[str, Label] = {}
    for position, entry in enumerate(sheet.labels):
        try:
            label = validated(Label, entry)
        except StorageError as error:
            frames.refuse(path, f"labels.{position}: {error}")
            continue
        fault = unknown_keypoint(label, sheet.keypoints)
        if label.frame in labels:
            fault = "the frame is labelled already"
        if fault is None:
            labels[label.frame] = label
        else:
            frames.refuse(path, f"label of frame {label.frame}: {fault}")
    return sheet, list(labels.values())


def _good_labels(
    frames: ExchangeFrames, path: Path, labels: Sequence[Label], cameras: dict[str, list[str]]
) -> list[Label]:
    """The labels that fit an imported frame, given the cameras of each."""
    kept = []
    for label in labels:
        if label.frame in cameras:
            fault = label_fault(label, cameras[label.frame])
        else:
            fault = "there is no such frame, or it is refused"
        if fault is None:
            kept.append(label)
        else:
            frames.refuse(path, f"label of frame {label.frame}: {fault}")
    return kept


def _refuse_import(folder: Path, refused: Sequence[Refusal], frames: int, skip_bad: bool) -> None:
    if refused and not skip_bad:
        raise RefusedFilesError(
            f"nothing is imported from {folder}: {_faults(refused)}; --skip-bad imports the rest", refused
        )
    if not frames and refused:
        raise RefusedFilesError(f"no frame of {folder} can be imported: {_faults(refused)}", refused)
    if not frames:
        raise StorageError(f"{folder} has no frames; expected {LAYOUT}")


def _faults(refused: Sequence[Refusal]) -> str:
    return f"{len(refused)} fault{'s' if len(refused) > 1 else ''}, the first in {refused[0]}"
