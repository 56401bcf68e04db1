"""Six axes that cannot leave the envelope: inside the workspace, outside every keep-out box, never too fast or abrupt.

Each axis is kept viable by itself (``braking``). A keep-out box is kept out of by one of its six faces: as long as the
tool is beyond a face and can stop there, it cannot be in the box. Which face holds may change on the way, whenever
another one does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.safety.braking import AT_REST, MAX_STEPS, AxisLimits, AxisState, steered, toward, viable
from actors.safety.limits import Box, SafetyLimits
from s3k_dist.errors import SafetyError

AXES = ("x", "y", "z", "turn x", "turn y", "turn z")
FREE = (-np.inf, np.inf)


@dataclass(frozen=True)
class Motion:
    """Where the tool is told to be, and how it moves; six axes each."""

    axes: tuple[AxisState, ...]

    @property
    def position_m(self) -> np.ndarray:
        """Shape (3,)."""
        return np.array([axis.x for axis in self.axes[:3]])

    @property
    def twist(self) -> np.ndarray:
        """Linear then angular velocity, shape (6,)."""
        return np.array([axis.v for axis in self.axes])

    @property
    def at_rest(self) -> bool:
        """Nothing moves."""
        return all(abs(axis.v) <= AT_REST and axis.a == 0 for axis in self.axes)


class Envelope:
    """Turns wanted velocities into motions that stay within limits.

    Args:
        limits: of the robot.
        step_s: time between two calls of ``step``.

    Raises:
        SafetyError: the limits cannot be kept at this rate: braking takes too many steps.
    """

    def __init__(self, limits: SafetyLimits, step_s: float) -> None:
        each = zip(limits.speed, limits.acceleration, limits.jerk, strict=True)
        self._limits = tuple(AxisLimits(*values, step_s) for values in each)
        self._workspace, self._keep_out = limits.tight_workspace, limits.tight_keep_out
        for name, axis in zip(AXES, self._limits, strict=True):
            if not viable(AxisState(0.0, axis.speed, 0.0), *FREE, axis):
                raise SafetyError(
                    f"{name}: braking from {axis.speed} takes more than {MAX_STEPS} steps of {step_s} s; raise its "
                    "acceleration or jerk, or lower its speed"
                )

    def at(self, position_m: np.ndarray) -> Motion:
        """At rest somewhere.

        Raises:
            SafetyError: that is outside of the workspace or inside of a keep-out box; says which, and by how much.
        """
        if not self._workspace.contains(position_m):
            outside = np.maximum(self._workspace.low_m - position_m, position_m - np.array(self._workspace.high_m))
            axis = AXES[int(outside.argmax())]
            raise SafetyError(
                f"the tool is {1e3 * outside.max():.1f} mm outside of the workspace on the {axis} axis: move it back "
                "by hand"
            )
        for number, box in enumerate(self._keep_out):
            if box.contains(position_m):
                raise SafetyError(f"the tool is inside of keep-out box {number}: move it out by hand")
        return Motion(tuple(AxisState(float(x), 0.0, 0.0) for x in (*position_m, 0.0, 0.0, 0.0)))

    def step(self, motion: Motion, wanted: np.ndarray) -> Motion:
        """The next motion, as near to the wanted twist (shape (6,)) as stays within."""
        bounds = [
            *zip(self._workspace.low_m, self._workspace.high_m, strict=True),
            FREE,
            FREE,
            FREE,
        ]
        free = self._steered(motion, wanted, bounds)
        if all(self._faces(free, box) for box in self._keep_out):
            return free
        # A face that holds now goes on holding: braking is always left. Of several, the one with the most room.
        for box in self._keep_out:
            axis, low, high = max(self._faces(motion, box), key=lambda face: self._room(motion, *face))
            bounds[axis] = (max(bounds[axis][0], low), min(bounds[axis][1], high))
        return self._steered(motion, wanted, bounds)

    def braking(self, motion: Motion) -> Motion:
        """The next motion on the quickest way to rest."""
        each = zip(motion.axes, self._limits, strict=True)
        return Motion(tuple(axis.after(toward(axis, 0.0, limits), limits) for axis, limits in each))

    def holds(self, motion: Motion) -> bool:
        """Whether a motion is within, and can stop within."""
        inside = zip(motion.axes[:3], self._workspace.low_m, self._workspace.high_m, self._limits, strict=False)
        return all(viable(axis, low, high, limits) for axis, low, high, limits in inside) and all(
            self._faces(motion, box) for box in self._keep_out
        )

    def _steered(self, motion: Motion, wanted: np.ndarray, bounds: Sequence[tuple[float, float]]) -> Motion:
        each = zip(motion.axes, wanted.tolist(), bounds, self._limits, strict=True)
        return Motion(tuple(steered(axis, v, *interval, limits) for axis, v, interval, limits in each))

    def _faces(self, motion: Motion, box: Box) -> list[tuple[int, float, float]]:
        """Faces that the tool is beyond and can stay beyond: axis, and the interval that is left of it."""
        found = []
        for axis, (low, high) in enumerate(zip(box.low_m, box.high_m, strict=True)):
            for interval in ((-np.inf, low), (high, np.inf)):
                if viable(motion.axes[axis], *interval, self._limits[axis]):
                    found.append((axis, *interval))
        return found

    def _room(self, motion: Motion, axis: int, low: float, high: float) -> float:
        """How far the tool is beyond a face."""
        return min(motion.axes[axis].x - low, high - motion.axes[axis].x)
