"""The insertion task on the simulator's true keypoints as a Gymnasium environment: no camera, no service, quick.

import gymnasium, actors.sim.state_environment
env = gymnasium.make("s3k/CableInsertionState-v0", level="standard", noise_m=0.0007)
"""

import gymnasium

from actors.environment import InsertionEnv
from actors.insertion import InsertionConfig
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.levels import at_level
from actors.sim.true_features import TrueFeatures

STATE_ENVIRONMENT_ID = "s3k/CableInsertionState-v0"


def state_environment(
    level: str = "easy",
    noise_m: float = 0.0,
    seed: int = 0,
    task: InsertionConfig | None = None,
    render_mode: str | None = None,
) -> InsertionEnv:
    """An environment that owns an unrendered cell.

    Args:
        level: of ``actors.sim.levels``.
        noise_m: standard deviation of each keypoint's coordinates, metres.
        seed: of the noise; episodes are seeded by ``reset``.
        task: thresholds and rewards.
        render_mode: None; there is nothing to see.

    Raises:
        ConfigError: there is no such level.
    """
    cell = CableCell(at_level(CableCellSpec(image_px=64, rendered=False), level))
    return InsertionEnv(TrueFeatures(cell, noise_m, seed), make_cell=lambda: cell, task=task, render_mode=render_mode)


if STATE_ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(STATE_ENVIRONMENT_ID, entry_point="actors.sim.state_environment:state_environment")
