"""What every stage of a run shares, and the bookkeeping between them."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from actors.rollout import EpisodeOutcome
from deploy.config import RunConfig, save_config
from deploy.line_file import LineFile
from deploy.live_view import LiveView
from deploy.monitoring.exporter import RunExporter
from deploy.run_folder import RunFolder
from deploy.run_log import RunLog
from deploy.seeds import SEEDS_PER_RUN
from deploy.stream_keeper import StreamKeeper
from deploy.topology import Topology
from s3k_dist.access.reach import read_credentials
from s3k_dist.drift.watch import DriftReport
from s3k_dist.stream.store import point_to

PHASES = ("record", "learn to see", "learn to act", "evaluate", "report")


@dataclass
class Session:
    """One sitting at a run.

    Attributes:
        config: of the run.
        folder: where everything is kept.
        topology: its processes.
        log: its metrics.
        view: what a person sees.
        latencies_ms: of every feature request while the policy learned, as the cells met them.
        drift_alarms: of all cells, in this sitting.
        files: that lines are added to.
    """

    config: RunConfig
    folder: RunFolder
    topology: Topology
    log: RunLog
    view: LiveView
    latencies_ms: list[float] = field(default_factory=list)
    drift_alarms: int = 0
    files: dict[Path, LineFile] = field(default_factory=dict)

    def seed(self, offset: int) -> int:
        """A seed of this run."""
        return self.config.seed * SEEDS_PER_RUN + offset

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A phase of the run: shown, logged, and its seconds kept with those of earlier sittings."""
        self.view.phase(name)
        self.log.add("phase", PHASES.index(name))
        began_s = time.monotonic()
        try:
            yield
        finally:
            spent: dict[str, float] = self.folder.progress().get("phases", {})
            spent[name] = round(spent.get(name, 0.0) + time.monotonic() - began_s, 1)
            self.folder.note(phases=spent)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Whatever ends the block early, the learners save first."""
        try:
            yield
        except BaseException:
            self.topology.keep()
            raise

    def keep(self, stage: str, outcome: EpisodeOutcome) -> None:
        """Add an episode to the run's list; the line reaches the disk's cache before this returns, if there is room.

        ``t_s`` is the time of ``metrics.jsonl``; ``error_mm`` has a list for each keypoint, a number for each frame.
        """
        line = {
            "t_s": round(self.log.t_s, 3),
            "stage": stage,
            "episode": outcome.episode_id,
            "first_sequence": outcome.first_sequence,
            "seed": outcome.seed,
            "steps": outcome.steps,
            "claimed": outcome.claimed,
            "truly_inserted": outcome.truly_inserted,
            "true_depth": round(outcome.true_depth, 4),
            "return": round(outcome.episode_return, 4),
            "policy_version": outcome.policy_version,
            "model_version": outcome.model_version,
            "intervened_steps": outcome.intervened_steps,
            "missed_deadlines": outcome.missed_deadlines,
            "median_error_mm": [round(1e3 * float(v), 3) for v in np.median(outcome.error_m, axis=0)],
            # Of every frame: percentiles of several episodes cannot be had from those of each.
            "error_mm": np.round(1e3 * outcome.error_m.T.astype(float), 2).tolist(),
        }
        self._append(self.folder.episodes, [json.dumps(line)])

    def note_drift(self, cell_id: str, report: DriftReport, env_steps: int) -> None:
        """Show, log and keep what a cell noticed of its own frames."""
        for line in report.lines():
            self.view.event(line if line.startswith("drift") else f"{cell_id}: {line}")
        if news := report.as_maps():
            at_s = time.time()
            self._append(self.folder.drift, [json.dumps({"at_s": at_s, "cell": cell_id} | each) for each in news])
        self.drift_alarms += report.began
        self.log.add("drift/alarms", self.drift_alarms, env_steps)
        self.log.add("drift/active", report.active, env_steps)
        for signal, level in report.levels.items():
            self.log.add(f"drift/{signal}", level, env_steps)
        if self.drift_alarms:
            self.view.update(drift_alarms=self.drift_alarms)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why lines wait to be written, in words."""
        return tuple(filter(None, (self.log.problem, *(file.problem for file in self.files.values()))))

    def close(self) -> None:
        """Write what waits."""
        for path, file in self.files.items():
            lost = file.close()
            if lost:
                self.view.event(f"{path} lacks {lost} lines: {file.problem}")

    def _append(self, path: Path, lines: list[str]) -> None:
        if path not in self.files:
            self.files[path] = LineFile(path)
        self.files[path].add(lines)


@contextmanager
def open_session(config: RunConfig, root: Path, title: str) -> Iterator[Session]:
    """A session on a run's folder: its configuration saved, its processes ready to start.

    Raises:
        ConfigError: the run has its stream elsewhere than its configuration says.
        StorageError: the folder cannot be written.
    """
    folder = RunFolder(root.absolute())
    folder.create()
    if config.stream.url is not None:
        point_to(folder.stream, config.stream.url)
    save_config(folder.root, config)
    with (
        RunLog(folder.root) as log,
        LiveView(title, PHASES) as view,
        _exporter(config, log, folder),
        StreamKeeper(config.stream, folder, view.event),
        Topology(config, folder) as topology,
    ):
        session = Session(config, folder, topology, log, view)
        with closing(session):
            yield session


def _exporter(config: RunConfig, log: RunLog, folder: RunFolder) -> AbstractContextManager[object]:
    if config.metrics.port is None:
        return nullcontext()
    credentials = read_credentials(config.credentials)
    return RunExporter(log, folder.root, config.metrics.address, config.metrics.port, credentials)


def episode_lines(folder: RunFolder) -> list[dict[str, Any]]:
    """All episodes of a run so far; a line torn by a crash is passed over."""
    return json_lines(folder.episodes)


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The maps in a file of JSON lines, none if it is missing; a line torn by a crash is passed over."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def machine() -> dict[str, object]:
    """What the run ran on."""
    import platform

    import psutil

    return {
        "cpu": _cpu_name() or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "os": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
