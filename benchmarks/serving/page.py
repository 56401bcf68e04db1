"""docs/serving.md, from what was measured."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.results import Results
from benchmarks.serving.engines import rates_of
from benchmarks.serving.loads import LEROBOT, OURS, RAY
from experiments.pages import table
from s3k_dist.atomic import write_atomic

PAGE = Path("docs/serving.md")
ROBOT_CELLS, ROBOT_HZ = 8, 4.0


def write_page(results: Results, command: str) -> None:
    """Write what there is.

    Raises:
        StorageError: the page cannot be written.
    """
    parts = {name: results.read(name) for name in ("engines", "saturation", "rates", "ways")}
    there = {name: values for name, values in parts.items() if values is not None}
    sections = [SECTIONS[name](values) for name, values in there.items()]
    write_atomic(PAGE, "\n\n".join([_heading(there, command), *sections, ""]).encode())
    print(f"written: {PAGE}")


def _heading(parts: dict[str, dict[str, Any]], command: str) -> str:
    first = next(iter(parts.values()), {"machine": "nothing was measured", "image_px": 0, "views": 0, "seconds": 0})
    busy = max((values["busy"] for values in parts.values()), default=0)
    return (
        "# Serving\n\n"
        f"Made by `{command}`; numbers are not edited. Machine: {first['machine']}; load before a part at most {busy}. "
        f"Frames of {first['views']} views of {first['image_px']} px. Every server has one core for its model, and a "
        "process of its own; callers are one more process. Contestants are measured by turns, with the same model "
        "of random weights, and all servers up; figures are medians of the rounds, ratios those of the rounds' own."
    )


def _engines(values: dict[str, Any]) -> str:
    names = list(values["engines"])
    first = names[0]
    rows = []
    for name in names:
        found = values["engines"][name]
        if "missing" in found:
            rows.append([name, f"not measured: {found['missing']}", "", "", ""])
            continue
        shares = []
        for batch in (1, 4, 16):
            rates, reference = rates_of(values["engines"], name, batch), rates_of(values["engines"], first, batch)
            assert rates is not None
            assert reference is not None
            shares.append(f"{rates.median:.0f} ({rates.over(reference):.2f})")
        rows.append([name, *shares, f"{found['apart_px']:.2g}"])
    best = _fastest(values)
    choice = (
        "The service runs PyTorch as it is: nothing is faster by more than a tenth, so there is no reason for "
        "another engine."
        if best == first
        else f"{best} is the fastest here."
    )
    return (
        "## What runs the network\n\n"
        "Frames a second of CPU time, whole detections: images to keypoints with covariances; in brackets the share "
        "of the first row.\n\n"
        + table(["engine", "one frame", "four", "sixteen", "pixels apart, at most"], rows)
        + f"\n\n{choice}"
    )


def _fastest(values: dict[str, Any]) -> str:
    """The first engine, unless another is faster by more than a tenth at one frame and at sixteen."""
    names = list(values["engines"])
    best = names[0]
    for name in names[1:]:
        gains = []
        for batch in (1, 16):
            rates, reference = rates_of(values["engines"], name, batch), rates_of(values["engines"], best, batch)
            if rates is not None and reference is not None:
                gains.append(rates.over(reference))
        if len(gains) == 2 and min(gains) > 1.1:
            best = name
    return best


def _saturation(values: dict[str, Any]) -> str:
    measured: dict[str, list[float]] = values["frames_per_s"]
    bare = [
        max(each) for each in zip(*(rows for name, rows in measured.items() if name.startswith("bare")), strict=True)
    ]
    rows = [[name, f"{statistics.median(each):.1f}", f"{_ratio(each, bare):.2f}"] for name, each in measured.items()]
    text = (
        f"## At saturation\n\n{values['callers']} callers, each of which asks again as soon as it is answered.\n\n"
        + table(["contestant", "frames a second", "of the best bare loop"], rows)
    )
    ours = measured[OURS]
    told = [f"{_ratio(ours, measured[peer]):.2f} times {peer}" for peer in (RAY, LEROBOT) if peer in measured]
    told.insert(0, f"{_ratio(ours, bare):.2f} of the bare loop (asked for: 0.8)")
    return f"{text}\n\nThe service reaches {'; '.join(told)}."


def _rates(values: dict[str, Any]) -> str:
    rows = [
        [
            row["contestant"],
            f"{row['hz']:.0f}",
            str(row["cells"]),
            f"{row['frames_per_s']:.1f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['late']:.0%}",
            str(row["failed"]),
        ]
        for row in values["rows"]
    ]
    heads = ["contestant", "Hz", "cells", "frames a second", "p50, ms", "p99, ms", "late", "failed"]
    text = (
        "## At the rates of robots\n\nCells that ask at their rate, out of step, and wait for their answer before they "
        "go on; late is a round trip of more than a period.\n\n" + table(heads, rows)
    )
    at = [row for row in values["rows"] if row["cells"] == ROBOT_CELLS and row["hz"] == ROBOT_HZ]
    ours = next((row for row in at if row["contestant"] == OURS), None)
    if ours is not None:
        allowed = 1.5 * ours["forward_ms"] + 5
        others = ", ".join(f"{row['contestant']}: {row['p99_ms']:.1f}" for row in at if row["contestant"] != OURS)
        text += (
            f"\n\nWith {ROBOT_CELLS} cells of {ROBOT_HZ:.0f} Hz a frame in a hundred takes {ours['p99_ms']:.1f} ms or "
            f"more, a bare forward pass {ours['forward_ms']:.1f}; one and a half of those and 5 ms, which is what was "
            f"asked for, are {allowed:.1f}" + (f" ({others})." if others else ".")
        )
    return text


def _ways(values: dict[str, Any]) -> str:
    found = values["ways"]
    first = found["raw, calls, TCP"]["frames_per_s"]
    rows = [
        [
            name,
            f"{statistics.median(row['frames_per_s']):.1f}",
            f"{_ratio(row['frames_per_s'], first):.2f}",
            f"{statistics.median(row['p50_ms']):.1f}",
            f"{statistics.median(row['p99_ms']):.1f}",
        ]
        for name, row in found.items()
    ]
    heads = ["way", "frames a second, saturated", "of the first", "p50 of one cell, ms", "p99, ms"]
    return "## Ways to the service\n\n" + table(heads, rows)


SECTIONS = {"engines": _engines, "saturation": _saturation, "rates": _rates, "ways": _ways}


def _ratio(mine: list[float], its: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(mine, its, strict=True))
