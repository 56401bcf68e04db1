"""Speed of the keypoint model: training steps against the bare network, inference, and what the machine can do.

    python -m benchmarks.keypoints --write

``torch.compile`` takes longest, and bf16 on a processor without it: ``--no-compile`` and ``--precisions fp32``.
"""

import argparse
import shlex
import sys

import torch

from benchmarks.keypoints.floors import achieved
from benchmarks.keypoints.inference import InferenceTimes, time_inference
from benchmarks.keypoints.page import PAGE, inference_section, peaks_section, step_section
from benchmarks.keypoints.step import StepTimes, time_step
from experiments.machine import machine
from learners.keypoint.trainer import Precision
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main(arguments: list[str]) -> None:
    """Measure, print, and write the page if asked to."""
    options = _parser().parse_args(arguments)
    torch.set_flush_denormal(True)  # as the learner does
    sections = [_heading(arguments)]
    for device in [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]:
        peaks = {name: achieved(device, PRECISIONS[name], options.rounds) for name in options.precisions}
        sections.append(_shown(peaks_section(device, peaks)))
        if options.only in (None, "step"):
            sections.append(_shown(step_section(_steps(device, options), peaks)))
        if options.only in (None, "inference"):
            sections.append(_shown(inference_section(_inference(device, options), peaks)))
    if options.write:
        make_folder(PAGE.parent)
        write_atomic(PAGE, ("\n\n".join(sections) + "\n").encode())
        print(f"\nwritten: {PAGE}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keypoints", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("step", "inference"), help="one part (default: both)")
    parser.add_argument("--rounds", type=int, default=20, help="of everything, by turns (default: %(default)s)")
    parser.add_argument("--step-px", type=int, default=128, help="image size of a training step (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 200, 400], metavar="PX", help="of inference")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16], metavar="N", help="of inference")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="default: all")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    return parser


def _steps(device: torch.device, options: argparse.Namespace) -> list[StepTimes]:
    return [
        time_step(device, precision, compiled=compiled, size_px=options.step_px, rounds=options.rounds)
        for precision in options.precisions
        for compiled in ((False,) if options.no_compile else (False, True))
    ]


def _inference(device: torch.device, options: argparse.Namespace) -> list[InferenceTimes]:
    return [
        time_inference(device, options.precisions, size, frames, compiled=not options.no_compile, rounds=options.rounds)
        for size in options.sizes
        for frames in options.batches
    ]


def _heading(arguments: list[str]) -> str:
    command = shlex.join(["python", "-m", "benchmarks.keypoints", *arguments])
    return (
        "# Speed of the keypoint model\n\n"
        f"Made by `{command}`; numbers are not edited. Machine: {machine()}; {torch.get_num_threads()} thread(s). "
        "Milliseconds are least / median over the rounds. What is compared was timed by turns in one process, and each "
        "ratio is the median of the rounds' own."
    )


def _shown(section: str) -> str:
    print(f"\n{section}", flush=True)
    return section


if __name__ == "__main__":
    main(sys.argv[1:])
