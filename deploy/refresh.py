"""Computes the features of stored episodes anew, from the stream's frames, when another keypoint model is promoted.

And gives a learner that was begun from its last checkpoint the episodes it has missed since. Bounded in time: it works
for some seconds when asked to, and goes on where it stopped. Without ray: the learner is whoever takes episodes.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from actors.demonstrations import refreshed_chunk
from actors.insertion import InsertionConfig, InsertionTask
from actors.observation import FeatureSource
from actors.recording import load_recording
from actors.track import SUFFIX, Track, load_track, track_path
from s3k_dist.episodes import EpisodeChunk, episode_key
from s3k_dist.errors import FrameError, S3KError, StorageError
from s3k_dist.frames import MultiViewFrame

ENOUGH_EPISODES = 300  # demonstrations and the newest: a policy can learn the new features from them
FORGOTTEN_AFTER_S = 600.0  # a track this old whose episode the replay does not know will not be needed


class ReplayAwayError(S3KError):
    """The DDPG learner does not answer: it died, or hangs, and is begun anew."""


class Refreshable(Protocol):
    """The DDPG learner, as far as this is concerned; any of these may raise ReplayAwayError."""

    def features_promoted(self, version: int) -> None:
        """Features are of another model from now on."""

    def stale_episodes(self, version: int) -> np.ndarray:
        """Keys of the stored episodes with features of another model than ``version``, the most urgent first."""

    def stored_episodes(self) -> np.ndarray:
        """Keys of all stored episodes."""

    def refresh(self, chunk: EpisodeChunk) -> None:
        """A stored episode with other features."""

    def put_back(self, chunk: EpisodeChunk) -> None:
        """An episode that it had learned from, and has not in its last checkpoint."""

    def restored_from_s(self) -> float:
        """When the checkpoint was written that it was begun from, Unix time; 0 if there was none."""

    def features_refreshed(self) -> None:
        """Enough is refreshed to learn from: the demonstrations and the newest episodes, or all that can be."""


@dataclass(frozen=True)
class RefreshStatus:
    """How far it is.

    Attributes:
        version: whose features the stored episodes get; 0 while no model is promoted.
        left: episodes that wait.
        refreshed: episodes since the version was promoted.
        lost: episodes of which the track or a frame is gone; they keep the features they have.
        put_back: episodes that the learner has missed and got again.
    """

    version: int = 0
    left: int = 0
    refreshed: int = 0
    lost: int = 0
    put_back: int = 0

    @property
    def done(self) -> bool:
        """Nothing waits."""
        return self.left == 0


class FeatureRefresher:
    """Refreshes the episodes of one learner.

    Sketch::

        refresher = FeatureRefresher(learner, tracks, recordings, read_frames, task, image_px)
        refresher.begin(detector.version, detector)
        while not refresher.advance(seconds=2.0).done:
            ...                       # something else, so that this never takes all there is

    Args:
        learner: whose episodes.
        tracks: folder of what the robots did while it learned.
        recordings: folder of recorded episodes, the demonstrations among them.
        read_frames: the frames of some names, in order; raises StorageError where one is gone.
        task: as the agents meet it.
        image_px: side of the images.
    """

    def __init__(
        self,
        learner: Refreshable,
        tracks: Path,
        recordings: Path,
        read_frames: Callable[[list[str]], Iterable[MultiViewFrame]],
        task: InsertionConfig,
        image_px: int,
    ) -> None:
        self._learner = learner
        self._tracks = tracks
        self._recordings = recordings
        self._read_frames = read_frames
        self._task = InsertionTask(task, image_px)
        self._version = 0
        self._features: FeatureSource | None = None
        self._waiting: list[int] = []
        self._passed: set[int] = set()  # episodes that cannot be refreshed, for this version
        self._recorded: dict[int, Path] = {}
        self._missed: list[int] = []
        self._refreshed = self._put_back = 0
        self._said = self._finished = False

    def begin(self, version: int, features: FeatureSource, *, put_back: bool = False) -> None:
        """The features of ``version`` are wanted from now on; ``features`` makes them.

        Args:
            version: of the model.
            features: its.
            put_back: give the learner the episodes that it has missed since its last checkpoint.
        """
        self._version, self._features = version, features
        self._waiting, self._passed, self._refreshed = [], set(), 0
        self._said = self._finished = False
        self._recorded = {episode_key(path.stem): path for path in self._recordings.glob("*.npz")}
        self._learner.features_promoted(version)
        self._missed = self._find_missed() if put_back else []
        self._look()

    @property
    def version(self) -> int:
        """Whose features are wanted."""
        return self._version

    def advance(self, seconds: float) -> RefreshStatus:
        """Refresh for about ``seconds``, at least one episode if any waits."""
        until = time.monotonic() + seconds
        if not self._waiting:
            self._look()  # for episodes that have ended since
        while self._missed or self._waiting:
            if self._missed:
                self._put_back += self._retell(self._missed.pop(0), self._learner.put_back)
            else:
                self._refreshed += self._retell(self._waiting.pop(0), self._learner.refresh)
            if self._refreshed == ENOUGH_EPISODES:
                self._say_enough()
            if time.monotonic() > until:
                break
        if not self._missed and not self._waiting and self._version and not self._finished:
            self._finished = True
            self._say_enough()
            self._forget()
        left = len(self._missed) + len(self._waiting)
        return RefreshStatus(self._version, left, self._refreshed, len(self._passed), self._put_back)

    def _say_enough(self) -> None:
        if not self._said:
            self._said = True
            self._learner.features_refreshed()

    def _look(self) -> None:
        if not self._version:
            return
        stale = map(int, self._learner.stale_episodes(self._version))
        # Of an episode that has not ended there is no track yet: it is found when it is looked for again.
        self._waiting = [key for key in stale if key not in self._passed and self._path(key) is not None]

    def _find_missed(self) -> list[int]:
        """Episodes that ended after the learner's checkpoint was written, and that it does not know."""
        since_s = self._learner.restored_from_s()
        if not since_s:  # it has lost nothing
            return []
        stored = set(map(int, self._learner.stored_episodes()))
        paths = [path for path in self._tracks.glob(f"*{SUFFIX}") if path.stat().st_mtime > since_s]
        keys = [_key_of(path) for path in sorted(paths, key=lambda path: path.stat().st_mtime)]
        return [key for key in keys if key not in stored]

    def _retell(self, key: int, hand_over: Callable[[EpisodeChunk], None]) -> bool:
        path = self._path(key)
        if path is None or self._features is None:
            return False
        try:
            track: Track = load_track(path) if path.name.endswith(SUFFIX) else load_recording(path)
            frames = self._read_frames(track.frame_ids)
            hand_over(refreshed_chunk(track, frames, self._features, self._task))
        except (StorageError, FrameError):
            self._passed.add(key)
            return False
        return True

    def _path(self, key: int) -> Path | None:
        path = track_path(self._tracks, key)
        return path if path.exists() else self._recorded.get(key)

    def _forget(self) -> None:
        """Tracks of episodes that the replay has forgotten go."""
        stored = set(map(int, self._learner.stored_episodes()))
        oldest = time.time() - FORGOTTEN_AFTER_S
        for path in self._tracks.glob(f"*{SUFFIX}"):
            if _key_of(path) not in stored and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _key_of(track: Path) -> int:
    return int(track.name.removesuffix(SUFFIX), 16)
