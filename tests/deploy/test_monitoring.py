"""What Prometheus is told, and the pages and dashboards that are made of the catalogue."""

import json
import time
import urllib.request
from pathlib import Path

import pytest

from deploy.fleet.part import Part, State
from deploy.fleet.status import RunStatus, write_status
from deploy.monitoring.__main__ import made
from deploy.monitoring.catalogue import catalogue, dashboards, prometheus_name
from deploy.monitoring.exporter import RunExporter
from deploy.monitoring.grafana import grafana_json
from deploy.monitoring.page import with_catalogue
from deploy.run_log import RunLog
from s3k_dist.errors import ServiceError, StorageError


def fetched(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def part(name: str, kind: str, state: State, **figures: float | str) -> Part:
    return Part(name=name, kind=kind, state=state, since_s=time.time(), restarts=2, figures=figures)


def test_prometheus_fetches_the_newest_figures_and_the_parts(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log, RunExporter(log, tmp_path, "127.0.0.1", 0) as exporter:
        log.add("policy/success_rate", 0.5, step=1)
        log.add("policy/success_rate", 0.75, step=2)
        log.add("policy/success_rate", float("nan"), step=3)
        before = fetched(exporter.port)
        assert before["s3k_policy_success_rate"] == 0.75
        assert before["s3k_up"] == 0
        parts = (
            part("cell0", "cell", State.RUNNING, episodes="17"),
            part("cell1", "cell", State.BACKING_OFF, model=""),
        )
        write_status(tmp_path, RunStatus(time.time(), "learn to act", parts, {}))
        after = fetched(exporter.port)
        assert after["s3k_up"] == 1
        assert after['s3k_part_up{kind="cell",part="cell0"}'] == 1
        assert after['s3k_part_up{kind="cell",part="cell1"}'] == 0
        assert after['s3k_part_restarts{kind="cell",part="cell1"}'] == 2
        assert after['s3k_part_figure{figure="episodes",kind="cell",part="cell0"}'] == 17
        assert not any("figure" in name and "model" in name for name in after)
        write_status(tmp_path, RunStatus(time.time() - 60, "learn to act", parts, {}))
        assert fetched(exporter.port)["s3k_up"] == 0
        with pytest.raises(ServiceError, match="choose another"):
            RunExporter(log, tmp_path, "127.0.0.1", exporter.port)


def test_what_is_exported_is_in_the_catalogue(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log, RunExporter(log, tmp_path, "127.0.0.1", 0) as exporter:
        for series in catalogue().series:
            log.add(series, 1.0)
        names = {name.partition("{")[0] for name in fetched(exporter.port)}
    assert names - {"s3k_part_up"} <= catalogue().prometheus_names()
    assert {prometheus_name(series) for series in catalogue().series} <= names


def test_the_catalogue_knows_the_metrics_of_the_service_and_of_a_rig() -> None:
    from prometheus_client import CollectorRegistry

    from actors.physical.rig_metrics import RigMetrics
    from s3k_dist.features.metrics import FeatureMetrics

    def names(registry: CollectorRegistry) -> set[str]:
        samples = {sample.name for family in registry.collect() for sample in family.samples}
        return {name for name in samples if not name.endswith("_created")}

    known = catalogue().prometheus_names()
    assert names(FeatureMetrics().registry) <= known
    assert names(RigMetrics(["cam0"]).registry) <= known


def test_files_that_are_made_of_the_catalogue_are_up_to_date() -> None:
    assert {path for path, text in made().items() if path.read_text() != text} == set()


def test_a_dashboard_asks_for_the_chosen_runs_only() -> None:
    for dashboard in dashboards():
        page = json.loads(grafana_json(dashboard))
        drawn = [panel for panel in page["panels"] if panel["type"] == "timeseries"]
        assert drawn
        for panel in drawn:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
            for target in panel["targets"]:
                assert target["expr"].count("s3k_") == target["expr"].count('job=~"$job"')


def test_a_page_that_does_not_say_where_its_tables_stand() -> None:
    with pytest.raises(StorageError, match="<!-- catalogue -->"):
        with_catalogue("# Metrics", catalogue())
