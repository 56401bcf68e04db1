"""Frames of a simulated robot through emulated Basler cameras: drawn when they are triggered, lens and noise applied.

The simulator lives in the robot's process, where the gate's thread steps it in real time, so that it can be paused and
killed as a robot can. Here a twin, the same cell with a renderer, is put into the state of the robot's last step and
drawn. So a snapshot is a short list of numbers over the robot's own address, the scene is not sent but made again from
its seed, and whoever takes frames draws them, in one thread, which is the one that an OpenGL context belongs to.
"""

from dataclasses import replace

import numpy as np

from actors.physical.basler import BaslerCamera
from actors.physical.calibrated import CalibratedRig
from actors.physical.camera import OpenCamera
from actors.physical.emulated import ImageFeed, emulate
from actors.physical.lens import Lens
from actors.physical.rig import CameraRig
from actors.physical.settings import CameraSettings, RigLimits, Roi
from actors.robots.simulator import SimulatorClient
from actors.sim.cell import CableCell
from s3k_dist.frames import MultiViewFrame

# Pincushion, as of the long lenses that look at a small workplace, and a little off centre: 3 px at the corners of
# 128 px images. It shows less than was rendered, never more.
DISTORTION = np.array([0.4, 0.0, 5e-4, -5e-4, 0.0])
NOISE_LEVELS = 1.0  # standard deviation, of 255; without any, a still scene would be a frozen camera
EXPOSURE_US = 1000.0


class RenderedFrames:
    """Implements ``Frames`` of ``actors.physical.cell``. One thread makes and uses it.

    Args:
        twin: of the robot's cell, rendered; this keeps it in the robot's state.
        simulator: where that is to be had.
        limits: of the rig.

    Raises:
        CameraError: pylon has no emulated cameras.
    """

    def __init__(self, twin: CableCell, simulator: SimulatorClient, limits: RigLimits | None = None) -> None:
        self._twin = twin
        self._simulator = simulator
        self._seed: int | None = None
        self._rng = np.random.default_rng(0)
        self.serials = emulate(len(twin.cameras))
        cameras = tuple(replace(camera, distortion=DISTORTION) for camera in twin.cameras)
        self._lenses = [Lens(seen, drawn) for seen, drawn in zip(cameras, twin.cameras, strict=True)]
        self.feed = ImageFeed(self.serials)
        try:
            openers = {camera.name: self._opener(serial) for camera, serial in zip(cameras, self.serials, strict=True)}
            self._calibrated = CalibratedRig(CameraRig(openers, limits), twin.cell_id, cameras)
        except BaseException:
            self.feed.close()
            raise
        self.cameras = self._calibrated.cameras

    def take(self, patience_s: float) -> MultiViewFrame:
        """The world as it is now, through the cameras.

        Raises:
            NoFramesError: too few views came.
            CellError: the simulator does not answer.
        """
        self._follow()
        for lens, camera, serial in zip(self._lenses, self._twin.cameras, self.serials, strict=True):
            seen = lens.seen(self._twin.render(camera.name))
            noise = self._rng.normal(0.0, NOISE_LEVELS, seen.shape).astype(np.float32)
            self.feed.show(serial, np.clip(np.rint(seen + noise), 0, 255).astype(np.uint8))
        return self._calibrated.take(patience_s)

    def resume_after(self, sequence: int) -> None:
        """As ``CalibratedRig.resume_after``."""
        self._calibrated.resume_after(sequence)

    def close(self) -> None:
        """Let the cameras and the renderer go; calling it twice does nothing."""
        self._calibrated.close()
        self.feed.close()
        self._twin.stop()

    def _follow(self) -> None:
        found = self._simulator.snapshot()
        if found.seed != self._seed:  # also where another process has taken the place of the robot's
            self._twin.arrange(found.seed)
            self._seed = found.seed
        self._twin.show(found.state)

    def _opener(self, serial: str) -> OpenCamera:
        size_px = self._twin.cameras[0].width_px
        settings = CameraSettings(pixel_format="RGB8", roi=Roi(width=size_px, height=size_px), exposure_us=EXPOSURE_US)
        return lambda: BaslerCamera(serial, settings, images=self.feed.folder(serial))
