"""``s3k labels propagate``: labels of still scenes are taken over by the frames around them."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import StorageError
from s3k_dist.labels.editing import add_labels
from s3k_dist.labels.still_scenes import Followed, StillScenesConfig, follow

PIPE_COLUMNS = 160  # a file or a pipe has no edge to fold at


def propagate_labels(data: Path, config: StillScenesConfig, *, dry_run: bool) -> int:
    """Follow every label, write those that are taken over beside the others, and print what became of each.

    Args:
        data: a data set, or the folder of a run.
        config: how far labels are taken over.
        dry_run: print, and write nothing.

    Raises:
        StorageError: there is no stream or there are no labels, a frame is damaged, or the labels cannot be written.
    """
    folder = DatasetFolder(data)
    reader, file = folder.open_stream(), folder.read_labels()
    if file is None:
        raise StorageError(f"no labels at {folder.labels}; label one frame of each arrangement first")
    followed = follow(reader, file, config)
    new = [label for one in followed for label in one.taken_over]
    _print(followed)
    if dry_run:
        print(f"{len(new)} frames would take a label over; nothing was written")  # noqa: T201
        return 0
    written = add_labels(folder.labels, file.keypoints, new)  # beside what people have labelled meanwhile
    taken = len({label.frame for label in new} & {label.frame for label in written.labels if label.taken_over})
    print(f"{taken} frames took a label over; {folder.labels} has {len(written.labels)} labels now")  # noqa: T201
    return 0


def _print(followed: list[Followed]) -> None:
    table = Table("label of", "taken over", "hidden", "residual px", "age s", "ended before", "ended after", box=None)
    for one in followed:
        origins = [label.taken_over for label in one.taken_over if label.taken_over is not None]
        residual, age = (
            f"{max(getattr(origin, field) for origin in origins):.2f}" if origins else "–"
            for field in ("residual_px", "age_s")
        )
        table.add_row(one.label.frame, str(len(origins)), str(one.hidden), residual, age, *one.ended)
    console = Console()
    Console(width=None if console.is_terminal else PIPE_COLUMNS).print(table)
