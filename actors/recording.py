"""Episodes recorded before there is a keypoint model: demonstrations of the expert or a person, and exploration.

Frames go to the stream; what the robot did goes to one file an episode. Features and rewards are computed later, when a
model exists, from the stream's frames (``actors.demonstrations``).
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from actors.cell import CellObservation, GripperState, InsertionTruth
from actors.sim.cell import CableCell
from actors.sim.expert import expert_twist
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

Kind = Literal["demonstration", "noisy", "random", "human"]
DEMONSTRATIONS: tuple[Kind, ...] = ("demonstration", "human")  # of the expert, and of a person
EXPLORATION_STEPS = 18
# A claim must hold, and labels must show a seated plug.
SEATED_STEPS = 3
MAX_DEMONSTRATION_STEPS = 40
SEATED_DEPTH = 0.95
# What reading a torn or foreign .npz raises, from its index down to its arrays.
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class RecordedEpisode:
    """One episode of T steps; its frames are in the stream of ``cell_id`` under ``sequences``.

    Attributes:
        episode_id: names it among all episodes.
        cell_id: where it ran.
        kind: what drove the robot.
        seed: of the cell's reset.
        sequences: of the frames, shape (T + 1,).
        grippers: position (m), rotation vector (rad), linear (m/s) and angular velocity (rad/s), shape (T + 1, 12).
        actions: share of the twist limits, in [-1, 1], shape (T, 6).
        true_keypoints_m: shape (T + 1, 3, 3); for labels and evaluation only.
        true_depth: shape (T + 1,); for evaluation only.
        visible: whether each keypoint lies in each image, shape (T + 1, views, 3).
    """

    episode_id: str
    cell_id: str
    kind: str
    seed: int
    sequences: np.ndarray
    grippers: np.ndarray
    actions: np.ndarray
    true_keypoints_m: np.ndarray
    true_depth: np.ndarray
    visible: np.ndarray

    def gripper(self, step: int) -> GripperState:
        """The gripper at a step."""
        return GripperState(*self.grippers[step].reshape(4, 3))


def record_episode(cell: CableCell, writer: StreamWriter, kind: Kind, seed: int) -> RecordedEpisode:
    """Run one episode and append its frames to the stream.

    Args:
        cell: simulated: the expert reads its true state.
        writer: of the same cell.
        kind: ``demonstration``: the expert; ``noisy``: the expert with noise; ``random``: drifting twists. A person's
            episodes (``human``) are recorded by ``actors.human``.
        seed: decides the start and the noise.
    """
    rng = np.random.default_rng((seed, 1))
    steer, steps = _steering(cell, kind, rng)
    seen = [cell.reset(seed)]
    truths = [cell.truth()]
    actions: list[np.ndarray] = []
    seated = 0
    while len(actions) < steps and seated < SEATED_STEPS:
        action = np.clip(steer(len(actions)) / cell.twist_limit, -1, 1)
        cell.command(action * cell.twist_limit)
        actions.append(action)
        seen.append(cell.observe())
        truths.append(cell.truth())
        seated += truths[-1].depth >= SEATED_DEPTH
    episode = recorded_episode(cell.cell_id, kind, seed, seen, truths, actions)
    append_frames(writer, episode, seen)
    return episode


def recorded_episode(
    cell_id: str,
    kind: Kind,
    seed: int,
    seen: Sequence[CellObservation],
    truths: Sequence[InsertionTruth],
    actions: Sequence[np.ndarray],
) -> RecordedEpisode:
    """T actions and the T + 1 moments around them as an episode."""
    return RecordedEpisode(
        episode_id=episode_name(cell_id, kind, seed),
        cell_id=cell_id,
        kind=kind,
        seed=seed,
        sequences=np.array([observation.frame.sequence for observation in seen]),
        grippers=np.stack([_flat(observation) for observation in seen]),
        actions=np.array(actions),
        true_keypoints_m=np.stack([truth.keypoints_m for truth in truths]),
        true_depth=np.array([truth.depth for truth in truths]),
        visible=np.stack([truth.visible for truth in truths]),
    )


def episode_name(cell_id: str, kind: Kind, seed: int) -> str:
    """Of the episode of one cell, kind and seed."""
    return f"{cell_id}-{kind}-{seed}"


def append_frames(writer: StreamWriter, episode: RecordedEpisode, seen: Sequence[CellObservation]) -> None:
    """Put an episode's frames into the stream; they are safe after the writer's next flush."""
    for step, observation in enumerate(seen):
        writer.append(StreamRecord(observation.frame, episode.episode_id, step, model_version=0))


def save_recording(folder: Path, episode: RecordedEpisode) -> None:
    """Write an episode as ``<folder>/<episode_id>.npz``, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    data = io.BytesIO()
    np.savez_compressed(data, **{field.name: getattr(episode, field.name) for field in fields(episode)})
    write_atomic(folder / f"{episode.episode_id}.npz", data.getvalue())


def load_recordings(folder: Path) -> list[RecordedEpisode]:
    """All episodes of a folder, by name.

    Raises:
        StorageError: there is none, or one is damaged.
    """
    episodes = [load_recording(path) for path in sorted(folder.glob("*.npz"))]
    if not episodes:
        raise StorageError(f"no recorded episodes in {folder}; `s3k collect` makes them")
    return episodes


def load_recording(path: Path) -> RecordedEpisode:
    """One episode.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        # np.load would leave a file open that it opened and then could not read.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            stored = {field.name: file[field.name] for field in fields(RecordedEpisode)}
        for name in ("episode_id", "cell_id", "kind"):
            stored[name] = str(stored[name])
        stored["seed"] = int(stored["seed"])
    except DAMAGED as error:
        raise StorageError(f"{path} is not a recorded episode: {' '.join(str(error).split())}") from error
    return RecordedEpisode(**stored)


def _steering(cell: CableCell, kind: Kind, rng: np.random.Generator) -> tuple[Callable[[int], np.ndarray], int]:
    """The twist of each step, and for how many steps."""
    if kind == "demonstration":
        return lambda step: expert_twist(cell), MAX_DEMONSTRATION_STEPS
    if kind == "noisy":
        spread = rng.uniform(0.3, 1.0)
        return lambda step: expert_twist(cell) + spread * rng.normal(size=6) * cell.twist_limit, EXPLORATION_STEPS
    drifts = rng.uniform(-1, 1, (EXPLORATION_STEPS // 4 + 1, 6)) * cell.twist_limit
    # A pull towards the task keeps the plug in the views, where labels are worth something.
    return lambda step: drifts[step // 4] + 0.4 * expert_twist(cell), EXPLORATION_STEPS


def _flat(observation: CellObservation) -> np.ndarray:
    gripper = observation.gripper
    return np.concatenate(
        [gripper.position_m, gripper.rotation_rad, gripper.linear_velocity_m_s, gripper.angular_velocity_rad_s]
    )
