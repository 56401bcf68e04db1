"""``report.html``: one page that holds everything, works offline, and says what a run came to."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.report import facts
from deploy.report.charts import Chart, chart_svg, charts, phase_spans, small_svg
from deploy.report.palette import DARK, KEYPOINTS_ON_IMAGES, LIGHT, style_sheet_variables
from deploy.report.pictures import STRIP_MOMENTS, Film, film, held_out_frames, load_pictures
from deploy.run_log import Series, read_series
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

REPORT_FILE, SUMMARY_FILE, CONFIG_FILE = "report.html", "summary.json", "config.yaml"
# Side of a close-up, at 128 px; a plug is about 20 long there.
CLOSE_UP_PX = 16
PAPERS_LIMIT_MM = 25.0  # section 6.2
IN_CHARTS = {
    "phase",
    "policy/success_rate",
    "policy/claimed_rate",
    "keypoints/median_mm",
    "keypoints/visited_median_mm",
    "keypoints/supervised_loss",
    "keypoints/unsupervised_loss",
    "service/p50_ms",
    "service/p99_ms",
}


def build_report(folder: Path) -> Path:
    """Make the page from what a run left in its folder; what is not there is left out.

    Args:
        folder: with ``summary.json``, and, where the run got that far, ``metrics.jsonl``, ``pictures.npz`` and
            ``config.yaml``.

    Returns:
        The page.

    Raises:
        StorageError: the summary is missing or damaged, or the page cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    summary = read_summary(folder)
    series = read_series(folder)
    pictures = load_pictures(folder)
    config = _config(folder)
    limit_mm = _limit_mm(config)
    shown = film(pictures)
    template = Environment(
        loader=PackageLoader("deploy"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html")
    page = template.render(
        summary=summary,
        lead=facts.lead(summary),
        headlines=facts.headlines(summary),
        paper=facts.against_the_paper(summary),
        glossary=facts.glossary(summary),
        machine=facts.machine(summary),
        names=_names(summary, pictures),
        per_keypoint_mm=_per_keypoint_mm(summary),
        film=shown,
        film_json=_film_json(shown, limit_mm),
        limit_mm=limit_mm,
        strip_moments=STRIP_MOMENTS,
        frames=held_out_frames(pictures),
        close_up_px=CLOSE_UP_PX,
        main_charts=_main_charts(series, summary),
        small_charts=[
            {"name": name, "last": f"{each.value[-1]:.4g}", "svg": small_svg(name, each)}
            for name, each in sorted(series.items())
            if name not in IN_CHARTS and len(each.value) > 1
        ],
        config=config,
        light=style_sheet_variables(LIGHT),
        dark=style_sheet_variables(DARK),
        keypoint_colours=KEYPOINTS_ON_IMAGES,
    )
    path = folder / REPORT_FILE
    write_atomic(path, page.encode())
    return path


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a run.

    Raises:
        StorageError: there is none, or it is damaged.
    """
    path = folder / SUMMARY_FILE
    try:
        summary = json.loads(path.read_text())
    except OSError as error:
        raise StorageError(f"no report without {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise StorageError(f"{path} is damaged: {error}") from error
    if not isinstance(summary, dict):
        raise StorageError(f"{path} is damaged: expected an object")
    return summary


def _main_charts(series: dict[str, Series], summary: dict[str, Any]) -> list[dict[str, Any]]:
    spans = phase_spans(series, list(summary.get("phases") or {}))
    found = charts(series, facts.figure(summary, "policy.cloned_success_rate"))
    return [{"chart": chart, "svg": chart_svg(chart, spans), "legend": _legend(chart)} for chart in found]


def _legend(chart: Chart) -> list[dict[str, Any]]:
    legend = []
    for line in chart.lines:
        last = None if line.series is None else float(line.series.value[-1])
        text = "" if last is None or last != last else f"{last:.0%}" if chart.percent else f"{last:.3g}"
        legend.append({"name": line.name, "colour": line.colour, "dashed": line.dashed, "last": text})
    return legend


def _per_keypoint_mm(summary: dict[str, Any]) -> dict[str, float]:
    errors = (summary.get("keypoints") or {}).get("per_keypoint_median_mm", {})
    found = {name: facts.figure(errors, name) for name in errors}
    return {name: value for name, value in found.items() if value is not None}


def _names(summary: dict[str, Any], pictures: dict[str, Any]) -> list[str]:
    if "keypoint_names" in pictures:
        return [str(name) for name in pictures["keypoint_names"]]
    return list((summary.get("keypoints") or {}).get("per_keypoint_median_mm", {}))


def _config(folder: Path) -> str | None:
    try:
        return (folder / CONFIG_FILE).read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {folder / CONFIG_FILE}: {error.strerror}") from error


def _limit_mm(config: str | None) -> float:
    """The distance that counted as inserted in this run; the paper's where the configuration does not say."""
    import yaml

    try:
        return round(1e3 * float(yaml.safe_load(config or "")["task"]["success_distance_m"]), 3)
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return PAPERS_LIMIT_MM


def _film_json(shown: Film | None, limit_mm: float) -> str:
    """For the player's script; a closing tag within would end the script element early."""
    frames = [asdict(frame) for frame in shown.frames] if shown else []
    return json.dumps({"frames": frames, "limit_mm": limit_mm}).replace("</", "<\\/")
