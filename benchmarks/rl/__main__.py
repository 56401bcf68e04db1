"""Speed and learning curves of DDPG against Stable-Baselines3, a single-file loop, RLlib's SAC and bare PyTorch.

    OMP_NUM_THREADS=1 python -m benchmarks.rl --write              # everything that is not there yet, then the page
    python -m benchmarks.rl --part curves --curve pendulum-ours-0  # one curve
    python -m benchmarks.rl --list                                 # the curves, done or not
    python -m benchmarks.rl --page                                 # the page from what is there

Stable-Baselines3 is an extra, `pip install -e .[peers]`; without it those contestants are skipped.
"""

import argparse
import os
import sys
from pathlib import Path

PARTS = ("speed", "replay", "curves")


def main(arguments: list[str]) -> None:
    """Measure what is asked for, keep it, and write the page if asked to."""
    options = _parser().parse_args(arguments)
    from benchmarks.results import Results
    from benchmarks.rl.curves import curve_names

    results = Results(options.out / ("quick" if options.quick else "full"))
    if options.list:
        for name in curve_names():
            print(f"{'done' if results.has(f'curves/{name}') else '    '} {name}")
        return
    if not options.page:
        _measure(options, results)
    if options.write or options.page:
        from benchmarks.rl.page import write_page

        write_page(results, options.docs)


def _measure(options: argparse.Namespace, results: "Results") -> None:  # type: ignore[name-defined]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import ray
    import torch

    from benchmarks.rl import buffers, curves, speed

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as our learner does; the peers are better for it, too
    parts = [options.part] if options.part else PARTS
    from deploy.ray_access import secure_ray

    secure_ray()
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        if "speed" in parts:
            results.keep("speed", speed.measure_speed(speed.QUICK if options.quick else speed.FULL))
        if "replay" in parts:
            sizes, rounds = (buffers.QUICK_SIZES, 3) if options.quick else (buffers.FULL_SIZES, 15)
            results.keep("replay", buffers.measure_buffers(sizes, rounds))
        if "curves" in parts:
            for name in options.curve or curves.curve_names():
                if results.has(f"curves/{name}"):
                    print(f"{name}: done before")
                    continue
                curve = curves.run_curve(name, quick=options.quick)
                if curve is not None:
                    results.keep(f"curves/{name}", curve)
    finally:
        ray.shutdown()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rl", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, help="only this (default: all)")
    parser.add_argument("--curve", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the curves")
    parser.add_argument("--quick", action="store_true", help="a few of everything: to see that it works, not to quote")
    parser.add_argument("--write", action="store_true", help="then write the page and its figures")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page from what is there")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/rl"), help="default: %(default)s")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="of the page (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
