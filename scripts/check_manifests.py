"""Holds every file in deploy/ that another program reads against that program's own schema; part of ``make check``.

Kubernetes' and the compose specification's schemas, hadolint and a PromQL parser come with the development packages;
KubeRay's is reduced from its release (``scripts/kuberay_schema.py``); Ray checks its own cluster file. Where
``promtool`` or ``systemd-analyze`` is on the PATH, they are asked, too. Commands of ours in these files must be such as
`s3k` knows.
"""

import argparse
import configparser
import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import promql_parser
import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.31"  # the oldest release these manifests are meant for
TOOL_S = 120.0
METRIC = re.compile(r"\bs3k_\w+")


def main(deploy: Path = DEPLOY) -> int:
    """Print what is wrong; returns the exit code."""
    faults = []
    for name, check in CHECKS.items():
        found = list(check(deploy))
        faults += found
        print(f"{name}: {'ok' if not found else f'{len(found)} faults'}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


def kubernetes(deploy: Path) -> Iterator[str]:
    """Faults of the manifests, their pod templates and the commands in them."""
    folder = deploy / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    there = sorted(path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")
    if sorted(listed) != there:
        yield f"{folder / 'kustomization.yaml'}: lists {', '.join(sorted(listed))}; there are {', '.join(there)}"
    for path in (folder / name for name in there):
        for document in yaml.safe_load_all(path.read_text()):
            where = f"{path}: {document.get('kind')} {document.get('metadata', {}).get('name')}"
            yield from (f"{where}: {fault}" for fault in _kubernetes_faults(folder, document))
            yield from (f"{where}: {fault}" for fault in _commands(document))


def compose(deploy: Path) -> Iterator[str]:
    """Faults of the compose files."""
    for path in sorted((deploy / "docker").glob("compose*.yaml")):
        yield from _tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(path))
        for name, service in yaml.safe_load(path.read_text())["services"].items():
            yield from (f"{path}: {name}: {fault}" for fault in _command_faults(service.get("command", ())))


def dockerfile(deploy: Path) -> Iterator[str]:
    """Faults of the image, as hadolint sees them."""
    yield from _tool("hadolint", str(deploy / "docker" / "Dockerfile"))


def prometheus(deploy: Path) -> Iterator[str]:
    """Faults of the alarms: PromQL that does not parse, metrics that nobody has."""
    path = deploy / "prometheus" / "alerts.yml"
    for group in yaml.safe_load(path.read_text())["groups"]:
        for rule in group["rules"]:
            where = f"{path}: {rule.get('alert')}"
            if unknown := set(rule) - {"alert", "expr", "for", "labels", "annotations"}:
                yield f"{where}: unknown {', '.join(sorted(unknown))}"
            yield from (f"{where}: {fault}" for fault in _query_faults(rule["expr"]))
    if shutil.which("promtool"):
        yield from _tool("promtool", "check", "rules", str(path))
        for config in sorted((deploy / "prometheus").glob("*.yml")):
            if config != path:
                yield from _tool("promtool", "check", "config", "--syntax-only", str(config))


def grafana(deploy: Path) -> Iterator[str]:
    """Faults of the dashboards: queries as above, and metrics that no panel shows."""
    from deploy.monitoring.catalogue import catalogue, dashboards, prometheus_name

    shown: set[str] = set()
    for dashboard in dashboards():
        for panel in (panel for row in dashboard.rows for panel in row.panels):
            for query in panel.queries().values():
                shown |= set(METRIC.findall(query))
                where = f"{deploy / 'monitoring' / 'dashboards.yaml'}: {dashboard.name}: {panel.title}"
                yield from (f"{where}: {fault}" for fault in _query_faults(query))
    if missing := {prometheus_name(series) for series in catalogue().series} - shown:
        yield f"no dashboard shows {', '.join(sorted(missing))}"


def ray_cluster(deploy: Path) -> Iterator[str]:
    """Faults of the cluster file, as `ray up` sees them."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    path = deploy / "ray" / "cluster.yaml"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            validate_config(prepare_config(yaml.safe_load(path.read_text())))
    except Exception as error:  # noqa: BLE001  # Ray raises whatever its schema library does
        yield f"{path}: {' '.join(str(error).split())[:300]}"


def systemd(deploy: Path) -> Iterator[str]:
    """Faults of the units."""
    for path in sorted((deploy / "systemd").glob("*.service")):
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of settings have capitals
        try:
            unit.read_string(path.read_text(), str(path))
            command = unit["Service"]["ExecStart"]
            unit["Install"]["WantedBy"]
        except (configparser.Error, KeyError) as error:
            yield f"{path}: {' '.join(str(error).split())}"
            continue
        yield from (f"{path}: {fault}" for fault in _command_faults(shlex.split(command)))
        if shutil.which("systemd-analyze"):
            told = _output("systemd-analyze", "verify", str(path))[1]
            # The programs and the user that it names are on the robot's PC.
            yield from (line for line in told.splitlines() if path.name in line and "not executable" not in line)


CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    "kubernetes": kubernetes,
    "compose": compose,
    "dockerfile": dockerfile,
    "prometheus": prometheus,
    "grafana": grafana,
    "ray": ray_cluster,
    "systemd": systemd,
}


def _kubernetes_faults(folder: Path, document: dict[str, Any]) -> Iterator[str]:
    if not document["apiVersion"].startswith("ray.io/"):
        yield from _core_faults(document)
        return
    schema = json.loads((folder / "schemas" / f"{document['kind'].lower()}.json").read_text())
    if document["apiVersion"] != schema["apiVersion"]:
        yield f"{document['apiVersion']}: KubeRay {schema['release']} has {schema['apiVersion']}"
    for error in jsonschema.Draft202012Validator(schema["spec"]).iter_errors(document["spec"]):
        yield f"spec.{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
    for place, template in _pod_templates(schema["spec"], document["spec"], "spec"):
        wrapped = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "of"}, "template": template}
        yield from (f"{place}: {fault}" for fault in _core_faults(wrapped))


def _core_faults(document: dict[str, Any]) -> Iterator[str]:
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        yield " ".join(str(getattr(error, "message", error)).split())[:300]


def _pod_templates(schema: dict[str, Any], value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if schema.get("podTemplate"):
        yield place, value
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _pod_templates(schema.get("properties", {}).get(name, {}), below, f"{place}.{name}")
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _pod_templates(schema.get("items", {}), below, f"{place}[{number}]")


def _commands(value: Any) -> Iterator[str]:
    """Faults of all commands of ours, anywhere in a manifest."""
    if isinstance(value, dict):
        for name, below in value.items():
            if name in ("args", "command") and isinstance(below, list):
                yield from _command_faults(below)
            elif name == "entrypoint":
                yield from _command_faults(shlex.split(below))
            else:
                yield from _commands(below)
    elif isinstance(value, list):
        for below in value:
            yield from _commands(below)


def _command_faults(words: list[str]) -> Iterator[str]:
    """What `s3k` would say of a command line; of any other program's, nothing."""
    words = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(word)) for word in words]
    if words[:1] == ["run-or-resume"]:
        words = ["s3k", "run", "--out", *words[1:]]
    if not words or Path(words[0]).name != "s3k":
        return
    from deploy.cli import parser_of_commands
    from deploy.config import load_config

    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            options = parser_of_commands().parse_args(words[1:])
        if words[1] == "run":
            load_config(options.preset, options.set)
    except SystemExit:
        yield f"{' '.join(words)}: {told.getvalue().strip().splitlines()[-1]}"
    except Exception as error:  # noqa: BLE001  # whatever loading says
        yield f"{' '.join(words)}: {error}"


def _query_faults(query: str) -> Iterator[str]:
    from deploy.monitoring.catalogue import catalogue

    try:
        promql_parser.parse(query)
    except ValueError as error:
        yield f"{query}: {error}"
    for name in sorted(set(METRIC.findall(query)) - catalogue().prometheus_names()):
        yield f"{query}: no metric is called {name}; docs/metrics.md lists them"


def _tool(*command: str) -> Iterator[str]:
    code, told = _output(*command)
    if code:
        yield told.strip() or f"{command[0]} failed"


def _output(*command: str) -> tuple[int, str]:
    beside = Path(sys.executable).with_name(command[0])
    program = str(beside) if beside.exists() else shutil.which(command[0])
    if program is None:
        return 1, f"{command[0]} is missing; the development packages bring it: scripts/setup.sh"
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=TOOL_S, check=False)
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deploy", type=Path, default=DEPLOY, help="folder with the manifests")
    sys.exit(main(parser.parse_args().deploy))
