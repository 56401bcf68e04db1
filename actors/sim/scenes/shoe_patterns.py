"""Materials and painted parts of a shoe, as functions of the place on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from actors.sim.scenes.shoe_shape import smoothstep


@dataclass(frozen=True, eq=False)
class Place:
    """Where the pixels of a patch are on the shoe; arrays of the patch's shape.

    Attributes:
        x: share of the length, from the heel.
        y: metres to the left.
        z: metres above the foot bed.
        around: 0 at the heel's back, along the left side to the toe at 0.5, and back along the right.
        level: 0 at the patch's lower edge, 1 at its upper edge.
        slit: 1 between the eyelets, 0 elsewhere.
        facing: where laces begin towards the toe, as a share of the length; 0 without laces.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    around: np.ndarray
    level: np.ndarray
    slit: np.ndarray
    facing: float


Material = Callable[[Place, np.random.Generator], np.ndarray]  # brightness, about 1
Part = Callable[[Place], np.ndarray]  # how much of the part's colour there is, 0 to 1


def leather(place: Place, rng: np.random.Generator) -> np.ndarray:
    """Grain, and creases where the toes bend."""
    creases = 0.10 * np.sin(320 * place.x + 60 * place.z + 3 * _noise(rng, place, 6))
    bend = np.exp(-(((place.x - 0.68) / 0.04) ** 2)) * smoothstep(0.02, 0.05, place.z)
    return np.asarray(1 + 0.04 * _noise(rng, place, 90) + 0.05 * _noise(rng, place, 8) + creases * bend)


def suede(place: Place, rng: np.random.Generator) -> np.ndarray:
    """Brushed this way and that."""
    return 1 + 0.10 * _noise(rng, place, 140) + 0.10 * _noise(rng, place, 14)


def canvas(place: Place, rng: np.random.Generator) -> np.ndarray:
    """Threads."""
    rows, columns = np.indices(place.x.shape)
    return 1 + 0.06 * ((rows // 2 + columns // 2) % 2 - 0.5) + 0.05 * _noise(rng, place, 60)


def mesh(place: Place, rng: np.random.Generator) -> np.ndarray:
    """A knit with holes."""
    rows, columns = np.indices(place.x.shape)
    holes = np.hypot(rows % 6 - 2.5, (columns + 3 * (rows // 6 % 2)) % 6 - 2.5) < 1.6
    return 1 - 0.28 * holes + 0.03 * _noise(rng, place, 60)


def rubber(place: Place, rng: np.random.Generator) -> np.ndarray:
    """Even."""
    return 1 + 0.02 * _noise(rng, place, 20)


def toe_cap(place: Place) -> np.ndarray:
    """The toe, up to a curve across."""
    return _over(place.x - 0.845 + 2.0 * place.y**2, 0.006)


def wing_tip(place: Place) -> np.ndarray:
    """A toe cap with a point in the middle and wings along the sides."""
    wings = 0.30 * smoothstep(0.004, 0.05, np.abs(place.y - 0.005)) * (1 - smoothstep(0.0, 0.028, place.z))
    return _over(place.x - 0.83 + 0.06 * np.exp(-(((place.y - 0.005) / 0.008) ** 2)) + wings, 0.006)


def counter(place: Place) -> np.ndarray:
    """The stiff back of the heel."""
    return _over(0.20 - place.x - 1.6 * np.maximum(place.z - 0.025, 0), 0.006) * _over(0.055 - place.z, 0.002)


def foxing(place: Place) -> np.ndarray:
    """A band of rubber along the sole."""
    return _over(0.010 - place.z, 0.001)


def mudguard(place: Place) -> np.ndarray:
    """A band along the sole that rises at toe and heel."""
    rise = 0.012 + 0.022 * smoothstep(0.75, 0.98, place.x) + 0.022 * smoothstep(0.25, 0.02, place.x)
    return _over(rise - place.z, 0.0015)


def eyestay(place: Place) -> np.ndarray:
    """Leather under the eyelets."""
    near = np.abs(place.y - 0.004)
    along = _over(place.facing + 0.02 - place.x, 0.006) * (place.x > 0.25)
    return _over(0.023 - near, 0.0015) * _over(place.z - 0.045, 0.003) * along * (1 - place.slit)


def collar(place: Place) -> np.ndarray:
    """The rim of the opening."""
    return _over(0.012 - (place.z.max(axis=0) - place.z), 0.001)


def heel_tab(place: Place) -> np.ndarray:
    """A patch at the back of the collar."""
    return _over(0.045 - _from_heel(place), 0.004) * _over(place.z - 0.033, 0.001)


def back_strip(place: Place) -> np.ndarray:
    """A strip up the back seam."""
    return _over(0.022 - _from_heel(place), 0.003)


def three_stripes(place: Place) -> np.ndarray:
    """Three slanted bands on each side."""
    slant = place.x + 1.6 * place.z
    bands = np.max([_over(0.014 - np.abs(slant - middle), 0.003) for middle in (0.50, 0.565, 0.63)], axis=0)
    return bands * _on_sides(place) * _over(place.z - 0.008, 0.002)


def swoosh(place: Place) -> np.ndarray:
    """A sickle on each side."""
    along = (place.x - 0.22) / 0.48
    spine = 0.030 - 0.012 * along + 0.030 * np.abs(along - 0.72) ** 2 - 0.010 * (1 - along)
    thick = 0.011 * np.clip(1.15 - along, 0, 1) * smoothstep(-0.05, 0.35, along) * 1.1
    return _over(thick - np.abs(place.z - spine), 0.0015) * _on_sides(place) * _within(along, 0.0, 1.12)


def wave(place: Place) -> np.ndarray:
    """A line that runs from the heel over the side to the laces."""
    line = 0.022 + 0.016 * np.sin(6.0 * (place.x - 0.18)) * smoothstep(0.1, 0.3, place.x)
    return _over(0.0035 - np.abs(place.z - line), 0.001) * _within(place.x, 0.04, 0.66)


def star_patch(place: Place) -> np.ndarray:
    """A round patch at the ankle with a star left out."""
    right, up = (place.x - 0.26) * 0.28, place.z - 0.075
    radius, angle = np.hypot(right, up), np.arctan2(right, up)
    point = np.abs((angle / (2 * np.pi / 5)) % 1 - 0.5) * 2  # 1 at the tips, 0 between
    return _over(0.020 - radius, 0.001) * _over(radius - (0.006 + 0.010 * point**2), 0.0008) * _on_sides(place)


def elastic(place: Place) -> np.ndarray:
    """The stretching gore in a boot's side."""
    half = 0.055 + 0.5 * np.maximum(place.z - 0.03, 0)
    ribs = 0.75 + 0.25 * np.sin(place.around * 1200)
    return _over(np.minimum(half, 0.13) - np.abs(place.x - 0.30), 0.006) * _over(place.z - 0.028, 0.002) * ribs


def penny_strap(place: Place) -> np.ndarray:
    """A loafer's strap, with its slot."""
    strap = _within(place.x + 0.5 * np.abs(place.y), 0.60, 0.685) * _over(place.z - 0.012, 0.002)
    slot = (np.abs(place.y - 0.005) < 0.011) & (np.abs(place.x - 0.642) < 0.010)
    return strap * (1 - 0.9 * slot)


def apron_seam(place: Place) -> np.ndarray:
    """The raised seam of a moccasin, around the top of the toe."""
    return _over(0.028 - np.abs(place.level - 0.50), 0.01) * _over(place.x - 0.50, 0.02)


def check(place: Place) -> np.ndarray:
    """A chequerboard."""
    return ((np.floor(place.around * 40) + np.floor(place.level * 11)) % 2).astype(np.float64)


def brogueing(place: Place) -> np.ndarray:
    """Rows of punched holes along a wing tip."""
    edge = wing_tip(place)
    line = _over(0.15 - np.abs(cv2.GaussianBlur(edge, (9, 9), 0) - 0.5), 0.05)
    rows, columns = np.indices(place.x.shape)
    return line * ((rows // 3 + columns // 3) % 2)


def knit_bands(place: Place) -> np.ndarray:
    """Slanted bands across the upper."""
    return _over(np.sin(70 * place.x + 120 * place.z) - 0.35, 0.25)


def stripe(place: Place) -> np.ndarray:
    """A line around the sole."""
    return _within(place.level, 0.50, 0.66)


def outsole(place: Place) -> np.ndarray:
    """The layer that touches the ground."""
    return _over(0.30 - place.level, 0.03)


def lugs(place: Place) -> np.ndarray:
    """Deep treads."""
    return _over(0.45 - place.level, 0.03) * (np.sin(place.around * 2 * np.pi * 44) > -0.3)


def welt(place: Place) -> np.ndarray:
    """The stitched rim of the sole."""
    return _over(place.level - 0.82, 0.03) * (0.6 + 0.4 * (np.sin(place.around * 900) > 0))


def bumper(place: Place) -> np.ndarray:
    """Rubber before the toe."""
    return _over(place.x - 0.93, 0.01) * np.ones_like(place.level)


def wedge(place: Place) -> np.ndarray:
    """A coloured wedge of foam under the heel."""
    return _over(0.95 - place.level - 1.3 * place.x, 0.05) + _over(place.level - 1.35 + 0.5 * place.x, 0.04)


MATERIALS: Mapping[str, Material] = {function.__name__: function for function in (leather, suede, canvas, mesh, rubber)}
PARTS: Mapping[str, Part] = {
    function.__name__: function
    for function in (
        *(toe_cap, wing_tip, counter, foxing, mudguard, eyestay, collar, heel_tab, back_strip, three_stripes, swoosh),
        *(wave, star_patch, elastic, penny_strap, apron_seam, check, brogueing, knit_bands),
    )
}
SOLE_PARTS: Mapping[str, Part] = {
    function.__name__: function for function in (stripe, outsole, lugs, welt, bumper, wedge)
}


def _over(distance: np.ndarray, soft: float) -> np.ndarray:
    """1 where the distance is positive, with a soft edge."""
    return np.clip(0.5 + distance / (2 * soft), 0, 1)


def _within(value: np.ndarray, low: float, high: float) -> np.ndarray:
    return _over(value - low, 0.004) * _over(high - value, 0.004)


def _on_sides(place: Place) -> np.ndarray:
    """Not on the instep, under the laces, nor at the heel's back."""
    return _over(np.abs(place.y - 0.003) - 0.021, 0.0015) * _over(place.x - 0.06, 0.01)


def _from_heel(place: Place) -> np.ndarray:
    """Share of the way around from the heel's back, either side."""
    return np.minimum(place.around, 1 - place.around)


def _noise(rng: np.random.Generator, place: Place, cells: int) -> np.ndarray:
    """Smooth noise with about ``cells`` bumps around the shoe, in [-1, 1]."""
    rows, columns = place.x.shape
    coarse = rng.uniform(-1, 1, (max(cells * rows // columns, 3), cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC), np.float64)
