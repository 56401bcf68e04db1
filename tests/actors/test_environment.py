"""The task as any RL library sees it."""

import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from actors.environment import ENVIRONMENT_ID
from actors.insertion import KEYPOINTS
from actors.observation import KEYPOINT_OBSERVATION_SIZE
from actors.sim.cell import CableCell, CableCellSpec
from s3k_dist.errors import ConfigError, ServiceUnavailableError
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig

SIZE_PX = 64
HANG_GUARD_S = 30.0


@pytest.fixture(scope="module")
def detector() -> KeypointDetector:
    """Untrained: it believes in keypoints, but not where they are."""
    config = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=SIZE_PX, channels=(8, 8, 8), residual_blocks=1)
    torch.manual_seed(0)
    return KeypointDetector(config, KeypointNetwork(config).state_dict(), version=1)


def small_cell() -> CableCell:
    return CableCell(CableCellSpec(image_px=SIZE_PX))


@pytest.fixture
def service(detector: KeypointDetector) -> Iterator[str]:
    with FeatureServerThread(FeatureServer(lambda: 1, lambda version: detector, poll_s=0.02)) as thread:
        from s3k_dist.features.client import FeatureClient

        with FeatureClient(thread.address) as client:
            client.wait_ready(HANG_GUARD_S)
        yield thread.address


def test_it_passes_gymnasiums_own_check(detector: KeypointDetector) -> None:
    env = gymnasium.make(ENVIRONMENT_ID, features=detector, make_cell=small_cell, render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_it_passes_the_check_on_a_real_service(service: str) -> None:
    env = gymnasium.make(ENVIRONMENT_ID, service=service, make_cell=small_cell)
    check_env(env.unwrapped)
    env.close()


def test_an_episode_runs_to_its_end(detector: KeypointDetector) -> None:
    env = gymnasium.make(ENVIRONMENT_ID, features=detector, make_cell=small_cell, render_mode="rgb_array")
    env.action_space.seed(0)
    observation, _ = env.reset(seed=1)
    terminated = truncated = False
    steps = 0
    while not (terminated or truncated):
        assert observation in env.observation_space
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        steps += 1
    assert terminated or steps == 40
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (SIZE_PX, 4 * SIZE_PX, 3)
    env.close()


def test_the_truth_is_in_the_info_and_not_in_the_observation(detector: KeypointDetector) -> None:
    """Two scenes with the same served features and gripper differ in truth alone: the agent sees no difference."""

    class Blind:
        def extract(self, frame: object) -> object:
            return features

    env = gymnasium.make(ENVIRONMENT_ID, features=Blind(), make_cell=small_cell).unwrapped
    cell = env._cell
    features = detector.extract(cell.reset(0).frame)
    observation, info = env.reset(seed=0)
    assert observation.shape == (KEYPOINT_OBSERVATION_SIZE,)
    assert set(info) == {"distance_m", "claimed", "true_depth"}
    before = cell.observe().gripper
    opening = cell._sites["opening"]
    cell._data.site_xpos[opening] = cell._data.site_xpos[cell._sites["tip"]] + [0, 0, 0.015]
    assert cell.truth().depth == pytest.approx(0.75)
    again = env._task.begin(before, features).observation
    np.testing.assert_array_equal(observation, again)
    env.close()


def test_the_same_seed_gives_the_same_episode(detector: KeypointDetector) -> None:
    env = gymnasium.make(ENVIRONMENT_ID, features=detector, make_cell=small_cell)

    def play() -> list[np.ndarray]:
        first, _ = env.reset(seed=3)
        return [first, *(env.step(np.full(6, share, np.float32))[0] for share in (0.5, -0.2))]

    for one, other in zip(play(), play(), strict=True):
        np.testing.assert_array_equal(one, other)
    env.close()


def test_without_a_keypoint_model_it_says_what_is_expected() -> None:
    with pytest.raises(ConfigError, match=r"expected service='host:port' or features="):
        gymnasium.make(ENVIRONMENT_ID, make_cell=small_cell)


def test_closing_hangs_up_on_the_service_and_an_unreachable_one_is_named() -> None:
    env = gymnasium.make(ENVIRONMENT_ID, service="127.0.0.1:9", make_cell=small_cell)
    env.unwrapped._client._deadline_s = 0.2
    with pytest.raises(ServiceUnavailableError, match=r"no feature service at 127\.0\.0\.1:9"):
        env.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.close()
