"""The scenes by name, and their options; and scenes of your own, by ``module:Class``."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from actors.sim.scenes.box import DISTRACTORS, PHASES, BoxScene
from actors.sim.scenes.plush import PlushScene
from actors.sim.scenes.scene import Scene
from actors.sim.scenes.shoes import HELD_OUT_SHOES, TRAINING_SHOES, ShoeScene
from s3k_dist.errors import ConfigError


@dataclass(frozen=True)
class Entry:
    """A scene of the catalogue.

    Attributes:
        build: takes ``seed`` and the options.
        options: how the value of each is read from text; raises ValueError with what it expected. None takes any, and
            reads it as YAML.
    """

    build: Callable[..., Scene]
    options: Mapping[str, Callable[[str], Any]] | None


CLUTTERED = ("domain-shift",)


@dataclass(frozen=True)
class SceneSpec:
    """Names a scene; plain values, so that it travels to worker processes.

    Attributes:
        name: one of ``SCENES``, or ``module:Class`` of a class that implements ``Scene``.
        seed: of backgrounds and distractors, 0 or more.
        size_px: side of the square images.
        options: of the scene, such as ``mode`` of the box or ``shoes`` of the shoes.
    """

    name: str
    seed: int
    size_px: int = 128
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cluttered(self) -> bool:
        """Whether table tops are strewn with prints, too."""
        return self.name in CLUTTERED

    def build(self) -> Scene:
        """The scene.

        Raises:
            ConfigError: there is no such scene, it has no such option, or a value is impossible.
            StorageError: a file that the options name is missing or malformed.
        """
        entry = _entry(self.name)
        for option in self.options:
            _require_option(self.name, option)
        if self.seed < 0:
            raise ConfigError(f"the seed of a scene is 0 or more; got {self.seed}")
        if self.size_px < 1:
            raise ConfigError(f"the side of an image is 1 px or more; got {self.size_px}")
        try:
            return entry.build(seed=self.seed, **self.options)
        except TypeError as error:
            raise ConfigError(f"scene {self.name!r} cannot be made: {error}") from error


def read_options(name: str, settings: Sequence[str]) -> dict[str, Any]:
    """Options of the scene ``name`` from ``key=value`` each.

    Raises:
        ConfigError: there is no such scene, it has no such option, or a value cannot be read.
    """
    options, entry = {}, _entry(name)
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"an option goes key=value, such as mode=so3; got {setting!r}")
        _require_option(name, key)
        try:
            options[key] = yaml.safe_load(text) if entry.options is None else entry.options[key](text)
        except (ValueError, yaml.YAMLError) as error:
            raise ConfigError(f"option {key} of scene {name!r}: {error}") from error
    return options


def _entry(name: str) -> Entry:
    if ":" in name:
        return _own(name)
    if name not in SCENES:
        raise ConfigError(f"unknown scene {name!r}; there are {', '.join(SCENES)}, and yours as module:Class")
    return SCENES[name]


def _own(name: str) -> Entry:
    module, _, kind = name.partition(":")
    try:
        return Entry(getattr(importlib.import_module(module), kind), None)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"no scene {name!r}: {error}") from error


def _require_option(name: str, option: str) -> None:
    options = _entry(name).options
    if options is not None and option not in options:
        raise ConfigError(f"scene {name!r} has no option {option!r}; it has {', '.join(options) or 'no options'}")


def _domain_shift(*, seed: int, **options: Any) -> Scene:
    return BoxScene(seed=seed, **({"distractors": DISTRACTORS, "phases": PHASES} | options))


def _shoes(*, seed: int, shoes: Sequence[int] | None = None, meshes: str | None = None) -> Scene:
    if meshes is None:
        return ShoeScene(TRAINING_SHOES if shoes is None else shoes, seed=seed)
    if shoes is not None:
        raise ConfigError(f"shoes are made ones by number or real ones from a folder; got both {shoes} and {meshes}")
    return ShoeScene.from_folder(meshes)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"expected a count, got {text!r}")
    return int(text)


def _shoe_numbers(text: str) -> tuple[int, ...]:
    sets = {"train": TRAINING_SHOES, "held-out": HELD_OUT_SHOES}
    if text in sets:
        return tuple(sets[text])
    if not all(number.isdecimal() for number in text.split(",")):
        raise ValueError(f"expected {', '.join(sets)} or numbers such as 0,1,2; got {text!r}")
    return tuple(int(number) for number in text.split(","))


_BOX_OPTIONS: Mapping[str, Callable[[str], Any]] = {"mode": str, "distractors": _count, "phases": _count}
SCENES: Mapping[str, Entry] = {
    "box": Entry(BoxScene, _BOX_OPTIONS),
    "domain-shift": Entry(_domain_shift, _BOX_OPTIONS),
    "shoes": Entry(_shoes, {"shoes": _shoe_numbers, "meshes": str}),
    "plush": Entry(PlushScene, {}),
}
