"""Makes deploy/kubernetes/schemas from the custom resource definitions of a KubeRay release.

    python scripts/kuberay_schema.py v1.7.0 ray.io_rayclusters.yaml ray.io_rayjobs.yaml

What stays is which fields there are and of what type; a pod template in it is checked by Kubernetes' own schema, and
stands here as ``{"podTemplate": true}``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parents[1] / "deploy" / "kubernetes" / "schemas"
KEPT = (
    "type",
    "enum",
    "items",
    "properties",
    "additionalProperties",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "anyOf",
)


def main() -> int:
    """Write one schema for each definition; returns the exit code."""
    release, *files = sys.argv[1:]
    for file in files:
        definition = yaml.safe_load(Path(file).read_text())
        kind = definition["spec"]["names"]["kind"]
        version = next(each for each in definition["spec"]["versions"] if each["storage"])
        schema = _reduced(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
        tree = {"kind": kind, "apiVersion": f"ray.io/{version['name']}", "release": release, "spec": schema}
        path = SCHEMAS / f"{kind.lower()}.json"
        path.write_text(json.dumps(tree, sort_keys=True, separators=(",", ":")) + "\n")
        print(f"wrote {path}")
    return 0


def _reduced(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    if "containers" in properties.get("spec", {}).get("properties", {}):
        return {"podTemplate": True}
    kept: dict[str, Any] = {key: value for key, value in schema.items() if key in KEPT}
    if properties:
        kept["properties"] = {name: _reduced(each) for name, each in properties.items()}
        kept["additionalProperties"] = False
    if isinstance(kept.get("items"), dict):
        kept["items"] = _reduced(kept["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _reduced(schema["additionalProperties"])
    if schema.get("x-kubernetes-int-or-string"):  # no type stands beside it
        kept["type"] = ["integer", "string"]
    return kept


if __name__ == "__main__":
    sys.exit(main())
