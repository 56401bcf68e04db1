"""Where a robot's tool may be, how fast it may move, and what makes it stop; loaded once, and never loosened."""

from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

Triple = tuple[float, float, float]
Sixfold = tuple[
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
]


class Box(BaseModel):
    """An axis-aligned box.

    Attributes:
        low_m: corner with the smallest coordinates, robot base frame, metres.
        high_m: the opposite one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low_m: Triple
    high_m: Triple

    @model_validator(mode="after")
    def _has_a_size(self) -> Self:
        if not all(low < high for low, high in zip(self.low_m, self.high_m, strict=True)):
            raise ValueError(f"low_m {self.low_m} must be below high_m {self.high_m} on every axis")
        return self

    def grown(self, by_m: float) -> "Box":
        """Larger on every side; smaller for a negative ``by_m``.

        Raises:
            ValidationError: nothing would be left.
        """
        low, high = np.array(self.low_m) - by_m, np.array(self.high_m) + by_m
        return Box(low_m=tuple(low.tolist()), high_m=tuple(high.tolist()))

    def contains(self, point_m: np.ndarray) -> bool:
        """Whether a point lies in it; its surface does."""
        return bool((point_m >= self.low_m).all() and (point_m <= self.high_m).all())


class SafetyLimits(BaseModel):
    """The envelope of one robot; velocities, accelerations and jerks are of x, y, z and of turning about x, y, z.

    Attributes:
        workspace: the tool point stays in it, robot base frame.
        keep_out: and out of each of these.
        speed: m/s and rad/s.
        acceleration: m/s^2 and rad/s^2.
        jerk: m/s^3 and rad/s^3.
        tracking_m: how far the robot may be from where it was told to be; the boxes are that much tighter.
        command_age_s: without a fresh command for longer it stops smoothly (watchdog).
        feature_age_s: a command made on older features holds the robot.
        uncertainty_m: likewise on keypoints whose standard deviation is larger.
        state_age_s: without news of the robot for longer it is stopped.
        wrench_age_s: without news of the force-torque sensor for longer it is stopped; of a robot that has one.
        yield_force_n: above this the tool gives way.
        yield_m_s_n: by how much, in m/s for each newton above it (velocity admittance).
        stop_force_n: above this it is stopped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    workspace: Box
    keep_out: tuple[Box, ...] = ()
    speed: Sixfold = (0.1, 0.1, 0.1, 0.8, 0.8, 0.8)
    acceleration: Sixfold = (0.5, 0.5, 0.5, 4.0, 4.0, 4.0)
    jerk: Sixfold = (10.0, 10.0, 10.0, 80.0, 80.0, 80.0)
    tracking_m: float = Field(0.01, ge=0)
    command_age_s: float = Field(0.3, gt=0)
    feature_age_s: float = Field(0.5, gt=0)
    uncertainty_m: float = Field(0.01, gt=0)
    state_age_s: float = Field(0.1, gt=0)
    wrench_age_s: float = Field(0.1, gt=0)
    yield_force_n: float = Field(2.0, ge=0)
    yield_m_s_n: float = Field(0.01, ge=0)
    stop_force_n: float = Field(40.0, gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        room = min(high - low for low, high in zip(self.workspace.low_m, self.workspace.high_m, strict=True))
        if room <= 2 * self.tracking_m:
            raise ValueError(f"the workspace is {room} m wide, and tracking_m takes {2 * self.tracking_m} m of it")
        if self.stop_force_n <= self.yield_force_n:
            raise ValueError(f"stop_force_n {self.stop_force_n} must be above yield_force_n {self.yield_force_n}")
        return self

    @property
    def tight_workspace(self) -> Box:
        """Where the robot may be told to be."""
        return self.workspace.grown(-self.tracking_m)

    @property
    def tight_keep_out(self) -> tuple[Box, ...]:
        """Where it may not be told to be."""
        return tuple(box.grown(self.tracking_m) for box in self.keep_out)
