"""What was measured, as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.keypoints.floors import Peak
from benchmarks.keypoints.inference import DETECTOR, VIEWS, InferenceTimes
from benchmarks.keypoints.step import CONFIG, StepTimes
from benchmarks.keypoints.timing import ratio

PAGE = Path("docs/benchmarks/keypoints.md")


def peaks_section(device: torch.device, peaks: Mapping[str, Peak]) -> str:
    """What the machine achieves."""
    rows = [[name, f"{peak.flops / 1e9:,.0f}", f"{peak.bytes / 1e9:,.1f}"] for name, peak in peaks.items()]
    text = (
        "The better of a matrix product and a 3 x 3 convolution of 64 channels, and a copy that no cache holds. The "
        "floors below are the network's operations and bytes over these."
    )
    return f"## {device.type.upper()}\n\n{text}\n\n{_table(['', 'GFLOP/s', 'GB/s'], rows)}"


def step_section(steps: Sequence[StepTimes], peaks: Mapping[str, Peak]) -> str:
    """A training step against the bare network."""
    labelled, unlabelled = CONFIG.labelled_batch, CONFIG.unlabelled_batch
    views = steps[0].images // (labelled + unlabelled)
    text = (
        f"A step of the `s3k` recipe: {labelled} labelled and {unlabelled} unlabelled frames of {views} views. "
        "*Network* is the bare forward and backward pass on the same tensors, *teacher* its forward pass on the "
        "unlabelled frames; *step / bare* is the whole step over both. The floors bound both: *compute* any "
        "implementation, *memory* one that runs operator by operator."
    )
    header = ["", "step, ms", "network, ms", "teacher, ms", "step / network", "step / bare", "images/s"]
    header += ["compute floor, images/s", "memory floor, images/s", "of the nearer floor"]
    rows, parts = [], []
    for step in steps:
        peak = peaks["bf16" if "bf16" in step.kind else "fp32"]
        compute, memory = step.counted.compute_ms(peak), step.counted.memory_ms(peak)
        rows.append(
            [
                step.kind,
                str(step.step),
                str(step.network),
                str(step.teacher),
                f"{ratio(step.step, step.network):.2f}",
                f"**{ratio(step.step, step.network, step.teacher):.2f}**",
                *(f"{1e3 * step.images / ms:,.0f}" for ms in (step.step.median, compute, memory)),
                f"{max(compute, memory) / step.step.median:.0%}",
            ]
        )
        shares = [f"{part} ({ratio(part, step.network, step.teacher):.1%})" for part in step.parts.values()]
        parts.append([step.kind, *shares])
    names = {"sample": "draw and normalise", "augment": "warp, recolour, occlude", "triangulate": "decode, Eq. 2, gate"}
    header_of_parts = ["", *(f"{names[name]}, ms" for name in steps[0].parts)]
    shares_text = "The data path by itself, and its share of the bare step; optimiser and losses are the rest."
    return f"### Training\n\n{text}\n\n{_table(header, rows)}\n\n{shares_text}\n\n{_table(header_of_parts, parts)}"


def inference_section(measured: Sequence[InferenceTimes], peaks: Mapping[str, Peak]) -> str:
    """The network and the detector, by image size and batch."""
    kinds = list(measured[0].kinds)
    precision, peak = next(iter(peaks.items()))
    text = (
        f"Frames of {VIEWS} views, ms. The network alone, from floats to heatmaps; the floors are those of {precision}."
    )
    if DETECTOR in kinds:
        text += " *Detector* is fp32 from bytes to keypoints with covariances."
    rows = [
        [
            f"{one.size_px} px",
            str(one.frames),
            *(str(one.kinds[kind]) for kind in kinds),
            f"{one.counted.compute_ms(peak):.1f}",
            f"{one.counted.memory_ms(peak):.1f}",
            f"{one.frames * 1e3 / min(timing.median for kind, timing in one.kinds.items() if kind != DETECTOR):,.0f}",
        ]
        for one in measured
    ]
    header = ["images", "frames", *kinds, "compute floor", "memory floor", "frames/s, best"]
    return f"### Inference\n\n{text}\n\n{_table(header, rows)}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
