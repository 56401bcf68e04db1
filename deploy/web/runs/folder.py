"""Every run of a folder: what it was, what came of it, how it went."""

import json
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal

import yaml

from deploy.fleet.status import RunStatus, read_status
from deploy.report.facts import figure
from deploy.run_log import METRICS_FILE
from deploy.web.curves import drawn_charts, series_of
from deploy.web.follow import FollowedSeries
from s3k_dist.errors import StorageError

LISTED = 200  # the newest
KEPT = 6  # runs whose curves stay in memory
ALIVE_S = 60.0  # a run that learns writes more often
MARKS = ("config.yaml", "progress.json", "status.json", "summary.json")
REPORT = "report.html"

# What two runs are compared by: path in summary.json, how it is called, unit, digits, and which one is better.
FIGURES: tuple[tuple[str, str, str, int, Literal["high", "low", ""]], ...] = (
    ("policy.eval_success_rate", "Success, evaluation", "%", 0, "high"),
    ("policy.eval_claimed_success_rate", "As it claims itself", "%", 0, ""),
    ("policy.false_success_rate", "False claims, all episodes", "%", 1, "low"),
    ("policy.cloned_success_rate", "Success, demonstrations cloned", "%", 0, "high"),
    ("policy.mean_steps_to_success", "Steps to success", "", 1, "low"),
    ("keypoints.median_mm", "Keypoint error, held out", "mm", 2, "low"),
    ("keypoints.p95_mm", "95 of 100 are below", "mm", 2, "low"),
    ("keypoints.visited_median_mm", "Keypoint error where it went", "mm", 2, "low"),
    ("keypoints.rms_px", "RMS in the images", "px", 2, "low"),
    ("keypoints.labelled_frames", "Labelled frames", "", 0, ""),
    ("policy.demonstrations", "Demonstrations", "", 0, ""),
    ("policy.env_steps", "Steps of the robots", "", 0, ""),
    ("policy.updates", "Updates of the policy", "", 0, ""),
    ("service.p50_ms", "Latency, median", "ms", 1, "low"),
    ("service.p99_ms", "Latency, p99", "ms", 1, "low"),
    ("drift.alarms", "Drift alarms", "", 0, ""),
    ("stream.bytes", "Stream", "MB", 0, ""),
    ("wall_s", "Wall time", "min", 1, "low"),
)
SCALES = {"%": 100.0, "MB": 1e-6, "min": 1 / 60}


class RunsFolder:
    """Reads the runs of a folder; threads may use it at once.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._series: OrderedDict[str, FollowedSeries] = OrderedDict()
        self._lock = threading.Lock()

    def runs(self) -> list[dict[str, Any]]:
        """Each run in a few words, the newest first.

        Raises:
            StorageError: the folder cannot be read.
        """
        found = sorted((_facts(path) for path in self._paths().values()), key=lambda run: -run["at_s"])
        return found[:LISTED]

    def path(self, name: str) -> Path:
        """Folder of one run.

        Raises:
            StorageError: there is no such run.
        """
        paths = self._paths()
        if name not in paths:  # so no name leads out of the folder
            raise StorageError(f"no run {name!r} in {self.root}")
        return paths[name]

    def details(self, name: str) -> dict[str, Any]:
        """Figures and curves of one run; raises as `path`."""
        path = self.path(name)
        with self._lock:
            series = self._series.setdefault(name, series_of(path))
            self._series.move_to_end(name)
            while len(self._series) > KEPT:
                self._series.popitem(last=False)
        series.look()
        summary = _json(path / "summary.json")
        return {
            "run": _facts(path),
            "figures": [
                {
                    "name": said,
                    "unit": unit,
                    "digits": digits,
                    "better": better,
                    "value": None if (value := figure(summary, at)) is None else value * SCALES.get(unit, 1.0),
                }
                for at, said, unit, digits, better in FIGURES
            ],
            "charts": drawn_charts(series),
        }

    def report(self, name: str) -> bytes:
        """The report's page.

        Raises:
            StorageError: there is no such run, or it has no report.
        """
        path = self.path(name) / REPORT
        try:
            return path.read_bytes()
        except OSError as error:
            raise StorageError(f"run {name!r} has no report yet") from error

    def _paths(self) -> dict[str, Path]:
        try:
            return {
                path.name: path
                for path in self.root.iterdir()
                if path.is_dir() and any((path / mark).is_file() for mark in MARKS)
            }
        except OSError as error:
            raise StorageError(f"cannot read the runs in {self.root}: {error.strerror or error}") from error


def _facts(path: Path) -> dict[str, Any]:
    summary, status = _json(path / "summary.json"), _status(path)
    times = [_time(path / name) for name in (*MARKS, METRICS_FILE)]
    live_figures = {} if status is None else status.figures
    phases = _json(path / "progress.json").get("phases", {})
    wall_s = figure(summary, "wall_s")
    if wall_s is None and isinstance(phases, dict):
        wall_s = sum(value for value in phases.values() if isinstance(value, int | float)) or None
    success = figure(summary, "policy.eval_success_rate")
    error_mm = figure(summary, "keypoints.median_mm")
    live_success, live_error = live_figures.get("success, by truth"), live_figures.get("keypoint error, mm")
    return {
        "name": path.name,
        "preset": summary.get("preset") or _preset(path),
        "seed": summary.get("seed"),
        "at_s": max(times),
        "success": None if success is None else 100 * success,
        "live_success": live_success if success is None and isinstance(live_success, str) else None,
        "error_mm": error_mm if error_mm is not None else live_error if isinstance(live_error, float) else None,
        "wall_s": wall_s,
        "state": _state(summary, status, max(times)),
        "phase": "" if status is None else status.phase,
        "report": (path / REPORT).is_file(),
    }


def _state(
    summary: dict[str, Any], status: RunStatus | None, touched_s: float
) -> Literal["runs", "finished", "stopped"]:
    alive = status is not None and not status.over and not status.silent_s()
    if summary and not alive:
        return "finished"
    return "runs" if alive or time.time() - touched_s < ALIVE_S else "stopped"


def _status(path: Path) -> RunStatus | None:
    try:
        return read_status(path)
    except StorageError:
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _preset(path: Path) -> str:
    try:
        found = yaml.safe_load((path / "config.yaml").read_bytes())
    except (OSError, yaml.YAMLError):
        return ""
    return str(found.get("preset", "")) if isinstance(found, dict) else ""


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
