"""Settings that cannot work are refused with a message that says what can."""

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from learners.ddpg.config import DDPGConfig, DDPGSettings
from learners.ddpg.module import require_boxes
from s3k_dist.errors import ConfigError

FLAT = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)


def test_an_unknown_setting_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(ConfigError, match=r"no setting replay_ration; available are .*replay_ratio"):
        DDPGConfig().training(replay_ration=2.0)  # type: ignore[call-arg]


def test_settings_of_every_rllib_algorithm_still_work() -> None:
    config = DDPGConfig().training(gamma=0.9, grad_clip=1.0, tau=0.01)
    assert (config.gamma, config.grad_clip, config.tau) == (0.9, 1.0, 0.01)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("tau", 0.0),
        ("n_step", 0),
        ("bc_coefficient", -1.0),
        ("min_demonstration_fraction", 1.5),
        ("grad_clip", 0.0),
        ("demonstration_fraction", -0.1),
        ("exploration_noise", "pink"),
        ("exploration_sigma", [[5, 0.1]]),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{setting} must be"):
        DDPGConfig().training(**{setting: value}).validate()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (DDPGConfig().multi_agent(policies={"left", "right"}, policy_mapping_fn=len), "trains one agent"),
        (
            DDPGConfig().api_stack(enable_rl_module_and_learner=False, enable_env_runner_and_connector_v2=False),
            "new API stack alone",
        ),
    ],
)
def test_what_rllib_offers_and_this_algorithm_does_not_is_refused(config: DDPGConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.environment("Pendulum-v1").validate()


@pytest.mark.parametrize(
    ("observation", "action", "said"),
    [
        (gym.spaces.Box(0, 255, (8, 8, 3), np.uint8), FLAT, "observation space"),
        (gym.spaces.Dict({"pose": FLAT}), FLAT, "observation space"),
        (FLAT, gym.spaces.Discrete(4), r"action space.*Discrete\(4\)"),
        (FLAT, gym.spaces.Box(-np.inf, np.inf, (2,), np.float32), "unbounded"),
        (FLAT, gym.spaces.Box(np.float32(-1.0), np.float32(np.inf), (2, 3), np.float32), "unbounded"),
        (FLAT, gym.spaces.Box(-np.finfo(np.float32).max, np.finfo(np.float32).max, (2,), np.float32), "unbounded"),
        (FLAT, gym.spaces.Box(0, 255, (2,), np.uint8), "float32 or float64"),
    ],
)
def test_spaces_it_cannot_act_in_are_refused(observation: gym.Space, action: gym.Space, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        require_boxes(observation, action)
    with pytest.raises(ConfigError, match=said):
        DDPGConfig().environment(observation_space=observation, action_space=action).validate()


def test_the_page_names_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ddpg.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, flags=re.MULTILINE))
    defaults = DDPGConfig()
    assert told == {name: repr(getattr(defaults, name)) for name in DDPGSettings.__annotations__}
