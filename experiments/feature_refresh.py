"""Three changes of the keypoint model while a policy learns: with features made anew, and without.

python -m experiments.feature_refresh                        # every training, then docs/experiments/feature_refresh.md
python -m experiments.feature_refresh --curve refreshed-seed0

One thing is changed and all else kept: every new model sees the plug's base 4 mm to another side. The features are the
simulator's truth with noise, so that nothing else differs between two models.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import ray

from actors.insertion import BASE, InsertionConfig, InsertionTask
from actors.rollout import Rollout
from actors.sim.cell import CableCell
from actors.sim.demonstrate import ATTEMPTS_EACH, IMAGE_PX, WHOLE_EPISODE, unrendered_cell
from actors.sim.expert import ExpertPolicy
from actors.sim.true_features import TrueFeatures
from actors.track import save_track
from deploy.config import PolicyConfig, RunConfig
from deploy.in_place import LearnsInPlace
from deploy.policy import algorithm_config
from deploy.ray_access import secure_ray
from deploy.refresh import FeatureRefresher
from experiments.machine import machine
from experiments.pages import SERIES, axes, save, table
from learners.ddpg.algorithm import DDPG
from s3k_dist.atomic import write_atomic
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import S3KError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.folders import make_folder
from s3k_dist.frames import MultiViewFrame

PAGE = Path("docs/experiments/feature_refresh.md")
WAYS = ("refreshed", "as they were")
SEEDS = (0, 1, 2)
LEVEL, NOISE_M, SHIFT_M = "standard", 0.0007, 0.004
STEPS, CHANGES = 6000, (1500, 3000, 4500)
DEMONSTRATIONS, HELD_OUT = 51, 50
CHUNK_STEPS, REFRESHED_A_CHUNK = 8, 3  # 51 demonstrations in about 140 steps of one cell
WINDOW_STEPS = 500


@dataclass(frozen=True)
class Course:
    """How one training went.

    Attributes:
        ends: environment steps at the end of each episode.
        truly: whether it ended inserted.
        held_out: share of held-out episodes, without noise, that ended inserted: before each change, and at the end.
        machine: that it ran on.
    """

    ends: tuple[int, ...]
    truly: tuple[bool, ...]
    held_out: tuple[float, ...]
    machine: str

    def success(self, start: float, stop: float) -> float:
        """Of the episodes that ended between two numbers of environment steps."""
        chosen = [truly for end, truly in zip(self.ends, self.truly, strict=True) if start < end <= stop]
        return float(np.mean(chosen)) if chosen else float("nan")


class ChangingModel:
    """Sees the truth with noise, and the plug's base elsewhere with every version; remembers every frame it saw."""

    def __init__(self, cell: CableCell, seed: int) -> None:
        self.version = 1
        self.frame: MultiViewFrame | None = None
        self._cell, self._seed = cell, seed
        self._truth = TrueFeatures(cell)
        self._seen: dict[int, FrameFeatures] = {}

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        """Features of a frame that was just taken, or of one that was seen before."""
        if frame.sequence not in self._seen:
            self._seen[frame.sequence], self.frame = self._truth.extract(frame), frame
        true = self._seen[frame.sequence]
        noise = np.random.default_rng((self._seed, frame.sequence)).normal(size=true.positions_m.shape)
        positions_m = true.positions_m + NOISE_M * noise
        angle = 2 * np.pi * self.version / 3
        positions_m[BASE] += SHIFT_M * np.array([np.cos(angle), np.sin(angle), 0.0])
        return replace(true, positions_m=positions_m, model_version=self.version)

    def frames(self, frame_ids: list[str]) -> Iterable[MultiViewFrame]:
        """Frames by name, without their pixels."""
        assert self.frame is not None, "nothing was seen yet"
        return [replace(self.frame, sequence=int(frame_id.rpartition("/")[2])) for frame_id in frame_ids]


class StoredEpisodes:
    """Implements ``Refreshable`` for a learner in this process."""

    def __init__(self, algorithm: DDPG) -> None:
        self._replay, refresh = algorithm.replay, algorithm.feature_refresh
        self.features_promoted, self.refresh, self.features_refreshed = refresh.promoted, refresh.put, refresh.done
        self.put_back = algorithm.env_runner.inbox.push

    def stale_episodes(self, version: int) -> np.ndarray:
        """Keys of the stored episodes with features of another model than ``version``, the most urgent first."""
        return self._replay.stale(version)

    def stored_episodes(self) -> np.ndarray:
        """Keys of all stored episodes."""
        return self._replay.episodes()

    def restored_from_s(self) -> float:
        """It never was."""
        return 0.0


def train(
    way: str,
    seed: int,
    *,
    steps: int = STEPS,
    changes: tuple[int, ...] = CHANGES,
    demonstrations: int = DEMONSTRATIONS,
    held_out: int = HELD_OUT,
    policy: PolicyConfig | None = None,
) -> Course:
    """One training.

    Args:
        way: ``refreshed``, or ``as they were``: old features stay, and are mixed with new ones.
        seed: of everything.
        steps: of the environment.
        changes: steps at which another model is promoted.
        demonstrations: to clone.
        held_out: episodes to judge by, before each change and at the end.
        policy: settings of the learner; None: those of a run.
    """
    config = RunConfig(seed=seed, policy=policy or PolicyConfig())
    cell = unrendered_cell(LEVEL)
    model = ChangingModel(cell, seed)
    task = InsertionConfig()
    with tempfile.TemporaryDirectory() as folder:
        tracks = Path(folder)

        def rollout_of(chunk_steps: int) -> Rollout:
            task_here = InsertionTask(task, IMAGE_PX)
            return Rollout(
                cell, model, task_here, chunk_steps=chunk_steps, keep_track=lambda track: save_track(tracks, track)
            )

        shown = _demonstrate(cell, rollout_of(WHOLE_EPISODE), demonstrations, seed)
        algorithm = algorithm_config(config).training(demonstrations=shown).build_algo()
        refresher = FeatureRefresher(StoredEpisodes(algorithm), tracks, tracks, model.frames, task, IMAGE_PX)
        acting = _Refreshing(algorithm, config, seed, refresher)
        try:
            until = (*changes, steps)
            return _course(algorithm, rollout_of(CHUNK_STEPS), acting, model, way == WAYS[0], until, held_out, seed)
        finally:
            algorithm.stop()
            cell.stop()


class _Refreshing(LearnsInPlace):
    """Refreshes a few stored episodes whenever it learns."""

    def __init__(self, algorithm: DDPG, config: RunConfig, seed: int, refresher: FeatureRefresher) -> None:
        super().__init__(algorithm, config, seed)
        self.refresher = refresher

    def submit(self, chunk: EpisodeChunk) -> None:
        """Learn, and refresh."""
        super().submit(chunk)
        for _ in range(REFRESHED_A_CHUNK if self.exploring and self.refresher.version else 0):
            self.refresher.advance(0.0)


def _course(
    algorithm: DDPG, rollout: Rollout, acting: _Refreshing, model: ChangingModel, refreshes: bool,
    until: tuple[int, ...], held_out: int, seed: int,
) -> Course:  # fmt: skip
    ends, truly, judged = list[int](), list[bool](), list[float]()
    while algorithm.pretrain_updates < algorithm.config.pretrain_updates:
        algorithm.training_step()
    if refreshes:
        acting.refresher.begin(model.version, model)
    episode = 0
    for stop in until:
        while algorithm.env_steps < stop:
            outcome = rollout.run(acting, seed * 1_000_000 + 100_000 + episode)
            episode += 1
            ends.append(algorithm.env_steps)
            truly.append(outcome.truly_inserted)
        acting.exploring = False
        played = [rollout.run(acting, 900_000 + number).truly_inserted for number in range(held_out)]
        acting.exploring = True
        judged.append(float(np.mean(played)))
        if stop != until[-1]:
            model.version += 1
            if refreshes:
                acting.refresher.begin(model.version, model)
    return Course(tuple(ends), tuple(truly), tuple(judged), machine())


def _demonstrate(cell: CableCell, rollout: Rollout, episodes: int, seed: int) -> list[EpisodeChunk]:
    found, expert = list[EpisodeChunk](), ExpertPolicy(cell)
    for attempt in range(ATTEMPTS_EACH * episodes):
        outcome = rollout.run(expert, seed * 1_000_000 + attempt)
        if outcome.claimed and outcome.truly_inserted:
            found.append(expert.chunks[-1])
        if len(found) == episodes:
            return found
    raise S3KError(f"the expert succeeded in {len(found)} episodes; {episodes} demonstrations are wanted")


def page(courses: Mapping[tuple[str, int], Course]) -> str:
    """The text of ``docs/experiments/feature_refresh.md``; writes its picture."""
    after = [(change, f"{WINDOW_STEPS} steps after change {number + 1}") for number, change in enumerate(CHANGES)]
    rows = []
    for way in WAYS:
        of_way = [course for (which, _), course in sorted(courses.items()) if which == way]
        if not of_way:
            continue
        row = [way, str(len(of_way)), _percent([course.held_out[0] for course in of_way])]
        row += [_percent([course.success(change, change + WINDOW_STEPS) for course in of_way]) for change, _ in after]
        rows.append([*row, _percent([course.held_out[-1] for course in of_way])])
    header = ["stored features", "seeds", "held out, before", *(name for _, name in after), "held out, at the end"]
    machines = ", ".join(sorted({course.machine for course in courses.values()}))
    return (
        "\n\n".join(
            [
                "# Stored features when the model changes",
                f"Made by `python -m experiments.feature_refresh`; numbers are not edited. Machine: {machines}.",
                f"The `{LEVEL}` level, {DEMONSTRATIONS} demonstrations, {STEPS:,} steps with the settings of a run. At "
                f"{', '.join(f'{change:,}' for change in CHANGES)} steps another model is promoted, which sees the "
                f"plug's base {1e3 * SHIFT_M:.0f} mm to another side than the one before. Features are the truth with "
                f"{1e3 * NOISE_M:.1f} mm of noise on each coordinate, so that nothing else differs. With `refreshed`, "
                "transitions of the old model wait until they were made anew from their episodes' frames, "
                f"{REFRESHED_A_CHUNK} episodes for every {CHUNK_STEPS} steps, and the policy catches up "
                "(docs/continual.md); with `as they were`, old and new ones are mixed. Success by truth; the means "
                "over seeds, and the worst and the best.",
                table(header, rows),
                _figure(courses),
            ]
        )
        + "\n"
    )


def _percent(values: Sequence[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return "–"
    return f"{100 * np.mean(known):.0f}% ({100 * min(known):.0f} to {100 * max(known):.0f})"


def _figure(courses: Mapping[tuple[str, int], Course]) -> str:
    figure, plot = axes(7.6, 3.8)
    for way, colour in zip(WAYS, SERIES, strict=False):
        of_way = [course for (which, _), course in sorted(courses.items()) if which == way]
        if not of_way:
            continue
        at = np.arange(WINDOW_STEPS, max(course.ends[-1] for course in of_way) + 1, WINDOW_STEPS // 4)
        curves = 100 * np.array([[course.success(end - WINDOW_STEPS, end) for end in at.tolist()] for course in of_way])
        plot.plot(at, np.nanmean(curves, axis=0), color=colour, label=way)
        plot.fill_between(at, np.nanmin(curves, axis=0), np.nanmax(curves, axis=0), color=colour, alpha=0.15, lw=0)
    for change in CHANGES:
        plot.axvline(change, color="#666b75", lw=1, ls=":")
    plot.set(xlabel="environment steps", ylabel=f"success by truth, last {WINDOW_STEPS} steps, %", ylim=(0, 102))
    plot.legend(frameon=False, loc="lower left")
    return save(figure, "feature_refresh")


def main() -> int:
    """The command line; returns the exit code."""
    names = {f"{way.replace(' ', '-')}-seed{seed}": (way, seed) for way in WAYS for seed in SEEDS}
    parser = argparse.ArgumentParser(prog="python -m experiments.feature_refresh")
    parser.add_argument("--curve", choices=names, action="append", help="only this training; may be repeated")
    parser.add_argument("--page", action="store_true", help="train nothing; write the page from what is done")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/feature_refresh"))
    options = parser.parse_args()
    make_folder(options.out)
    secure_ray()
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    for name in [] if options.page else options.curve or names:
        path = options.out / f"{name}.json"
        if not path.exists():
            course = train(*names[name])
            write_atomic(path, json.dumps(asdict(course)).encode())
            print(f"{name}: {100 * course.held_out[0]:.0f}% before, {100 * course.held_out[-1]:.0f}% at the end")
    courses = {
        which: Course(**json.loads((options.out / f"{name}.json").read_text()))
        for name, which in names.items()
        if (options.out / f"{name}.json").exists()
    }
    if courses:
        write_atomic(PAGE, page(courses).encode())
        print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
