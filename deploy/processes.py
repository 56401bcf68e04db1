"""The processes of a run, as Ray actors: cells, feature service, keypoint learner, policy learner.

Each is a thin shell around a part that needs no ray. Their niceness is the order in which they may be late on a crowded
machine: the service answers robots, cells act, the policy learner learns, the keypoint learner takes what is left.
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import ray

from actors.collector import Collector, CollectorSpec, Film
from actors.recording import DEMONSTRATIONS, Kind, load_recordings
from actors.rollout import EpisodeOutcome
from deploy.config import ControlConfig, PolicyConfig, RunConfig
from deploy.control.desk import ControlDesk
from deploy.control.server import ControlServer
from deploy.links import ASK_S, FixedPolicy, LearnerLink, RemoteReplay
from deploy.refresh import FeatureRefresher, RefreshStatus
from deploy.run_folder import RunFolder
from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import PolicyWeights
from learners.keypoint.learner import LearnerStatus
from s3k_dist.access.audit import AuditLog
from s3k_dist.access.reach import is_local, read_credentials
from s3k_dist.allocator import keep_large_blocks
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.features.latency import LatencySummary
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

if TYPE_CHECKING:
    from deploy.policy import PolicyProgress

EVERYWHERE = "0.0.0.0"  # nosec B104  # compared with: it listens so only where the configuration says it
# The service gets nearly a whole core when it needs one; the others share what is left about as 4 : 2 : 1.
NICENESS = {"service": 0, "cell": 10, "policy": 13, "keypoints": 16}


@ray.remote(num_cpus=0, concurrency_groups={"pulse": 1})
class CellProcess:
    """Runs one cell."""

    def __init__(self, spec: CollectorSpec) -> None:
        _settle("cell")
        self._spec = spec
        self._made: Collector | None = None
        self._link: LearnerLink | None = None
        self._page: ControlServer | None = None

    @property
    def _collector(self) -> Collector:
        # Made by the thread that uses it, which is not the one that made this: an OpenGL context belongs to a thread.
        if self._made is None:
            self._made = Collector(self._spec)
        return self._made

    @ray.method(concurrency_group="pulse")
    def pulse(self) -> tuple[str, int]:
        """Answers beside whatever it is doing, as long as the process lives: where it is, and its number there."""
        return _whereabouts()

    def record(self, episodes: Sequence[tuple[Kind, int]]) -> int:
        """See ``Collector.record``."""
        return self._collector.record(episodes)

    def connect(self, address: str) -> None:
        """See ``Collector.connect``."""
        self._collector.connect(address)

    def demonstrations(self, episode_ids: Sequence[str]) -> list[EpisodeChunk]:
        """See ``Collector.demonstrations``."""
        return self._collector.demonstrations(episode_ids)

    def attach(self, learner: Any, config: PolicyConfig, seed: int) -> None:
        """Act for, and push steps to, a policy learner from now on, with the newest weights it has."""
        weights, shape = ray.get(learner.weights.remote(), timeout=ASK_S)
        noise, sigma = config.exploration_noise, config.exploration_sigma
        self._link = LearnerLink(learner, weights, shape, noise=noise, sigma=sigma, seed=seed)
        self._fit_wait_s = config.fit_wait_s

    def serve_control(self, config: ControlConfig, token: str) -> str:
        """Let a person take over from a page; returns its address. Asked again, it goes on as it is."""
        if self._page is None:
            desk = ControlDesk(records=False)
            # On loopback the certificate would name a cell, and no browser asks for one of those.
            shown = None if is_local(f"{config.address}:0") else self._spec.credentials
            self._page = ControlServer(desk, config.address, config.port or 0, token, shown)
            self._page.start()
            self._collector.place_desk(desk)
        return self._page.url

    def train_episode(self, seed: int) -> EpisodeOutcome:
        """One episode with exploration, pushed to the learner; a person may take over."""
        assert self._link is not None, "attach() comes first"
        self._link.wait_to_fit(self._collector.served_version(), self._fit_wait_s)
        outcome, _ = self._collector.run_episode(self._link, seed, attended=True, learned_from=True)
        return replace(outcome, misfit_steps=self._link.misfit_steps)

    def evaluate_episode(
        self, weights: PolicyWeights, shape: ActorShape, seed: int, film: bool
    ) -> tuple[EpisodeOutcome, Film | None]:
        """One episode without noise, not learned from."""
        return self._collector.run_episode(FixedPolicy(weights, shape), seed, film=film)

    def stop(self) -> None:
        """See ``Collector.stop``."""
        if self._page is not None:
            self._page.stop()
        if self._made is not None:
            self._made.stop()


@ray.remote(num_cpus=0)
class ServiceProcess:
    """Hosts the feature service."""

    def __init__(self, config: RunConfig, folder: RunFolder, address: str) -> None:
        _settle("service", threads=1)
        from deploy.device import compute_device
        from s3k_dist.embeddings.encoder import ENCODER_KINDS, encoder_source
        from s3k_dist.features.detector import Trials
        from s3k_dist.features.server import FeatureServer
        from s3k_dist.features.server_thread import FeatureServerThread
        from s3k_dist.keypoints.detector import KeypointDetector

        registry = WeightsRegistry(folder.models)
        kind = config.task.observation
        self._thread = FeatureServerThread(
            FeatureServer(
                registry.current,
                lambda version: KeypointDetector.load(registry, version, compute_device()),
                address=address,
                max_batch_frames=config.service.max_batch_frames,
                max_queue_frames=config.service.max_queue_frames,
                poll_s=config.service.poll_s,
                metrics_port=config.service.metrics_port,
                trials=Trials.of(registry),
                encoder=encoder_source(WeightsRegistry(folder.encoder(kind))) if kind in ENCODER_KINDS else None,
                credentials=read_credentials(config.credentials),
                audit=AuditLog(folder.audit),
            )
        )
        self._listens = False

    def start(self) -> str:
        """Listen, unless it does; returns the address at which others reach it, with the port that was free."""
        if not self._listens:
            self._thread.start()
            self._listens = True
        host, _, port = self._thread.address.rpartition(":")
        return f"{ray.util.get_node_ip_address() if host == EVERYWHERE else host}:{port}"

    def pulse(self) -> tuple[str, int]:
        """Where it is, and the process's number there."""
        return _whereabouts()

    def latency(self) -> LatencySummary:
        """Of the last requests."""
        return self._thread.server.latency_summary()

    def stop(self) -> None:
        """Answer what is under way and stop."""
        self._thread.stop(grace_s=1.0)


@ray.remote(num_cpus=0, concurrency_groups={"pulse": 1})
class KeypointProcess:
    """Runs the keypoint learner, a few steps a call, so that whoever asks can always stop between two calls."""

    def __init__(self, config: RunConfig, folder: RunFolder) -> None:
        _settle("keypoints", threads=os.cpu_count() or 1)
        from deploy.keypoints import build_learner

        self._config = config
        self._folder = folder
        self._learner = build_learner(config, folder)
        self._reader = StreamReader(folder.stream)
        self._refresher: FeatureRefresher | None = None

    @ray.method(concurrency_group="pulse")
    def pulse(self) -> tuple[str, int]:
        """Answers beside whatever it is doing, as long as the process lives: where it is, and its number there."""
        return _whereabouts()

    def refresh(self, policy_learner: Any, seconds: float, forget: bool) -> RefreshStatus:
        """Make the features of stored episodes anew, for some seconds, if another model was promoted.

        ``forget`` what was done: another policy learner has taken the place of the one before.
        """
        from s3k_dist.keypoints.detector import KeypointDetector

        registry = WeightsRegistry(self._folder.models)
        current = registry.current() or 0
        if self._refresher is None or forget:
            self._refresher = FeatureRefresher(
                RemoteReplay(policy_learner),
                self._folder.tracks,
                self._folder.recordings,
                self._read_frames,
                self._config.task,
                self._config.cells.image_px,
            )
        if current and current != self._refresher.version:
            # Where the learner was begun anew it has lost what it learned since its last checkpoint.
            self._refresher.begin(current, KeypointDetector.load(registry, current), put_back=forget)
        return self._refresher.advance(seconds)

    def _read_frames(self, frame_ids: list[str]) -> Iterable[MultiViewFrame]:
        self._reader.refresh()
        return (self._reader.read_by_id(frame_id).frame for frame_id in frame_ids)

    def advance(self, steps: int, threads: int) -> LearnerStatus:
        """Train for some steps."""
        _use_threads(threads)
        return self._learner.advance(steps)

    def measure(self) -> LearnerStatus:
        """Judge the model as it is on the held-out frames."""
        self._learner.measure()
        return self._learner.status()

    def publish(self) -> LearnerStatus:
        """Publish what it has, and decide on it and on a version on trial at once."""
        self._learner.publish(trial=False)
        return self._learner.status()

    def status(self) -> LearnerStatus:
        """Where it is."""
        return self._learner.status()

    def save(self) -> None:
        """Keep what was learned."""
        self._learner.save(self._folder.trainer)


@ray.remote(num_cpus=0, concurrency_groups={"ingest": 1, "pulse": 1})
class PolicyProcess:
    """Runs the DDPG learner; cells push in a thread of their own, so they never wait for an update."""

    def __init__(self, config: RunConfig, folder: RunFolder) -> None:
        _settle("policy", threads=1)
        from deploy.policy import actor_shape, build_algorithm, progress_of
        from learners.ddpg.checkpoint import find_checkpoint

        self._folder = folder
        found = find_checkpoint(folder.checkpoints)
        self._restored_from_s = 0.0 if found is None else found.path.stat().st_mtime
        self._news = () if found is None else tuple(f"{why}; {found.path.name} is used" for why in found.damaged)
        self._algorithm = build_algorithm(config, folder, None if found is None else found.path)
        self._shape = actor_shape(config)
        self._progress_of = progress_of

    @ray.method(concurrency_group="pulse")
    def pulse(self) -> tuple[str, int]:
        """Answers beside whatever it is doing, as long as the process lives: where it is, and its number there."""
        return _whereabouts()

    @ray.method(concurrency_group="ingest")
    def push(self, chunk: EpisodeChunk, have_version: int) -> PolicyWeights | None:
        """Take steps of an episode; answers with newer weights if there are any."""
        runner = self._algorithm.env_runner_group.local_env_runner
        runner.inbox.push(chunk)
        newest = runner.newest_weights
        return None if newest is None or newest.version == have_version else newest

    @ray.method(concurrency_group="ingest")
    def newest(self, have_version: int) -> PolicyWeights | None:
        """Newer weights than these, if there are any."""
        newest = self._algorithm.env_runner_group.local_env_runner.newest_weights
        return None if newest is None or newest.version == have_version else newest

    @ray.method(concurrency_group="ingest")
    def features_promoted(self, version: int) -> None:
        """See ``FeatureRefresh.promoted``."""
        self._algorithm.feature_refresh.promoted(version)

    @ray.method(concurrency_group="ingest")
    def refresh(self, chunk: EpisodeChunk) -> None:
        """See ``FeatureRefresh.put``."""
        self._algorithm.feature_refresh.put(chunk)

    @ray.method(concurrency_group="ingest")
    def put_back(self, chunk: EpisodeChunk) -> None:
        """Take a whole episode that was lost with the process before."""
        self._algorithm.env_runner_group.local_env_runner.inbox.push(chunk)

    @ray.method(concurrency_group="ingest")
    def restored_from_s(self) -> float:
        """When the checkpoint was written that it was begun from, Unix time; 0 if there was none."""
        return self._restored_from_s

    @ray.method(concurrency_group="ingest")
    def features_refreshed(self) -> None:
        """See ``FeatureRefresh.done``."""
        self._algorithm.feature_refresh.done()

    def stale_episodes(self, version: int) -> np.ndarray:
        """See ``DemonstrationReplay.stale``."""
        return self._algorithm.replay.stale(version)

    def stored_episodes(self) -> np.ndarray:
        """See ``DemonstrationReplay.episodes``."""
        return self._algorithm.replay.episodes()

    def load_demonstrations(self, chunks: Sequence[EpisodeChunk]) -> int:
        """Store demonstrations for good; returns the number of transitions."""
        return self._algorithm.load_demonstrations(chunks)

    def advance(self, seconds: float) -> "PolicyProgress":
        """Learn for about ``seconds``; returns how far it is."""
        _use_threads(1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._algorithm.training_step()
        news, self._news = self._news, ()
        return replace(self._progress_of(self._algorithm), news=news)

    def weights(self) -> tuple[PolicyWeights, ActorShape]:
        """The actor as it is now, and its shape."""
        return self._algorithm.policy_weights, self._shape

    def save(self) -> None:
        """Write a checkpoint."""
        from learners.ddpg.checkpoint import save_checkpoint

        save_checkpoint(self._algorithm, self._folder.checkpoints)


def demonstration_ids(folder: RunFolder, cell_id: str) -> list[str]:
    """Names of the recorded demonstrations of one cell, the expert's and people's."""
    episodes = load_recordings(folder.recordings)
    return [each.episode_id for each in episodes if each.cell_id == cell_id and each.kind in DEMONSTRATIONS]


def _whereabouts() -> tuple[str, int]:
    return ray.util.get_node_ip_address(), os.getpid()


def _settle(role: str, threads: int | None = None) -> None:
    os.nice(NICENESS[role])
    if role in ("service", "keypoints"):
        keep_large_blocks()
    if threads is not None:
        _use_threads(threads)


def _use_threads(threads: int) -> None:
    import torch

    # Adam's moments and converged networks go denormal, and a denormal costs a hundred times a number. Of this thread:
    # calls run in another one than the one that made the process's actor.
    torch.set_flush_denormal(True)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
