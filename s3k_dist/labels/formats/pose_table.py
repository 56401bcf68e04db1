"""The CSV of DeepLabCut and lightning-pose: three header rows, then a row for each image.

scorer,,,s3k,s3k,...                                    (1 or 3 columns before the numbers: the path of an image,
bodyparts,,,plug_tip,plug_tip,...                        whole or in its parts)
coords,,,x,y,...
labeled-data,cell0_cam0,img00000017.png,71.25,80.5,...  (an empty cell: not labelled)
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from s3k_dist.errors import StorageError
from s3k_dist.labels.formats.sheet import Pixel

SCORER = "s3k"
HEADER = ("scorer", "bodyparts", "coords")
INDEX_COLUMNS = (1, 3)
LABELED = "labeled-data"
Row = tuple[PurePosixPath, dict[str, Pixel]]


def table_text(keypoints: Sequence[str], rows: Sequence[Row], index_columns: int) -> str:
    """The CSV; numbers are written so that reading them gives the same bits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    blank = [""] * (index_columns - 1)
    writer.writerow([HEADER[0], *blank, *[SCORER] * (2 * len(keypoints))])
    writer.writerow([HEADER[1], *blank, *(name for name in keypoints for _ in "xy")])
    writer.writerow([HEADER[2], *blank, *("x", "y") * len(keypoints)])
    for path, clicks in rows:
        index = list(path.parts) if index_columns > 1 else [str(path)]
        pixels = (map(repr, clicks[name]) if name in clicks else ("", "") for name in keypoints)
        numbers = [cell for pixel in pixels for cell in pixel]
        writer.writerow([*index, *numbers])
    return text.getvalue()


def read_table(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Keypoints, and the clicks on each image.

    Raises:
        StorageError: the file is missing or malformed; says in which line.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except OSError as error:
        raise StorageError(f"no labels at {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is no CSV file: {error}") from error
    try:
        keypoints, index_columns = _header(lines[: len(HEADER)])
        numbered = list(enumerate(lines, start=1))[len(HEADER) :]
        return keypoints, [_row(line, cells, keypoints, index_columns) for line, cells in numbered if any(cells)]
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from error


def _header(lines: list[list[str]]) -> tuple[tuple[str, ...], int]:
    first = [line[0] if line else "" for line in lines]
    if "individuals" in first:
        raise StorageError("it is of several animals; expected one object")
    if tuple(first) != HEADER:
        raise StorageError(f"its first lines begin with {', '.join(first) or 'nothing'}; expected {', '.join(HEADER)}")
    columns = 1 + next((i for i, cell in enumerate(lines[2][1:]) if cell), len(lines[2]) - 1)
    names, coordinates = lines[1][columns:], lines[2][columns:]
    if columns not in INDEX_COLUMNS:
        raise StorageError(f"{columns} columns before the numbers, expected 1 or 3")
    if len(names) % 2 or coordinates != ["x", "y"] * (len(names) // 2) or names[::2] != names[1::2] or not names:
        raise StorageError("expected the columns x and y of each body part, and no others")
    keypoints = tuple(names[::2])
    if len(set(keypoints)) != len(keypoints):
        raise StorageError(f"a body part is listed twice: {', '.join(keypoints)}")
    return keypoints, columns


def _row(line: int, cells: list[str], keypoints: tuple[str, ...], columns: int) -> Row:
    if len(cells) != columns + 2 * len(keypoints):
        raise StorageError(f"line {line}: {len(cells)} cells, expected {columns + 2 * len(keypoints)}")
    clicks = {}
    for name, u, v in zip(keypoints, cells[columns::2], cells[columns + 1 :: 2], strict=True):
        pixel = _number(line, name, u), _number(line, name, v)
        if math.isnan(pixel[0]) != math.isnan(pixel[1]):
            raise StorageError(f"line {line}: {name!r} has one coordinate of two")
        if not math.isnan(pixel[0]):
            clicks[name] = pixel
    return PurePosixPath(*cells[:columns]), clicks


def _number(line: int, name: str, text: str) -> float:
    try:
        return float(text) if text.strip() else math.nan
    except ValueError:
        raise StorageError(f"line {line}: {name!r} is at {text!r}, expected a number") from None
