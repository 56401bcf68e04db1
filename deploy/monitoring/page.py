"""The tables of ``docs/metrics.md`` that are the catalogue."""

from deploy.monitoring.catalogue import Catalogue, PrometheusEntry, prometheus_name
from s3k_dist.errors import StorageError

BEGINS, ENDS = "<!-- catalogue -->\n", "<!-- end of the catalogue -->\n"


def with_catalogue(page: str, catalogue: Catalogue) -> str:
    """The page with its tables made anew.

    Raises:
        StorageError: it does not say where they stand.
    """
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise StorageError(f"expected the tables between {BEGINS.strip()!r} and {ENDS.strip()!r}")
    return before + BEGINS + _tables(catalogue) + ENDS + after


def _tables(catalogue: Catalogue) -> str:
    lines = ["| name | unit | a bad value means |", "|---|---|---|"]
    lines += [f"| `{name}` | {entry.unit} | {entry.bad} |" for name, entry in catalogue.series.items()]
    example = "keypoints/rms_px"
    lines += [
        "| `vae/...` | those of a version of the VAE, below, once a run has trained one | |",
        "",
        "## Of Prometheus",
        "",
        "`s3k run --set metrics.port=9400` offers all of the above to Prometheus, its newest value each:",
        f"`{example}` is `{prometheus_name(example)}`. Beside them, of the parts of the run:",
        "",
        *_prometheus(catalogue.parts),
        "",
        "Of a feature service (`s3k serve --metrics-port 9401`):",
        "",
        *_prometheus(catalogue.service),
        "",
        "Of a camera rig ([cameras.md](cameras.md)):",
        "",
        *_prometheus(catalogue.cameras),
        "",
    ]
    return "\n".join(line.replace("|  |", "| |") for line in lines)


def _prometheus(entries: dict[str, PrometheusEntry]) -> list[str]:
    rows = ["| name | by | unit | what it says |", "|---|---|---|---|"]
    for name, entry in entries.items():
        unit = f"{entry.unit}, histogram" if entry.kind == "histogram" else entry.unit
        rows.append(f"| `{name}` | {', '.join(entry.labels)} | {unit} | {entry.says} |")
    return rows
