"""The sizes of a shoe, and the heights and lines that follow from them."""

from dataclasses import dataclass

import numpy as np

AROUND = 52  # columns; column 0 is the heel's back, the middle one the toe's tip
TOE = AROUND // 2


@dataclass(frozen=True)
class ShoeShape:
    """Sizes of a shoe, metres unless they are shares.

    Attributes:
        length: of the sole, heel to toe.
        ball: half-width at the ball of the foot; waist: at the arch; heel: at the heel; toe: towards the tip.
        roundness: exponent of the outline's ends: 0.5 is square, 0.65 round, 0.9 pointed.
        bend: how far the toe lies to the left of the heel.
        sole: thickness under the ball; lift: how much higher the heel stands; spring: of the toe above the ground.
        flare: how far the sole stands out beyond the upper.
        block: a heel block under a thin sole, as long as this share of the shoe; 0 is a full sole.
        stem: half-width of the heel block on the ground as a share of that above.
        toe_box: height of the toe above the foot bed.
        throat: where the opening ends towards the toe, as a share of the length.
        instep: height of the opening's front above the foot bed; counter: of its back; dip: of its sides below both.
        opening: half-width.
        shaft: of a boot above the ankle; 0 is a low shoe.
        padding: of the collar.
        rows: of laces; 0 is a shoe without laces and tongue.
        facing: where the laces begin towards the toe, as a share of the length.
        tongue: how far it stands above the opening.
    """

    length: float = 0.28
    ball: float = 0.050
    waist: float = 0.040
    heel: float = 0.035
    toe: float = 0.054
    roundness: float = 0.65
    bend: float = 0.006
    sole: float = 0.022
    lift: float = 0.006
    spring: float = 0.012
    flare: float = 0.003
    block: float = 0.0
    stem: float = 1.0
    toe_box: float = 0.046
    throat: float = 0.50
    instep: float = 0.075
    counter: float = 0.058
    dip: float = 0.014
    opening: float = 0.031
    shaft: float = 0.0
    padding: float = 0.005
    rows: int = 5
    facing: float = 0.72
    tongue: float = 0.026


def bed(shape: ShoeShape, share: np.ndarray | float) -> np.ndarray:
    """Height of the foot bed, by share of the length."""
    return shape.sole + shape.lift * (1 - smoothstep(0.18, 0.62, share)) + _spring(shape, share)


def ground(shape: ShoeShape, share: np.ndarray) -> np.ndarray:
    """Height of the sole's underside."""
    if shape.block:
        return bed(shape, share) - shape.sole
    return _spring(shape, share) + 0.006 * np.maximum(1 - share / 0.07, 0) ** 2


def sideways(shape: ShoeShape, share: np.ndarray | float) -> np.ndarray:
    """How far the middle of the last lies to the left, metres, by share of the length."""
    return shape.bend * smoothstep(0.3, 1.0, share)


def slit(shape: ShoeShape, points_m: np.ndarray) -> np.ndarray:
    """How much points of the upper lie between the eyelets, 0 to 1, shape as the points without the last axis."""
    x, y = points_m[..., 0], points_m[..., 1]
    centre = 0.7 * sideways(shape, x / shape.length)
    across = 1 - smoothstep(0.009, 0.0125, np.abs(y - centre))
    along = 1 - smoothstep(shape.facing - 0.015, shape.facing + 0.005, x / shape.length)
    return across * along * (x > 0.25 * shape.length)


def smoothstep(low: float, high: float, at: np.ndarray | float) -> np.ndarray:
    share = np.clip((np.asarray(at) - low) / (high - low), 0, 1)
    return share**2 * (3 - 2 * share)


def _spring(shape: ShoeShape, share: np.ndarray | float) -> np.ndarray:
    return np.asarray(shape.spring * np.maximum((np.asarray(share) - 0.70) / 0.30, 0) ** 2)
