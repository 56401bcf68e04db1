"""A scene changes while its cell works: other light, other things about, another table, a knocked camera."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class SceneChange:
    """What is different from some frame on; what is left out stays as it was.

    Attributes:
        after_frames: of the cell, counted from its first; it takes effect when the next episode begins.
        scene_seed: other textures and clutter.
        decoys: plugs and sockets that are not the task's lie about.
        light: factor on every lamp.
        camera: the one that is moved; its calibration stays as it was, which is what is wrong then.
        camera_moved_m: where to, from where it was; camera axes (right, down, forward), metres.
        camera_turned_rad: rotation vector, camera axes, radians.
    """

    after_frames: int
    scene_seed: int | None = None
    decoys: bool | None = None
    light: float = 1.0
    camera: str | None = None
    camera_moved_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    camera_turned_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """What all changes so far come to.

    Attributes:
        scene_seed: textures and clutter.
        decoys: whether they lie about.
        light: factor on every lamp.
        moves: of cameras, in order.
    """

    scene_seed: int
    decoys: bool
    light: float = 1.0
    moves: tuple[SceneChange, ...] = ()

    def after(self, changes: Iterable[SceneChange]) -> "Scene":
        """This scene when some changes have come about."""
        scene = self
        for change in changes:
            scene = Scene(
                scene.scene_seed if change.scene_seed is None else change.scene_seed,
                scene.decoys if change.decoys is None else change.decoys,
                scene.light * change.light,
                scene.moves + ((change,) if change.camera is not None else ()),
            )
        return scene
