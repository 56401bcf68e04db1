"""``summary.json``: what a run came to, in one file that other programs read."""

import json
import time
from collections import Counter
from typing import Any

import numpy as np

from deploy.keypoints import held_out_frames
from deploy.run_folder import RunFolder
from deploy.run_log import read_series
from deploy.session import Session, episode_lines, json_lines, machine
from learners.keypoint.evaluation import evaluate
from s3k_dist.atomic import write_atomic
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

LAST = 50


def write_summary(session: Session, wall_s: float) -> dict[str, Any]:
    """Measure what is left to measure, and write the summary; returns it."""
    reader = StreamReader(session.folder.stream)
    reader.refresh()
    stream = reader.stats()
    summary = {
        "preset": session.config.preset,
        "seed": session.config.seed,
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "wall_s": round(wall_s, 1),
        "machine": machine(),
        "phases": session.folder.progress().get("phases", {}),
        "keypoints": _keypoints(session, reader),
        "service": session.folder.progress().get("service", {}),
        "policy": _policy(session),
        "drift": drift_facts(session.folder),
        "stream": {"frames": stream.frames, "bytes": stream.bytes, "cells": stream.cells},
    }
    write_atomic(session.folder.summary, json.dumps(summary, indent=1).encode())
    return summary


def _keypoints(session: Session, reader: StreamReader) -> dict[str, Any]:
    registry = WeightsRegistry(session.folder.models)
    version = registry.current()
    assert version is not None, "a run that got this far has promoted a version"
    metrics = evaluate(KeypointDetector.load(registry, version), held_out_frames(session.folder, reader))
    labels = session.config.labels
    visited = read_series(session.folder.root).get("keypoints/visited_median_mm")
    return {
        "model_version": version,
        "labelled_frames": labels.train,
        "heldout_frames": metrics.frames,
        "unlabelled_frames": len(reader) - labels.train - metrics.frames,
        "image_px": session.config.cells.image_px,
        "rms_px": round(metrics.rms_px, 3),
        "median_mm": round(metrics.median_mm, 3),
        "p95_mm": round(metrics.p95_mm, 3),
        "per_keypoint_median_mm": {k: round(v, 3) for k, v in metrics.per_keypoint_median_mm.items()},
        "visited_median_mm": None if visited is None else round(float(visited.value[-1]), 3),
    }


def _policy(session: Session) -> dict[str, Any]:
    lines = episode_lines(session.folder)
    by_stage = Counter(line["stage"] for line in lines)
    train = [line for line in lines if line["stage"] == "train"]
    held_out = [line for line in lines if line["stage"] == "evaluate"]
    cloned = [line for line in lines if line["stage"] == "cloned"]
    false = sum(bool(line["claimed"]) and not line["truly_inserted"] for line in lines)
    successes = [line["steps"] for line in held_out if line["truly_inserted"]]
    series = read_series(session.folder.root)
    return {
        "observation": session.config.task.observation,
        "env_steps": _last(series, "policy/env_steps"),
        "updates": _last(series, "policy/updates"),
        "pretrain_updates": _last(series, "policy/pretrain_updates"),
        "demonstrations": session.folder.progress().get("demonstrations", 0),
        "training_episodes": by_stage["train"],
        "intervention_rate": _driven_share(train),
        "train_success_last_50": _share(train[-LAST:], "truly_inserted"),
        "cloned_success_rate": _share(cloned, "truly_inserted"),
        "eval_episodes": len(held_out),
        "eval_success_rate": _share(held_out, "truly_inserted"),
        "eval_claimed_success_rate": _share(held_out, "claimed"),
        "false_success_rate": round(false / len(lines), 4) if lines else None,
        "false_successes": false,
        "mean_steps_to_success": round(float(np.mean(successes)), 2) if successes else None,
    }


def drift_facts(folder: RunFolder) -> dict[str, Any]:
    """Alarms by signal, and the last word on each camera that was found to have moved, by cell."""
    lines = json_lines(folder.drift)
    began = Counter(line["signal"] for line in lines if line["kind"] == "alarm" and line["state"] == "began")
    cameras: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line["kind"] == "moved camera":
            cameras[f"{line['cell']}/{line['camera']}"] = {
                "moved_mm": round(1e3 * float(np.linalg.norm(line["centre_m"])), 2),
                "turned_deg": round(float(np.degrees(np.linalg.norm(line["turned_rad"]))), 3),
                "proposed": line["proposed"],
            }
    return {"alarms": sum(began.values()), "by_signal": dict(began), "moved_cameras": cameras}


def _share(lines: list[dict[str, Any]], field: str) -> float | None:
    return round(float(np.mean([bool(line[field]) for line in lines])), 4) if lines else None


def _driven_share(lines: list[dict[str, Any]]) -> float | None:
    """Share of all steps of the episodes that a person drove."""
    steps = sum(line["steps"] for line in lines)
    return round(sum(line.get("intervened_steps", 0) for line in lines) / steps, 4) if steps else None


def _last(series: dict[str, Any], name: str) -> int:
    return int(series[name].value[-1]) if name in series else 0
