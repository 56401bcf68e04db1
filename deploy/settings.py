"""Trees of settings: read, overridden with ``--set a.b=c``, validated."""

import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from s3k_dist.errors import ConfigError

Settings = TypeVar("Settings", bound=BaseModel)


class Section(BaseModel):
    """A part of the tree: unknown keys are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_tree(path: Path, otherwise: str) -> dict[str, Any]:
    """A saved tree of settings, not checked yet.

    Args:
        path: of the YAML file.
        otherwise: what it means that there is none.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    try:
        tree = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{otherwise}: no {path.name} in it ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} is damaged: expected a tree of settings")
    return tree


def merged(tree: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A tree with the values of another in place of its own; sections that both have are merged likewise."""
    result = dict(tree)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def set_value(tree: dict[str, Any], override: str) -> None:
    """Change one value of a tree of settings in place.

    Args:
        tree: sections within sections.
        override: ``a.b=c``; the value is YAML.

    Raises:
        ConfigError: it is not of that form.
    """
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set takes key=value, such as seed=3 or policy.env_steps=2000; got {override!r}")
    if key == "preset":
        raise ConfigError(f"--set preset={value}: a preset is chosen with --preset, before anything is set")
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{key}: {parent} is a value, not a section")
        node = child
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{key}: {value!r} is not a value ({' '.join(str(error).split())})") from error


def validated(section: type[Settings], tree: dict[str, Any], source: str) -> Settings:
    """A tree of settings, checked.

    Args:
        section: what the tree has to be.
        tree: sections within sections.
        source: where it is from, for the message.

    Raises:
        ConfigError: an unknown key, or a value that does not fit; says what is available.
    """
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            available = ", ".join(_keys_beside(section, first["loc"]))
            raise ConfigError(f"{source}: unknown key {where!r}; available there: {available}") from error
        if not where:  # what does not fit together is the whole, and it says which parts
            raise ConfigError(f"{source}: {first['msg'].removeprefix('Value error, ')}") from error
        raise ConfigError(f"{source}: {where}: {first['msg']}, got {first['input']!r}") from error


def _keys_beside(section: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    kind: Any = section
    for part in location[:-1]:
        kind = _below(kind, str(part))
    members = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)  # a section that may be left out
    return [key for member in members if _is_section(member) for key in member.model_fields]


def _below(kind: Any, part: str) -> Any:
    """The type of what is called ``part`` in a value of a type."""
    if isinstance(kind, types.UnionType):
        members = [member for member in typing.get_args(kind) if member is not types.NoneType]
        # Of sections that are told apart by a word, pydantic names that word as a part of the way.
        tagged = [member for member in members if _is_section(member) and part in _words_of(member)]
        return tagged[0] if tagged else _below(members[0], part)
    if typing.get_origin(kind) is dict:
        return typing.get_args(kind)[1]
    return kind.model_fields[part].annotation if _is_section(kind) and part in kind.model_fields else None


def _words_of(section: type[BaseModel]) -> list[Any]:
    annotations = [field.annotation for field in section.model_fields.values()]
    return [word for each in annotations if typing.get_origin(each) is typing.Literal for word in typing.get_args(each)]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
