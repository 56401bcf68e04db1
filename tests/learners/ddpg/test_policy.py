"""The actor in a cell: right range, own noise, weights taken whole or not at all, files without pickle."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import Policy, PolicyWeights, load_policy, save_policy
from s3k_dist.errors import ConfigError, StorageError

SHAPE = ActorShape(observation_size=4, action_size=2, hidden_sizes=(16, 16))
OBSERVATION = np.array([0.1, -0.2, 0.3, 2.0], dtype=np.float32)


def test_actions_stay_in_range_whatever_the_noise() -> None:
    policy = Policy(SHAPE, seed=0)
    actions = np.array([policy.act(OBSERVATION, explore=True, sigma=3.0) for _ in range(100)])
    assert actions.dtype == np.float32
    assert np.abs(actions).max() == 1.0


def test_noise_belongs_to_the_policy_and_its_seed() -> None:
    weights = Policy(SHAPE).weights()

    def actions(seed: int) -> np.ndarray:
        policy = Policy(SHAPE, seed=seed)
        policy.load(weights)
        return np.array([policy.act(OBSERVATION, explore=True, sigma=0.2) for _ in range(5)])

    np.testing.assert_array_equal(actions(1), actions(1))
    assert not np.array_equal(actions(1), actions(2))


def test_without_exploration_the_policy_repeats_itself() -> None:
    policy = Policy(SHAPE)
    np.testing.assert_array_equal(policy.act(OBSERVATION, sigma=1.0), policy.act(OBSERVATION))


@pytest.mark.parametrize("observation", [np.zeros(3), np.zeros((1, 4)), np.array([0, np.nan, 0, np.inf])])
def test_an_unusable_observation_is_refused(observation: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="observation"):
        Policy(SHAPE).act(observation)


def test_weights_that_do_not_fit_leave_the_old_ones() -> None:
    policy = Policy(SHAPE)
    before = policy.act(OBSERVATION)
    good = Policy(SHAPE).weights().arrays
    name = next(iter(good))
    for bad in (
        {key: value for key, value in good.items() if key != name},
        {**good, name: good[name][:1]},
        {**good, name: np.full_like(good[name], np.nan)},
    ):
        with pytest.raises(ConfigError, match="version 9"):
            policy.load(PolicyWeights(9, bad))
    np.testing.assert_array_equal(policy.act(OBSERVATION), before)
    assert policy.version == -1


def test_a_saved_policy_acts_alike_and_needs_nothing_else(tmp_path: Path) -> None:
    policy = Policy(SHAPE)
    save_policy(tmp_path / "actor.safetensors", SHAPE, PolicyWeights(17, policy.weights().arrays))
    loaded = load_policy(tmp_path / "actor.safetensors")
    assert (loaded.version, loaded.shape) == (17, SHAPE)
    np.testing.assert_array_equal(loaded.act(OBSERVATION), policy.act(OBSERVATION))


@pytest.mark.parametrize("content", [None, b"", b"cos\nsystem\n(S'true'\ntR.", b"\x08" + bytes(200)])
def test_a_file_that_is_no_policy_says_so(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "actor.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match="is not a saved policy"):
        load_policy(path)


def test_correlated_noise_begins_anew_with_an_episode() -> None:
    policy = Policy(SHAPE, seed=0, noise="ornstein_uhlenbeck")
    own = policy.act(OBSERVATION)

    def drift(steps: int) -> np.ndarray:
        return np.array([policy.act(OBSERVATION, explore=True, sigma=0.01) - own for _ in range(steps)])

    first_steps = []
    for _ in range(500):
        policy.begin_episode()
        first_steps.append(drift(1)[0])
    ongoing = drift(2000)
    # sigma at an episode's first step, 1.9 times that in the long run.
    assert np.std(first_steps) == pytest.approx(0.01, rel=0.1)
    assert ongoing.std() == pytest.approx(0.019, rel=0.15)


def test_an_unknown_noise_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match="available are gaussian"):
        Policy(SHAPE, noise="brown")  # type: ignore[arg-type]


NORMALIZED = replace(SHAPE, normalize_observations=True)


def test_statistics_travel_with_the_weights_and_the_file(tmp_path: Path) -> None:
    plain, normalized = Policy(SHAPE), Policy(NORMALIZED)
    mean, deviation = np.array([1, -2, 0, 3], np.float32), np.array([0.5, 2, 1e-3, 1], np.float32)
    arrays = {**plain.weights().arrays, "normalizer.mean": mean, "normalizer.deviation": deviation}
    normalized.load(PolicyWeights(1, arrays))
    plain.load(PolicyWeights(1, plain.weights().arrays))
    observation = mean + deviation * np.array([0.3, -1.0, 2.0, 0.0], np.float32)
    expected = plain.act(np.array([0.3, -1.0, 2.0, 0.0], np.float32))
    np.testing.assert_allclose(normalized.act(observation), expected, atol=1e-4)
    save_policy(tmp_path / "actor.safetensors", NORMALIZED, normalized.weights())
    loaded = load_policy(tmp_path / "actor.safetensors")
    np.testing.assert_array_equal(loaded.act(observation), normalized.act(observation))
    # Far out of what was seen, an observation counts as five deviations.
    np.testing.assert_allclose(normalized.act(mean + 1e6), plain.act(np.full(4, 5.0)), atol=1e-6)


def test_a_deviation_of_zero_is_refused() -> None:
    policy = Policy(NORMALIZED)
    before = policy.act(OBSERVATION)
    arrays = {**policy.weights().arrays, "normalizer.deviation": np.array([1, 0, 1, 1], np.float32)}
    with pytest.raises(ConfigError, match="deviation of 0"):
        policy.load(PolicyWeights(3, arrays))
    np.testing.assert_array_equal(policy.act(OBSERVATION), before)


def test_a_policy_without_normalisation_refuses_weights_that_need_it() -> None:
    with pytest.raises(ConfigError, match=r"normalizer\.mean"):
        Policy(SHAPE).load(Policy(NORMALIZED).weights())


def test_a_cell_acts_without_importing_ray() -> None:
    program = (
        "import sys, numpy as np\n"
        "from s3k_dist.episodes import EpisodeChunk\n"
        "from learners.ddpg.policy import Policy\n"
        "from learners.ddpg.networks import ActorShape\n"
        "policy = Policy(ActorShape(4, 2, normalize_observations=True), noise='ornstein_uhlenbeck')\n"
        "policy.begin_episode()\n"
        "policy.act(np.zeros(4), explore=True, sigma=0.1)\n"
        "assert 'ray' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
