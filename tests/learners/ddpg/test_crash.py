"""Whatever moment the learner is killed at, the newest checkpoint is whole and holds every demonstration."""

import os
import pickle
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import ray
from ray.rllib.utils import checkpoints

from learners.ddpg.algorithm import DDPG
from learners.ddpg.checkpoint import KEPT, latest_checkpoint, save_checkpoint
from learners.ddpg.config import DDPGConfig
from learners.ddpg.ingest import IngestEnvRunner
from s3k_dist.episodes import EpisodeChunk

MakeChunk = Callable[..., EpisodeChunk]

pytestmark = [pytest.mark.usefixtures("small_ray")]

DEMONSTRATIONS = 3
MUTATIONS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Killed(BaseException):
    """Not an Exception: a killed process handles nothing."""


class Executioner:
    """Kills at the n-th write, sync, rename or removal of this thread: from then on each of them fails.

    Attributes:
        synced: inodes whose content would survive a power cut.
    """

    def __init__(self) -> None:
        self.synced: set[int] = set()
        self._left: int | None = None
        self._thread = threading.get_ident()
        sys.addaudithook(self._audit)

    def arm(self, spared: int) -> None:
        """Let so many pass."""
        self._left, self.synced = spared, set()

    def disarm(self) -> None:
        """The machine is up again."""
        self._left = None

    def act(self) -> None:
        """Something is about to change on disk."""
        if self._left is None or threading.get_ident() != self._thread:
            return
        self._left -= 1
        if self._left < 0:
            raise Killed

    def sync(self, descriptor: int) -> None:
        """Stands where ``os.fsync`` is."""
        self.act()
        self.synced.add(os.fstat(descriptor).st_ino)

    def dump(self, value: Any, file: Any) -> None:
        """Stands where RLlib pickles into a checkpoint: killed in the middle, it leaves half a file."""
        data = pickle.dumps(value)
        file.write(data[: len(data) // 2])
        self.act()
        file.write(data[len(data) // 2 :])

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._left is not None and (event in MUTATIONS or (event == "open" and _writes(arguments))):
            self.act()


def _writes(arguments: tuple[Any, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & WRITING)


@pytest.fixture(scope="module")
def executioner() -> Executioner:
    """One for all tests: an audit hook cannot be removed."""
    return Executioner()


@pytest.fixture
def deadly(executioner: Executioner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executioner]:
    """Stands at every place that changes the disk."""
    monkeypatch.setattr(os, "fsync", executioner.sync)
    wrapped = type("Pickle", (), {"dump": staticmethod(executioner.dump), "load": staticmethod(pickle.load)})
    monkeypatch.setattr(checkpoints, "pickle", wrapped)
    yield executioner
    executioner.disarm()


def build() -> DDPG:
    config = (
        DDPGConfig()
        .environment(
            observation_space=gym.spaces.Box(-np.inf, np.inf, (3,), np.float32),
            action_space=gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
        )
        .env_runners(env_runner_cls=IngestEnvRunner, num_env_runners=0)
        .training(
            hidden_sizes=(8,),
            train_batch_size_per_learner=16,
            learning_starts=0,
            replay_capacity=200,
            demonstration_capacity=60,
            normalize_observations=True,
        )
        .debugging(seed=3, log_level="ERROR")
    )
    return config.build_algo()


def demonstrations(make_chunk: MakeChunk) -> list[EpisodeChunk]:
    return [make_chunk(f"demonstration-{number}", steps=12, terminated=True) for number in range(DEMONSTRATIONS)]


def learn(algorithm: DDPG, make_chunk: MakeChunk, episode: str) -> None:
    algorithm.env_runner.inbox.push(make_chunk(episode, steps=6, terminated=True))
    algorithm.training_step()


def fingerprint(algorithm: DDPG) -> dict[str, bytes]:
    """Every weight and every row, exactly."""
    weights = algorithm.learner_group._learner.module["default_policy"].state_dict()
    rows = algorithm.replay.get_state()
    return {name: np.asarray(array).tobytes() for name, array in (*weights.items(), *rows.items())}


def test_a_kill_at_any_write_of_a_checkpoint_leaves_a_whole_one(
    deadly: Executioner, make_chunk: MakeChunk, tmp_path: Path
) -> None:
    algorithm, reader = build(), build()
    algorithm.load_demonstrations(demonstrations(make_chunk))
    before = tmp_path / "before"
    for number in range(KEPT):
        learn(algorithm, make_chunk, f"early-{number}")
        save_checkpoint(algorithm, before)
    old = fingerprint(algorithm)
    learn(algorithm, make_chunk, "late")
    new = fingerprint(algorithm)

    found = []
    while True:
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(before, folder)
        durable = {path.stat().st_ino for path in folder.rglob("*")}
        deadly.arm(spared=len(found))
        try:
            save_checkpoint(algorithm, folder)
        except Killed:
            killed = True
        else:
            killed = False
        deadly.disarm()
        # The power was cut as well: what was not synced is lost.
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_ino not in durable | deadly.synced:
                os.truncate(path, 0)
        reader.restore_from_path(latest_checkpoint(folder))
        restored = fingerprint(reader)
        assert restored in (old, new), f"killed at write {len(found)}"
        assert reader.replay.demonstration_size == 12 * DEMONSTRATIONS
        found.append(restored == new)
        # The next save clears up what the killed one left.
        if len(found) % 10 == 0 or not killed:
            save_checkpoint(algorithm, folder)
            assert len(list(folder.iterdir())) == KEPT
        if not killed:
            break
    assert found[-1]
    assert found == sorted(found), "a checkpoint that was there has gone"
    assert len(found) > 60, "not every write was met"
    algorithm.stop()
    reader.stop()


@ray.remote(num_cpus=0)
class Learner:
    """Learns and saves until it is killed."""

    def __init__(self, folder: Path, episodes: list[EpisodeChunk]) -> None:
        self._algorithm, self._folder, self._agent = build(), folder, episodes[DEMONSTRATIONS]
        self._algorithm.load_demonstrations(episodes[:DEMONSTRATIONS])

    def run(self) -> None:
        for number in range(100_000):
            self._algorithm.env_runner.inbox.push(replace(self._agent, episode_id=f"agent-{number}"))
            self._algorithm.training_step()
            save_checkpoint(self._algorithm, self._folder)


def test_a_learner_killed_at_a_random_moment_loses_no_demonstration(make_chunk: MakeChunk, tmp_path: Path) -> None:
    episodes = [*demonstrations(make_chunk), make_chunk("agent", steps=6, terminated=True)]
    learner = Learner.remote(tmp_path, episodes)
    running = learner.run.remote()
    for _ in range(600):
        if latest_checkpoint(tmp_path) is not None:
            break
        time.sleep(0.1)
    time.sleep(float(np.random.default_rng().uniform(0.0, 1.0)))
    ray.kill(learner)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(running, timeout=60.0)
    resumed = build()
    resumed.restore_from_path(latest_checkpoint(tmp_path))
    assert resumed.updates > 0
    assert resumed.replay.demonstration_size == 12 * DEMONSTRATIONS
    # Whoever is not sure that they arrived may send them again.
    assert resumed.load_demonstrations(episodes[:DEMONSTRATIONS]) == 0
    resumed.stop()
