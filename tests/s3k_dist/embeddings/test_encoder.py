"""An encoder as the service runs it: a vector for a frame, and refusals by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from s3k_dist.embeddings.encoder import FROZEN_KIND, VAE_KIND, FrameEncoder
from s3k_dist.embeddings.network import EncoderConfig, EncoderNetwork
from s3k_dist.errors import FrameError, StorageError
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.scenes import frame, ring

SIZE_PX = 64
CONFIG = EncoderConfig(views=3, image_size_px=SIZE_PX, latent_size=4, channels=(8, 8), hidden=16)
CAMERAS = ring(3, size_px=SIZE_PX)


def network(seed: int = 0) -> EncoderNetwork:
    torch.manual_seed(seed)
    return EncoderNetwork(CONFIG)


@pytest.fixture
def encoder() -> FrameEncoder:
    return FrameEncoder(CONFIG, network().state_dict(), version=5)


@pytest.fixture
def registry(tmp_path: Path) -> WeightsRegistry:
    return WeightsRegistry(tmp_path / "encoders")


def publish(registry: WeightsRegistry, kind: str = VAE_KIND, **config: object) -> int:
    shape = {**CONFIG.model_dump(mode="json"), **config}
    return registry.publish(dict(network().state_dict()), ModelManifest(kind=kind, config=shape))


def test_each_frame_has_its_embedding_alone_or_in_a_batch(encoder: FrameEncoder) -> None:
    frames = [frame(CAMERAS, sequence=i, seed=i) for i in range(3)]
    together = encoder.embed(frames)
    for one, alone in zip(together, (encoder.embed([each])[0] for each in frames), strict=True):
        assert (one.kind, one.model_version, one.values.shape, one.values.dtype) == ("vae", 5, (4,), np.float32)
        np.testing.assert_allclose(one.values, alone.values, rtol=1e-4, atol=1e-5)
    assert np.abs(together[0].values - together[1].values).max() > 1e-3
    assert encoder.embed([]) == []


@pytest.mark.parametrize("view", [0, 1, 2])
def test_every_view_has_a_say(encoder: FrameEncoder, view: int) -> None:
    seen = frame(CAMERAS)
    before = encoder.embed([seen])[0].values
    seen.views[view].image[:] = 255 - seen.views[view].image
    assert np.abs(encoder.embed([seen])[0].values - before).max() > 1e-3


def test_centre_and_scale_are_applied() -> None:
    weights = network().state_dict()
    plain = FrameEncoder(CONFIG, weights).embed([frame(CAMERAS)])[0].values
    weights["centre"], weights["scale"] = torch.full((4,), 2.0), torch.full((4,), 4.0)
    scaled = FrameEncoder(CONFIG, weights).embed([frame(CAMERAS)])[0].values
    np.testing.assert_allclose(scaled, (plain - 2) / 4, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [VAE_KIND, FROZEN_KIND])
def test_a_published_encoder_is_the_same_again(registry: WeightsRegistry, kind: str) -> None:
    version = publish(registry, kind)
    loaded = FrameEncoder.load(registry, version)
    assert (loaded.kind, loaded.version, loaded.embedding_size) == (kind, version, 4)
    assert loaded.published_at_ns == registry.manifest(version).created_at_ns
    (made,) = loaded.embed([frame(CAMERAS)])
    (direct,) = FrameEncoder(CONFIG, network().state_dict()).embed([frame(CAMERAS)])
    np.testing.assert_array_equal(made.values, direct.values)


def test_what_is_no_encoder_is_refused(registry: WeightsRegistry) -> None:
    with pytest.raises(StorageError, match=r"holds 'keypoints', expected an encoder: 'vae' or 'pixels-frozen'"):
        FrameEncoder.load(registry, publish(registry, "keypoints"))
    for wrong in ({"latent_size": 5}, {"colour": "red"}, {"image_size_px": 66}):
        with pytest.raises(StorageError, match="is no encoder after all: ") as refused:
            FrameEncoder.load(registry, publish(registry, VAE_KIND, **wrong))
        assert "\n" not in str(refused.value)


def test_frames_of_another_layout_are_refused(encoder: FrameEncoder) -> None:
    with pytest.raises(
        FrameError, match=r"cell0/00000000: 2 views of 64 x 64 px; encoder version 5 expects 3 views of"
    ):
        encoder.embed([frame(CAMERAS[:2])])
    with pytest.raises(FrameError, match="3 views of 32 x 32 px; encoder version 5 expects 3 views of 64 x 64 px"):
        encoder.embed([frame(ring(3, size_px=32))])


def test_a_side_that_does_not_halve_evenly_is_refused() -> None:
    with pytest.raises(ValidationError, match="5 stages need a side that is a multiple of 32 px"):
        EncoderConfig(image_size_px=80)
