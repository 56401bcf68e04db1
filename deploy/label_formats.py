"""``s3k labels export`` and ``import``: clicks to and from the files of other tools."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.datasets.new_folder import new_folder
from s3k_dist.errors import StorageError
from s3k_dist.images import Encoding, encode_image
from s3k_dist.labels.editing import edit_labels, next_split
from s3k_dist.labels.formats import coco, deeplabcut, lightning_pose
from s3k_dist.labels.formats.sheet import ClickSheet, Views, check_pixels, clicks_of
from s3k_dist.labels.store import Label, LabelFile
from s3k_dist.stream.reader import StreamReader

IMPORTED_BY = "import"


@dataclass(frozen=True)
class Format:
    """How one tool keeps labels.

    Attributes:
        write: tables, into a folder whose images are there.
        read: a folder or a file.
        image_path: of one view of a frame, in the folder.
    """

    write: Callable[[Path, ClickSheet, StreamReader, Views], None]
    read: Callable[[Path, Views], ClickSheet]
    image_path: Callable[[str, str], str]


FORMATS = {
    "coco": Format(
        lambda folder, sheet, reader, views: coco.write_coco(folder, sheet, reader), coco.read_coco, coco.image_path
    ),
    "dlc": Format(
        lambda folder, sheet, reader, views: deeplabcut.write_deeplabcut(folder, sheet, views),
        deeplabcut.read_deeplabcut,
        deeplabcut.image_path,
    ),
    "lightning-pose": Format(
        lambda folder, sheet, reader, views: lightning_pose.write_lightning_pose(folder, sheet, views),
        lightning_pose.read_lightning_pose,
        deeplabcut.image_path,
    ),
}


def export_labels(data: Path, name: str, out: Path) -> int:
    """Write the clicks and the images that they are on; ``out`` appears whole or not at all.

    Raises:
        StorageError: there are no labels, a labelled frame is damaged, or ``out`` is not empty or cannot be written.
    """
    folder, form = DatasetFolder(data), FORMATS[name]
    reader, file = folder.open_stream(), folder.read_labels()
    if file is None or not file.labels:
        raise StorageError(f"no labels at {folder.labels}")
    views, clicks = Views(reader), {}
    with new_folder(out) as aside:
        for label in sorted(file.labels, key=lambda each: each.frame):
            frame = reader.read_by_id(label.frame).frame
            clicked = clicks_of(label, frame)
            if not clicked:
                continue
            clicks[label.frame] = clicked
            for view in frame.views:
                image = aside / form.image_path(label.frame, view.camera.name)
                image.parent.mkdir(parents=True, exist_ok=True)
                image.write_bytes(encode_image(view.image, Encoding.PNG))
        form.write(aside, ClickSheet(file.keypoints, clicks), reader, views)
    print(f"exported: {out}, the clicks on {len(clicks)} frames")  # noqa: T201
    return 0


def import_labels(data: Path, name: str, source: Path, *, replace: bool) -> int:
    """Take clicks into the labels of a data set; all of them or none.

    Args:
        data: a data set, or the folder of a run, whose stream has the frames.
        name: of the format.
        source: a file or a folder.
        replace: the clicks of a frame that is labelled otherwise.

    Raises:
        StorageError: a file is malformed, its frames or keypoints are others than the data set's, or a frame is
            labelled otherwise and ``replace`` is false.
    """
    folder = DatasetFolder(data)
    reader = folder.open_stream()
    sheet = FORMATS[name].read(source, Views(reader))
    check_pixels(sheet, reader)
    if not sheet.clicks:
        raise StorageError(f"{source} has no clicks")
    new: list[str] = []

    def change(file: LabelFile) -> LabelFile:
        new.clear()
        keypoints = file.keypoints or sheet.keypoints
        for keypoint in sheet.keypoints:
            if keypoint not in keypoints:
                raise StorageError(f"{source}: unknown keypoint {keypoint!r}; there are {', '.join(keypoints)}")
        labels = {label.frame: label for label in file.labels}
        for frame, clicks in sheet.clicks.items():
            before = labels.get(frame)
            if before is not None and before.clicks == clicks:
                continue
            if before is not None and not replace:
                raise StorageError(f"frame {frame} is labelled otherwise; --replace takes the clicks of {source}")
            split = before.split if before is not None else next_split(list(labels.values()))
            labels[frame] = Label(
                frame=frame, split=split, clicks=clicks, by=IMPORTED_BY, at=datetime.now(UTC).replace(microsecond=0)
            )
            new.append(frame)
        return file.model_copy(update={"keypoints": keypoints, "labels": tuple(labels.values())})

    file = edit_labels(folder.labels, change)
    print(f"imported: {len(new)} of {len(sheet.clicks)} frames are new; {folder.labels} has {len(file.labels)} labels")  # noqa: T201
    return 0
