"""``s3k train keypoints --data --workers N``: the training of ``deploy.train_keypoints`` on N processes of Ray Train.

Each worker has a core, or a GPU where the cluster has one for each, and reads the data set: on a cluster it lies, as
the registry does, on a file system that all nodes see. The first one keeps the checkpoint, and publishes.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from deploy.checkpoint import CHECKPOINT_NAME, TrainingCheckpoint
from deploy.live_view import LiveView
from deploy.ray_access import secure_ray
from deploy.train_keypoints import (
    LOCK_NAME,
    LOCK_TIMEOUT_S,
    Training,
    live_view,
    publish,
    shown,
    trained,
    training_set,
)
from deploy.training_loop import require_finite
from learners.keypoint.evaluation import KeypointMetrics
from learners.keypoint.peers import Peers
from learners.keypoint.trainer import KeypointTrainer
from s3k_dist.errors import ConfigError, S3KError
from s3k_dist.file_lock import file_lock
from s3k_dist.folders import make_folder
from s3k_dist.weights import WeightsRegistry

SAVE_EVERY_STEPS = 200  # all of them save together, so that a clock cannot decide
COLLECTIVE_S = 600  # for which a worker waits for the others: the first one reads, judges and writes alone
START_S = 300
CALL_S = 10.0
SHOW_S = 1.0
SCRATCH = ".ray_train"


def train_on_workers(training: Training, out: Path, workers: int) -> int:
    """Train, or go on from the checkpoint in ``out`` of as many workers; publish the model there and promote it.

    Args:
        training: what to do.
        out: folder of a registry; made where it is missing.
        workers: 2 or more.

    Raises:
        ConfigError: an unknown recipe or setting, a batch that cannot be shared out evenly, more workers than the
            cluster has cores, or the checkpoint in ``out`` is of another training.
        StorageError: the data set has no labels or is damaged, or ``out`` cannot be written.
        FrameError: the frames are not square, of a single view, or of several layouts.
        PreflightError: the frames do not fit into the memory once for each worker.
        S3KError: a worker failed.
    """
    config = training.config()
    for name in ("labelled_batch", "unlabelled_batch"):
        Peers(0, workers).share(name, getattr(config, name))
    # What is wrong with the data is said before anything is started.
    training_set(training, copies=1 if os.environ.get("RAY_ADDRESS") else workers)
    make_folder(out)
    training, out = replace(training, data=training.data.absolute()), out.absolute()
    with file_lock(out / LOCK_NAME, LOCK_TIMEOUT_S):
        try:
            with _cluster(), live_view(training) as view:
                version, metrics = _fit(training, out, workers, view)
        finally:
            shutil.rmtree(out / SCRATCH, ignore_errors=True)
    print(trained(training, out, version, metrics))  # noqa: T201
    return 0


def _fit(training: Training, out: Path, workers: int, view: LiveView) -> tuple[int, KeypointMetrics | None]:
    """Let the workers train, and show how far they are."""
    offered = ray.cluster_resources()
    cores, on_gpus = offered.get("CPU", 0), offered.get("GPU", 0) >= workers
    if cores < workers:
        raise ConfigError(
            f"{workers} workers ask for a core each, and there are {cores:.0f}: take fewer, or set RAY_ADDRESS to a "
            "larger cluster"
        )
    board = ray.remote(num_cpus=0)(Board).remote()
    trainer = TorchTrainer(
        _work,
        train_loop_config={"training": training, "out": out, "workers": workers, "board": board},
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout_s=COLLECTIVE_S),
        scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=on_gpus),
        run_config=ray.train.RunConfig(name="keypoints", storage_path=str(out / SCRATCH)),
    )
    ended: Future[Any] = Future()

    def fit() -> None:
        try:
            ended.set_result(trainer.fit().return_value)
        except Exception as error:  # noqa: BLE001  # for the main thread to raise
            ended.set_exception(error)

    # In the main thread Ray Train would take Ctrl-C for itself, and end the process as if all were done.
    threading.Thread(target=fit, name="ray train", daemon=True).start()
    running = ""
    while not ended.done():
        with suppress(ray.exceptions.GetTimeoutError):
            phase, figures = ray.get(board.read.remote(), timeout=CALL_S)
            if phase != running:
                view.phase(phase)
                running = phase
            if figures:
                view.progress(figures["step"] / training.steps)
                view.update(**figures)
        wait([ended], SHOW_S)
    try:
        version, metrics = ended.result()
    except ray.train.TrainingFailedError as error:
        raise _cause(error) from error
    return version, metrics


class Board:
    """Where the first worker writes how far it is, for whoever started it to show."""

    def __init__(self) -> None:
        self._phase, self._figures = "", dict[str, float]()

    def write(self, phase: str, figures: dict[str, float]) -> None:
        """How far it is."""
        self._phase, self._figures = phase, figures

    def read(self) -> tuple[str, dict[str, float]]:
        """Phase, empty before the first, and figures."""
        return self._phase, self._figures


def _work(settings: dict[str, Any]) -> tuple[int, KeypointMetrics | None] | None:
    """One worker's part; returns what the first one published."""
    training, out, board = settings["training"], settings["out"], settings["board"]
    peers = Peers.joined()
    first = peers.rank == 0
    if first:
        board.write.remote("read", {})
    data, device = training_set(training), get_device()
    torch.set_flush_denormal(True)  # optimiser states go denormal, and are slow then
    labelled = data.labelled.to(device)
    trainer = KeypointTrainer(data.network, training.config(), labelled, seed=training.seed, peers=peers)
    checkpoint = TrainingCheckpoint(out / CHECKPOINT_NAME, data.identity | {"workers": settings["workers"]})
    checkpoint.restore(trainer)
    unlabelled = data.unlabelled(live_view(training, quiet=True)).to(device)
    began_s, before, written_s = time.monotonic(), trainer.steps, 0.0
    while trainer.steps < training.steps:
        figures = shown(trainer.step(unlabelled))
        require_finite(trainer, figures)
        now_s = time.monotonic()
        if first and now_s - written_s >= SHOW_S:
            rate = (trainer.steps - before) / (now_s - began_s)
            board.write.remote("train", {"step": float(trainer.steps), **figures, "steps_per_s": rate})
            written_s = now_s
        if trainer.steps % SAVE_EVERY_STEPS == 0:
            _save(trainer, checkpoint, first)
    if not first:
        return None
    board.write.remote("judge", {})
    published = publish(trainer, data.held_out, WeightsRegistry(out))
    checkpoint.path.unlink(missing_ok=True)
    return published


def _save(trainer: KeypointTrainer, checkpoint: TrainingCheckpoint, first: bool) -> None:
    """All of them hand over their state; the first one writes it."""
    if first:
        checkpoint.save(trainer)
    else:
        trainer.state_dict()


@contextmanager
def _cluster() -> Iterator[None]:
    # Ray nices its workers by 15 unless told otherwise.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # Ray spells it so
    # Ray gives workers a minute to start, which is too little for a machine that does something else besides.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", f"{START_S}")
    secure_ray()
    if not os.environ.get("RAY_ADDRESS") and sys.platform == "linux":
        # Workers of one machine meet on loopback; gloo would offer itself to the machine's network.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    ray.init(
        address=os.environ.get("RAY_ADDRESS") or "local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()


def _cause(error: Exception) -> S3KError:
    """What a worker raised, in our own words if it is ours."""
    failures = getattr(error, "worker_failures", {})
    own = next((failure for failure in failures.values() if isinstance(failure, S3KError)), None)
    return own or S3KError(f"a worker failed: {error}")
