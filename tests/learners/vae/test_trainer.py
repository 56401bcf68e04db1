"""Training: it learns, repeats itself, resumes, and beta does what it should."""

import pytest
import torch

from learners.keypoint.batches import UnlabelledFrames
from learners.vae.config import VaeConfig
from learners.vae.evaluation import evaluate
from learners.vae.trainer import VaeTrainer

CONFIG = VaeConfig(steps=250, latent_size=6, beta=0.01, warm_up_steps=0, batch=12)


def test_it_overfits_one_batch(frames: UnlabelledFrames) -> None:
    trainer = VaeTrainer(CONFIG, frames, seed=0)
    before = evaluate(trainer.encoder, trainer.decoder, frames.images)
    first = trainer.step()
    while trainer.steps < CONFIG.steps:
        last = trainer.step()
    after = evaluate(trainer.encoder, trainer.decoder, frames.images)
    assert before.explained_variance < 0.1
    assert after.explained_variance > 0.5  # the rest is the pixels' noise
    assert last.reconstruction < 0.6 * first.reconstruction
    assert after.active_dimensions >= 3


def test_a_heavy_beta_leaves_nothing_in_the_latent(frames: UnlabelledFrames) -> None:
    heavy = CONFIG.model_copy(update={"beta": 1000.0, "steps": 60})
    trainer = VaeTrainer(heavy, frames, seed=0)
    while trainer.steps < heavy.steps:
        trainer.step()
    metrics = evaluate(trainer.encoder, trainer.decoder, frames.images)
    assert metrics.active_dimensions == 0
    assert metrics.kl_nats < 0.1


def weights_after(frames: UnlabelledFrames, steps: int, seed: int) -> dict[str, torch.Tensor]:
    trainer = VaeTrainer(CONFIG, frames, seed=seed)
    for _ in range(steps):
        trainer.step()
    return dict(trainer.encoder.state_dict())


def test_the_same_seed_gives_the_same_weights(frames: UnlabelledFrames) -> None:
    one, other, third = (weights_after(frames, 3, seed) for seed in (4, 4, 5))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["head.weight"], third["head.weight"])


def test_a_resumed_trainer_goes_on_as_if_nothing_had_happened(frames: UnlabelledFrames) -> None:
    stopped, back = VaeTrainer(CONFIG, frames, seed=4), VaeTrainer(CONFIG, frames, seed=9)
    stopped.step()
    back.load_state_dict(stopped.state_dict())
    back.step()
    back.step()
    assert back.steps == 3
    for name, value in weights_after(frames, 3, 4).items():
        assert torch.equal(back.encoder.state_dict()[name], value), name


def test_beta_is_nothing_for_half_of_the_warm_up_and_then_rises(frames: UnlabelledFrames) -> None:
    rising = CONFIG.model_copy(update={"beta": 2.0, "warm_up_steps": 4})
    trainer = VaeTrainer(rising, frames, seed=0)
    betas = []
    for _ in range(6):
        betas.append(trainer.beta)
        trainer.step()
    assert betas == pytest.approx([0, 0, 0, 1, 2, 2])
