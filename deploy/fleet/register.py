"""Which cells a run has, as files: whoever adds or drains one writes a file, and the run's supervisor looks.

    fleet/
      bench3.yaml     what the cell is
      bench3.wish     run, drain or remove
      bench3.waits    is there while the cell waits for a person to set up its scene

A run may be added to while it runs, from any machine that sees its folder, and keeps its fleet when it is stopped.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from deploy.fleet.cell_file import SUFFIX, CellFile, cell_yaml, read_cell_file
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import ConfigError, StorageError
from s3k_dist.folders import make_folder

Wish = Literal["run", "drain", "remove"]
WISH_SUFFIX, WAITS_SUFFIX = ".wish", ".waits"


class FleetRegister:
    """The cells of one run.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, cells: Sequence[CellFile]) -> None:
        """Register the cells that a run begins with, unless it has a fleet already.

        Raises:
            StorageError: the folder cannot be written.
        """
        make_folder(self._folder)
        if not any(self._folder.glob(f"*{SUFFIX}")):
            for cell in cells:
                self.add(cell)

    def add(self, cell: CellFile) -> None:
        """Add a cell, or let one run again that was drained.

        Raises:
            ConfigError: another cell has this name.
            StorageError: the folder cannot be written.
        """
        path = self._path(cell.cell)
        if path.exists() and read_cell_file(path) != cell:
            raise ConfigError(
                f"there is a cell {cell.cell!r} already, which is another one: remove it first, or give this one a "
                "name of its own"
            )
        make_folder(self._folder)
        write_atomic(path, cell_yaml(cell).encode())
        self.wish(cell.cell, "run")

    def wish(self, cell_id: str, wish: Wish) -> None:
        """Say what a cell should do.

        Raises:
            ConfigError: there is no such cell; names those there are.
            StorageError: it cannot be written.
        """
        if not self._path(cell_id).exists():
            known = ", ".join(sorted(self.cells())) or "none"
            raise ConfigError(f"no cell {cell_id!r}; there are: {known}")
        write_atomic(self._folder / f"{cell_id}{WISH_SUFFIX}", wish.encode())

    def cells(self) -> dict[str, tuple[CellFile, Wish]]:
        """All cells by name, in the order of their names, with what they should do.

        Raises:
            ConfigError: a file is damaged; says which.
        """
        found = {}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                cell = read_cell_file(path)
            except ConfigError:
                if not path.exists():  # it was removed just now
                    continue
                raise
            if path.name != f"{cell.cell}{SUFFIX}":
                raise ConfigError(f"{path} is of cell {cell.cell!r}: a cell's file has its name")
            found[cell.cell] = (cell, self._wish(cell.cell))
        return found

    def waits_path(self, cell_id: str) -> Path:
        """The file that is there while a cell waits for a person."""
        return self._folder / f"{cell_id}{WAITS_SUFFIX}"

    def waiting(self) -> list[str]:
        """Cells that wait for a person."""
        return sorted(path.name.removesuffix(WAITS_SUFFIX) for path in self._folder.glob(f"*{WAITS_SUFFIX}"))

    def ready(self, cell_id: str) -> None:
        """Say to a cell that its scene is set up.

        Raises:
            ConfigError: it does not wait; names those that do.
        """
        try:
            self.waits_path(cell_id).unlink()
        except FileNotFoundError:
            waiting = ", ".join(self.waiting()) or "none"
            raise ConfigError(f"cell {cell_id!r} does not wait for its scene; those that do: {waiting}") from None

    def forget(self, cell_id: str) -> None:
        """Take a cell out; what it recorded stays."""
        for path in (self._path(cell_id), self._folder / f"{cell_id}{WISH_SUFFIX}", self.waits_path(cell_id)):
            path.unlink(missing_ok=True)

    def _wish(self, cell_id: str) -> Wish:
        try:
            text = (self._folder / f"{cell_id}{WISH_SUFFIX}").read_text()
        except FileNotFoundError:
            return "run"
        except OSError as error:
            raise StorageError(f"cannot read what cell {cell_id!r} should do: {error.strerror}") from error
        wishes: tuple[Wish, ...] = get_args(Wish)
        return next((wish for wish in wishes if wish == text.strip()), "run")

    def _path(self, cell_id: str) -> Path:
        return self._folder / f"{cell_id}{SUFFIX}"
