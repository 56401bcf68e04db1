"""A scripted expert on the simulator's true state: resolved-rate control, for demonstrations only."""

from typing import Protocol, runtime_checkable

import numpy as np

from actors.cell import SimulatedCell
from s3k_dist.episodes import EpisodeChunk

ALIGN_RATE = 2.5  # 1/s
INSERT_SPEED_M_S = 0.03
APPROACH_SPEED_M_S = 0.04
HOVER_M = 0.008
TURNING_RAD_S = 0.05  # slower than this, the wrist is as good as at its stop
SEATED_M = 0.0192  # the hole is 20 mm deep; pushing on bends the cable, which levers the plug out


@runtime_checkable
class KnownCell(SimulatedCell, Protocol):
    """A simulated cell that tells the expert all; ``CableCell`` documents each."""

    def plug_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """True tip and insertion axis of the plug."""

    def hole_axis(self) -> np.ndarray:
        """True direction into the hole."""

    def possible_turn(self, angular_rad_s: np.ndarray) -> np.ndarray:
        """What the wrist can do of an angular velocity."""

    def gripper_m(self) -> np.ndarray:
        """True position of the grasp point."""


def expert_twist(cell: KnownCell) -> np.ndarray:
    """Align the plug above the opening, then push: the gripper's twist, world frame, shape (6,), within the limits."""
    tip, axis = cell.plug_pose()
    into_hole = cell.hole_axis()
    keypoints = cell.truth().keypoints_m
    base, opening = keypoints[1], keypoints[2]
    depth = (tip - opening) @ into_hole
    lateral = (tip - opening) - depth * into_hole
    misaligned = np.arccos(np.clip(axis @ into_hole, -1, 1))
    if depth > SEATED_M:
        return np.zeros(6)
    if depth > 0.002:
        aside = (base - opening) - ((base - opening) @ into_hole) * into_hole
        tip_velocity = -2.0 * aside + INSERT_SPEED_M_S * into_hole
        angular = cell.possible_turn(np.cross(axis, into_hole))
    else:
        angular = cell.possible_turn(2.0 * np.cross(axis, into_hole))
        # With the wrist at its stop the plug will not come straighter: the funnel has to do the rest.
        straight = misaligned < (0.15 if np.linalg.norm(angular) > TURNING_RAD_S else 0.3)
        ready = np.linalg.norm(lateral) < 0.003 and straight
        # Back off further the worse the alignment, so that the pin never drags over the rim.
        slack = 1.5 * max(0.0, float(np.linalg.norm(lateral)) - 0.002) + 0.05 * max(0.0, misaligned - 0.1)
        advance = APPROACH_SPEED_M_S if ready else ALIGN_RATE * (-(HOVER_M + min(0.03, slack)) - depth)
        tip_velocity = -ALIGN_RATE * lateral + advance * into_hole
    lever = tip - cell.gripper_m()
    twist = np.concatenate([tip_velocity - np.cross(angular, lever), angular])
    # Scale the whole translation: clipping one axis would bend the path into the rim.
    twist[:3] /= max(1.0, np.abs(twist[:3] / cell.twist_limit[:3]).max())
    return np.clip(twist, -cell.twist_limit, cell.twist_limit)


class ExpertPolicy:
    """Implements ``ActingPolicy``: drives a cell by its true state, and keeps the steps that it is handed."""

    version = -1

    def __init__(self, cell: KnownCell) -> None:
        self._cell = cell
        self.chunks: list[EpisodeChunk] = []

    def refresh(self) -> None:
        """The expert learns nothing."""

    def begin_episode(self) -> None:
        """Nothing to begin: there is no noise."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The expert's twist as a share of the limits, whatever is observed."""
        return expert_twist(self._cell) / self._cell.twist_limit

    def submit(self, chunk: EpisodeChunk) -> None:
        """Keep the steps."""
        self.chunks.append(chunk)
