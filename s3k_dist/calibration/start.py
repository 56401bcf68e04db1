"""Where the joint solution starts: each camera's lens by itself, then the cameras chained by the boards they share.

OpenCV 5's `calibrateMultiview` would start the chain, too, but loses itself where a camera sees a part of the board
(`python -m experiments.calibration` shows it); with a ChArUco board that is every second image.
"""

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from s3k_dist.calibration.bundle import fit_bundle
from s3k_dist.calibration.detection import Sighting, Sightings
from s3k_dist.calibration.pose import Pose, board_pose
from s3k_dist.geometry.camera import NO_DISTORTION, Camera

GUESSED_FOCAL = 1.2  # of the image width: a lens of 45 degrees
POSSIBLE_FOCAL = (0.3, 20.0)  # of the image width
ROUGHLY = 1e-4  # the joint fit goes on from there
MIN_SHARED = 3  # sets that tie two cameras
TURN_WEIGHS_M = 0.7  # a radian between two poses, 1.4 in the rotation's entries, counts as a metre


def start_camera(sightings: Sightings, name: str) -> Camera:
    """A camera's lens from what it saw alone; its pose is none."""
    width, height = sightings.sizes_px[name]
    views = sightings.of_camera(name)
    camera = pinhole(name, width, height, rough_focal_px(sightings, name) or GUESSED_FOCAL * width)
    boards = {view.set_name: pose for view in views if (pose := _seen_from(camera, view, sightings)) is not None}
    if not boards:
        return camera
    alone = fit_bundle(sightings, {name: camera}, boards, settled=ROUGHLY).cameras[name]
    low, high = (share * width for share in POSSIBLE_FOCAL)
    # Data that leave the lens open, as images of a frontal board do, may end anywhere.
    return alone if low < alone.intrinsics[0, 0] < high and np.abs(alone.distortion).max() < 100 else camera


def rough_focal_px(sightings: Sightings, name: str) -> float | None:
    """The focal length without distortion, from a few images; None if they do not tell."""
    views = [view for view in sightings.of_camera(name) if len(view.ids) >= 8]
    if len(views) < 3:
        return None
    size = sightings.sizes_px[name]
    flags = cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_ZERO_TANGENT_DIST
    flags |= cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3
    corners = [sightings.board.corners_m[view.ids].astype(np.float32) for view in views]
    pixels = [view.pixels.astype(np.float32) for view in views]
    try:
        _, intrinsics, *_ = cv2.calibrateCamera(corners, pixels, size, np.eye(3), np.zeros(5), flags=flags)
    except cv2.error:
        return None
    focal = float(intrinsics[0, 0])
    return focal if POSSIBLE_FOCAL[0] * size[0] < focal < POSSIBLE_FOCAL[1] * size[0] else None


def chain(sightings: Sightings, cameras: Mapping[str, Camera]) -> tuple[dict[str, Camera], dict[str, Pose]]:
    """Poses of all cameras that are tied together, in the frame of the best tied one, which comes first, and of boards.

    Args:
        sightings: of the cameras.
        cameras: with their lenses; poses are not looked at.
    """
    seen = {
        (view.set_name, view.camera): pose
        for view in sightings.views
        if (pose := _seen_from(cameras[view.camera], view, sightings)) is not None
    }
    names = list(cameras)
    shared = {
        (a, b): [name for name in sightings.sets if (name, a) in seen and (name, b) in seen]
        for a in names
        for b in names
        if a != b
    }
    trees = [_tree(name, names, shared, seen) for name in names]
    # The largest tied group; of it the camera with the most shared sets, since the others are measured from it.
    best = max(trees, key=lambda tree: (len(tree), _ties(next(iter(tree)), names, shared)))
    placed = {name: _posed(cameras[name], pose) for name, pose in best.items()}
    boards = {}
    for set_name in sightings.sets:
        views = [view for view in sightings.of_set(set_name) if view.camera in best and (set_name, view.camera) in seen]
        if views:
            view = max(views, key=lambda each: len(each.ids))
            boards[set_name] = best[view.camera].inverse() @ seen[set_name, view.camera]
    return placed, boards


def _tree(
    root: str, names: list[str], shared: Mapping[tuple[str, str], list[str]], seen: Mapping[tuple[str, str], Pose]
) -> dict[str, Pose]:
    """Root to camera, for the cameras that are tied to the root: the strongest tie first."""
    tree = {root: Pose(np.eye(3), np.zeros(3))}
    while True:
        ties = [(len(shared[a, b]), a, b) for a in tree for b in names if b not in tree]
        ties = [tie for tie in ties if tie[0] >= MIN_SHARED]
        if not ties:
            return tree
        _, a, b = max(ties)
        tree[b] = _middle([seen[name, b] @ seen[name, a].inverse() for name in shared[a, b]]) @ tree[a]


def _middle(poses: list[Pose]) -> Pose:
    """The pose with the least distance to all others: a few wrong ones do not draw it."""
    flat = np.stack([np.concatenate([TURN_WEIGHS_M * p.rotation.ravel(), p.translation_m]) for p in poses])
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    return poses[int(apart.sum(0).argmin())]


def _ties(name: str, names: list[str], shared: Mapping[tuple[str, str], list[str]]) -> int:
    return sum(len(shared[name, other]) for other in names if other != name)


def _seen_from(camera: Camera, view: Sighting, sightings: Sightings) -> Pose | None:
    return board_pose(sightings.board.corners_m[view.ids], view.pixels, camera)


def pinhole(name: str, width_px: int, height_px: int, focal_px: float) -> Camera:
    """A camera without distortion that looks through the middle of its image; its pose is none."""
    middle = (width_px - 1) / 2, (height_px - 1) / 2
    intrinsics = np.array([[focal_px, 0, middle[0]], [0, focal_px, middle[1]], [0, 0, 1]])
    return Camera(name, width_px, height_px, intrinsics, NO_DISTORTION, np.eye(3), np.zeros(3))


def _posed(camera: Camera, pose: Pose) -> Camera:
    return replace(camera, rotation=pose.rotation, translation_m=pose.translation_m)
