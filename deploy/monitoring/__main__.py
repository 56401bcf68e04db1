"""``python -m deploy.monitoring``: writes what is made of the catalogue; ``--check`` says what is out of date."""

import argparse
import sys
from pathlib import Path

from deploy.monitoring.catalogue import catalogue, dashboards
from deploy.monitoring.grafana import grafana_json
from deploy.monitoring.page import with_catalogue
from s3k_dist.atomic import write_atomic

HERE = Path(__file__).parents[2]
PAGE = HERE / "docs" / "metrics.md"
GRAFANA = HERE / "deploy" / "grafana" / "dashboards"


def made() -> dict[Path, str]:
    """Every file that is made of the catalogue, and what it ought to hold."""
    files = {PAGE: with_catalogue(PAGE.read_text(), catalogue())}
    return files | {GRAFANA / f"{dashboard.name}.json": grafana_json(dashboard) for dashboard in dashboards()}


def main() -> int:
    """Write, or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.monitoring", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something is out of date")
    options = parser.parse_args()
    stale = {path: text for path, text in made().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if options.check:
            print(f"{path.relative_to(HERE)} is out of date: run python -m deploy.monitoring", file=sys.stderr)  # noqa: T201
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text.encode())
            print(f"wrote {path.relative_to(HERE)}")  # noqa: T201
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
