"""The feature service against a bare model loop, Ray Serve's gRPC ingress and lerobot's transport, by turns in one run.

    python -m benchmarks.serving --write         # everything, some 25 minutes on two cores, then docs/serving.md
    python -m benchmarks.serving --part engines  # one part
    python -m benchmarks.serving --page          # the page from what is there

Peers are extras: pip install -e '.[peers]'. One that is not installed is left out, and the page says so.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

PARTS = ("engines", "saturation", "rates", "ways")


def main(arguments: list[str]) -> None:
    """Measure what is asked for, keep it, and write the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="only this (default: all)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of what is timed by turns (default: %(default)s)")
    parser.add_argument("--size", type=int, default=128, metavar="PX", help="of the images (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="then write the page")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page from what is there")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/serving"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MUJOCO_GL", "egl")
    from benchmarks.results import Results

    results = Results(options.out)
    if not options.page:
        _measure([options.part] if options.part else PARTS, options, results)
    if options.write or options.page:
        from benchmarks.serving.page import write_page

        write_page(results, shlex.join(["python", "-m", "benchmarks.serving", *arguments]))


def _measure(parts: "list[str] | tuple[str, ...]", options: argparse.Namespace, results: "Results") -> None:  # type: ignore[name-defined]
    from benchmarks.serving import loads
    from benchmarks.serving.engines import time_engines
    from benchmarks.serving.model import frames

    shown = frames(options.size)
    setting = {"image_px": options.size, "views": len(shown[0].views), "seconds": options.seconds}
    if "engines" in parts:
        results.keep("engines", {**setting, "engines": time_engines(shown, options.size, (1, 4, 16), options.rounds)})
    if "saturation" in parts:
        results.keep(
            "saturation", {**setting, **loads.saturation(shown, options.size, options.seconds, options.rounds)}
        )
    if "rates" in parts:
        results.keep("rates", {**setting, "rows": loads.rates(shown, options.size, options.seconds)})
    if "ways" in parts:
        results.keep("ways", {**setting, **loads.ways(shown, options.size, options.seconds, options.rounds)})


if __name__ == "__main__":
    main(sys.argv[1:])
