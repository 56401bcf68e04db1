"""The tree of errors is drawn where people look for it, and drawn whole."""

import importlib
import pkgutil

import s3k_dist
from s3k_dist import errors
from s3k_dist.errors import S3KError


def subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return {child for direct in kind.__subclasses__() for child in (direct, *subclasses(direct))}


def test_every_error_is_drawn() -> None:
    for module in pkgutil.walk_packages(s3k_dist.__path__, "s3k_dist."):
        importlib.import_module(module.name)
    drawn = {word for line in str(errors.__doc__).splitlines() if "──" in line for word in line.split()}
    assert {kind.__name__ for kind in subclasses(S3KError) if kind.__module__.startswith("s3k_dist")} <= drawn
