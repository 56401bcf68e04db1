"""Dashboards in the form that Grafana imports and provisions."""

import json
import re
from typing import Any

from deploy.monitoring.catalogue import Dashboard, Panel

COLUMNS = 24  # of Grafana's grid
PANEL_ROWS = 8
SCHEMA_VERSION = 41
METRIC = re.compile(r"\b(s3k_\w+)(\{)?")
DATA_SOURCE = {"type": "prometheus", "uid": "${source}"}


def grafana_json(dashboard: Dashboard) -> str:
    """A dashboard for any Prometheus source, which the page lets choose, as it does the run."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "gridPos": _place(0, top, COLUMNS, 1)})
        top += 1
        width = COLUMNS // min(4, len(row.panels))
        for number, panel in enumerate(row.panels):
            line, column = divmod(number, COLUMNS // width)
            place = _place(column * width, top + line * PANEL_ROWS, width, PANEL_ROWS)
            panels.append(_panel(panel, len(panels) + 1, place))
        top += PANEL_ROWS * -(-len(row.panels) // (COLUMNS // width))
    page = {
        "uid": f"s3k-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["s3k-dist"],
        "schemaVersion": SCHEMA_VERSION,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source(), _job()]},
        "panels": panels,
    }
    return json.dumps(page, indent=1, ensure_ascii=False) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    limits = {"min": 0} | ({} if panel.max is None else {"max": panel.max})
    queries = [
        {"refId": chr(ord("A") + i), "datasource": DATA_SOURCE, "expr": _of_job(query), "legendFormat": legend}
        for i, (legend, query) in enumerate(panel.queries().items())
    ]
    bounded = panel.max is not None or panel.unit != "short"  # a loss or a value may well be below zero
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": DATA_SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "custom": {"lineWidth": 2, "fillOpacity": 6, "showPoints": "never", "spanNulls": True},
                **(limits if bounded else {}),
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": queries,
    }


def _of_job(query: str) -> str:
    """The same query of the chosen jobs alone."""
    return METRIC.sub(lambda found: found[1] + '{job=~"$job"' + ("," if found[2] else "}"), query)


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _job() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "run or service",
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": 'label_values({__name__=~"s3k_.*"}, job)',
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}
