"""A run as its folder would be in the middle of learning to act: made by hand, so that no test waits for one."""

import json
import math
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from deploy.fleet.cell_file import CellFile, PhysicalSection
from deploy.fleet.part import Part, State
from deploy.fleet.register import FleetRegister
from deploy.fleet.status import RunStatus, write_status
from deploy.run_folder import RunFolder
from deploy.web.sight import Sight
from s3k_dist.access.audit import AuditLog
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.detector import MODEL_KIND
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.deploy.web.conftest import NAMES, SIZE_PX, Toys

CELLS = ("bench1", "bench2")
NETWORK = NetworkConfig(keypoint_names=NAMES, image_size_px=SIZE_PX, channels=(8, 8), residual_blocks=0)
ERROR_MM = {1: 9.0, 2: 4.0, 3: 2.0}  # of the versions, which see the truth with noise
MINUTES = 14


@dataclass(frozen=True)
class MadeRun:
    """The folder, and where the keypoints truly are on its frames."""

    folder: RunFolder
    truth_m: dict[str, dict[str, np.ndarray]]

    @property
    def registry(self) -> WeightsRegistry:
        return WeightsRegistry(self.folder.models)

    @property
    def register(self) -> FleetRegister:
        return FleetRegister(self.folder.fleet)

    def wish(self, cell: str) -> str:
        return self.register.cells()[cell][1]


class NoisySight(Sight):
    """Sees the truth, with noise that is smaller the newer the version."""

    def __init__(self, run: MadeRun) -> None:
        super().__init__(run.folder.models)
        self._truth_m = run.truth_m

    def features(self, frame: MultiViewFrame, version: int) -> FrameFeatures:
        noise = np.random.default_rng([version, frame.sequence])
        error_m = ERROR_MM[version] / 1000
        truth = np.stack([self._truth_m[frame.frame_id][name] for name in NAMES])
        points = truth + noise.normal(0, error_m / 2, truth.shape)
        pixels = project(torch.from_numpy(points), Cameras.stack(frame.cameras))[0].numpy()
        pixels = pixels + noise.normal(0, 0.4 * ERROR_MM[version], pixels.shape)
        axes = noise.normal(size=(len(NAMES), 3, 3))
        spread = error_m**2 * (np.eye(3) / 4 + axes @ axes.swapaxes(1, 2) / 6)
        shape = pixels.shape[:2]
        return FrameFeatures(
            cell_id=frame.cell_id,
            sequence=frame.sequence,
            captured_at_ns=frame.captured_at_ns,
            model_version=version,
            keypoint_names=NAMES,
            camera_names=tuple(camera.name for camera in frame.cameras),
            positions_m=points,
            covariance_m2=spread,
            pixels=pixels,
            confidence=np.full(shape, 0.9),
            residual_px=np.full(shape, 0.5),
        )


def make_run(root: Path, toys: Toys, robot: str = "127.0.0.1:9", now_s: float | None = None) -> MadeRun:
    """Make the folder of a run, in the middle of its work, and beside it two that are finished.

    Args:
        root: of the runs.
        toys: whose frames its cells have seen.
        robot: address of the robot of the second cell.
        now_s: when it said something last; None for just now.
    """
    now_s = time.time() if now_s is None else now_s
    folder = RunFolder(root / "toys-2")
    folder.create()
    truth = _stream(folder, toys, now_s)
    run = MadeRun(folder, truth)
    _labels(run)
    _models(run)
    physical = PhysicalSection(rig=Path("rig.yaml"), robot=robot)
    run.register.begin([CellFile(cell="bench1"), CellFile(cell="bench2", kind="physical", physical=physical)])
    write_status(folder.root, running(now_s))
    _lines(folder.root / "metrics.jsonl", _metrics(1.0))
    _lines(folder.episodes, _episodes())
    _lines(folder.drift, _drift(now_s))
    (folder.root / "config.yaml").write_text(
        "preset: laptop\nseed: 0\nstream: {max_mb: 40}\npolicy: {demonstration_capacity: 10000}\n"
    )
    for number, steps in ((1, 1950), (2, 3870)):
        checkpoint = folder.checkpoints / f"checkpoint-{number:06d}"
        checkpoint.mkdir(parents=True)
        window = [1.0] * (40 + 4 * number) + [0.0] * (10 - 4 * number)
        outcomes = {"windows": {"success_rate": window}}
        said = {"policy_version": steps // 10, "env_steps": steps, "updates": steps, "outcomes": outcomes}
        (checkpoint / "progress.json").write_text(json.dumps(said))
    _finished(root / "toys-0", better=0.45, days=2)
    _finished(root / "toys-1", better=0.7, days=1)
    return run


def _stream(folder: RunFolder, toys: Toys, now_s: float) -> dict[str, dict[str, np.ndarray]]:
    names = sorted(toys.truth_m)
    share = len(names) // len(CELLS)
    truth = {}
    for index, cell in enumerate(CELLS):
        with StreamWriter(folder.stream, cell) as writer:
            for sequence, name in enumerate(names[index * share : (index + 1) * share]):
                at_ns = int(1e9 * (now_s - 4 - share + sequence))
                seen = toys.frame(name)
                views = tuple(replace(view, captured_at_ns=at_ns) for view in seen.views)
                frame = MultiViewFrame(cell, sequence, at_ns, views)
                truth[frame.frame_id] = toys.truth_m[name]
                writer.append(StreamRecord(frame, f"{cell}-policy-100{sequence}-ab", sequence, model_version=2))
    return truth


def _labels(run: MadeRun) -> None:
    reader = StreamReader(run.folder.stream)
    reader.refresh()
    labels = []
    for frame_id in sorted(run.truth_m)[:-2]:
        frame = reader.read_by_id(frame_id).frame
        cameras = Cameras.stack(frame.cameras)
        truth = np.stack([run.truth_m[frame_id][name] for name in NAMES])
        pixels = project(torch.from_numpy(truth), cameras)[0].numpy()
        clicks = {
            camera.name: {name: tuple(pixels[view, k].tolist()) for k, name in enumerate(NAMES)}
            for view, camera in enumerate(frame.cameras)
        }
        labels.append(Label(frame=frame_id, split="held_out", clicks=clicks, by="anna"))
    save_labels(run.folder.labels, NAMES, labels)


def _models(run: MadeRun) -> None:
    """Versions 1 and 2 served, 3 is a candidate; their weights are noise."""
    registry = WeightsRegistry(run.folder.models, AuditLog(run.folder.audit), "keypoint-learner")
    for version, error_mm in ERROR_MM.items():
        torch.manual_seed(version)
        noise = {name: torch.randn_like(each) for name, each in KeypointNetwork(NETWORK).state_dict().items()}
        metrics = {"rms_px": 0.35 * error_mm, "median_mm": error_mm / 2, "p95_mm": 2.1 * error_mm, "coverage_90": 0.9}
        metrics |= {f"median_mm/{name}": error_mm / 2 * (0.8 + 0.2 * k) for k, name in enumerate(NAMES)}
        config = NETWORK.model_dump(mode="json")
        registry.publish(noise, ModelManifest(kind=MODEL_KIND, config=config, metrics={"frames": 6.0, **metrics}))
        if version < 3:
            registry.promote(version)


def running(now_s: float) -> RunStatus:
    def part(name: str, kind: str, **figures: float | str) -> Part:
        return Part(name, kind, State.RUNNING, now_s - 400, node="10.0.0.4", pid=41, figures=figures)

    cells = [
        part(cell, "cell", episodes=str(170 + k), model="2", policy=str(386 + k), **{"steps/min": 236.0 - 5 * k})
        for k, cell in enumerate(CELLS)
    ]
    service = part("service0", "service", **{"frames/s": 7.9, "p50 ms": 24.2, "p99 ms": 47.5})
    policy = part("policy", "policy", steps=3870.0, updates=3868.0, replay=3871.0, lag=2.4)
    keypoints = part("keypoints", "keypoints", steps=1460.0, model="2", rejected="0", frames=5120.0)
    figures: dict[str, float | str] = {"steps": 3870.0, "success, by truth": "92%", "keypoint error, mm": 0.49}
    return RunStatus(now_s, "learn to act", (*cells, service, policy, keypoints), figures)


def _metrics(better: float) -> list[dict[str, object]]:
    """A run's scalars: success that rises, errors that fall, one alarm."""
    noise = np.random.default_rng(round(10 * better))
    lines: list[dict[str, object]] = []
    for t_s in range(300, 60 * MINUTES, 3):
        way = (t_s - 300) / (60 * MINUTES - 300)
        success = min(0.98, 0.35 + 0.62 * better * (1 - math.exp(-4 * way))) + 0.02 * noise.normal()
        spike = 1.25 * math.exp(-(((way - 0.55) / 0.03) ** 2))
        for series, value in {
            "policy/success_rate": min(1.0, success),
            "policy/claimed_rate": min(1.0, success + 0.03 * (1 - way)),
            "keypoints/visited_median_mm": 0.5 + 0.9 * math.exp(-5 * way) / better + 0.03 * noise.normal(),
            "keypoints/median_mm": 0.45 + 0.4 * math.exp(-4 * way) / better,
            "drift/residual": abs(0.12 + 0.06 * noise.normal()) + spike,
            "drift/confidence": abs(0.08 + 0.04 * noise.normal()) + spike / 3,
            "service/p50_ms": 24 + noise.normal(),
            "service/p99_ms": 47 + 3 * noise.normal(),
            "policy/replay_size": 3871.0 * way,
            "policy/replay_drawable": 3400.0 * way,
            "policy/replay_demonstrations": 431.0,
            "policy/policy_lag_mean": 2.4,
            "policy/critic_loss": 0.1,
        }.items():
            lines.append({"t_s": t_s, "series": series, "value": round(value, 5), "step": t_s})
    return lines


def _episodes() -> list[dict[str, object]]:
    noise = np.random.default_rng(0)
    lines: list[dict[str, object]] = []
    for number in range(120):
        claimed = number in (71, 98)  # and was none
        true = bool(noise.random() < 0.5 + number / 240) and not claimed
        name = f"{CELLS[number % 2]}-policy-{100000 + number}-18ea"
        lines.append({"stage": "train", "episode": name, "claimed": true or claimed, "truly_inserted": true})
    return lines


def _drift(now_s: float) -> list[dict[str, object]]:
    alarm = {"kind": "alarm", "signal": "residual", "reference": 0.2, "now": 0.62, "cell": "bench2"}
    return [
        {**alarm, "at_s": now_s - 260, "state": "began", "subject": "keypoint", "name": "tail"},
        {**alarm, "at_s": now_s - 210, "state": "over", "subject": "keypoint", "name": "tail"},
        {**alarm, "at_s": now_s - 42, "state": "began", "subject": "camera", "name": "cam3"},
    ]


def _finished(root: Path, better: float, days: float) -> None:
    """A run of some days ago, with a summary and a report that tries what it must not."""
    root.mkdir()
    summary = {
        "preset": "laptop",
        "seed": 1,
        "drift": {"alarms": 3},
        "wall_s": 702.0,
        "keypoints": {
            "labelled_frames": round(170 * better),
            "median_mm": round(0.427 / better, 2),
            "p95_mm": round(0.98 / better, 2),
            "rms_px": round(0.49 / better, 2),
            "visited_median_mm": round(0.46 / better, 2),
        },
        "policy": {
            "eval_success_rate": round(0.62 + 0.343 * better, 2),
            "eval_claimed_success_rate": round(0.66 + 0.343 * better, 2),
            "false_success_rate": 0.01,
            "mean_steps_to_success": round(14 - 6 * better, 1),
            "env_steps": 4013,
            "updates": 4013,
        },
        "service": {"p50_ms": 23.9, "p99_ms": 49.0},
    }
    (root / "summary.json").write_text(json.dumps(summary))
    _lines(root / "metrics.jsonl", _metrics(better))
    (root / "report.html").write_text(
        "<!doctype html><title>a report</title><p id=said>a report</p><script>"
        "try { document.cookie; document.title = 'not sandboxed' } catch { document.title = 'sandboxed' }"
        "fetch('/live/state').then(() => document.title += ', asked', () => document.title += ', refused')</script>"
    )
    for path in (root, *root.iterdir()):
        os.utime(path, (time.time() - 86_000 * days, time.time() - 86_000 * days))


def _lines(path: Path, entries: list[dict[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
