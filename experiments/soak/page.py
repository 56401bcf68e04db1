"""The page of what was tried: ``docs/experiments/faults.md``."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from experiments.pages import table
from experiments.soak.faults import FAULTS, FULL_S

PAGE = Path("docs/experiments/faults.md")
HEADER = ("fault", "tried", "noticed, s", "at work again, s", "others begun anew", "acknowledged and lost")
MEANING = (
    "Noticed: until the run's status knew. At work again: until what failed did its work again, from the fault on; "
    "from `--resume` for the supervisor, from its joining for a node, from when there was room again for a disk, which "
    f"was full for {FULL_S:.0f} s. Median, and the longest in brackets. A file is damaged while those who read it are "
    "stopped, who are then killed. What was damaged on purpose does not count as lost; what it led to does."
)


def page(measured: dict[str, Any]) -> str:
    """Markdown of what ``results.json`` holds."""
    trials: list[dict[str, Any]] = measured["trials"]
    rows = []
    for fault in FAULTS:
        tried = [trial for trial in trials if trial["fault"] == fault]
        if tried:
            lost = [loss for trial in tried for loss in trial["lost"]]
            others = sorted({name for trial in tried for name in trial["others"]})
            rows.append(
                [
                    fault,
                    str(len(tried)),
                    _times(trial["noticed_s"] for trial in tried),
                    _times(trial["recovered_s"] for trial in tried),
                    ", ".join(others) or "none",
                    "; ".join(lost) or "nothing",
                ]
            )
    settings = "".join(f" --set {setting}" for setting in measured["settings"])
    only = "".join(f' --only "{fault}"' for fault in measured["only"])
    command = f"python -m experiments.soak --kills {len(trials)} --seed {measured['seed']}{only}{settings}"
    kept = measured["kept"]
    failed = [f"- {trial['fault']}: {trial['error']}" for trial in trials if trial["error"]]
    parts = [
        "# Faults, tried",
        f"Made by `{command}`; numbers are not edited. Machine: {measured['machine']}.",
        f"One run of the smoke preset on a Ray cluster of two nodes on one machine, {len(trials)} faults one after the "
        "other. After each, all that was acknowledged before was compared, by name and checksum (of frames, some, "
        f"and all at the end): {kept['frames']:,} frames, {kept['files']} files of labels and demonstrations, "
        f"{kept['versions']} versions of the weights.",
        table(HEADER, rows),
        MEANING,
    ]
    if failed:
        parts.append("The run did not come back by itself, and was resumed:\n\n" + "\n".join(failed))
    return "\n\n".join(parts) + "\n"


def _times(seconds: Iterable[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    if not known:
        return "–"
    middle, longest = f"{median(known):.1f}", f"{max(known):.1f}"
    return middle if len(known) == 1 else f"{middle} ({longest})"
