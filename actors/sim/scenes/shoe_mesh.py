"""The form of a shoe: rings lofted around the last from the sole's edge to the collar; sole, lining, tongue, laces.

Frame: x from heel to toe, y to the left, z up; the sole stands on z = 0 with the heel's back at x = 0. Metres.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actors.sim.scenes.shoe_laces import laces, tongue
from actors.sim.scenes.shoe_shape import TOE, ShoeShape, bed, ground, sideways, slit, smoothstep
from actors.sim.scenes.shoe_surface import Region, Surface, loft

HEEL_POINT_M = 0.028  # above the foot bed: the back of the counter, on low shoes and boots alike
UPPER: Region = (0.0, 0.01, 1.0, 0.58)
SOLE: Region = (0.0, 0.60, 1.0, 0.72)
LINING: Region = (0.0, 0.74, 1.0, 0.82)
TREAD: Region = (0.0, 0.84, 0.48, 0.90)
BLOCK: Region = (0.52, 0.84, 1.0, 0.90)
TONGUE: Region = (0.0, 0.92, 0.30, 0.99)
LACE: Region = (0.35, 0.92, 0.65, 0.99)


@dataclass(frozen=True, eq=False)
class ShoeMesh:
    """Surfaces of a shoe, by name, and its keypoints.

    Attributes:
        surfaces: their union is the shoe.
        keypoints_m: front, tongue, heel; shape (3, 3).
        eyelets_m: shape (eyelets, 3).
    """

    surfaces: Mapping[str, Surface]
    keypoints_m: np.ndarray
    eyelets_m: np.ndarray


def shoe_mesh(shape: ShoeShape) -> ShoeMesh:
    """The shoe of this shape."""
    upper = _upper(shape)
    surfaces = {
        "upper": Surface(upper, UPPER),
        "sole": Surface(_sole(shape), SOLE),
        "lining": Surface(_lining(shape, upper[-1]), LINING),
    }
    surfaces["tread"] = Surface(_floor(surfaces["sole"].points_m[0]), TREAD)
    if shape.block:
        surfaces |= {"block": Surface(_block(shape), BLOCK)}
    top, eyelets = upper[-1, TOE], np.zeros((0, 3))
    if shape.rows:
        strands, eyelets = laces(shape, upper)
        surfaces |= {f"lace{index}": Surface(strand, LACE) for index, strand in enumerate(strands)}
        surfaces |= {"tongue": Surface(tongue(shape, upper), TONGUE)}
        top = surfaces["tongue"].points_m[-1, 0]
    heel = _at_height(upper[:, 0], bed(shape, 0.0) + HEEL_POINT_M)
    return ShoeMesh(surfaces, np.stack([_tip(surfaces), top, heel]), eyelets)


def _upper(shape: ShoeShape) -> np.ndarray:
    """Leather from the sole's edge to the collar, shape (rows, AROUND + 1, 3)."""
    edge = _outline(shape, inset=0.001)
    share = edge[:, 0] / shape.length
    edge[:, 2] = bed(shape, share)
    ankle = _opening(shape)
    # Towards the toe, heights are those of the toe box; elsewhere shares of the wall's height.
    front = smoothstep(0.55, 0.97, share)[:, None]
    wall = (ankle - edge)[:, 2:]
    up = np.array([0.0, 0.0, 1.0])

    def ring(inwards: float, of_wall: float, of_toe_box: float, of_instep: float) -> np.ndarray:
        height = (1 - front) * of_wall * wall + front * (
            of_toe_box * shape.toe_box + of_instep * np.maximum(wall - shape.toe_box, 0)
        )
        flat = edge + inwards * (ankle - edge) * [1, 1, 0]
        return flat + height * up

    rings = [edge, ring(-0.03, 0.28, 0.55, 0), ring(0.03, 0.55, 1.02, 0.02), ring(0.30, 0.80, 1.08, 0.22)]
    rings += [ring(0.66, 0.93, 1.0, 0.58), ankle]
    rows = 16
    if shape.shaft:
        top = _opening(shape, lifted=shape.shaft)
        rings[-1:] = [ankle * (1 - k) + top * k for k in (0.12, 0.5, 1.0)]
        rows = 22
    upper = loft(rings, rows)
    return _with_slit(shape, upper) if shape.rows else upper


def _outline(shape: ShoeShape, inset: float = 0.0) -> np.ndarray:
    """The sole's edge from above, evenly spaced along each side, z = 0, shape (AROUND + 1, 3)."""
    share = (1 - np.cos(np.linspace(0, np.pi, 2000))) / 2
    x = inset + share * (shape.length - 2 * inset)
    return _evenly(x, _half_width(shape, share, inset), sideways(shape, share))


def _half_width(shape: ShoeShape, share: np.ndarray, inset: float) -> np.ndarray:
    width = _blend(share, (0.0, 0.14, 0.42, 0.70, 1.0), (shape.heel, shape.heel, shape.waist, shape.ball, shape.toe))
    ends = 0.5 + (shape.roundness - 0.5) * smoothstep(0.3, 0.8, share)
    return np.maximum(width * (2 * np.sqrt(share * (1 - share))) ** ends - inset, 0)


def _opening(shape: ShoeShape, lifted: float = 0.0) -> np.ndarray:
    """The rim of the opening, ``lifted`` above the ankle, shape (AROUND + 1, 3)."""
    phi = np.linspace(0, np.pi, 800)
    share = (1 - np.cos(phi)) / 2
    back, front = 0.022 * shape.length, (shape.throat - (0.085 if lifted else 0.0)) * shape.length
    width = shape.opening * (1.12 if lifted else 1.0)
    rim = _evenly(back + share * (front - back), width * np.sin(phi) ** 0.8, 0 * share)
    share = (rim[:, 0] - back) / (front - back)
    if lifted:
        rim[:, 2] = bed(shape, 0.0) + shape.counter + lifted + 0.010 * share
        return rim
    heights = bed(shape, 0.0) + shape.counter, bed(shape, shape.throat) + shape.instep
    rim[:, 2] = heights[0] + (heights[1] - heights[0]) * smoothstep(0.1, 1.0, share)
    rim[:, 2] -= shape.dip * np.sin(np.pi * share) ** 2
    return rim


def _sole(shape: ShoeShape) -> np.ndarray:
    """The sole's wall from the ground up to the upper and in under it, shape (6, AROUND + 1, 3)."""
    edge = _outline(shape)
    share = edge[:, 0] / shape.length
    middle = np.array([shape.length / 2, 0, 0])
    outwards = edge - middle
    outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)
    top, bottom = bed(shape, share), ground(shape, share)
    rings = []
    for stand_out, height in ((0.0, 0.0), (0.8, 0.12), (1.0, 0.5), (0.75, 0.92), (0.55, 1.1), (-0.8, 1.1)):
        ring = edge + stand_out * (shape.flare + 0.001) * outwards
        ring[:, 2] = bottom + np.minimum(height, 1.0) * (top - bottom) + (height > 1) * 0.0025
        rings.append(ring)
    return np.stack(rings)


def _floor(ring: np.ndarray) -> np.ndarray:
    """Closes a ring from below, shape (2, AROUND + 1, 3)."""
    spine = ring.copy()
    spine[:, 1:] = (ring[:, 1:] + ring[::-1, 1:]) / 2
    return np.stack([spine, ring])


def _lining(shape: ShoeShape, rim: np.ndarray) -> np.ndarray:
    """From the rim over the padding down to the insole and its middle, shape (rows, AROUND + 1, 3)."""
    middle = rim.mean(axis=0)
    inwards = (middle - rim) * [1, 1, 0]
    inwards /= np.maximum(np.linalg.norm(inwards, axis=-1, keepdims=True), 1e-9)
    up = np.array([0.0, 0.0, 1.0])
    pad = shape.padding
    rolled = [rim, rim + 0.7 * pad * up, rim + pad * (inwards + 0.7 * up), rim + pad * (1.1 * inwards - 1.0 * up)]
    ankle = _opening(shape)
    insole = middle * [1, 0, 0] + (ankle - middle * [1, 0, 0]) * [1.04, 0.8, 0]
    insole[:, 2] = bed(shape, insole[:, 0] / shape.length) + 0.006
    half_way = ankle + 0.006 * inwards if shape.shaft else (rolled[-1] + insole) / 2
    return np.concatenate([loft([*rolled, half_way, insole], 9), _floor(insole)[:1]])


def _block(shape: ShoeShape) -> np.ndarray:
    """The heel's block from the ground to the thin sole, shape (5, AROUND + 1, 3)."""
    length = shape.block * shape.length
    share = shape.block * np.linspace(0, 1, 1000) ** 2
    half = np.append(_half_width(shape, share, 0.001), 0.0)
    edge = _evenly(np.append(shape.length * share, length), half, 0 * half)
    middle = np.array([(0.5 if shape.stem > 0.6 else 0.35) * length, 0.0, 0.0])
    height = bed(shape, edge[:, 0] / shape.length) - shape.sole / 2
    rings = []
    for size, of_height in ((shape.stem, 0.0), (shape.stem, 0.15), ((1 + shape.stem) / 2, 0.6), (1.0, 1.0)):
        ring = middle + size * (edge - middle)
        ring[:, 2] = of_height * height
        rings.append(ring)
    return np.concatenate([_floor(rings[0])[:1], np.stack(rings)])


def _with_slit(shape: ShoeShape, upper: np.ndarray) -> np.ndarray:
    """Sinks the strip between the eyelets, where the tongue shows."""
    inside = slit(shape, upper)
    sunk = upper.copy()
    sunk[..., 2] -= 0.0035 * inside
    return sunk


def _at_height(line: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.array([np.interp(z, line[:, 2], line[:, axis]) for axis in range(3)])


def _tip(surfaces: Mapping[str, Surface]) -> np.ndarray:
    points = np.concatenate([surfaces[name].points_m[:, TOE] for name in ("upper", "sole")])
    return points[np.argmax(points[:, 0])]


def _evenly(x: np.ndarray, half: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """A ring from its left half, heel to toe, evenly spaced along each side."""
    sides = []
    for sign in (1.0, -1.0):
        y = middle + sign * half
        travelled = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        at = np.linspace(0, travelled[-1], TOE + 1)
        sides.append(np.stack([np.interp(at, travelled, x), np.interp(at, travelled, y), 0 * at], -1))
    return np.concatenate([sides[0], sides[1][-2::-1]])


def _blend(at: np.ndarray, knots: tuple[float, ...], values: tuple[float, ...]) -> np.ndarray:
    """Values at knots, blended smoothly in between."""
    weights = np.exp(-(((at[:, None] - np.array(knots)) / 0.13) ** 2))
    return np.asarray(weights @ np.array(values) / weights.sum(axis=1))
