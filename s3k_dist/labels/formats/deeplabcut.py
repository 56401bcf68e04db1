"""A DeepLabCut project's labels: a folder for each view, as if it were a video of its own.

    labeled-data/<cell>_<camera>/CollectedData_s3k.csv
    labeled-data/<cell>_<camera>/img00000017.png

DeepLabCut's ``convertcsv2h5`` makes its HDF5 files of these.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from s3k_dist.errors import StorageError
from s3k_dist.labels.formats.pose_table import LABELED, SCORER, Row, read_table, table_text
from s3k_dist.labels.formats.sheet import ClickSheet, Pixel, Views, collect


def image_path(frame_id: str, camera: str) -> str:
    """Of one view, in the folder."""
    return f"{LABELED}/{Views.folder(frame_id.rpartition('/')[0], camera)}/{Views.image(frame_id)}"


def write_deeplabcut(folder: Path, sheet: ClickSheet, views: Views) -> None:
    """Write the tables; the images are the caller's, and lie beside them."""
    tables: dict[str, list[Row]] = {}
    for frame_id, clicks in sheet.clicks.items():
        for camera in views.cameras(frame_id.rpartition("/")[0]):
            path = PurePosixPath(image_path(frame_id, camera))
            tables.setdefault(path.parent.name, []).append((path, clicks.get(camera, {})))
    for view, rows in tables.items():
        text = table_text(sheet.keypoints, rows, index_columns=3)
        (folder / LABELED / view / f"CollectedData_{SCORER}.csv").write_text(text)


def read_deeplabcut(path: Path, views: Views) -> ClickSheet:
    """Read all tables of a project's folder, or one table.

    Raises:
        StorageError: a table is malformed, of other keypoints than the first, or of other frames than the stream's.
    """
    tables = sorted(path.glob(f"{LABELED}/*/CollectedData_*.csv")) if path.is_dir() else [path]
    if not tables:
        raise StorageError(f"{path} has no {LABELED}/<view>/CollectedData_<scorer>.csv")
    return read_tables(tables, views)


def read_tables(tables: list[Path], views: Views) -> ClickSheet:
    """Several tables as one sheet; raises as `read_deeplabcut`."""
    keypoints, _ = read_table(tables[0])

    def found() -> Iterator[tuple[str, str, dict[str, Pixel]]]:
        for table in tables:
            names, rows = read_table(table)
            if names != keypoints:
                raise StorageError(f"{table} has body parts {', '.join(names)}; {tables[0]} has {', '.join(keypoints)}")
            for image, clicks in rows:
                try:
                    yield *views.frame_of(image.parent.name, image.name), clicks
                except StorageError as error:
                    raise StorageError(f"{table}: {error}") from error

    return collect(keypoints, found())
