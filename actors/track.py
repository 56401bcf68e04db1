"""What the robot did in an episode that was learned from: with it and the stream's frames, features are made anew."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.cell import GripperState
from actors.episode_file import load_fields, save_fields
from s3k_dist.episodes import episode_key

SUFFIX = ".track.npz"


@dataclass(frozen=True, eq=False)
class Track:
    """An episode of T steps without its features; its frames are in the stream of ``cell_id`` under ``sequences``.

    Attributes:
        episode_id: names it among all episodes.
        cell_id: where it ran.
        sequences: of the frames, shape (T + 1,).
        grippers: position (m), rotation vector (rad), linear (m/s) and angular velocity (rad/s), shape (T + 1, 12).
        actions: share of the twist limits, in [-1, 1], shape (T, 6).
    """

    episode_id: str
    cell_id: str
    sequences: np.ndarray
    grippers: np.ndarray
    actions: np.ndarray

    @property
    def frame_ids(self) -> list[str]:
        """Names of its frames, as ``MultiViewFrame.frame_id`` has them."""
        return [f"{self.cell_id}/{int(sequence):08d}" for sequence in self.sequences]

    def gripper(self, step: int) -> GripperState:
        """The gripper at a step."""
        return GripperState.of(self.grippers[step])


def track_path(folder: Path, key: int) -> Path:
    """Where the track of the episode with this ``episode_key`` lies."""
    return folder / f"{key:016x}{SUFFIX}"


def save_track(folder: Path, track: Track) -> None:
    """Keep a track, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    save_fields(track_path(folder, episode_key(track.episode_id)), track)


def load_track(path: Path) -> Track:
    """One track.

    Raises:
        StorageError: the file is missing or damaged.
    """
    return load_fields(path, Track)
