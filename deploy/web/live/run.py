"""A run as the Live page shows it, read from its folder: also of one that is over."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from deploy.fleet.cell_file import CellFile
from deploy.fleet.part import Part
from deploy.fleet.register import FleetRegister, Wish
from deploy.fleet.status import RunStatus, read_status
from deploy.run_folder import RunFolder
from deploy.web.curves import drawn_charts, series_of
from deploy.web.label.project import LabelProject
from deploy.web.live.alarms import DriftAlarms, part_alarms
from deploy.web.live.outcomes import Outcomes
from deploy.web.sight import Sight, drawn_features
from s3k_dist.errors import FrameError, StorageError
from s3k_dist.stream.reader import StreamReader

SEEN_EVERY_S = 1.0  # of a cell: its control loop needs the cores more than the page does
MB = 1e6


class LiveRun:
    """Reads what the page asks for; threads may use it at once.

    Args:
        folder: of the run.
        project: its frames and labels.
        sight: of its models.
    """

    def __init__(self, folder: RunFolder, project: LabelProject, sight: Sight) -> None:
        self.folder = folder
        self.register = FleetRegister(folder.fleet)
        self._project = project
        self._sight = sight
        self._series = series_of(folder.root)
        self._alarms = DriftAlarms(folder.drift)
        self._outcomes = Outcomes(folder.episodes)
        self._seen: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """All but charts and images.

        Raises:
            StorageError: a file of the run is damaged.
            ConfigError: that of a cell is.
        """
        reader = self._project.reader
        reader.refresh()
        for followed in (self._series, self._alarms, self._outcomes):
            followed.look()
        status = self._status()
        parts = {part.name: part for part in status.parts} if status is not None else {}
        cells, waiting = self.register.cells(), self.register.waiting()
        on, past = self._alarms.alarms()
        over = status is not None and status.over
        return {
            "now_s": time.time(),
            "run": _run(status, self.folder),
            "cells": [
                self._cell(name, parts.get(name), cells.get(name), name in waiting, reader)
                for name in sorted({*cells, *reader.cells()})
            ],
            "parts": [_part(part) for part in parts.values() if part.kind != "cell"],
            "alarms": [*part_alarms(status, waiting), *on],
            "past_alarms": past[:8],
            "alarms_stay": over,
            "stream": self._stream(reader),
            "replay": self._replay(),
            "serving": self._sight.serving(),
        }

    def charts(self) -> list[dict[str, Any]]:
        """Success, keypoint error, drift and latency over time; raises as `state`."""
        self._series.look()
        return drawn_charts(self._series)

    def seen(self, cell: str) -> dict[str, Any]:
        """A cell's newest frame that is in the stream, and what the model that served then sees on it.

        Looked for once a second at most; what was seen last is said again until then.

        Raises:
            StorageError: the cell has no frames.
        """
        with self._lock:
            at_s, before = self._seen.get(cell, (-SEEN_EVERY_S, {}))
            if time.monotonic() - at_s < SEEN_EVERY_S:
                return before
            found = self._look(cell)
            self._seen[cell] = time.monotonic(), found
            return found

    def _look(self, cell: str) -> dict[str, Any]:
        reader = self._project.reader
        reader.refresh()
        indices = reader.of_cell(cell)
        if not len(indices):
            raise StorageError(f"no frames of cell {cell!r}; there are those of {', '.join(reader.cells()) or 'none'}")
        frame_id = reader.id_of(int(indices[-1]))
        record = reader.read_by_id(frame_id)
        found: dict[str, Any] = {
            "frame": frame_id,
            "captured_at_s": record.frame.captured_at_ns / 1e9,
            "episode": record.episode_id,
            "step": record.step,
            "acted_on": record.model_version or None,
            "views": [
                {"camera": camera.name, "width": camera.width_px, "height": camera.height_px}
                for camera in record.frame.cameras
            ],
            "version": None,
            "keypoints": self._project.keypoints(),
            "marks": {},
        }
        # What the cell acted on, if that model is still there; the one that serves now, otherwise.
        for version in (record.model_version or None, self._sight.serving()):
            if version is not None:
                try:
                    features = self._sight.features(record.frame, version)
                except (StorageError, FrameError):
                    continue
                return found | {"version": version, "marks": drawn_features(features, record.frame)}
        return found

    def _status(self) -> RunStatus | None:
        try:
            return read_status(self.folder.root)
        except StorageError:
            return None

    def _cell(
        self, name: str, part: Part | None, known: tuple[CellFile, Wish] | None, waits: bool, reader: StreamReader
    ) -> dict[str, Any]:
        indices = reader.of_cell(name)
        cell, wish = known if known is not None else (None, None)
        return {
            "name": name,
            "kind": None if cell is None else cell.kind,
            "wish": wish,
            "waits": waits,
            "robot": None if cell is None or cell.physical is None else cell.physical.robot_address,
            "part": None if part is None else _part(part),
            "frames": len(indices),
            "captured_at_s": reader.captured_at_ns(int(indices[-1])) / 1e9 if len(indices) else None,
            "outcomes": self._outcomes.of(name),
        }

    def _stream(self, reader: StreamReader) -> dict[str, Any]:
        stats = reader.stats()
        most_mb = _setting(self.folder.root, "stream", "max_mb")
        free = shutil.disk_usage(self.folder.root).free if most_mb is None else None
        most = None if most_mb is None else float(most_mb) * MB
        return {"frames": stats.frames, "bytes": stats.bytes, "max_bytes": most, "free_bytes": free}

    def _replay(self) -> dict[str, float | None]:
        newest = self._series.newest
        return {
            "own": newest("policy/replay_size"),
            "drawable": newest("policy/replay_drawable"),
            "demonstrations": newest("policy/replay_demonstrations"),
            "max_demonstrations": _setting(self.folder.root, "policy", "demonstration_capacity"),
            "env_steps": newest("policy/env_steps"),
            "policy_lag": newest("policy/policy_lag_mean"),
        }


def _run(status: RunStatus | None, folder: RunFolder) -> dict[str, Any]:
    if status is None:
        done = list(folder.progress().get("phases", {}))
        return {"phase": f"after {done[-1]}" if done else "begins", "state": "no status", "at_s": None, "figures": {}}
    state = "over" if status.over else "silent" if status.silent_s() else "running"
    return {"phase": status.phase, "state": state, "at_s": status.at_s, "figures": _finite(status.figures)}


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "kind": part.kind,
        "state": part.state.value,
        "since_s": part.since_s,
        "restarts": part.restarts,
        "node": part.node,
        "last_error": part.last_error,
        "figures": _finite(part.figures),
    }


def _finite(figures: dict[str, float | str]) -> dict[str, float | str]:
    return {
        name: value if isinstance(value, str) or abs(value) < float("inf") else "?" for name, value in figures.items()
    }


def _setting(root: Path, section: str, name: str) -> float | None:
    """A number of the run's saved configuration; None where it says none. Presets come and go: no more is read."""
    try:
        value = yaml.safe_load((root / "config.yaml").read_bytes())[section][name]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None
    return float(value) if isinstance(value, int | float) else None
