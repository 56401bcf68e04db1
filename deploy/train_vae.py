"""``s3k train vae``: the paper's baseline representation, from the frames of a data set; their labels are not read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from deploy.checkpoint import CHECKPOINT_NAME, TrainingCheckpoint
from deploy.device import compute_device
from deploy.live_view import LiveView
from deploy.training_loop import advance
from deploy.unlabelled import read_unlabelled, require_memory
from deploy.vae_pictures import draw_reconstructions, draw_traversals
from learners.keypoint.batches import UnlabelledFrames
from learners.vae.config import VaeConfig
from learners.vae.evaluation import VaeMetrics, evaluate, posterior_means
from learners.vae.publication import publish_vae
from learners.vae.trainer import VaeTrainer
from s3k_dist.allocator import keep_large_blocks
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import ConfigError, FrameError, StorageError
from s3k_dist.file_lock import file_lock
from s3k_dist.folders import make_folder
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

LOCK_NAME = ".training.lock"
LOCK_TIMEOUT_S = 1.0
RECONSTRUCTIONS, TRAVERSALS = "reconstructions.png", "traversals.png"
FEWEST_FRAMES = 40
# Neighbours in the stream are of one episode and look alike: whole blocks are held out, about an episode long.
BLOCK_FRAMES, BLOCKS = 16, 20
SIDE_STEP_PX = 32


@dataclass(frozen=True)
class VaeTraining:
    """What is trained on what.

    Attributes:
        data: folder of the data set; every frame of its stream is used.
        config: the recipe.
        seed: of weights, batches and noise.
    """

    data: Path
    config: VaeConfig
    seed: int


def train(training: VaeTraining, out: Path) -> int:
    """Train, or go on from the checkpoint in ``out``; publish the encoder there and promote it.

    Raises:
        ConfigError: the seed is negative, or the checkpoint in ``out`` is of another training.
        StorageError: the data set is damaged or has fewer than FEWEST_FRAMES frames, or ``out`` cannot be written.
        FrameError: the frames are not square, or their side is no multiple of 32 px.
        PreflightError: the frames do not fit into the memory.
    """
    if training.seed < 0:
        raise ConfigError(f"expected a seed of 0 or more, got {training.seed}")
    reader = DatasetFolder(training.data).open_stream()
    view = LiveView(f"s3k train vae, beta {training.config.beta:g}, seed {training.seed}", ("read", "train", "judge"))
    with view:
        version, metrics = fit(training, reader, out, view, enter=view.phase)
    print(  # noqa: T201
        f"trained: {out}, version {version}, {metrics.active_dimensions} of {training.config.latent_size} dimensions "
        f"active, {metrics.explained_variance:.0%} of the held-out frames' variance explained\n"
        f"look at: {out / RECONSTRUCTIONS}, {out / TRAVERSALS}"
    )
    return 0


def fit(
    training: VaeTraining, reader: StreamReader, out: Path, view: LiveView, *, enter: Callable[[str], None]
) -> tuple[int, VaeMetrics]:
    """The same under a view that is open already; returns the version and what was measured on held-out frames.

    Args:
        training: what to do.
        reader: the frames.
        out: folder of a registry; made where it is missing. Pictures are written there, too.
        view: shows the progress.
        enter: told when reading, training and judging begin: a phase of the view, or an event under one.
    """
    _require_usable(reader)
    make_folder(out)
    keep_large_blocks()
    torch.set_flush_denormal(True)  # optimiser states go denormal, and are slow then
    device = compute_device()
    with file_lock(out / LOCK_NAME, LOCK_TIMEOUT_S):
        enter("read")
        frames = read_unlabelled(reader, view)
        if frames is None or len(frames) < FEWEST_FRAMES:
            raise StorageError(f"{reader.root} holds too few readable frames, expected {FEWEST_FRAMES} or more")
        train_frames, held_out = split(frames.to(device))
        trainer = VaeTrainer(training.config, train_frames, seed=training.seed)
        identity = {"data": str(training.data.resolve()), "frames": len(reader), "seed": training.seed}
        checkpoint = TrainingCheckpoint(out / CHECKPOINT_NAME, {**identity, **training.config.model_dump()})
        checkpoint.restore(trainer)
        enter("train")
        _advance(trainer, checkpoint, view)
        enter("judge")
        metrics = evaluate(trainer.encoder, trainer.decoder, held_out.images)
        draw_reconstructions(trainer, held_out.images, metrics, out / RECONSTRUCTIONS)
        draw_traversals(trainer, posterior_means(trainer.encoder, held_out.images), metrics, out / TRAVERSALS)
        measured = {**metrics.measured(), "beta": training.config.beta, "steps": float(trainer.steps)}
        version = publish_vae(WeightsRegistry(out), trainer.encoder, measured)
        checkpoint.path.unlink(missing_ok=True)
    return version, metrics


def split(frames: UnlabelledFrames) -> tuple[UnlabelledFrames, UnlabelledFrames]:
    """Frames to train on, and a twentieth, in blocks, to judge by."""
    index = torch.arange(len(frames), device=frames.images.device)
    block = min(BLOCK_FRAMES, len(frames) // BLOCKS)
    held_out = (index // block) % BLOCKS == BLOCKS // 2
    return _where(frames, ~held_out), _where(frames, held_out)


def _where(frames: UnlabelledFrames, chosen: Tensor) -> UnlabelledFrames:
    rows = chosen.nonzero()[:, 0]
    return UnlabelledFrames(frames.images[rows], frames.cameras[rows])


def _advance(trainer: VaeTrainer, checkpoint: TrainingCheckpoint, view: LiveView) -> None:
    def step() -> dict[str, float]:
        report = trainer.step()
        return {"reconstruction_loss": report.reconstruction, "kl_nats": report.kl}

    advance(trainer, trainer.config.steps, step, checkpoint, view)


def _require_usable(reader: StreamReader) -> None:
    if len(reader) < FEWEST_FRAMES:
        raise StorageError(f"{reader.root} holds {len(reader)} frames, expected {FEWEST_FRAMES} or more")
    views = reader.read(0).frame.views
    sizes = {view.image.shape[:2] for view in views}
    side = views[0].image.shape[0]
    if sizes != {(side, side)} or side % SIDE_STEP_PX:
        found = ", ".join(f"{width} x {height}" for height, width in sorted(sizes))
        raise FrameError(
            f"the frames are {len(views)} views of {found} px; expected square ones of one side, "
            f"a multiple of {SIDE_STEP_PX} px"
        )
    require_memory(2 * len(reader), 3 * len(views) * side * side)  # twice: the split is a copy
