"""Where the board was, by cameras that are known."""

from collections.abc import Mapping, Sequence

from s3k_dist.calibration.bundle import Bundle, fit_bundle
from s3k_dist.calibration.detection import Sightings
from s3k_dist.calibration.pose import Pose, board_pose
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera


def place_boards(sightings: Sightings, cameras: Mapping[str, Camera]) -> Bundle:
    """The board's pose in every set that shows it, by all cameras together; the cameras stay as they are."""
    boards: dict[str, Pose] = {}
    for set_name in sightings.sets:
        views = [view for view in sightings.of_set(set_name) if view.camera in cameras]
        for view in sorted(views, key=lambda each: -len(each.ids)):
            camera = cameras[view.camera]
            pose = board_pose(sightings.board.corners_m[view.ids], view.pixels, camera)
            if pose is not None:
                boards[set_name] = Pose.of(camera).inverse() @ pose
                break
    if not boards:
        raise CalibrationError(f"none of the images of {len(sightings.sets)} sets shows the board")
    return fit_bundle(sightings, cameras, boards, fixed_cameras=True)


def require_known(sightings: Sightings, cameras: Sequence[Camera]) -> None:
    """Every camera with images is calibrated, for images of that size.

    Raises:
        CalibrationError: names the camera that is not.
    """
    known = {camera.name: camera for camera in cameras}
    for name, (width, height) in sightings.sizes_px.items():
        if name not in known:
            raise CalibrationError(f"unknown camera {name!r}; the calibration has {', '.join(known)}")
        camera = known[name]
        if (width, height) != (camera.width_px, camera.height_px):
            raise CalibrationError(
                f"{name}'s images are {width} x {height} px; it was calibrated for "
                f"{camera.width_px} x {camera.height_px}"
            )
