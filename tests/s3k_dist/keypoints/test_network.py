"""The network of App. A: what goes in, what comes out, what it is made of."""

import pytest
import torch
from pydantic import ValidationError

from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig

NAMES = ("tip", "base", "socket")


def network(**shape: object) -> KeypointNetwork:
    torch.manual_seed(0)
    return KeypointNetwork(NetworkConfig(keypoint_names=NAMES, **shape)).eval()


@pytest.mark.parametrize("size_px", [32, 64, 100, 128])
@pytest.mark.parametrize("channels", [(8,), (4, 12), (16, 24, 32, 32, 32)])
def test_each_keypoint_gets_a_distribution_over_half_resolution_cells(size_px: int, channels: tuple[int, ...]) -> None:
    model = network(image_size_px=size_px, channels=channels)
    with torch.no_grad():
        heatmaps = model(torch.rand(2, 3, size_px, size_px) - 0.5)
    cells = model.config.heatmap_size
    assert cells == size_px // 2
    assert heatmaps.shape == (2, 3, cells * cells)
    torch.testing.assert_close(heatmaps.exp().sum(-1), torch.ones(2, 3))


def test_it_is_fully_convolutional() -> None:
    model = network(image_size_px=128)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 96, 96)).shape == (1, 3, 48 * 48)


def test_each_image_is_read_by_itself() -> None:
    model = network(image_size_px=64)
    images = torch.rand(3, 3, 64, 64) - 0.5
    with torch.no_grad():
        together = model(images)
        alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_every_parameter_learns() -> None:
    model = network(image_size_px=64)
    heatmaps = model(torch.rand(1, 3, 64, 64) - 0.5)
    heatmaps[:, :, 300].sum().backward()
    # The head's bias shifts a whole heatmap, which the softmax takes out again.
    still = {name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-12}
    assert still <= {"head.bias"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("image_size_px", 16), ("image_size_px", 65), ("channels", ()), ("keypoint_names", ()), ("sigma", 0.0)],
)
def test_an_impossible_shape_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        NetworkConfig.model_validate({"keypoint_names": NAMES, field: value})
