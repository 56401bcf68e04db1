"""When the unlabelled loss may enter, with what weight, and when it has to leave again; all without further labels.

A model that trains on its own estimates can agree with itself on a wrong solution that is consistent in 3-D: App. E's
"tracking the centre of the box". Neither the views' agreement nor the heatmaps' sharpness notices, both are perfect
there. What gives it away is the object's shape: the keypoints run together while the labelled loss goes to zero
(`python -m experiments.ablation --cell paper`). An untrained model fails in the same way, so one measure says when to
begin, too.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from learners.keypoint.config import TrainerConfig

MARGIN = 1.5  # labels are few: what moves may be nearer or farther than any label says
MEMORY = 0.98  # of the running share, a step
OBSERVED_STEPS = 30  # before a verdict


class Verdict(Enum):
    """What the next step does with unlabelled frames."""

    WAIT = "wait"
    ENTER = "enter"
    GO_ON = "go on"
    COLLAPSED = "collapsed"


class UnlabelledEntry:
    """Watches the distances between estimated keypoints.

    Attributes:
        alpha: weight of the unlabelled loss; half after every collapse (App. E: less weight stabilises).
        entered: whether the unlabelled loss counts.
        recoveries: collapses so far.
    """

    def __init__(self, config: TrainerConfig, labelled_m: Float[Tensor, "frames keypoints 3"]) -> None:
        self.relabel(labelled_m)
        self._config = config
        self._from_step = config.warm_start_steps
        self._share = 0.0
        self._observed = 0
        self.alpha = config.alpha
        self.entered = False
        self.recoveries = 0

    def relabel(self, labelled_m: Float[Tensor, "frames keypoints 3"]) -> None:
        """Judge by the distances in these labels from now on."""
        distances = _pair_distances(labelled_m)
        self._low, self._high = distances.amin(0) / MARGIN, distances.amax(0) * MARGIN

    @property
    def plausible(self) -> float:
        """Running share of distances that a labelled frame could have, in [0, 1]; 1 for a single keypoint."""
        return self._share / (1 - MEMORY**self._observed) if self._observed else 0.0

    def due(self, steps: int) -> bool:
        """Whether estimates are wanted at this step."""
        return steps >= self._from_step

    def judge(self, steps: int, points_m: Float[Tensor, "batch keypoints 3"]) -> Verdict:
        """Take the estimates of a batch of unlabelled frames into account."""
        distances = _pair_distances(points_m)
        inside = ((distances >= self._low) & (distances <= self._high)).float()
        self._share = MEMORY * self._share + (1 - MEMORY) * (inside.mean().item() if inside.numel() else 1.0)
        self._observed += 1
        config = self._config
        if not self.entered:
            if config.entry_plausible > 0 and (
                self._observed < OBSERVED_STEPS or self.plausible < config.entry_plausible
            ):
                return Verdict.WAIT
            self.entered = True
            return Verdict.ENTER
        if self._observed < OBSERVED_STEPS or self.plausible >= config.collapse_plausible:
            return Verdict.GO_ON
        self.recoveries += 1
        self.leave(steps)
        return Verdict.COLLAPSED

    def leave(self, steps: int) -> None:
        """Let labels alone count for half a warm start; then it may enter again, with half the weight."""
        self.alpha /= 2
        self.entered = False
        self._share, self._observed = 0.0, 0
        self._from_step = steps + self._config.warm_start_steps // 2

    def state_dict(self) -> dict[str, object]:
        """All that changes."""
        return {
            "from_step": self._from_step,
            "share": self._share,
            "observed": self._observed,
            "alpha": self.alpha,
            "entered": self.entered,
            "recoveries": self.recoveries,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._from_step = int(state["from_step"])
        self._share, self._observed = float(state["share"]), int(state["observed"])
        self.alpha, self.entered = float(state["alpha"]), bool(state["entered"])
        self.recoveries = int(state["recoveries"])


def _pair_distances(points_m: Float[Tensor, "batch keypoints 3"]) -> Float[Tensor, "batch pairs"]:
    count = points_m.shape[1]
    first, second = torch.triu_indices(count, count, 1, device=points_m.device)
    return (points_m[:, first] - points_m[:, second]).norm(dim=-1)
