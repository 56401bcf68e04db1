"""The two recipes, and our own with one ingredient left out at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learners.keypoint.config import AugmentConfig, TrainerConfig

NO_AUGMENTATION = AugmentConfig(
    roll_rad=0, log_zoom=0, shift_px=0, crop=1, plain=0, contrast=0, tint=0, noise=0, occlusion=0, patches=0
)

# Eqs. 1 to 5 as published: one model, its own estimates as targets from the first step on, Eq. 2 over all views with
# the weights of Eq. 5, the whole heatmap's mean, the L2 term in the loss. The paper names neither optimiser, learning
# rate nor batch; those are ours.
PAPER = TrainerConfig(
    warm_start_steps=0,
    entry_plausible=0,
    collapse_plausible=0,
    alpha=0.5,
    l2=1e-5,
    l2_decoupled=False,
    pseudo_labels="student",
    teacher_decay=0,
    decoding="map",
    outlier_px=None,
    gate_residual_px=None,
    augment=NO_AUGMENTATION,
)

# For cameras that look from anywhere: any roll is a view that may come.
S3K = TrainerConfig(
    outlier_px=3.0,
    gate_residual_px=2.0,
    gate_confidence=0.25,
    alpha=1.0,
    augment=AugmentConfig(roll_rad=math.pi, log_zoom=0.25, occlusion=0.4, patches=2, foreign=0.5),
)


@dataclass(frozen=True)
class Recipe:
    """How to train, and what the network has to know of it.

    Attributes:
        trainer: settings of the trainer.
        network: fields of ``NetworkConfig``.
    """

    trainer: TrainerConfig
    network: Mapping[str, Any]


RECIPES: Mapping[str, Recipe] = {
    "paper": Recipe(PAPER, {"sharpness": "width"}),
    "s3k": Recipe(S3K, {"sharpness": "mass"}),
}

# What is left out: the settings that leave it out, those of the network apart.
WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "warps": {"augment": {"roll_rad": 0, "log_zoom": 0}},
    "any roll": {"augment": {"roll_rad": 0.35}},
    "crops": {"augment": {"crop": 1}},
    "unresampled images": {"augment": {"plain": 0}},
    "colour": {"augment": {"contrast": 0, "tint": 0, "noise": 0}},
    "occlusion": {"augment": {"occlusion": 0}},
    "teacher": {"pseudo_labels": "student"},
    "moving average": {"teacher_decay": 0},
    "gate": {"gate_residual_px": None},
    "warm start": {"warm_start_steps": 0, "entry_plausible": 0},
    "warm start and collapse guard": {"warm_start_steps": 0, "entry_plausible": 0, "collapse_plausible": 0},
    "peak decoding": {"decoding": "map"},
    "robust triangulation": {"outlier_px": None},
    "mass as sharpness": {"network": {"sharpness": "width"}},
    "decoupled L2": {"l2_decoupled": False, "l2": 1e-5},
}


def sigma_of(image_size_px: int) -> float:
    """Width of the target, heatmap cells: a hundredth of the image's side, and enough cells to interpolate between.

    The paper gives its sigma in no unit; this is 4 of its 400 pixels. ``python -m experiments.ablation`` sets 0.7
    cells at 128 px against 2.
    """
    return max(0.7, image_size_px / 200)


def without(recipe: Recipe, ingredient: str) -> Recipe:
    """``recipe`` with one ingredient of ``WITHOUT`` left out."""
    settings = dict(WITHOUT[ingredient])
    network = settings.pop("network", {})
    return Recipe(changed(recipe.trainer, settings), {**recipe.network, **network})


def changed(config: TrainerConfig, settings: Mapping[str, Any]) -> TrainerConfig:
    """``config`` with some settings changed, those of ``augment`` one by one; validated anew."""
    fields = config.model_dump()
    for name, value in settings.items():
        fields[name] = {**fields[name], **value} if name == "augment" else value
    return TrainerConfig.model_validate(fields)
