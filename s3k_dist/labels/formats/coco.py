"""COCO keypoints: one JSON file, one image a view.

    annotations.json
    images/<cell>/<sequence>/<camera>.png

There is one object on each image. A keypoint that was not clicked has ``0, 0, 0``; what other tools mark as labelled
but hidden (1) counts as clicked, since they say where it is.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from s3k_dist.errors import StorageError
from s3k_dist.labels.formats.sheet import ClickSheet, Pixel, Views, collect
from s3k_dist.stream.reader import StreamReader

FILE, IMAGES = "annotations.json", "images"
SEEN = 2
VISIBILITIES = (0, 1, SEEN)


class _Image(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: int
    file_name: str


class _Annotation(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    image_id: int
    keypoints: tuple[float, ...]


class _Category(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    keypoints: tuple[str, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


def image_path(frame_id: str, camera: str) -> str:
    """Of one view, in the folder."""
    return f"{IMAGES}/{frame_id}/{camera}.png"


def write_coco(folder: Path, sheet: ClickSheet, reader: StreamReader) -> None:
    """Write ``annotations.json``; the images are the caller's."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for frame_id, clicks in sheet.clicks.items():
        for camera in reader.read_by_id(frame_id).frame.cameras:
            number = len(images) + 1
            size = {"width": camera.width_px, "height": camera.height_px}
            images.append({"id": number, "file_name": image_path(frame_id, camera.name), **size})
            if camera.name in clicks:
                annotations.append(_annotation(number, clicks[camera.name], sheet.keypoints))
    category = {"id": 1, "name": "object", "supercategory": "", "keypoints": sheet.keypoints, "skeleton": []}
    content = {"info": {"description": "s3k"}, "images": images, "annotations": annotations, "categories": [category]}
    (folder / FILE).write_text(json.dumps(content, indent=1) + "\n")


def read_coco(path: Path, views: Views) -> ClickSheet:
    """Read a COCO file, or the one in a folder.

    Raises:
        StorageError: it is malformed, or of other frames than the stream's; says where.
    """
    path = path / FILE if path.is_dir() else path
    try:
        file = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"no COCO file at {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StorageError(f"{path} is no COCO keypoint file: {where or 'file'}: {first['msg']}") from error
    try:
        return _sheet(file, views)
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from error


def _sheet(file: _File, views: Views) -> ClickSheet:
    if len(file.categories) != 1:
        raise StorageError(f"expected one category, with the keypoints of the one object; got {len(file.categories)}")
    keypoints = file.categories[0].keypoints
    if len(set(keypoints)) != len(keypoints):
        raise StorageError(f"a keypoint is listed twice: {', '.join(keypoints)}")
    images = {image.id: image for image in file.images}
    if len(images) != len(file.images):
        raise StorageError("two images have the same id")

    def found() -> Iterator[tuple[str, str, dict[str, Pixel]]]:
        for annotation in file.annotations:
            if annotation.image_id not in images:
                raise StorageError(f"an annotation is of image {annotation.image_id}, which is not listed")
            name = images[annotation.image_id].file_name
            parts = PurePosixPath(name).parts
            if len(parts) < 3 or not parts[-2].isdecimal():
                raise StorageError(f"image {name!r}: expected <cell>/<sequence>/<camera>.png at its end")
            frame_id = f"{parts[-3]}/{int(parts[-2]):08d}"
            yield *views.known(frame_id, PurePosixPath(name).stem), _clicks(name, annotation, keypoints)

    return collect(keypoints, found())


def _clicks(image: str, annotation: _Annotation, keypoints: tuple[str, ...]) -> dict[str, Pixel]:
    values = annotation.keypoints
    if len(values) != 3 * len(keypoints):
        raise StorageError(f"image {image!r}: {len(values)} numbers for {len(keypoints)} keypoints, expected 3 each")
    clicks = {}
    for name, u, v, visible in zip(keypoints, values[::3], values[1::3], values[2::3], strict=True):
        if visible not in VISIBILITIES:
            raise StorageError(f"image {image!r}: {name!r} has visibility {visible:g}, expected 0, 1 or 2")
        if visible:
            clicks[name] = (u, v)
    return clicks


def _annotation(image: int, clicks: dict[str, Pixel], keypoints: tuple[str, ...]) -> dict[str, Any]:
    u, v = zip(*clicks.values(), strict=True)
    box = [min(u), min(v), max(u) - min(u), max(v) - min(v)]
    return {
        "id": image,
        "image_id": image,
        "category_id": 1,
        "keypoints": [
            value for name in keypoints for value in ((*clicks[name], SEEN) if name in clicks else (0, 0, 0))
        ],
        "num_keypoints": len(clicks),
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
    }
