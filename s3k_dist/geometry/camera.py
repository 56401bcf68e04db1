"""One calibrated camera, as it is stored and sent: pinhole with Brown-Conrady distortion.

Conventions are OpenCV's throughout the project: camera axes x right, y down, z forward; the centre of the top-left
pixel is (0, 0), so an image of width W spans u from -0.5 to W - 0.5; ``x_cam = rotation @ x_world + translation``.
"""

from dataclasses import dataclass, replace

import numpy as np

from s3k_dist.errors import GeometryError

NO_DISTORTION = np.zeros(5)


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera.

    Attributes:
        name: unique in its cell.
        width_px: image width.
        height_px: image height.
        intrinsics: ``K``, shape (3, 3), pixels.
        distortion: ``k1, k2, p1, p2, k3`` on normalised coordinates, shape (5,).
        rotation: world to camera, shape (3, 3).
        translation_m: world to camera, shape (3,), metres.
        calibration: version of the calibration file that it is from (`s3k_dist.calibration.file`); empty if from none.

    Raises:
        GeometryError: a shape is wrong, a value is not finite, a focal length is not positive, or ``rotation`` is not a
            rotation.
    """

    name: str
    width_px: int
    height_px: int
    intrinsics: np.ndarray
    distortion: np.ndarray
    rotation: np.ndarray
    translation_m: np.ndarray
    calibration: str = ""

    def __post_init__(self) -> None:
        for field, shape in (
            ("intrinsics", (3, 3)),
            ("distortion", (5,)),
            ("rotation", (3, 3)),
            ("translation_m", (3,)),
        ):
            value = np.asarray(getattr(self, field), dtype=np.float64)
            if value.shape != shape:
                raise GeometryError(f"camera {self.name!r}: {field} has shape {value.shape}, expected {shape}")
            if not np.isfinite(value).all():
                raise GeometryError(f"camera {self.name!r}: {field} holds a value that is not finite")
            object.__setattr__(self, field, value)
        if self.width_px < 1 or self.height_px < 1:
            raise GeometryError(f"camera {self.name!r}: image size {self.width_px} x {self.height_px} is not positive")
        if self.intrinsics[0, 0] <= 0 or self.intrinsics[1, 1] <= 0:
            raise GeometryError(f"camera {self.name!r}: focal lengths must be positive")
        if not np.allclose(self.rotation @ self.rotation.T, np.eye(3), atol=1e-4) or np.linalg.det(self.rotation) < 0:
            raise GeometryError(f"camera {self.name!r}: its pose is missing or its rotation is not a rotation matrix")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Camera):
            return NotImplemented
        own = (self.name, self.width_px, self.height_px, self.calibration)
        return own == (other.name, other.width_px, other.height_px, other.calibration) and all(
            np.array_equal(getattr(self, field), getattr(other, field))
            for field in ("intrinsics", "distortion", "rotation", "translation_m")
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    @property
    def centre_m(self) -> np.ndarray:
        """Optical centre in the world, shape (3,), metres: ``a_c`` of Eq. 2."""
        return -self.rotation.T @ self.translation_m

    def resized(self, width_px: int, height_px: int) -> "Camera":
        """The same camera read out at another resolution."""
        scale = np.array([width_px / self.width_px, height_px / self.height_px])
        intrinsics = self.intrinsics.copy()
        intrinsics[:2, :2] *= scale[:, None]
        # Pixel centres, not pixel corners, lie on the integers: scale about the corner of the image at -0.5.
        intrinsics[:2, 2] = (intrinsics[:2, 2] + 0.5) * scale - 0.5
        return replace(self, width_px=width_px, height_px=height_px, intrinsics=intrinsics)
