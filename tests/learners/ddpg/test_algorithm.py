"""The algorithm as its users run it: cells push, checkpoints resume exactly, a roll-back rolls back."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from learners.ddpg.algorithm import DDPG
from learners.ddpg.checkpoint import REPLAY_FILE, latest_checkpoint, save_checkpoint
from learners.ddpg.config import DDPGConfig
from learners.ddpg.ingest import IngestEnvRunner
from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import Policy
from learners.ddpg.schedule import Schedule, schedule_value
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import ConfigError, StorageError

MakeChunk = Callable[..., EpisodeChunk]
BuildAlgorithm = Callable[..., DDPG]

pytestmark = [
    pytest.mark.usefixtures("small_ray"),
]

SHAPE = ActorShape(observation_size=3, action_size=2, hidden_sizes=(32, 32))
NORMALIZED_SHAPE = replace(SHAPE, normalize_observations=True)


@pytest.fixture
def build() -> Iterator[BuildAlgorithm]:
    """Build small algorithms without environment; stop them all."""
    built: list[DDPG] = []

    def build_algorithm(**settings: Any) -> DDPG:
        defaults = {
            "hidden_sizes": SHAPE.hidden_sizes,
            "train_batch_size_per_learner": 32,
            "learning_starts": 10,
            "replay_capacity": 2000,
            "demonstration_capacity": 200,
            "max_updates_per_step": 8,
            "target_noise": 0.1,
        }
        config = (
            DDPGConfig()
            .environment(
                observation_space=gym.spaces.Box(-np.inf, np.inf, (3,), np.float32),
                action_space=gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
            )
            .env_runners(env_runner_cls=IngestEnvRunner, num_env_runners=0)
            .training(**{**defaults, **settings})  # type: ignore[typeddict-item]
            .debugging(seed=3, log_level="ERROR")
        )
        algorithm: DDPG = config.build_algo()
        built.append(algorithm)
        return algorithm

    yield build_algorithm
    for algorithm in built:
        algorithm.stop()


def push(algorithm: DDPG, chunk: EpisodeChunk) -> None:
    assert algorithm.env_runner.inbox.push(chunk) is None


def weights(algorithm: DDPG) -> dict[str, np.ndarray]:
    """All networks, slow ones included."""
    module = algorithm.learner_group._learner.module["default_policy"]
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(other[name], array, err_msg=name)


def test_cells_push_and_the_learner_learns_and_publishes(build: BuildAlgorithm, make_chunk: MakeChunk) -> None:
    algorithm = build()
    first = algorithm.env_runner.newest_weights
    assert first is not None

    def cell(name: str) -> None:
        policy = Policy(SHAPE, seed=0)
        for number in range(10):
            newest = algorithm.env_runner.newest_weights
            if newest is not None and newest.version != policy.version:
                policy.load(newest)
            policy.act(np.zeros(3))
            episode = f"{name}-{number}"
            push(algorithm, make_chunk(episode, steps=3, policy_version=policy.version))
            rest = make_chunk(
                episode, steps=3, start_step=3, terminated=True, policy_version=policy.version, success=number % 2 == 0
            )
            push(algorithm, rest)

    cells = [threading.Thread(target=cell, args=(f"cell-{index}",)) for index in range(2)]
    for thread in cells:
        thread.start()
    for _ in range(100):
        algorithm.training_step()
        if algorithm.updates == 110:
            break
    for thread in cells:
        thread.join(timeout=10.0)
    assert algorithm.env_steps == 120
    assert algorithm.updates == 110  # one for each step after the first ten
    result = algorithm.train()
    progress = result["ddpg"]
    assert progress["episodes"] == 20
    assert progress["success_rate"] == 0.5
    assert progress["policy_lag_mean"] >= 0
    assert progress["replay_agent_size"] == 120
    assert np.isfinite(result["learners"]["default_policy"]["critic_loss"])
    newest = algorithm.env_runner.newest_weights
    assert newest.version > first.version
    # What a cell loads acts as the learner's module does.
    policy = Policy(SHAPE)
    policy.load(newest)
    module = algorithm.learner_group._learner.module["default_policy"]
    observation = torch.ones(1, 3)
    np.testing.assert_array_equal(
        policy.act(observation[0].numpy()), module.forward_inference({"obs": observation})["actions"][0].numpy()
    )


@pytest.mark.parametrize("lambda_actor", [0.0, 0.1])
def test_a_delayed_actor_moves_at_every_second_step_and_the_critics_at_each(
    lambda_actor: float, build: BuildAlgorithm, make_chunk: MakeChunk
) -> None:
    algorithm = build(actor_delay=2, lambda_n=0.0, lambda_actor=lambda_actor)
    push(algorithm, make_chunk(steps=9, terminated=True))
    algorithm.training_step()
    for step in range(4):
        before = weights(algorithm)
        algorithm._learn(1)
        moved = {name for name, array in weights(algorithm).items() if not np.array_equal(array, before[name])}
        assert any(name.startswith("critics.") for name in moved)
        assert any(name.startswith("actor.") for name in moved) == (step % 2 == 0)
    learner = algorithm.metrics.peek(("learners", "default_policy"))
    # The last step moved the critics alone; what the actor's last one logged is there still.
    assert all(np.isfinite(learner[name]) for name in ("critic_loss", "actor_loss", "q_mean"))


def test_a_long_return_of_no_weight_is_not_looked_at(build: BuildAlgorithm, make_chunk: MakeChunk) -> None:
    learned = []
    for n_step in (2, 5):
        algorithm = build(lambda_n=0.0, n_step=n_step)
        push(algorithm, make_chunk(steps=9, terminated=True))
        algorithm.training_step()
        for _ in range(3):
            algorithm._learn(1)
        learned.append(weights(algorithm))
    assert_equal(*learned)


def test_a_chunk_that_contradicts_another_is_counted_not_fatal(build: BuildAlgorithm, make_chunk: MakeChunk) -> None:
    algorithm = build()
    push(algorithm, make_chunk(steps=5))
    push(algorithm, make_chunk(steps=5))
    algorithm.training_step()
    assert algorithm.env_steps == 5
    assert algorithm.replay.refused == {"duplicate": 1}


def run(algorithm: DDPG, make_chunk: MakeChunk, episodes: range) -> list[float]:
    """Push some episodes, take what updates are due, return the critic's losses."""
    losses = []
    for number in episodes:
        push(algorithm, make_chunk(f"episode-{number}", steps=7))
        push(algorithm, make_chunk(f"episode-{number}", steps=6, start_step=7, truncated=number % 2 == 0))
        algorithm.training_step()
        algorithm.training_step()
        learner = algorithm.metrics.peek(("learners", "default_policy"), default={})
        losses.append(float(learner.get("critic_loss", np.nan)))
    return losses


def test_an_interrupted_run_goes_on_exactly(build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path) -> None:
    demonstrations = [make_chunk(f"demonstration-{n}", steps=12, terminated=True) for n in range(3)]
    settings = {"demonstrations": demonstrations, "pretrain_updates": 8, "actor_delay": 2, "lambda_actor": 0.1}
    uninterrupted = build(**settings)
    uninterrupted.training_step()
    run(uninterrupted, make_chunk, range(4))
    saved = save_checkpoint(uninterrupted, tmp_path)
    expected_losses = run(uninterrupted, make_chunk, range(4, 10))

    resumed = build(**settings)
    resumed.restore_from_path(latest_checkpoint(tmp_path))
    assert latest_checkpoint(tmp_path) == saved
    assert (resumed.env_steps, resumed.pretrain_updates) == (52, 8)
    assert run(resumed, make_chunk, range(4, 10)) == expected_losses
    assert resumed.updates == uninterrupted.updates
    assert_equal(weights(uninterrupted), weights(resumed))
    assert_equal(uninterrupted.replay.get_state(), resumed.replay.get_state())


def play(algorithm: DDPG, numbers: range, sigma: Schedule) -> list[dict[str, float]]:
    """A cell acts in a small world with the newest weights and correlated noise; the learner's losses by episode."""
    losses = []
    for number in numbers:
        random = np.random.default_rng(number)
        policy = Policy(NORMALIZED_SHAPE, seed=number, noise="ornstein_uhlenbeck")
        policy.begin_episode()
        position = random.uniform(-50.0, 50.0, 2)
        observations, actions, rewards = [np.array([*position, 7.0])], [], []
        for _ in range(12):
            newest = algorithm.env_runner.newest_weights
            policy.load(newest)
            actions.append(policy.act(observations[-1], explore=True, sigma=schedule_value(sigma, newest.env_steps)))
            position = position + 10.0 * actions[-1]
            observations.append(np.array([*position, 7.0]))
            rewards.append(-float(np.abs(position).sum()) / 50.0)
        chunk = EpisodeChunk(
            episode_id=f"played-{number}",
            cell_id="cell-0",
            observations=np.array(observations),
            actions=np.array(actions),
            rewards=np.array(rewards),
            terminated=False,
            truncated=True,
            start_step=0,
            policy_version=policy.version,
            model_versions=np.zeros(12, np.int64),
            success=number % 3 == 0,
        )
        push(algorithm, chunk)
        algorithm.training_step()
        algorithm.training_step()
        learner = algorithm.metrics.peek(("learners", "default_policy"), default={})
        losses.append({name: float(learner[name]) for name in ("critic_loss", "actor_loss", "bc_loss", "q_mean")})
    return losses


def test_an_interrupted_run_in_a_closed_loop_goes_on_exactly(
    build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path
) -> None:
    demonstrations = [make_chunk(f"demonstration-{n}", steps=12, terminated=True) for n in range(3)]
    sigma = [[0, 0.4], [120, 0.1]]
    settings = {
        "demonstrations": demonstrations,
        "normalize_observations": True,
        "exploration_noise": "ornstein_uhlenbeck",
        "exploration_sigma": sigma,
        "demonstration_fraction": 0.25,
        "policy_gradient_starts": 60,
    }
    uninterrupted = build(**settings)
    play(uninterrupted, range(4), sigma)
    save_checkpoint(uninterrupted, tmp_path)
    expected = play(uninterrupted, range(4, 10), sigma)

    resumed = build(**settings)
    resumed.restore_from_path(latest_checkpoint(tmp_path))
    assert play(resumed, range(4, 10), sigma) == expected
    assert_equal(weights(uninterrupted), weights(resumed))
    assert_equal(uninterrupted.replay.get_state(), resumed.replay.get_state())
    assert resumed.outcomes.means() == uninterrupted.outcomes.means()
    assert resumed.outcomes.episodes == 10
    progress = resumed.train()["ddpg"]
    assert progress["exploration_sigma"] == pytest.approx(0.1)
    assert progress["episodes"] == 10


def test_weights_go_out_with_the_statistics_they_were_trained_on(build: BuildAlgorithm) -> None:
    algorithm = build(normalize_observations=True)
    play(algorithm, range(3), 0.1)
    published = algorithm.env_runner.newest_weights
    mean, deviation = algorithm.replay.statistics.moments()
    np.testing.assert_array_equal(published.arrays["normalizer.mean"], mean)
    np.testing.assert_array_equal(published.arrays["normalizer.deviation"], deviation)
    assert deviation[2] == 1.0  # the third entry never changes
    assert published.env_steps == 36
    # New experience changes what the replay knows, not what was published or is served until the next update.
    far = np.full((4, 3), 1e4)
    algorithm.replay.add(
        EpisodeChunk("far", "c", far, np.zeros((3, 2)), np.zeros(3), True, False, 0, 0, np.zeros(3, int))
    )
    assert_equal(algorithm.policy_weights.arrays, published.arrays)
    # All networks see the same numbers as the cell's policy.
    module = algorithm.learner_group._learner.module["default_policy"]
    policy = Policy(NORMALIZED_SHAPE)
    policy.load(published)
    observation = np.array([20.0, -30.0, 7.0], np.float32)
    tensor = torch.from_numpy(observation)[None]
    served = module.forward_inference({"obs": tensor})["actions"][0].numpy()
    np.testing.assert_array_equal(policy.act(observation), served)
    assert module.target_actor.normalizer is module.actor.normalizer
    algorithm._learn(1)
    assert module.actor.normalizer.mean[0] > mean[0]


def test_a_constant_observation_gives_finite_values_and_actions(build: BuildAlgorithm, make_chunk: MakeChunk) -> None:
    algorithm = build(normalize_observations=True, learning_starts=0)
    push(algorithm, make_chunk(steps=12, terminated=True, observations=np.full((13, 3), 3.0)))
    algorithm.training_step()
    assert algorithm.updates > 0
    assert all(np.isfinite(array).all() for array in weights(algorithm).values())


@pytest.mark.parametrize("setting", [{"twin_critic": False}, {"normalize_observations": True}, {"hidden_sizes": (32,)}])
def test_a_checkpoint_of_other_networks_is_refused_and_changes_nothing(
    setting: dict[str, Any], build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path
) -> None:
    algorithm, other = build(), build(**setting)
    run(algorithm, make_chunk, range(2))
    folder = algorithm.save_to_path(str(tmp_path / "checkpoint"))
    before = weights(other)
    with pytest.raises(StorageError, match=next(iter(setting))):
        other.restore_from_path(folder)
    assert_equal(weights(other), before)
    assert len(other.replay) == 0


def test_a_roll_back_in_place_rolls_back(build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path) -> None:
    algorithm = build()
    run(algorithm, make_chunk, range(4))
    algorithm.save_to_path(str(tmp_path / "older"))
    older, older_replay, updates = weights(algorithm), algorithm.replay.get_state(), algorithm.updates
    run(algorithm, make_chunk, range(4, 8))
    version = algorithm.env_runner.newest_weights.version
    algorithm.restore_from_path(str(tmp_path / "older"))
    assert_equal(weights(algorithm), older)
    assert_equal(algorithm.replay.get_state(), older_replay)
    assert algorithm.updates == updates
    # A cell that holds the newer weights learns of it, since the version differs from its own.
    published = algorithm.env_runner.newest_weights
    assert published.version > version
    np.testing.assert_array_equal(published.arrays["layers.0.weight"], older["actor.layers.0.weight"])


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_a_checkpoint_without_its_replay_is_refused(
    damage: str, build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path
) -> None:
    algorithm = build()
    run(algorithm, make_chunk, range(3))
    folder = Path(algorithm.save_to_path(str(tmp_path / "checkpoint")))
    if damage == "missing":
        (folder / REPLAY_FILE).unlink()
    else:
        (folder / REPLAY_FILE).write_bytes((folder / REPLAY_FILE).read_bytes()[:500])
    before = weights(algorithm)
    with pytest.raises(StorageError, match="not a complete DDPG checkpoint"):
        algorithm.restore_from_path(str(folder))
    assert_equal(weights(algorithm), before)


def test_a_checkpoint_made_under_other_settings_is_refused_and_changes_nothing(
    build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path
) -> None:
    algorithm, other = build(gamma=0.9), build()
    run(algorithm, make_chunk, range(2))
    folder = algorithm.save_to_path(str(tmp_path / "checkpoint"))
    before = weights(other)
    with pytest.raises(StorageError, match=r"'gamma': 0\.9"):
        other.restore_from_path(folder)
    assert_equal(weights(other), before)
    assert len(other.replay) == 0


def test_no_weights_go_out_before_pretraining_is_done(build: BuildAlgorithm, make_chunk: MakeChunk) -> None:
    algorithm = build(pretrain_updates=20)
    with pytest.raises(ConfigError, match="no demonstrations"):
        algorithm.training_step()
    assert algorithm.load_demonstrations([make_chunk("demonstration", steps=9, terminated=True)]) == 9
    for _ in range(3):
        assert algorithm.env_runner.newest_weights is None
        algorithm.training_step()
    assert algorithm.pretrain_updates == 20
    assert algorithm.env_runner.newest_weights is not None
    assert algorithm.updates == 0


def test_a_gradient_that_is_not_finite_is_skipped(build: BuildAlgorithm, make_chunk: MakeChunk) -> None:
    algorithm = build(learning_starts=0)
    push(algorithm, make_chunk(steps=12, terminated=True))
    algorithm.training_step()
    algorithm.replay.rows.columns["reward"][:] = 1e30
    before = weights(algorithm)
    algorithm._learn(1)
    after = weights(algorithm)
    assert all(np.isfinite(array).all() for array in after.values())
    np.testing.assert_array_equal(after["critics.0.layers.0.weight"], before["critics.0.layers.0.weight"])


def test_the_inference_only_module_has_the_actor_alone(build: BuildAlgorithm) -> None:
    algorithm = build()
    assert set(algorithm.policy_weights.arrays) == set(Policy(SHAPE).weights().arrays)


def test_a_new_model_s_features_replace_the_old_ones_and_the_policy_learns_them_before_it_fits(
    build: BuildAlgorithm, make_chunk: MakeChunk, tmp_path: Path
) -> None:
    algorithm = build(learning_starts=0, catch_up_updates=20, demonstrations=[make_chunk("shown", 10, terminated=True)])
    algorithm.feature_refresh.promoted(7)
    chunks = [make_chunk(f"agent-{number}", steps=12, terminated=True) for number in range(8)]
    for chunk in chunks:
        push(algorithm, chunk)
    while algorithm.updates < 96:
        algorithm.training_step()
    assert algorithm.env_runner.newest_weights.fitting == {7}
    algorithm.feature_refresh.promoted(8)
    algorithm.training_step()
    version = algorithm.policy_version
    algorithm.training_step()  # everything waits: nothing to learn from, and nothing fails
    assert (algorithm.policy_version, algorithm.updates, algorithm.replay.drawable) == (version, 96, 0)
    for chunk in chunks:
        moved = replace(chunk, observations=chunk.observations + 1, model_versions=np.full(12, 8))
        algorithm.feature_refresh.put(moved)
    algorithm.training_step()
    assert algorithm.replay.drawable == 96
    assert algorithm.env_runner.newest_weights.fitting == {7}
    algorithm.feature_refresh.done()
    for _ in range(3):
        algorithm.training_step()
    assert algorithm.updates == 96, "catching up is not of the replay ratio's updates"
    assert algorithm.env_runner.newest_weights.fitting == {8}
    algorithm.save_to_path(str(tmp_path))
    resumed = build(learning_starts=0, catch_up_updates=20)
    resumed.restore_from_path(str(tmp_path))
    assert resumed.env_runner.newest_weights.fitting == {8}
    assert resumed.replay.drawable == 96
