"""Leads a person through the capture: which sets to keep, and where the board is still missing, camera by camera.

It asks for what the verdict will ask for, before there is a calibration: distances and tilts are worked out with a
rough focal length, good enough to say "lean it more".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s3k_dist.calibration.board import Board
from s3k_dist.calibration.detection import BoardDetector, Sighting, Sightings
from s3k_dist.calibration.images import ImageSet
from s3k_dist.calibration.pose import Pose, board_pose
from s3k_dist.calibration.quality import REGION_CORNERS, REGIONS, region_of, tilt_spread
from s3k_dist.calibration.start import GUESSED_FOCAL, pinhole, rough_focal_px
from s3k_dist.calibration.verdict import COVERED, DEPTH, IMAGES, SHARED, SPREAD_DEG, region_name
from s3k_dist.errors import CalibrationError

NEW_SHARE = 0.04  # of the image's width that the board has to be elsewhere for a set to be new
STILL_PX = 0.5  # between two images of a board that is held still


@dataclass(frozen=True)
class CameraProgress:
    """What one camera has, and what it still needs.

    Attributes:
        images: that show the board.
        covered: share of the image's regions.
        spread_deg: of the board's tilt.
        depth: farthest board to nearest.
        shared: sets with the camera that it shares most with.
        needs: what to do, in words, the most pressing first; none if it has enough.
    """

    images: int
    covered: float
    spread_deg: float
    depth: float
    shared: int
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What a set was worth.

    Attributes:
        kept: whether to keep it.
        reason: why, or why not.
        instruction: what to do next; empty when all cameras have enough.
    """

    kept: bool
    reason: str
    instruction: str


class Guide:
    """Counts what has been seen of a board.

    Args:
        board: that is shown.
        cameras: names of the cameras that are to be calibrated.
    """

    def __init__(self, board: Board, cameras: tuple[str, ...]) -> None:
        self.board, self.cameras = board, cameras
        self._detector = BoardDetector(board)
        self._views: list[Sighting] = []
        self._sets: list[str] = []
        self._sizes: dict[str, tuple[int, int]] = {}

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the sets that were kept."""
        return tuple(self._sets)

    def find(self, name: str, images: ImageSet) -> dict[str, Sighting]:
        """The board in a set, by camera.

        Raises:
            CalibrationError: a camera that is not to be calibrated, or an image of another size than before.
        """
        for camera, image in images.items():
            size = image.shape[1], image.shape[0]
            if camera not in self.cameras:
                raise CalibrationError(f"unknown camera {camera!r}; there are {', '.join(self.cameras)}")
            if self._sizes.setdefault(camera, size) != size:
                raise CalibrationError(f"{camera}'s images were {self._sizes[camera]} px, now {size}")
        found = {camera: self._detector.find(image, name, camera) for camera, image in images.items()}
        return {camera: view for camera, view in found.items() if view is not None}

    def add(self, name: str, seen: Mapping[str, Sighting]) -> Advice:
        """Take what ``find`` found, or refuse it."""
        if not seen:
            return Advice(False, "no camera sees the board", self.instruction())
        same = self._same_as(seen)
        if same is not None:
            return Advice(False, f"the board is where it was in {same}", self.instruction())
        self._views += seen.values()
        self._sets.append(name)
        return Advice(True, f"seen by {', '.join(seen)}", self.instruction())

    def instruction(self) -> str:
        """The next thing to do, for the camera that lacks most; empty when all have enough."""
        progress = self.progress()
        camera = max(progress, key=lambda name: len(progress[name].needs))
        needs = progress[camera].needs
        return f"{camera}: {needs[0]}" if needs else ""

    def progress(self) -> dict[str, CameraProgress]:
        """Of every camera."""
        sightings = Sightings(self.board, self._sizes, tuple(self._views), tuple(self._sets))
        return {name: self._of_camera(sightings, name) for name in self.cameras}

    def _of_camera(self, sightings: Sightings, name: str) -> CameraProgress:
        views = sightings.of_camera(name)
        if not views:
            return CameraProgress(0, 0.0, 0.0, 1.0, 0, (f"show the whole board to {name}",))
        width, height = self._sizes[name]
        counts = np.zeros((REGIONS, REGIONS), int)
        for view in views:
            np.add.at(counts, region_of(view.pixels, width, height), 1)
        poses = self._poses(sightings, name)
        spread_deg, direction = tilt_spread(np.array([pose.rotation[:2, 2] for pose in poses]).reshape(-1, 2))
        distances = [float(np.linalg.norm(pose.translation_m)) for pose in poses]
        depth = max(distances) / min(distances) if distances else 1.0
        sets = {view.set_name for view in views}
        others = {other: len(sets & {view.set_name for view in sightings.of_camera(other)})
                  for other in self.cameras if other != name}  # fmt: skip
        shared = max(others.values(), default=0)
        covered = float((counts >= REGION_CORNERS).mean())
        needs = []
        if others and shared < SHARED.usable:
            partner = max(others, key=lambda other: others[other])
            needs.append(f"hold the board where {partner} sees it, too ({shared} of {SHARED.usable:.0f} sets)")
        if covered < COVERED.usable:
            row, column = np.unravel_index(int(counts.argmin()), counts.shape)
            needs.append(f"show the board in the {region_name(int(row), int(column))} of its image, out to the edge")
        if spread_deg < SPREAD_DEG.usable:
            edges = "left and then its right" if abs(direction[0]) > abs(direction[1]) else "upper and then its lower"
            needs.append(f"lean the board by 30 to 45 degrees: bring its {edges} edge nearer, as this camera sees it")
        if depth < DEPTH.usable:
            needs.append("bring the board nearer, and then farther away")
        if len(views) < IMAGES.usable:
            needs.append(f"{IMAGES.usable - len(views):.0f} more images, each from elsewhere")
        return CameraProgress(len(views), covered, spread_deg, depth, shared, tuple(needs))

    def _poses(self, sightings: Sightings, name: str) -> list[Pose]:
        width, height = self._sizes[name]
        camera = pinhole(name, width, height, rough_focal_px(sightings, name) or GUESSED_FOCAL * width)
        found = [board_pose(self.board.corners_m[view.ids], view.pixels, camera) for view in sightings.of_camera(name)]
        return [pose for pose in found if pose is not None]

    def _same_as(self, seen: Mapping[str, Sighting]) -> str | None:
        """A set that was kept in which every camera saw the board where it is now."""
        for name in self._sets:
            before = {view.camera: view for view in self._views if view.set_name == name}
            if set(seen) <= set(before) and all(
                _apart_px(view, before[camera]) < NEW_SHARE * self._sizes[camera][0] for camera, view in seen.items()
            ):
                return name
        return None


def still(before: Mapping[str, Sighting], now: Mapping[str, Sighting]) -> bool:
    """Whether a board is held still: every camera sees it where it saw it a moment ago."""
    return before.keys() == now.keys() and all(_apart_px(before[name], view) < STILL_PX for name, view in now.items())


def _apart_px(a: Sighting, b: Sighting) -> float:
    """Mean distance of the corners that both saw; infinite if there are none."""
    both, in_a, in_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    return float(np.linalg.norm(a.pixels[in_a] - b.pixels[in_b], axis=-1).mean()) if len(both) else np.inf
