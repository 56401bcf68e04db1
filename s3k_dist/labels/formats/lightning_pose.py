"""lightning-pose with several views: a table for each view, whose rows are the same moments in the same order.

CollectedData_<camera>.csv
labeled-data/<cell>_<camera>/img00000017.png
"""

from pathlib import Path, PurePosixPath

from s3k_dist.errors import StorageError
from s3k_dist.labels.formats.deeplabcut import image_path, read_tables
from s3k_dist.labels.formats.pose_table import table_text
from s3k_dist.labels.formats.sheet import ClickSheet, Views

TABLES = "CollectedData_*.csv"


def write_lightning_pose(folder: Path, sheet: ClickSheet, views: Views) -> None:
    """Write the tables; the images are the caller's.

    Raises:
        StorageError: a labelled cell lacks a camera that another has: there would be moments without a row.
    """
    cameras = views.all_cameras()
    for frame_id in sheet.clicks:
        cell = frame_id.rpartition("/")[0]
        for camera in set(cameras) - set(views.cameras(cell)):
            raise StorageError(f"lightning-pose wants every view of every moment: cell {cell!r} has no {camera}")
    for camera in cameras:
        rows = [
            (PurePosixPath(image_path(frame_id, camera)), clicks.get(camera, {}))
            for frame_id, clicks in sheet.clicks.items()
        ]
        (folder / f"CollectedData_{camera}.csv").write_text(table_text(sheet.keypoints, rows, index_columns=1))


def read_lightning_pose(path: Path, views: Views) -> ClickSheet:
    """Read all tables of a data folder, or one.

    Raises:
        StorageError: a table is malformed, of other keypoints than the first, or of other frames than the stream's.
    """
    tables = sorted(path.glob(TABLES)) if path.is_dir() else [path]
    if not tables:
        raise StorageError(f"{path} has no {TABLES.replace('*', '<view>')}")
    return read_tables(tables, views)
