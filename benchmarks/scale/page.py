"""What was measured, and what follows for a lab with 10, 100 or 1000 cells, as Markdown."""

from pathlib import Path
from typing import Any

from benchmarks.results import Results
from experiments.pages import table
from s3k_dist.atomic import write_atomic

PAGE = Path("docs/scaling.md")
CONTROL_HZ, DAY_S = 4.0, 86_400
PLANNED = (10, 100, 1000)
HEADROOM = 0.7  # of what was measured: p99 rises steeply beyond


def write_page(results: Results) -> None:
    """Write ``docs/scaling.md`` of what there is."""
    found = {name: results.read(name) for name in ("frames", "service", "learner", "whole")}
    known = {name: values for name, values in found.items() if values is not None}
    if not known:
        return
    first = next(iter(known.values()))
    parts = [
        "# Scaling",
        f"Made by `python -m benchmarks.scale --write`; numbers are not edited. Machine: {first['machine']}. Each part "
        f"has one core. Cells work at {CONTROL_HZ:.0f} Hz; replayed ones send recorded frames over the real protocol "
        "and wait for the answer, as robots do.",
    ]
    if "service" in known:
        parts += _service(known["service"])
    if "learner" in known:
        parts += _learner(known["learner"])
    if "whole" in known:
        parts += _whole(known["whole"])
    if "frames" in known:
        parts += _frames(known["frames"])
    if {"service", "learner", "frames"} <= set(known):
        parts += _plan(known["service"], known["learner"], known["frames"])
    write_atomic(PAGE, ("\n\n".join(parts) + "\n").encode())
    print(f"wrote {PAGE}")


def service_capacity(service: dict[str, Any]) -> float:
    """Frames a second of one service on one core, at most."""
    return max(float(row["frames_per_s"]) for row in service["rows"])


def _service(service: dict[str, Any]) -> list[str]:
    rows = [
        [
            f"{row['cells']}",
            f"{row['frames_per_s']:.0f} of {CONTROL_HZ * row['cells']:.0f}",
            f"{row['p50_ms']:.0f}",
            f"{row['p99_ms']:.0f}",
            f"{row['late']:.0%}",
            str(row["failed"]),
            f"{row['cores']:.2f}",
            f"{row['rss_mb']:.0f}",
        ]
        for row in service["rows"]
    ]
    header = ["cells", "frames/s, of wanted", "p50, ms", "p99, ms", "steps late", "failed", "its cores", "memory, MB"]
    return [
        "## One feature service",
        f"Frames of {service['views']} views of {service['image_px']} px, uncompressed. Late: longer than a control "
        "period. A service that cannot keep up slows its cells down; nothing is lost.",
        table(header, rows),
    ]


def _learner(learner: dict[str, Any]) -> list[str]:
    rows = [
        [
            f"{row['cells']}",
            f"{row['steps_per_s']:.0f} of {CONTROL_HZ * row['cells']:.0f}",
            f"{row['updates_per_s']:.0f}",
            str(row["dropped"]),
            f"{row['cores']:.2f}",
            f"{row['rss_mb']:.0f}",
        ]
        for row in learner["rows"]
    ]
    return [
        "## One policy learner",
        "Steps are stored as they come, with or without updates for each: the replay ratio falls where updates cannot "
        "keep up.",
        table(["cells", "steps/s, of wanted", "updates/s", "chunks dropped", "cores", "memory, MB"], rows),
    ]


def _whole(whole: dict[str, Any]) -> list[str]:
    rows = [
        [
            f"{row['cells']}",
            f"{row['steps_per_s']:.1f}",
            f"{row['steps_per_s'] / row['cells']:.1f}",
            f"{row['p99_ms']:.0f}",
            f"{row['rss_mb'] / 1024:.1f}",
        ]
        for row in whole["rows"]
    ]
    return [
        "## Whole runs on this machine",
        "The smoke preset: simulated cells that step, render and act as fast as they can, beside the service and both "
        "learners.",
        table(["cells", "steps/s", "steps/s of each", "service p99, ms", "memory of all, GB"], rows),
    ]


def _frames(frames: dict[str, Any]) -> list[str]:
    names = [name for name in ("RAW", "PNG", "JPEG") if name in frames]
    rows = [[name, f"{frames[name]['bytes'] / 1e3:.0f}", f"{frames[name]['ms']:.1f}"] for name in names]
    return ["## A frame", table(["encoding", "kB", "ms to pack, one core"], rows)]


def _plan(service: dict[str, Any], learner: dict[str, Any], frames: dict[str, Any]) -> list[str]:
    frames_per_s = HEADROOM * service_capacity(service)
    steps_per_s = max(float(row["steps_per_s"]) for row in learner["rows"])
    updates_per_s = max(float(row["updates_per_s"]) for row in learner["rows"])
    rows = []
    raw, png, jpeg = (float(frames[name]["bytes"]) for name in ("RAW", "PNG", "JPEG"))
    for cells in PLANNED:
        wanted = CONTROL_HZ * cells
        rows.append(
            [
                f"{cells:,}",
                f"{wanted / frames_per_s:.1f}",
                f"{wanted * raw * 8 / 1e9:.2f}; {wanted * jpeg * 8 / 1e9:.2f}",
                f"{wanted * png * DAY_S / 1e12:.2f}; {wanted * jpeg * DAY_S / 1e12:.2f}",
                f"{wanted:,.0f} ({wanted / steps_per_s:.0%} of one learner)",
                f"{min(1.0, updates_per_s / wanted):.2f}",
            ]
        )
    header = ["cells", "service cores", "network, Gbit/s: raw; JPEG", "stream, TB a day: PNG; JPEG", "steps/s"]
    return [
        "## For 10, 100 and 1000 cells",
        f"From the figures above, with the service at {HEADROOM:.0%} of what it was seen to take. Replicas of the "
        "service share nothing, so cores add up (`service.replicas`); a GPU counts for as many cores as it is faster. "
        "Storage is what retention is for (`stream.*`): budgets bound it. A replay ratio below 1 on one core is raised "
        "by a faster one, or by smaller networks.",
        table([*header, "replay ratio on one core"], rows),
    ]
