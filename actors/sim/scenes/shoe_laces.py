"""What lies on the instep: a padded tongue, and laces with a bow."""

import numpy as np

from actors.sim.scenes.shoe_shape import TOE, ShoeShape, smoothstep
from actors.sim.scenes.shoe_surface import loft, tube


def tongue(shape: ShoeShape, upper: np.ndarray) -> np.ndarray:
    """A padded flap that comes out of the throat, seen from all sides."""
    spine = upper[-4:, TOE]
    leaving = spine[-1] - spine[0]
    leaving /= np.linalg.norm(leaving)
    steps = np.linspace(0, 1, 7)[:, None]
    upright = 0.0 if shape.shaft else 0.35
    rise = shape.tongue * (steps * leaving + upright * steps**2 * np.array([0.1, 0.0, 1.0]))
    under = np.linspace(0.007, 0.002, 3)[:, None] * [1.0, 0.0, 0.5]
    path = np.concatenate([spine[:-1] - under, spine[-1] + rise - [0.002, 0, 0.001]])
    along = np.linspace(0, 1, len(path))
    width = (0.013 + 0.012 * along) * (1 - 0.35 * smoothstep(0.85, 1.0, along))
    out = np.array([-leaving[2], 0.0, leaving[0]]) * -np.sign(leaving[0])
    flap = tube(path, np.broadcast_to(out, path.shape), width, np.full(len(path), 0.0035))
    bend = np.pad(11.0 - 6.0 * along, 1, mode="edge")[:, None, None]  # around the foot
    return np.asarray(flap - bend * (flap[..., 1:2] - path[-1, 1]) ** 2 * out)


def laces(shape: ShoeShape, upper: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Rungs and crossings between the eyelets, and a bow; and the eyelets, shape (2 * rows, 3)."""
    levels = np.linspace(0.97, _level(upper, shape.facing * shape.length - 0.012), shape.rows)
    left, right = ([_beside(upper, level, y) for level in levels] for y in (0.0165, -0.0165))
    strands = []
    for row in range(shape.rows):
        strands.append(_strand([left[row], _instep(upper, levels[row], 0.0045), right[row]]))
        if row + 1 < shape.rows:
            middle = _instep(upper, (levels[row] + levels[row + 1]) / 2, 0.007)
            strands += [_strand([near[row], middle, far[row + 1]]) for near, far in ((left, right), (right, left))]
    knot = _instep(upper, levels[0], 0.008)
    out = _instep(upper, levels[0], 0.018) - knot
    for side in (-1.0, 1.0):
        loop = [(0.0, 0.0, 0.0), (0.0, 0.022, 0.010), (0.006, 0.032, -0.012), (0.012, 0.012, 0.0), (0.0, 0.0, 0.0)]
        end = np.array([0.016, side * 0.022, -0.018])
        strands.append(_strand([knot + np.array(point) * [1, side, 1] for point in loop]))
        strands.append(_strand([knot, knot + out + end / 3, knot + end + 0.2 * out]))
    return strands, np.stack(left + right)


def _strand(through: list[np.ndarray]) -> np.ndarray:
    ends = [through[0], *through, through[-1]] if len(through) < 4 else through
    path = loft([point[None] for point in ends], 5 if len(through) == 3 else 8)[:, 0]
    flat = np.broadcast_to([0.6, 0.0, 1.0], path.shape)
    return tube(path, flat, np.full(len(path), 0.0026), np.full(len(path), 0.0014), sides=5)


def _instep(upper: np.ndarray, level: float, above: float) -> np.ndarray:
    """A point above the instep's middle at a share of the upper's rows."""
    here, along = _at_row(upper, level)[TOE], _at_row(upper, level)[TOE] - _at_row(upper, max(level - 0.05, 0))[TOE]
    return np.asarray(here + above * np.array([along[2], 0.0, -along[0]]) / np.linalg.norm(along))


def _beside(upper: np.ndarray, level: float, y: float) -> np.ndarray:
    """Where the upper, at a share of its rows, is ``y`` left of the instep's middle."""
    row = _at_row(upper, level)
    half = row[TOE // 2 : TOE + 1] if y > 0 else row[TOE : TOE + TOE // 2 + 1][::-1]
    beside = (half[:, 1] - row[TOE, 1]) * np.sign(y)
    share = np.interp(-abs(y), -beside, np.arange(len(half)))
    low = min(int(share), len(half) - 2)
    return half[low] + (share - low) * (half[low + 1] - half[low]) + [0.0, 0.0, 0.001]


def _level(upper: np.ndarray, x: float) -> float:
    """The share of rows at which the instep's middle is at x."""
    return float(np.interp(-x, -upper[:, TOE, 0], np.linspace(0, 1, len(upper))))


def _at_row(upper: np.ndarray, level: float) -> np.ndarray:
    at = level * (len(upper) - 1)
    low = min(int(at), len(upper) - 2)
    return np.asarray(upper[low] + (at - low) * (upper[low + 1] - upper[low]))
