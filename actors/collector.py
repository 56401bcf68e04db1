"""One cell and all that acts in it: records, demonstrates, runs episodes, ships frames to the stream.

Runs in a process of its own, as a Ray actor or not; needs no ray itself. A cell that crashed is simply made anew: it
continues its stream where the old one stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from actors.cell import CellObservation, CellSpec, known_truth
from actors.demonstrations import demonstration_chunk
from actors.human import HumanRecording
from actors.insertion import InsertionConfig, InsertionTask, TaskStep
from actors.operator import Desk, Moment
from actors.pace import Pace
from actors.recording import (
    Kind,
    RecordedEpisode,
    append_frames,
    load_recordings,
    record_episode,
    save_recording,
)
from actors.rollout import ActingPolicy, EpisodeOutcome, Rollout
from actors.sim.expert import KnownCell
from actors.track import Track, save_track
from s3k_dist.access.reach import read_credentials
from s3k_dist.drift.monitor import DriftConfig
from s3k_dist.drift.watch import CellWatch
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import CellError
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.latency import LatencySummary
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.writer import WriterSettings


@dataclass(frozen=True)
class CollectorSpec:
    """What a collector needs to know.

    Attributes:
        cell: which.
        task: thresholds, rewards, and what is observed.
        stream: folder of the stream.
        recordings: folder of recorded episodes.
        tracks: folder of what the robot did in the episodes that are learned from; None keeps nothing of it.
        deadline_s: patience with the feature service for one frame.
        drift: how the cell watches its own frames.
        writer: how frames are written to the stream.
        credentials: folder of the cell's certificate; None where the service is on this machine.
    """

    cell: CellSpec
    task: InsertionConfig
    stream: Path
    recordings: Path
    tracks: Path | None = None
    deadline_s: float = 5.0
    drift: DriftConfig = field(default_factory=DriftConfig)
    writer: WriterSettings = field(default_factory=WriterSettings)
    credentials: Path | None = None


@dataclass
class Film:
    """An episode as it was seen: frames, their features, and what the task made of them."""

    frames: list[MultiViewFrame] = field(default_factory=list)
    features: list[FrameFeatures] = field(default_factory=list)
    steps: list[TaskStep] = field(default_factory=list)
    true_depth: list[float] = field(default_factory=list)


class Collector:
    """Owns a cell, its end of the stream and its client of the feature service."""

    def __init__(self, spec: CollectorSpec) -> None:
        self._spec = spec
        self._cell = spec.cell.make()
        self._writer = spec.writer.open(spec.stream, spec.cell.cell_id)
        self._cell.resume_after(self._writer.next_sequence - 1)
        self._client: FeatureClient | None = None
        self._rollout: Rollout | None = None
        self._film: Film | None = None
        self._desk: Desk | None = None
        self._watch = CellWatch(spec.drift)
        self._episodes = self._step = 0
        self._attended = False
        self._track: Track | None = None

    def record(self, episodes: Sequence[tuple[Kind, int]]) -> int:
        """Record episodes, each a kind and a seed; returns the number of frames. They are safe when this returns.

        Raises:
            CellError: the cell is not simulated: the expert sees nothing there.
        """
        if not isinstance(self._cell, KnownCell):
            raise CellError(
                f"cell {self._cell.cell_id!r} is not simulated, so no scripted expert can record in it: "
                "`s3k demos record --by human` lets a person do it"
            )
        frames = 0
        for kind, seed in episodes:
            episode = record_episode(self._cell, self._writer, kind, seed)
            self._save(episode)
            frames += len(episode.sequences)
        self._writer.publish()  # labels are clicked on them next
        return frames

    def record_human(
        self, desk: Desk, seeds: Iterator[int], wanted: int | None = None, pace: Pace | None = None
    ) -> int:
        """Record what a person at ``desk`` drives and keeps; returns how many. Each is safe as soon as it is kept."""

        def keep(episode: RecordedEpisode, seen: list[CellObservation]) -> None:
            append_frames(self._writer, episode, seen)
            self._save(episode)

        recorded = HumanRecording(self._cell, desk, seeds, keep, wanted=wanted, pace=pace).run()
        self._writer.publish()
        return recorded

    def place_desk(self, desk: Desk) -> None:
        """From now on a person at ``desk`` sees every step, and may take over while an episode is learned from."""
        self._desk = desk

    def connect(self, address: str, wait_s: float = 30.0) -> None:
        """Use the feature service at ``address`` from now on.

        Raises:
            ServiceUnavailableError: it is not ready within ``wait_s`` seconds.
        """
        if self._client is not None:
            self._client.close()
        self._client = FeatureClient(
            address, deadline_s=self._spec.deadline_s, credentials=read_credentials(self._spec.credentials)
        )
        self._client.wait_ready(wait_s)
        self._rollout = Rollout(
            self._cell, self._client, self._task(), self._writer, on_step=self._show, keep_track=self._take_track
        )

    def demonstrations(self, episode_ids: Sequence[str]) -> list[EpisodeChunk]:
        """Recorded demonstrations of this cell with the served features; those that never claim are left out."""
        assert self._client is not None, "connect() comes first"
        reader = StreamReader(self._spec.stream)
        reader.refresh()
        chunks = []
        for episode in self._recorded(set(episode_ids)):
            frames = (reader.read_by_id(f"{episode.cell_id}/{int(s):08d}").frame for s in episode.sequences)
            chunk = demonstration_chunk(episode, frames, self._client, self._task())
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def run_episode(
        self,
        policy: ActingPolicy,
        seed: int,
        *,
        keep_going: Callable[[], bool] = lambda: True,
        film: bool = False,
        attended: bool = False,
        learned_from: bool = False,
    ) -> tuple[EpisodeOutcome, Film | None]:
        """One episode of the task; its frames are safe in the stream when this returns.

        A person may take over in an ``attended`` one, where there is a desk. Of one that is ``learned_from`` there is a
        track, so that its features can be made anew.
        """
        assert self._rollout is not None, "connect() comes first"
        assert self._client is not None
        self._client.group = f"{self._spec.cell.cell_id}/{seed}/{self._episodes}"
        self._film = Film() if film else None
        self._attended = attended
        self._episodes += 1
        self._step = 0
        try:
            operator = self._desk if attended else None
            outcome = self._rollout.run(policy, seed, keep_going=keep_going, operator=operator)
        finally:
            self._writer.flush()  # also of an episode that broke off: its frames are worth learning to see from
            track, self._track = self._track, None
            if learned_from and track is not None and self._spec.tracks is not None:
                save_track(self._spec.tracks, track)
        return replace(outcome, drift=self._watch.report()), self._film

    def latency(self) -> LatencySummary | None:
        """Round trips to the feature service, as this cell met them."""
        return self._client.latency_summary() if self._client is not None else None

    def stop(self) -> None:
        """Halt the robot, flush the stream, hang up."""
        try:
            self._cell.stop()
            self._writer.close()
        finally:
            if self._client is not None:
                self._client.close()

    def served_version(self) -> int:
        """Version of the model that answers now.

        Raises:
            ServiceError: the service does not say.
        """
        assert self._client is not None, "connect() comes first"
        return self._client.model().version

    def _take_track(self, track: Track) -> None:
        self._track = track

    def _task(self) -> InsertionTask:
        return InsertionTask(self._spec.task, self._spec.cell.image_px)

    def _recorded(self, episode_ids: set[str]) -> list[RecordedEpisode]:
        return [episode for episode in load_recordings(self._spec.recordings) if episode.episode_id in episode_ids]

    def _save(self, episode: RecordedEpisode) -> None:
        self._writer.flush()  # frames before the file that names them
        save_recording(self._spec.recordings, episode)

    def _show(self, seen: CellObservation, features: FrameFeatures, step: TaskStep) -> None:
        self._watch.observe(features, seen.frame.cameras)
        if self._desk is not None:
            phase = "open" if self._attended else "closed"
            self._desk.show(Moment(seen, phase, self._episodes, self._step))
        self._step += 1
        if self._film is not None:
            self._film.frames.append(seen.frame)
            self._film.features.append(features)
            self._film.steps.append(step)
            self._film.true_depth.append(known_truth(self._cell).depth)


def reprojected_pixels(frame: MultiViewFrame, points_m: np.ndarray) -> np.ndarray:
    """Where world points fall in each view of a frame without lens distortion, shape (views, points, 2), pixels."""
    pixels = []
    for camera in frame.cameras:
        homogeneous = (points_m @ camera.rotation.T + camera.translation_m) @ camera.intrinsics.T
        pixels.append(homogeneous[:, :2] / homogeneous[:, 2:])
    return np.stack(pixels)
