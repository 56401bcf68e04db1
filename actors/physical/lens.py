"""What a lens makes of a pinhole image: a simulated cell is rendered without distortion, a camera sees it with."""

import cv2
import numpy as np

from s3k_dist.drift.views import directions, project
from s3k_dist.errors import GeometryError
from s3k_dist.geometry.camera import Camera


class Lens:
    """Warps rendered images into those of a camera with distortion; both have one centre and one direction.

    Args:
        camera: what is to be seen by, with its distortion.
        rendered: the pinhole camera of the rendered images. Where barrel distortion shows more than it, the border is
            repeated; render wider, and finer, to have it whole and sharp.

    Raises:
        GeometryError: the rendered camera is distorted itself, or its pose is another.
    """

    def __init__(self, camera: Camera, rendered: Camera) -> None:
        if rendered.distortion.any():
            raise GeometryError(f"camera {rendered.name!r} renders: expected a pinhole camera, got a distorted one")
        same = np.allclose(camera.rotation, rendered.rotation) and np.allclose(
            camera.translation_m, rendered.translation_m
        )
        if not same:
            raise GeometryError(f"camera {camera.name!r} and the one that renders for it have different poses")
        self._size_px = rendered.width_px, rendered.height_px
        v, u = np.mgrid[: camera.height_px, : camera.width_px].astype(np.float64)
        rays = directions(np.stack([u, v], axis=-1), camera)
        self._from_px = project(camera.centre_m + rays, rendered)[0].astype(np.float32)

    def seen(self, image: np.ndarray) -> np.ndarray:
        """What the camera sees of a rendered image, RGB uint8 both.

        Raises:
            GeometryError: the image has another size than its camera.
        """
        if (image.shape[1], image.shape[0]) != self._size_px:
            raise GeometryError(
                f"expected a rendered image of {self._size_px[0]} x {self._size_px[1]} px, got "
                f"{image.shape[1]} x {image.shape[0]}"
            )
        warped = cv2.remap(image, self._from_px, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped)
