"""Episodes recorded before there is a keypoint model: demonstrations of the expert or a person, and exploration.

Frames go to the stream; what the robot did goes to one file an episode. Features and rewards are computed later, when a
model exists, from the stream's frames (``actors.demonstrations``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from actors.cell import CellObservation, InsertionTruth
from actors.episode_file import load_fields, save_fields
from actors.sim.expert import KnownCell, expert_twist
from actors.track import Track
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


@dataclass(frozen=True, eq=False)
class RecordedEpisode(Track):
    """One episode of T steps with what is known of it.

    Attributes:
        kind: what drove the robot.
        seed: of the cell's reset.
        true_keypoints_m: shape (T + 1, 3, 3); for labels and evaluation only.
        true_depth: shape (T + 1,); for evaluation only.
        visible: whether each keypoint lies in each image, shape (T + 1, views, 3).
    """

    kind: str
    seed: int
    true_keypoints_m: np.ndarray
    true_depth: np.ndarray
    visible: np.ndarray


def record_episode(cell: KnownCell, writer: StreamWriter, kind: Kind, seed: int) -> RecordedEpisode:
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
        grippers=np.stack([observation.gripper.numbers for observation in seen]),
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
    save_fields(folder / f"{episode.episode_id}.npz", episode)


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
    return load_fields(path, RecordedEpisode)


def _steering(cell: KnownCell, kind: Kind, rng: np.random.Generator) -> tuple[Callable[[int], np.ndarray], int]:
    """The twist of each step, and for how many steps."""
    if kind == "demonstration":
        return lambda step: expert_twist(cell), MAX_DEMONSTRATION_STEPS
    if kind == "noisy":
        spread = rng.uniform(0.3, 1.0)
        return lambda step: expert_twist(cell) + spread * rng.normal(size=6) * cell.twist_limit, EXPLORATION_STEPS
    drifts = rng.uniform(-1, 1, (EXPLORATION_STEPS // 4 + 1, 6)) * cell.twist_limit
    # A pull towards the task keeps the plug in the views, where labels are worth something.
    return lambda step: drifts[step // 4] + 0.4 * expert_twist(cell), EXPLORATION_STEPS
