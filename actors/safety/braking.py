"""Motion of one axis under limits of speed, acceleration and jerk, in steps; and whether it can still stop in time.

State: position x, velocity v, acceleration a. A step of length h chooses a', at most ``jerk * h`` from a and at most
``acceleration`` large; then v' = v + h a', x' = x + h v'.

A state is *viable* if braking from it never exceeds the speed and never leaves the interval. Braking leads from a
viable state to viable ones, so an axis that only ever takes steps to viable states can never leave: braking is always
left.
"""

from dataclasses import dataclass

MAX_STEPS = 2000  # of braking; settings that need more are refused by whoever builds an axis
AT_REST = 1e-12
ROUNDING = 1e-9  # what floating point may add up to over a braking


@dataclass(frozen=True)
class AxisLimits:
    """Of one axis; metres or radians.

    Attributes:
        speed: largest |v|, per second.
        acceleration: largest |a|.
        jerk: largest change of a in a second.
        step_s: h, seconds.
    """

    speed: float
    acceleration: float
    jerk: float
    step_s: float


@dataclass(frozen=True)
class AxisState:
    """Of one axis."""

    x: float
    v: float
    a: float

    def after(self, a: float, limits: AxisLimits) -> "AxisState":
        """The next one with acceleration ``a``."""
        v = self.v + limits.step_s * a
        return AxisState(self.x + limits.step_s * v, v, a)


def toward(state: AxisState, velocity: float, limits: AxisLimits) -> float:
    """The acceleration of the next step on the quickest way to a velocity that does not overshoot it."""
    gap, h, most = velocity - state.v, limits.step_s, limits.jerk * limits.step_s
    if abs(gap) <= AT_REST and abs(state.a) <= most:
        return 0.0
    exact = gap / h
    # Reached in one step, if the acceleration can be gone in the next one.
    if abs(exact - state.a) <= most and abs(exact) <= min(most, limits.acceleration):
        return exact
    sign = 1.0 if gap > 0 else -1.0
    for share in (1.0, 0.5, 0.0, -0.5):
        a = sign * state.a + share * most
        a = min(a, limits.acceleration)
        if a <= 0 or h * a + _ramp_down(a, most, h) <= abs(gap):
            return sign * a
    return sign * max(sign * state.a - most, -limits.acceleration)


def viable(state: AxisState, low: float, high: float, limits: AxisLimits) -> bool:
    """Whether braking from here keeps the speed and stays in ``[low, high]``."""
    for _ in range(MAX_STEPS):
        if not (low - ROUNDING <= state.x <= high + ROUNDING and abs(state.v) <= limits.speed + ROUNDING):
            return False
        if abs(state.v) <= AT_REST and state.a == 0.0:
            return True
        state = state.after(toward(state, 0.0, limits), limits)
    return False


def steered(state: AxisState, velocity: float, low: float, high: float, limits: AxisLimits) -> AxisState:
    """The next state: as near to the wanted velocity as stays viable, from a viable state."""
    velocity = min(max(velocity, -limits.speed), limits.speed)
    wanted = toward(state, velocity, limits)
    following = state.after(wanted, limits)
    if viable(following, low, high, limits):
        return following
    brake = toward(state, 0.0, limits)
    good, bad = 0.0, 1.0
    for _ in range(8):
        middle = (good + bad) / 2
        if viable(state.after(brake + middle * (wanted - brake), limits), low, high, limits):
            good = middle
        else:
            bad = middle
    return state.after(brake + good * (wanted - brake), limits)


def _ramp_down(a: float, most: float, h: float) -> float:
    """What the velocity still gains while an acceleration is taken back to 0, by ``most`` each step of length h."""
    steps = int(a / most)
    return h * (steps * a - most * steps * (steps + 1) / 2)
