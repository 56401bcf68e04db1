"""What one more cell costs, from one to as many as are replayed against one service and one learner.

python -m benchmarks.scale --write            # everything, then docs/scaling.md
python -m benchmarks.scale --part service     # one part
python -m benchmarks.scale --page             # the page from what is there
"""

import argparse
import os
import sys
from pathlib import Path

PARTS = ("frames", "service", "learner", "whole")
SERVICE_CELLS, LEARNER_CELLS, WHOLE_CELLS = (1, 4, 8, 16, 32, 64, 512), (1, 8, 64, 512), (1, 2, 3, 4)


def main(arguments: list[str]) -> None:
    """Measure what is asked for, keep it, and write the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="only this (default: all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each number of cells (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="then write the page")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page from what is there")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/scale"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    from benchmarks.results import Results

    results = Results(options.out)
    if not options.page:
        _measure([options.part] if options.part else PARTS, options.seconds, results)
    if options.write or options.page:
        from benchmarks.scale.page import write_page

        write_page(results)


def _measure(parts: "list[str] | tuple[str, ...]", seconds: float, results: "Results") -> None:  # type: ignore[name-defined]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MUJOCO_GL", "egl")
    from benchmarks.scale import parts as scale

    if "frames" in parts:
        results.keep("frames", scale.measure_frame_bytes(scale.recorded_frames()))
    if "service" in parts:
        results.keep("service", scale.measure_service(scale.recorded_frames(), SERVICE_CELLS, seconds))
    if "learner" in parts:
        import ray

        from deploy.ray_access import secure_ray

        secure_ray()
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            results.keep("learner", scale.measure_learner(LEARNER_CELLS, seconds))
        finally:
            ray.shutdown()
    if "whole" in parts:
        results.keep("whole", scale.measure_whole_cells(WHOLE_CELLS, seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
