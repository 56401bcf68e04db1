"""Data sets in and out of plain files: what `s3k import` and `s3k export` print."""

import sys
from collections.abc import Sequence
from pathlib import Path

from s3k_dist.datasets.exchange_export import export_dataset
from s3k_dist.datasets.exchange_format import Refusal
from s3k_dist.datasets.exchange_import import RefusedFilesError, import_dataset
from s3k_dist.datasets.folder import DatasetFolder


def print_import(folder: Path, out: Path, *, skip_bad: bool) -> int:
    """Import an exchange folder; what is refused goes to stderr, a line each.

    Raises:
        StorageError: nothing was imported.
    """
    try:
        done = import_dataset(folder, out, skip_bad=skip_bad)
    except RefusedFilesError as error:
        _print_refused(error.refused)
        raise
    _print_refused(done.refused)
    rest = ", without what was refused" if done.refused else ""
    print(f"imported: {out}, {done.frames} frames, {done.labels} labels{rest}")  # noqa: T201
    return 0


def print_export(root: Path, out: Path) -> int:
    """Export a data set, or the data of a run.

    Raises:
        StorageError: nothing was exported.
    """
    done = export_dataset(DatasetFolder(root), out)
    print(f"exported: {out}, {done.frames} frames, {done.labels} labels")  # noqa: T201
    return 0


def _print_refused(refused: Sequence[Refusal]) -> None:
    for refusal in refused:
        print(f"refused: {' '.join(str(refusal).split())}", file=sys.stderr)  # noqa: T201
