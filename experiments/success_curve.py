"""A run's episodes as curves over environment steps: success by truth, by its own claim, and false claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WINDOW_STEPS, EVERY_STEPS = 2000, 250


@dataclass(frozen=True, eq=False)
class SuccessCurve:
    """Rolling shares of the training episodes of one run; P points.

    Attributes:
        steps: environment steps at each point, shape (P,).
        true: share of the episodes that ended inserted, by the simulator's truth, within the window before, shape (P,);
            NaN where none ended.
        claimed: likewise, by what the agent saw.
        false: claims so far that were untrue, shape (P,).
        episodes: ended so far, shape (P,).
    """

    steps: np.ndarray
    true: np.ndarray
    claimed: np.ndarray
    false: np.ndarray
    episodes: np.ndarray


def success_curve(
    lines: Sequence[Mapping[str, Any]], window_steps: int = WINDOW_STEPS, every_steps: int = EVERY_STEPS
) -> SuccessCurve:
    """The curve of a run.

    Args:
        lines: of ``episodes.jsonl``, in order; only those of training count.
        window_steps: environment steps over which success is averaged.
        every_steps: between points.
    """
    train = [line for line in lines if line["stage"] == "train"]
    ends = np.cumsum([int(line["steps"]) for line in train])
    truly = np.array([bool(line["truly_inserted"]) for line in train], bool)
    claimed = np.array([bool(line["claimed"]) for line in train], bool)
    last = int(ends[-1]) if len(ends) else 0
    at = np.arange(every_steps, last + 1, every_steps)
    until = np.searchsorted(ends, at, side="right")
    since = np.searchsorted(ends, at - window_steps, side="right")

    def share(of: np.ndarray) -> np.ndarray:
        total = np.concatenate([[0], np.cumsum(of)])
        with np.errstate(invalid="ignore"):
            return np.asarray((total[until] - total[since]) / (until - since))

    false = np.concatenate([[0], np.cumsum(claimed & ~truly)])
    return SuccessCurve(at, share(truly), share(claimed), false[until], until)


def steps_to(curve: SuccessCurve, success: float) -> int | None:
    """Environment steps at which success by truth first reaches ``success`` over a whole window and stays there."""
    below = np.flatnonzero(~(curve.true >= success))
    first = 0 if not len(below) else int(below[-1]) + 1
    return int(curve.steps[first]) if first < len(curve.steps) else None


def band(curves: Sequence[SuccessCurve]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps, and minimum, median and maximum of success by truth over runs, as far as all of them got.

    Args:
        curves: at least one; of the same spacing.

    Returns:
        Four arrays of shape (P,).
    """
    points = min(len(curve.steps) for curve in curves)
    true = np.stack([curve.true[:points] for curve in curves])
    return curves[0].steps[:points], true.min(0), np.median(true, axis=0), true.max(0)
