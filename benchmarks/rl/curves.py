"""Learning curves: return, and success by truth where there is one, of every training episode; one file each."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from benchmarks.rl.contestants import CONTESTANTS, LOOP, OURS, SAC, SB3_DDPG, SB3_TD3, Ours, Task, skipped
from s3k_dist.errors import ConfigError, S3KError

SEEDS = (0, 1, 2)
LEVEL, NOISE_M = "standard", 0.0007
TRULY_INSERTED = 0.9  # share of the hole's depth
DEMONSTRATED = "ours, 51 demonstrations"
NAMES: Mapping[str, str] = {
    "ours": OURS,
    "sb3_td3": SB3_TD3,
    "sb3_ddpg": SB3_DDPG,
    "loop": LOOP,
    "rllib_sac": SAC,
    "demonstrated": DEMONSTRATED,
}


@dataclass(frozen=True)
class CurveTask:
    """What a curve is learned on.

    Attributes:
        make: an environment.
        env_steps: of a curve.
        quick_steps: of one that only shows that it works.
        gamma: discount, the same for all.
        learning_starts: uniform actions first, the same for all but who has demonstrations.
        contestants: by their short names.
        by_success: judged by success, not by return.
    """

    make: Callable[[], gym.Env]
    env_steps: int
    quick_steps: int
    gamma: float
    learning_starts: int
    contestants: tuple[str, ...]
    by_success: bool = False


def _insertion() -> gym.Env:
    from actors.sim.state_environment import STATE_ENVIRONMENT_ID

    return gym.make(STATE_ENVIRONMENT_ID, level=LEVEL, noise_m=NOISE_M)


PEERS = ("sb3_td3", "sb3_ddpg", "loop", "rllib_sac")
TASKS: Mapping[str, CurveTask] = {
    "pendulum": CurveTask(lambda: gym.make("Pendulum-v1"), 6000, 600, 0.98, 1000, ("ours", *PEERS)),
    "insertion": CurveTask(_insertion, 12_000, 300, 0.97, 1000, ("ours", "demonstrated", *PEERS), True),
}


# By curve. Of the module, since RLlib pickles what makes an environment: a list of one's own would be a copy.
EPISODES: dict[str, list[dict[str, float]]] = {}


class Recorder(gym.Wrapper):
    """Notes in ``EPISODES`` how every episode went, and after how many steps it ended."""

    def __init__(self, env: gym.Env, curve: str) -> None:
        super().__init__(env)
        self.steps = 0
        self._curve = curve
        self._total = 0.0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """An episode that was broken off counts for nothing."""
        self._total = 0.0
        return super().reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As the environment, with a note at the end."""
        observation, reward, terminated, truncated, info = super().step(action)
        self.steps += 1
        self._total += float(reward)
        if terminated or truncated:
            episode = {"step": float(self.steps), "return": self._total}
            if "true_depth" in info:
                episode["success"] = float(info["true_depth"] >= TRULY_INSERTED)
            EPISODES[self._curve].append(episode)
        return observation, float(reward), terminated, truncated, info


def curve_names() -> list[str]:
    """``task-contestant-seed`` of every curve."""
    return [f"{task}-{who}-{seed}" for seed in SEEDS for task in TASKS for who in TASKS[task].contestants]


def run_curve(name: str, *, quick: bool) -> dict[str, Any] | None:
    """Train once; None if the contestant's library is not installed.

    Raises:
        ConfigError: there is no such curve; names those there are.
    """
    if name not in curve_names():
        raise ConfigError(f"no curve {name!r}; there are {', '.join(curve_names())}")
    task_name, who, seed = name.split("-")
    if skipped([NAMES[who]]):
        print(f"{name}: skipped, its library is not installed")
        return None
    planned = TASKS[task_name]
    EPISODES[name] = []
    demonstrations, pretrain = None, 0
    if who == "demonstrated":
        demonstrations, pretrain = _demonstrations(quick), 50 if quick else 2000
    starts = min(planned.learning_starts, planned.quick_steps // 2) if quick else planned.learning_starts
    task = Task(lambda: Recorder(planned.make(), name), planned.gamma, starts, int(seed), demonstrations, pretrain)
    began_wall, began_cpu = time.monotonic(), time.process_time()
    # With cloning as the insertion job has it; who has no demonstrations clones nothing.
    contestant = Ours(task, **DEMONSTRATED_SETTINGS) if who == "demonstrated" else CONTESTANTS[NAMES[who]](task)
    env_steps = planned.quick_steps if quick else planned.env_steps
    try:
        contestant.step(env_steps)
    finally:
        contestant.close()
    took = {"wall_s": time.monotonic() - began_wall, "cpu_s": time.process_time() - began_cpu}
    episodes = [episode for episode in EPISODES.pop(name) if episode["step"] <= env_steps]
    if not episodes:
        raise S3KError(f"{name}: no episode ended in {env_steps} steps")
    print(f"{name}: {env_steps} steps, {took['wall_s']:.0f} s")
    return {
        "task": task_name,
        "contestant": who,
        "seed": int(seed),
        "env_steps": env_steps,
        "episodes": episodes,
        **took,
    }


DEMONSTRATED_SETTINGS: Mapping[str, Any] = {
    "bc_coefficient": 10.0,
    "bc_q_filter": False,
    "min_demonstration_fraction": 0.2,
    "exploration_sigma": 0.08,
}


def _demonstrations(quick: bool) -> list[Any]:
    from deploy.tune.demonstrations import demonstrate

    return demonstrate(LEVEL, NOISE_M, episodes=3 if quick else 51, seed=0)
