"""The scenes by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.sim.scenes.box import DISTRACTORS, PHASES, BoxScene
from actors.sim.scenes.plush import PlushScene
from actors.sim.scenes.scene import Scene
from actors.sim.scenes.shoes import ShoeScene
from s3k_dist.errors import ConfigError


def _box(*, seed: int, **options: Any) -> Scene:
    return BoxScene(seed=seed, **options)


def _domain_shift(*, seed: int, **options: Any) -> Scene:
    return BoxScene(seed=seed, **({"distractors": DISTRACTORS, "phases": PHASES} | options))


def _shoes(*, seed: int, meshes: str | None = None, **options: Any) -> Scene:
    return ShoeScene(seed=seed, **options) if meshes is None else ShoeScene.from_folder(meshes)


SCENES: Mapping[str, Callable[..., Scene]] = {
    "box": _box,
    "domain-shift": _domain_shift,
    "shoes": _shoes,
    "plush": PlushScene,
}


@dataclass(frozen=True)
class SceneSpec:
    """Names a scene; plain values, so that it travels to worker processes.

    Attributes:
        name: one of ``SCENES``.
        seed: of backgrounds and distractors.
        size_px: side of the square images.
        options: of the scene, such as ``mode`` of the box or ``shoes`` of the shoes.
    """

    name: str
    seed: int
    size_px: int = 128
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Scene:
        """The scene.

        Raises:
            ConfigError: there is no such scene, or it has no such option.
        """
        if self.name not in SCENES:
            raise ConfigError(f"unknown scene {self.name!r}; there are {', '.join(SCENES)}")
        try:
            return SCENES[self.name](seed=self.seed, **self.options)
        except TypeError as error:
            raise ConfigError(f"scene {self.name!r} does not take {dict(self.options)}: {error}") from error
