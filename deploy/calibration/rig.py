"""A camera rig as a source of image sets for calibration."""

from collections.abc import Callable

from actors.physical.rig import CameraRig, NoFramesError
from s3k_dist.calibration.images import ImageSet

PATIENCE_S = 2.0  # with a set


def rig_images(rig: CameraRig) -> Callable[[], ImageSet]:
    """Takes the images of one trigger, by the cameras' names; none where too few cameras gave one."""

    def take() -> ImageSet:
        try:
            found = rig.take(PATIENCE_S)
        except NoFramesError:
            return {}
        return {name: frame.image for name, frame in found.frames.items()}

    return take
