"""What the agent observes, as a choice. Reward, success and termination are those of the keypoints whatever it is.

| choice | beside the gripper's pose and velocity |
|---|---|
| `keypoints` | the served keypoints, and which of them to trust |
| `vae` | the embedding of a beta-VAE (section 6.2) |
| `pixels-frozen` | the embedding of the same encoder with random weights: what training it is worth |
| `state` | the simulator's true keypoints: an upper bound; no physical cell has it |
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from actors.cell import Cell, GripperState, SimulatedCell
from s3k_dist.errors import ConfigError
from s3k_dist.features.types import Embedding, FrameFeatures
from s3k_dist.frames import MultiViewFrame

Observation = Literal["keypoints", "vae", "pixels-frozen", "state"]
GRIPPER_SIZE, KEYPOINT_OBSERVATION_SIZE = 12, 24
OBSERVATION_LIMIT = 10.0
# To units of order one: 2 cm and 5 cm for what must be precise and what need not be, the cell's speed limits, 0.3 rad.
FINE_M, COARSE_M, TURN_RAD, SPEED_M_S, SPIN_RAD_S = 0.02, 0.05, 0.3, 0.05, 0.5
# Where the gripper is on the whole, world frame: an embedding names no place to measure from.
WORKSPACE_M = np.array([0.0, 0.0, 0.12])


class FeatureSource(Protocol):
    """Turns a frame into features: ``FeatureClient``, or a ``KeypointDetector`` in the same process."""

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        """The features of one frame."""


@dataclass(frozen=True)
class TrueState:
    """Adds to every frame's features the truth of the simulated cell that has just taken it."""

    features: FeatureSource
    cell: SimulatedCell

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        """The features of one frame, and the true keypoints as an embedding of kind ``state``."""
        return with_state(self.features.extract(frame), self.cell.truth().keypoints_m)


def observed_through(features: FeatureSource, cell: Cell, observation: Observation) -> FeatureSource:
    """Where the features of a cell come from for an agent that makes this choice.

    Raises:
        ConfigError: ``state`` of a cell that is not simulated.
    """
    if observation != "state":
        return features
    if not isinstance(cell, SimulatedCell):
        raise ConfigError(
            f"observation 'state' is a simulator's truth, and cell {cell.cell_id!r} is not simulated; "
            "there are keypoints, vae and pixels-frozen"
        )
    return TrueState(features, cell)


def with_state(features: FrameFeatures, keypoints_m: np.ndarray) -> FrameFeatures:
    """Features that carry true keypoints, world frame, shape (3, 3), metres; the served ones stay beside them."""
    return replace(features, embedding=Embedding("state", 0, keypoints_m.ravel()))


def observation_size(observation: Observation, embedding_size: int) -> int:
    """Numbers in an observation."""
    return KEYPOINT_OBSERVATION_SIZE if observation in ("keypoints", "state") else GRIPPER_SIZE + embedding_size


def observed_version(observation: Observation, features: FrameFeatures) -> int:
    """Version of the model that an observation of these features is made with; 0 for the truth."""
    embedding = features.embedding
    return features.model_version if observation == "keypoints" or embedding is None else embedding.model_version


def embedding_of(features: FrameFeatures, observation: Observation, size: int) -> np.ndarray:
    """The embedding that an observation needs, shape (size,).

    Raises:
        ConfigError: none came, or one of another kind or size.
    """
    embedding = features.embedding
    wanted = f"task.observation={observation} needs an embedding of {size} numbers"
    if embedding is None or embedding.kind != observation:
        came = "none" if embedding is None else f"one of kind {embedding.kind!r}"
        raise ConfigError(f"{wanted} with every frame; {came} came: serve a {observation} encoder beside the keypoints")
    if embedding.values.shape != (size,):
        raise ConfigError(
            f"{wanted}; encoder version {embedding.model_version} made {embedding.values.size}: "
            f"set task.embedding_size={embedding.values.size}"
        )
    return embedding.values


def keypoint_observation(gripper: GripperState, keypoints_m: np.ndarray, consistent: np.ndarray) -> np.ndarray:
    """Gripper pose and velocity, keypoints relative to one another, and which of them to trust; shape (24,).

    Differences, because millimetres between plug and socket decide while both move by centimetres.
    """
    tip, base, socket = keypoints_m
    parts = (
        *_gripper_parts(gripper, socket),
        (tip - socket) / FINE_M,
        (tip - base) / FINE_M,
        (base - socket) / FINE_M,
        consistent.astype(np.float64),
    )
    return _bounded(parts)


def embedding_observation(gripper: GripperState, embedding: np.ndarray) -> np.ndarray:
    """Gripper pose and velocity, and the embedding, which is of order one already; shape (12 + D,)."""
    return _bounded((*_gripper_parts(gripper, WORKSPACE_M), embedding))


def _gripper_parts(gripper: GripperState, origin_m: np.ndarray) -> tuple[np.ndarray, ...]:
    return (
        (gripper.position_m - origin_m) / COARSE_M,
        gripper.rotation_rad / TURN_RAD,
        gripper.linear_velocity_m_s / SPEED_M_S,
        gripper.angular_velocity_rad_s / SPIN_RAD_S,
    )


def _bounded(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    flat = np.nan_to_num(np.concatenate(parts), posinf=OBSERVATION_LIMIT, neginf=-OBSERVATION_LIMIT)
    return np.clip(flat, -OBSERVATION_LIMIT, OBSERVATION_LIMIT).astype(np.float32)
