"""The metrics there are, and the dashboards that show them, as two files beside this one say."""

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import Field, model_validator

from deploy.settings import Section, validated


class SeriesEntry(Section):
    """A series of a run's log.

    Attributes:
        unit: in words.
        bad: what a bad value means; empty where none is.
    """

    unit: str
    bad: str


class PrometheusEntry(Section):
    """A metric that some part of the project serves to Prometheus by itself.

    Attributes:
        kind: of the metric; a histogram has ``_bucket``, ``_sum`` and ``_count``.
        labels: it is told apart by.
        unit: in words.
        says: what it tells.
    """

    kind: Literal["value", "histogram"] = "value"
    labels: tuple[str, ...]
    unit: str
    says: str


class Catalogue(Section):
    """Every metric by its name.

    Attributes:
        series: of a run's log.
        parts: of a run's parts, from its supervisor.
        service: of a feature service.
        cameras: of a camera rig.
    """

    series: dict[str, SeriesEntry]
    parts: dict[str, PrometheusEntry]
    service: dict[str, PrometheusEntry]
    cameras: dict[str, PrometheusEntry]

    def prometheus_names(self) -> frozenset[str]:
        """Every name that a query may use."""
        names = {prometheus_name(series) for series in self.series}
        for name, entry in (self.parts | self.service | self.cameras).items():
            ends = ("_bucket", "_sum", "_count") if entry.kind == "histogram" else ("",)
            names |= {name + end for end in ends}
        return frozenset(names)


class Panel(Section):
    """One drawing of a dashboard: series of the catalogue, or queries by what their lines are called.

    Attributes:
        title: above it.
        unit: one of Grafana's.
        max: of its axis.
        series: names in the catalogue.
        expressions: PromQL by legend; ``{{label}}`` in a legend is the label's value.
    """

    title: str
    unit: str
    max: float | None = None
    series: tuple[str, ...] = ()
    expressions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shows_something(self) -> "Panel":
        if bool(self.series) == bool(self.expressions):
            raise ValueError(f"panel {self.title!r} shows either series or expressions")
        return self

    def queries(self) -> dict[str, str]:
        """PromQL by legend."""
        return dict(self.expressions) or {series: prometheus_name(series) for series in self.series}


class Row(Section):
    """Panels side by side, under a title."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(Section):
    """One page of Grafana's.

    Attributes:
        name: of its file, and its uid.
        title: for people.
        rows: from the top.
    """

    name: str
    title: str
    rows: tuple[Row, ...]


class _Dashboards(Section):
    dashboards: tuple[Dashboard, ...]


@cache
def catalogue() -> Catalogue:
    """Every metric."""
    return validated(Catalogue, yaml.safe_load(_text("catalogue.yaml")), "catalogue.yaml")


@cache
def dashboards() -> tuple[Dashboard, ...]:
    """Every dashboard."""
    tree = {"dashboards": yaml.safe_load(_text("dashboards.yaml"))}
    return validated(_Dashboards, tree, "dashboards.yaml").dashboards


def prometheus_name(series: str) -> str:
    """Of a series of the log: ``policy/q_mean`` is ``s3k_policy_q_mean``; what no name may hold is an underscore."""
    return "s3k_" + "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in series)


def _text(name: str) -> str:
    return (resources.files("deploy.monitoring") / name).read_text()
