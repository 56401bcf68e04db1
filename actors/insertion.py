"""The task: insert the plug. Reward, success and termination from served keypoints alone; observation as chosen.

Success is the paper's (section 6.2): the sum of the distances between all three keypoints is under 2.5 cm. The plug tip
is labelled at the socket's opening once it is inside, so two of the three distances are what is left between the plug
base and the opening. The plug base is the white ring 13 mm behind the pin's shoulder: 2.5 cm then mean
18.5 of the hole's 20 mm, 92.5% of the depth. A claim must mean 90%; the rest is room for the keypoints' errors.

An agent learns to fool its detector, so a claim counts only where the views agree on all three keypoints and see them
sharply (one of four may be blocked), and only when it holds for two steps.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from actors.cell import CONTROL_HZ, GripperState
from actors.observation import (
    Observation,
    embedding_observation,
    embedding_of,
    keypoint_observation,
    observation_size,
)
from s3k_dist.features.types import FrameFeatures

KEYPOINTS = ("plug_tip", "plug_base", "socket")
TIP, BASE, SOCKET = range(3)
ACTION_SIZE = 6
LevelName = Literal["easy", "standard", "hard"]  # how hard it is; `actors.sim.levels` has a cell for each


class InsertionConfig(BaseModel):
    """The task's thresholds, and what its agent observes.

    Attributes:
        observation: keypoints (the paper's agent), vae (its baseline), pixels-frozen or state; `actors.observation`.
        embedding_size: numbers in an embedding, where one is observed (section 6.2: 10).
        success_distance_m: sum of the three distances that counts as inserted (section 6.2).
        hold_steps: consecutive steps for which a claim must hold.
        max_residual_px: every view's re-projection residual in a claim, at 128 px (scales with the image).
        min_confidence: every view's detection weight in a claim.
        max_episode_s: section 6.1.
        far_m: tip to socket beyond which an episode ends; farther out the plug leaves the views.
        lost_steps: consecutive steps with an inconsistent keypoint after which an episode ends.
        success_reward: on success.
        failure_reward: when an episode ends far away or lost.
        progress_reward: for each metre by which the sum of distances shrinks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    observation: Observation = "keypoints"
    embedding_size: int = Field(10, ge=1)
    success_distance_m: float = Field(0.025, gt=0)
    hold_steps: int = Field(2, ge=1)
    max_residual_px: float = Field(1.5, gt=0)
    min_confidence: float = Field(0.5, ge=0, le=1)
    max_episode_s: float = Field(10.0, gt=0)
    far_m: float = Field(0.11, gt=0)
    lost_steps: int = Field(8, ge=1)
    success_reward: float = 1.0
    failure_reward: float = -0.5
    progress_reward: float = 2.0

    @property
    def observation_size(self) -> int:
        """Numbers in an observation."""
        return observation_size(self.observation, self.embedding_size)


@dataclass(frozen=True)
class TaskStep:
    """What the task makes of one moment.

    Attributes:
        observation: float32, shape (InsertionConfig.observation_size,).
        reward: of the action that led here.
        terminated: the task ended here: inserted, far away, or lost.
        truncated: time is up.
        claimed: the keypoints say that the plug is in.
        distance_m: sum of the three distances between the keypoints.
        consistent: whether every view agrees on each keypoint, bool, shape (3,).
    """

    observation: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    claimed: bool
    distance_m: float
    consistent: np.ndarray


class InsertionTask:
    """Follows one episode at a time::

    observation = task.begin(seen.gripper, features).observation
    step = task.advance(seen.gripper, features)
    """

    def __init__(self, config: InsertionConfig, image_px: int) -> None:
        self.config = config
        self._max_residual_px = config.max_residual_px * image_px / 128
        self._max_steps = round(config.max_episode_s * CONTROL_HZ)

    def begin(self, gripper: GripperState, features: FrameFeatures) -> TaskStep:
        """Start an episode from its first observation."""
        self._steps = self._held = self._lost = 0
        self._known_m = np.where(np.isfinite(features.positions_m), features.positions_m, np.nan)
        self._seen_from_m = np.repeat(gripper.position_m[None], len(KEYPOINTS), axis=0)
        self._trusted_distance_m: float | None = None
        self._ever_trusted = np.zeros(len(KEYPOINTS), dtype=bool)
        return self._look(gripper, features)

    def advance(self, gripper: GripperState, features: FrameFeatures) -> TaskStep:
        """Judge the moment after one more action."""
        config = self.config
        self._steps += 1
        before_m = self._trusted_distance_m
        seen = self._look(gripper, features)
        agree = bool(seen.consistent.all())
        inserted = agree and seen.distance_m < config.success_distance_m
        self._held = self._held + 1 if inserted else 0
        self._lost = 0 if agree else self._lost + 1
        claimed = self._held >= config.hold_steps
        away = np.linalg.norm(self._known_m[TIP] - self._known_m[SOCKET]) > config.far_m
        # A first guess that no view supports is no reason to end an episode.
        away = away and self._ever_trusted[[TIP, SOCKET]].all()
        failed = not claimed and bool(away or self._lost >= config.lost_steps)
        # Progress between two trusted moments only: a mis-detection must not pay.
        progress_m = before_m - seen.distance_m if before_m is not None and agree else 0.0
        reward = config.progress_reward * progress_m
        reward += config.success_reward if claimed else config.failure_reward if failed else 0.0
        terminated = claimed or failed
        return TaskStep(
            seen.observation,
            float(reward),
            terminated,
            not terminated and self._steps >= self._max_steps,
            claimed,
            seen.distance_m,
            seen.consistent,
        )

    def _look(self, gripper: GripperState, features: FrameFeatures) -> TaskStep:
        consistent = features.consistent(self._max_residual_px, self.config.min_confidence)
        held_m = self._known_m.copy()
        # What cannot be seen now stays where it was; the plug goes where the hand takes it.
        held_m[[TIP, BASE]] += gripper.position_m - self._seen_from_m[[TIP, BASE]]
        self._known_m = np.where(consistent[:, None], features.positions_m, held_m)
        self._seen_from_m = np.repeat(gripper.position_m[None], len(KEYPOINTS), axis=0)
        self._ever_trusted |= consistent
        distance_m = sum_of_distances_m(self._known_m)
        if consistent.all():
            self._trusted_distance_m = distance_m
        observation = self._observation(gripper, features, consistent)
        return TaskStep(observation, 0.0, False, False, False, distance_m, consistent)

    def _observation(self, gripper: GripperState, features: FrameFeatures, consistent: np.ndarray) -> np.ndarray:
        match self.config.observation:
            case "keypoints":
                return keypoint_observation(gripper, self._known_m, consistent)
            case "state":
                true_m = embedding_of(features, "state", self._known_m.size).reshape(self._known_m.shape)
                return keypoint_observation(gripper, true_m, np.ones(len(KEYPOINTS)))
            case choice:
                return embedding_observation(gripper, embedding_of(features, choice, self.config.embedding_size))


def sum_of_distances_m(keypoints_m: np.ndarray) -> float:
    """Sum of the distances between all three keypoints, metres (section 6.2); ``keypoints_m`` has shape (3, 3)."""
    tip, base, socket = keypoints_m
    return float(np.linalg.norm(tip - socket) + np.linalg.norm(base - socket) + np.linalg.norm(tip - base))
