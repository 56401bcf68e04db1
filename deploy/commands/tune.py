"""``s3k tune``: search the policy's settings on the insertion task with true keypoints."""

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3k_dist.errors import ConfigError, S3KError

if TYPE_CHECKING:
    from deploy.commands.options import Commands


def add_tune(commands: "Commands") -> None:
    """``tune``."""
    parser = commands.add_parser("tune", help="search the policy's settings, on true keypoints with noise")
    parser.add_argument("--level", help="easy, standard (default) or hard")
    parser.add_argument("--noise-mm", type=float, metavar="MM", help="of each keypoint coordinate (default: 0.7)")
    parser.add_argument("--trials", type=int, metavar="N", help="settings to try (default: 40)")
    parser.add_argument("--env-steps", type=int, metavar="N", help="of each trial (default: 4000)")
    parser.add_argument("--jobs", type=int, metavar="N", help="trials at a time (default: one for each core)")
    parser.add_argument("--seed", type=int, help="of the search and its trials (default: 0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/tune-<time>")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with the search in DIR; --trials may change")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="fix a setting instead of searching it: --set policy.batch=256; or evaluation_episodes=20",
    )
    parser.set_defaults(command=_tune)


def _tune(options: argparse.Namespace) -> int:
    from deploy.interrupt import stop_on_signals
    from deploy.tune.config import new_search, read_search, save_search
    from s3k_dist.folders import make_folder

    if options.resume is not None:
        root: Path = options.resume
        config = _resumed(read_search(root), options)
    else:
        config = new_search(_settings(options), options.set)
        root = options.out or Path("runs") / f"tune-{time.strftime('%Y%m%d-%H%M%S')}"
        if root.is_dir() and any(root.iterdir()):
            raise S3KError(f"{root} is not empty; `s3k tune --resume {root}` goes on with a search")
    from deploy.tune.space import searched

    searched(config)
    make_folder(root)
    save_search(root, config)
    stop_on_signals(f"finished trials are kept, s3k tune --resume {root} goes on")
    from deploy.tune.search import search

    best = search(config, root)[0]
    print(f"best: trial {best.number}, {best.score:.0%}\ntable: {root / 'table.md'}")  # noqa: T201
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    named = {"level": options.level, "noise_mm": options.noise_mm, "trials": options.trials, "seed": options.seed}
    settings: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    settings["jobs"] = options.jobs if options.jobs is not None else os.cpu_count() or 1
    if options.env_steps is not None:
        settings["policy"] = {"env_steps": options.env_steps}
    return settings


def _resumed(config: Any, options: argparse.Namespace) -> Any:
    from deploy.tune.config import SearchConfig

    given = [name for name in ("level", "noise_mm", "env_steps", "seed", "out") if getattr(options, name) is not None]
    given += ["set"] if options.set else []
    if given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ConfigError(f"--resume goes on with that search's own settings; leave out {names}")
    changed = {name: getattr(options, name) for name in ("trials", "jobs") if getattr(options, name) is not None}
    return SearchConfig.model_validate({**config.model_dump(), **changed})
