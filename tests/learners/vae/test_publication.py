"""What a cell is served is what was trained; and the encoder that nobody trained."""

from pathlib import Path

import pytest
import torch

from learners.keypoint.batches import UnlabelledFrames
from learners.vae.config import VaeConfig
from learners.vae.evaluation import evaluate, posterior_means
from learners.vae.publication import frozen_encoder, publish_frozen, publish_vae
from learners.vae.trainer import VaeTrainer
from s3k_dist.embeddings.encoder import FrameEncoder
from s3k_dist.embeddings.network import EncoderConfig, stacked
from s3k_dist.weights import WeightsRegistry

SHAPE = EncoderConfig(views=3, image_size_px=64, latent_size=5)


def test_a_trained_encoder_is_served_as_it_was_measured(tmp_path: Path, frames: UnlabelledFrames) -> None:
    trainer = VaeTrainer(VaeConfig(latent_size=5, batch=4), frames, seed=0)
    trainer.step()
    metrics = evaluate(trainer.encoder, trainer.decoder, frames.images)
    registry = WeightsRegistry(tmp_path)
    version = publish_vae(registry, trainer.encoder, metrics.measured())
    assert registry.current() == version == 1
    assert registry.manifest(1).metrics == metrics.measured()
    served = FrameEncoder.load(registry, 1)
    assert (served.kind, served.embedding_size) == ("vae", 5)
    expected = posterior_means(trainer.encoder, frames.images)
    torch.testing.assert_close(served.embed_images(frames.images), expected, rtol=1e-4, atol=1e-5)


def test_a_frozen_encoder_is_of_order_one_and_the_same_for_a_seed(tmp_path: Path, frames: UnlabelledFrames) -> None:
    registry = WeightsRegistry(tmp_path)
    assert publish_frozen(registry, frozen_encoder(SHAPE, frames.images, seed=3)) == 1
    served = FrameEncoder.load(registry, 1)
    assert served.kind == "pixels-frozen"
    values = served.embed_images(frames.images)
    torch.testing.assert_close(values.mean(0), torch.zeros(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(values.std(0), torch.ones(5), rtol=1e-3, atol=0)
    again, other = (frozen_encoder(SHAPE, frames.images, seed).head.weight for seed in (3, 4))
    assert torch.equal(again, registry.load(1)[0]["head.weight"])
    assert not torch.equal(again, other)


def test_a_decoder_that_only_knows_the_mean_frame_explains_nothing(frames: UnlabelledFrames) -> None:
    trainer = VaeTrainer(VaeConfig(latent_size=5), frames, seed=0)
    with torch.no_grad():
        trainer.decoder.convolutions[-1].weight.zero_()
    metrics = evaluate(trainer.encoder, trainer.decoder, frames.images)
    planes = stacked(frames.images)
    deviation = (planes - planes.mean(0)).square().mean().sqrt().item()
    assert metrics.frames == len(frames)
    assert metrics.explained_variance == pytest.approx(0, abs=1e-4)
    assert metrics.reconstruction_rmse == pytest.approx(255 * deviation, rel=1e-3)
    assert metrics.kl_nats == pytest.approx(sum(metrics.per_dimension_kl_nats))
