"""What a preset can afford: image size, network, batches and steps that the experiments share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.training import Training


@dataclass(frozen=True)
class Budget:
    """What is the same for all trainings of a preset.

    Attributes:
        size_px: side of the images.
        unlabelled: frames of the largest data set.
        tested: held-out frames.
        network: fields of ``NetworkConfig``.
        batch: settings of the recipe.
        steps: of a training; None leaves it to the experiment.
        compiled: ``torch.compile`` the network, and let it calculate in bf16.
    """

    size_px: int
    unlabelled: int
    tested: int
    network: Mapping[str, Any]
    batch: Mapping[str, Any]
    steps: int | None
    compiled: bool

    def training(self, steps: int, settings: Mapping[str, Any] | None = None, **fields: Any) -> Training:
        """A training within the budget.

        Args:
            steps: of the optimiser where the budget leaves it open.
            settings: of the recipe, beside the budget's.
            fields: of :class:`Training`.
        """
        network = {**self.network, **fields.pop("network", {})}
        return Training(
            steps=self.steps or steps,
            settings={**self.batch, **(settings or {})},
            network=network,
            compiled=self.compiled,
            precision="bf16" if self.compiled else "fp32",
            **fields,
        )


BUDGETS: Mapping[str, Budget] = {
    # Half the arithmetic of App. A's network at the finest resolution; a narrow sigma (`ablation`).
    "cpu": Budget(
        size_px=128,
        unlabelled=1500,
        tested=150,
        network={"channels": (8, 24, 32, 32, 32), "sigma": 0.7},
        batch={"labelled_batch": 2, "unlabelled_batch": 4, "warm_start_steps": 500},
        steps=None,
        compiled=False,
    ),
    # App. A: 16 to 32 channels. The paper gives sigma in no unit; 2 cells are 4 of its 400 pixels.
    "paper": Budget(
        size_px=400,
        unlabelled=10_000,
        tested=500,
        network={"channels": (16, 32, 32, 32, 32, 32)},
        batch={"labelled_batch": 4, "unlabelled_batch": 4, "warm_start_steps": 10_000},
        steps=150_000,
        compiled=True,
    ),
}
# The paper's recipe has no warm start.
NO_WARM_START: Mapping[str, Any] = {"warm_start_steps": 0}
