"""``s3k demos record``: demonstrations of the expert or a person, into the folder of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from actors.collector import Collector
from actors.human import IDLE_S
from actors.recording import Kind, episode_name
from deploy.cells import collector_spec, configured_cells
from deploy.config import RunConfig, save_config
from deploy.control.desk import ControlDesk
from deploy.control.server import ControlServer
from deploy.fleet.register import FleetRegister
from deploy.run_folder import RunFolder
from deploy.seeds import DEMONSTRATION_SEEDS, SEEDS_PER_RUN
from s3k_dist.errors import ConfigError

EXPERT_EPISODES = 10
GOODBYE_S = 0.6  # for an open page to hear that it is over


def free_seeds(config: RunConfig, folder: RunFolder, cell_id: str, kind: Kind, seed: int | None) -> Iterator[int]:
    """Starts that are not recorded yet.

    Args:
        config: of the run.
        folder: of the run.
        cell_id: the cell that records.
        kind: of the episodes.
        seed: the first; None: those of this run that nothing else uses.
    """
    first = config.seed * SEEDS_PER_RUN + DEMONSTRATION_SEEDS if seed is None else seed
    recorded = {path.stem for path in folder.recordings.glob("*.npz")}
    return (each for each in count(first) if episode_name(cell_id, kind, each) not in recorded)


def record_expert(config: RunConfig, root: Path, cell_id: str, episodes: int, seed: int | None) -> int:
    """Record ``episodes`` episodes of the scripted expert; with a seed, those of its starts that are missing.

    Returns:
        How many were recorded.

    Raises:
        ConfigError: there is no such cell, or the run would not learn from more demonstrations.
        StorageError: the folder cannot be written, or another process records in this cell.
        PreflightError: nothing can be rendered here.
    """
    from rich.console import Console
    from rich.progress import track

    with _collecting(config, root, cell_id) as (collector, folder):
        seeds = free_seeds(config, folder, cell_id, "demonstration", seed)
        chosen = [next(seeds) for _ in range(episodes)]
        if seed is not None:
            chosen = [each for each in chosen if each < seed + episodes]
        for each in track(chosen, "recording", console=Console(stderr=True)):
            collector.record([("demonstration", each)])
        return len(chosen)


@dataclass(frozen=True)
class PageAddress:
    """Where a person drives from.

    Attributes:
        address: of the page.
        port: of the page; 0 takes a free one.
        credentials: folder of the certificate that it is served with; needed beyond this machine.
    """

    address: str = "127.0.0.1"
    port: int = 0
    credentials: Path | None = None

    def serve(self, desk: ControlDesk) -> ControlServer:
        """The page, with its desk behind it."""
        return ControlServer(desk, self.address, self.port, credentials=self.credentials)


def record_person(
    config: RunConfig, root: Path, cell_id: str, episodes: int | None, seed: int | None, at: PageAddress
) -> int:
    """Record what a person drives and keeps, from a page that is served until they finish.

    Returns:
        How many were kept.

    Raises:
        ServiceError: the port is in use.
        AccessError: the page is to be reached from beyond this machine, and there are no credentials.
        ConfigError, StorageError, PreflightError: as for the expert.
    """
    desk = ControlDesk(records=True)
    with at.serve(desk) as page, _collecting(config, root, cell_id) as (collector, folder):
        print(  # noqa: T201
            f"drive {cell_id} from: {page.url}\n"
            f"what you keep is safe at once; it ends with Finish, with Ctrl-C, or after {IDLE_S / 60:.0f} idle minutes",
            flush=True,
        )
        kept = collector.record_human(desk, free_seeds(config, folder, cell_id, "human", seed), episodes)
        time.sleep(GOODBYE_S)
        return kept


@contextmanager
def _collecting(config: RunConfig, root: Path, cell_id: str) -> Iterator[tuple[Collector, RunFolder]]:
    """One cell of a run, in this process."""
    folder = RunFolder(root.absolute())
    cells = {cell.cell: cell for cell in configured_cells(config)}
    cells |= {name: cell for name, (cell, _) in FleetRegister(folder.fleet).cells().items()}
    if cell_id not in cells:
        raise ConfigError(f"unknown cell {cell_id!r}; this run has {', '.join(cells)}")
    if folder.progress().get("cloned"):
        raise ConfigError(f"{root} has cloned its demonstrations, it would not learn from more: record with --out DIR")
    folder.create()
    save_config(folder.root, config)
    collector = Collector(collector_spec(config, folder, cells[cell_id]))
    try:
        yield collector, folder
    finally:
        collector.stop()
