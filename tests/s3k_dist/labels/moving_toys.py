"""A toy on a table under four cameras: it stands still, something passes in front, then somebody moves it."""

import cv2
import numpy as np

from s3k_dist.frames import MultiViewFrame, View
from tests.scenes import ring

SIZE, TOY = 96, 30
CAMERAS = ring(4, size_px=SIZE)
PERIOD_NS = 250_000_000


def texture(seed: int, size: int, grain: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(size, size, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.asarray(128 + 45 * smooth / smooth.std())


class Table:
    """Draws views of one scene; every view has a background and a toy of its own look."""

    def __init__(self, seed: int = 0) -> None:
        self._backgrounds = [texture(seed + view, SIZE, 3.0) for view in range(4)]
        self._toys = [texture(seed + 50 + view, TOY) for view in range(4)]
        self._hand = texture(seed + 99, SIZE)
        self._rng = np.random.default_rng(seed)

    def frame(
        self, sequence: int, at: tuple[float, float] = (48.0, 46.0), hidden: tuple[int, ...] = (), light: float = 1.0
    ) -> MultiViewFrame:
        """Args: at: middle of the toy in every view, pixels; hidden: views in which a hand covers it."""
        views = []
        for index, camera in enumerate(CAMERAS):
            image = self._backgrounds[index].copy()
            place = np.array([[1, 0, at[0] - (TOY - 1) / 2], [0, 1, at[1] - (TOY - 1) / 2]])
            moved = cv2.warpAffine(self._toys[index], place, (SIZE, SIZE))
            mask = cv2.warpAffine(np.ones((TOY, TOY, 1)), place, (SIZE, SIZE))[..., None]
            image = image * (1 - mask) + moved * mask
            if index in hidden:
                image[20:75] = self._hand[20:75]
            image = light * image + self._rng.normal(scale=2.0, size=image.shape)
            views.append(View(camera, image.clip(0, 255).astype(np.uint8), sequence * PERIOD_NS))
        return MultiViewFrame("cell0", sequence, sequence * PERIOD_NS, tuple(views))


def clicks(u: float = 50.0, v: float = 47.0) -> dict[str, dict[str, tuple[float, float]]]:
    return {camera.name: {"paw": (u, v), "head": (u - 8, v - 6)} for camera in CAMERAS}
