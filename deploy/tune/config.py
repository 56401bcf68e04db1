"""What a search does, saved with it: a search that is resumed goes on with the same."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from actors.sim.cell import CableCellSpec
from actors.sim.levels import at_level
from deploy.config import PolicyConfig
from deploy.settings import Section, read_tree, set_value, validated
from s3k_dist.atomic import write_atomic

SEARCH_NAME = "search.yaml"


class SearchConfig(Section):
    """A search.

    Attributes:
        level: of the task; ``actors.sim.levels``.
        noise_mm: standard deviation of each keypoint coordinate that the agent sees; 0.7 is 1.1 in space at the median.
        trials: settings to try, those that are stopped early included.
        seed: of the search, and with the trial's number that of each trial.
        jobs: trials at a time, one processor core each.
        demonstrations: successful episodes of the scripted expert (section 6.2: 51).
        window: training episodes that the rolling success is of.
        reports: how often a trial reports it; at each report it may be stopped.
        grace: reports before which none is stopped.
        evaluation_episodes: held out, without exploration, at the end of a trial.
        policy: settings that are not drawn. Those set by hand are not drawn either.
        fixed: names of those that were set by hand.
    """

    level: str = "standard"
    noise_mm: float = Field(0.7, ge=0)
    trials: int = Field(40, ge=1)
    seed: int = Field(0, ge=0)
    jobs: int = Field(1, ge=1)
    demonstrations: int = Field(51, ge=1)
    window: int = Field(50, ge=1)
    reports: int = Field(8, ge=1)
    grace: int = Field(2, ge=1)
    evaluation_episodes: int = Field(50, ge=1)
    policy: PolicyConfig = PolicyConfig()
    fixed: tuple[str, ...] = ()


def new_search(settings: dict[str, Any], overrides: Iterable[str]) -> SearchConfig:
    """A search from the command line.

    Args:
        settings: of the search.
        overrides: ``policy.batch=128`` each; what is set is not drawn.

    Raises:
        ConfigError: an unknown key or level, or a value that does not fit; says what is available.
    """
    tree: dict[str, Any] = {**settings, "policy": dict(settings.get("policy", {}))}
    given = set(tree["policy"])
    for override in overrides:
        set_value(tree, override)
    config = validated(SearchConfig, tree, "the search")
    at_level(CableCellSpec(), config.level)
    fixed = tuple(sorted(set(tree["policy"]) - given))
    return config.model_copy(update={"fixed": fixed})


def save_search(folder: Path, config: SearchConfig) -> None:
    """Keep what the search does beside what it finds.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(folder / SEARCH_NAME, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).encode())


def read_search(folder: Path) -> SearchConfig:
    """The search that is kept in a folder.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    path = folder / SEARCH_NAME
    tree = read_tree(path, f"{folder} is not a search")
    return validated(SearchConfig, tree, str(path))
