"""A data set as an exchange folder: every pixel, number and label as it was."""

from dataclasses import dataclass
from pathlib import Path

from s3k_dist.datasets.exchange_format import (
    CAMERAS,
    FRAME,
    FRAMES,
    IMAGE_SUFFIX,
    LABELS,
    CameraEntry,
    FrameEntry,
    cameras_text,
    label_fault,
    name_fault,
    sequence_name,
)
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.datasets.new_folder import new_folder
from s3k_dist.errors import StorageError
from s3k_dist.images import Encoding, encode_image
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.record import StreamRecord


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        frames: their number.
        labels: their number.
    """

    frames: int
    labels: int


def export_dataset(dataset: DatasetFolder, out: Path) -> Exported:
    """Write ``dataset`` as an exchange folder at ``out``, which appears whole or not at all; holds one frame at a time.

    Raises:
        StorageError: ``dataset`` has no frames or is damaged, a label fits no frame, a name cannot name a file, or
            ``out`` is not empty or cannot be written.
    """
    reader, labels = dataset.open_stream(), dataset.read_labels()
    unmatched = {label.frame: label for label in labels.labels} if labels is not None else {}
    with new_folder(out) as folder:
        rig: dict[str, CameraEntry] = {}
        for index in range(len(reader)):
            record = reader.read(index)
            try:
                _check_label(unmatched.pop(record.frame.frame_id, None), record)
                _write_frame(folder, record, rig)
            except StorageError as error:
                raise StorageError(f"frame {record.frame.frame_id} cannot be exported: {error}") from error
        for frame_id in unmatched:
            raise StorageError(
                f"labelled frame {frame_id} is not in the stream at {reader.root} ({len(reader)} frames)"
            )
        (folder / CAMERAS).write_text(cameras_text(rig))
        if labels is not None:
            save_labels(folder / LABELS, labels.keypoints, labels.labels, labels.colours)
    return Exported(len(reader), 0 if labels is None else len(labels.labels))


def _write_frame(root: Path, record: StreamRecord, rig: dict[str, CameraEntry]) -> None:
    """Write one frame; a camera that is new to ``rig`` joins it, one that differs from it is written with the frame."""
    frame = record.frame
    for name in (frame.cell_id, *(camera.name for camera in frame.cameras)):
        fault = name_fault(name)
        if fault is not None:
            raise StorageError(fault)
    folder = root / FRAMES / frame.cell_id / sequence_name(frame.sequence)
    folder.mkdir(parents=True)
    for view in frame.views:
        (folder / f"{view.camera.name}{IMAGE_SUFFIX}").write_bytes(encode_image(view.image, Encoding.PNG))
    entries = {camera.name: CameraEntry.of(camera) for camera in frame.cameras}
    # As text: 0.0 equals -0.0, and a copy has the same bits.
    own = {name: entry for name, entry in entries.items() if repr(rig.setdefault(name, entry)) != repr(entry)}
    if own:
        (folder / CAMERAS).write_text(cameras_text(own))
    (folder / FRAME).write_text(FrameEntry.of(record).model_dump_json(indent=1) + "\n")


def _check_label(label: Label | None, record: StreamRecord) -> None:
    fault = None if label is None else label_fault(label, [camera.name for camera in record.frame.cameras])
    if fault is not None:
        raise StorageError(f"its label: {fault}")
