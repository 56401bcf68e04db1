"""The page of `experiments.browser_labels`: two models, and how long a person would have taken."""

from collections.abc import Mapping
from typing import Any

from experiments.labelling_person import OPERATORS_S
from experiments.pages import pixels_at_400, table

CLICK_ERROR_PX = 1.5
VIEWS = 3  # that are clicked in, of four: with a fourth, ten frames would take more than five minutes
GOAL, GOAL_S = 1.5, 300.0
WAYS = {"clicked": "clicked in the browser", "perfect": "perfect, from the simulator"}
FIGURES = {
    "median_mm": "median, mm",
    "p95_mm": "95th percentile, mm",
    "rms_px": "RMS, px",
    "rms_reprojected_px": "RMS re-projected, px",
}
WHAT_FOR = {"key": "a key", "point": "for pointing", "press": "for a press of the mouse", "think": "for thinking"}


def page(preset: str, found: Mapping[str, Any], picture: str) -> str:
    """The text of ``docs/experiments/browser_labels.md``.

    Args:
        preset: of the experiment.
        found: what ``results`` beside the page hold.
        picture: its name in ``docs/images``.
    """
    setting, labelling, metrics = found["setting"], found["labelling"], found["metrics"]
    count, acts = len(labelling["frames"]), labelling["acts"]
    rows = [[WAYS[way], *(f"{metrics[way][name]:.2f}" for name in FIGURES)] for way in WAYS]
    ratios = {name: metrics["clicked"][name] / metrics["perfect"][name] for name in FIGURES}
    rows.append(["ratio", *(f"{ratio:.2f}" for ratio in ratios.values())])
    worst = max(ratios["median_mm"], ratios["rms_px"])
    each = ", ".join(f"{seconds:g} s {WHAT_FOR[name]}" for name, seconds in OPERATORS_S.items())
    seconds = labelling["labelling_s"]
    label_off = found["label_off_mm"]
    medians = {way: metrics[way]["per_keypoint_median_mm"] for way in WAYS}
    parts = [
        "# Ten frames, labelled in the browser",
        f"Made by `python -m experiments.browser_labels --preset {preset} --seed {found['seed']}`; numbers are not "
        f"edited. Machine: {found['machine']}.",
        "A scripted person in a headless Chromium does what a new user would: opens `s3k web` on a recording of the "
        f"cable cell ({found['stream_frames']:,} frames of four views of {setting['image_px']} px), names three "
        f"keypoints, and labels the first {_frames(count)} of the queue in {VIEWS} views each, with a click error of "
        f"{CLICK_ERROR_PX} px (standard deviation along each axis, in pixels of the {setting['image_px']} px image). "
        "`s3k train keypoints` then trains on these labels and all frames of the stream; and once more, with the same "
        "seed, on the simulator's own points of the same frames.",
        f"![the Label page, a frame labelled](../images/{picture})",
        f"{metrics['clicked']['frames']} other frames of the stream, judged by the simulator's truth, after "
        f"{setting['steps']:,} steps:",
        table(["labels", *FIGURES.values()], rows),
        f"The goal, an error within {GOAL} times that of perfect labels, is "
        f"{'reached' if worst <= GOAL else 'missed'}: {ratios['median_mm']:.2f} for the median, "
        f"{ratios['rms_px']:.2f} for the RMS. The labels themselves are {label_off['median']:.1f} mm off at the "
        f"median, {label_off['largest']:.1f} mm at most; {CLICK_ERROR_PX} px here are "
        f"{pixels_at_400(CLICK_ERROR_PX, setting['image_px']):.1f} px of the paper's 400 px images.",
        "What the labels of a keypoint have in common, no training undoes:",
        table(
            ["keypoint", "mean of its labels is off by, mm", "clicked, median, mm", "perfect, median, mm"],
            [
                [name, f"{off:.2f}", *(f"{medians[way][name]:.2f}" for way in WAYS)]
                for name, off in label_off["of_mean"].items()
            ],
        ),
        *([] if ratios["median_mm"] <= GOAL else [_needed(count, metrics)]),
        "## How long it takes",
        f"{labelling['clicks']} clicks, {acts['key']} keys or turns of the wheel; "
        f"{labelling['clicks'] / count:.0f} clicks a frame. A person would take {seconds / 60:.1f} minutes for the "
        f"{_frames(count)}, and {labelling['defining_s']:.0f} s before that to name the keypoints: "
        f"{'under' if seconds < GOAL_S else 'over'} five minutes. That is no measurement of people but the "
        f"keystroke-level model (Card, Moran, Newell, 1980) of what the script did: {each}, with thinking before every "
        f"click and once a frame; and the {labelling['waited_s']:.0f} s in which the page was waited for, on this "
        "machine, with its other work. Storing counts only where it takes longer than that thinking. Where another "
        "keypoint's mark is near, the script zooms in first. What it meant and what was stored differ by "
        f"{labelling['stored_off_px']:.2f} px at most.",
    ]
    return "\n\n".join(parts) + "\n"


def _needed(count: int, metrics: Mapping[str, Any]) -> str:
    """How many frames would do, if what clicks add falls with the root of their number, and adds up in squares."""
    clicked, perfect = (metrics[way]["median_mm"] for way in WAYS)
    share = (clicked**2 - perfect**2) / ((GOAL**2 - 1) * perfect**2)
    return (
        "The median misses the goal because the detector is better than the clicks. The two models differ in nothing "
        f"but their labels: some of the difference is the mean of {count} labels, the rest their scatter, which so few "
        "do not average out. If what they add falls with the root of their number, it takes about "
        f"{count * share:.0f} frames, or clicks of {CLICK_ERROR_PX / share**0.5:.1f} px, to come within {GOAL} times."
    )


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"
