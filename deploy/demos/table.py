"""``s3k demos list`` and ``s3k demos check``: what they print."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.demos.episodes import FoundEpisode, find_episodes

PIPE_COLUMNS = 240  # a file or a pipe has no edge to fold at
SUCCESS = {True: Text("yes", "green"), False: Text("no", "bold red"), None: Text("–", "dim")}


def print_list(path: Path) -> int:
    """Print the episodes as a table; returns the exit status.

    Raises:
        StorageError: there are none.
    """
    found = find_episodes(path)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("episode", overflow="fold")
    for name in ("cell", "kind"):
        table.add_column(name)
    for name in ("steps", "return"):
        table.add_column(name, justify="right")
    table.add_column("success")
    for episode in found:
        table.add_row(
            Text(episode.episode_id),
            episode.cell_id or "–",
            episode.kind or Text("damaged", "bold red"),
            "–" if episode.steps is None else str(episode.steps),
            "–" if episode.episode_return is None else f"{episode.episode_return:.3f}",
            SUCCESS[episode.success],
        )
    console = _console()
    console.print(table)
    console.print(_summary(found))
    return 0


def print_check(path: Path) -> int:
    """Print what is wrong with each unusable episode; returns 1 if there is one, else 0.

    Raises:
        StorageError: there are no episodes.
    """
    found = find_episodes(path)
    unusable = [episode for episode in found if episode.problems]
    console = _console()
    for episode in unusable:
        for problem in episode.problems:
            # What could not be read is named by its message.
            named = f"{episode.episode_id}: {problem}" if episode.kind else problem
            console.print(Text(named, "red" if console.is_terminal else ""), soft_wrap=True)
    console.print(_summary(found), soft_wrap=True)
    return 1 if unusable else 0


def _summary(found: list[FoundEpisode]) -> str:
    unusable = sum(bool(episode.problems) for episode in found)
    steps = sum(episode.steps or 0 for episode in found)
    rest = f"{unusable} unusable" if unusable else "all usable"
    return f"{len(found)} episodes, {steps} steps, {rest}"


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_COLUMNS)
