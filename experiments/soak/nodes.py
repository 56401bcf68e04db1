"""The Ray cluster of a soak: a head for all that a run begins with, and a node that comes and goes."""

from deploy.ray_nodes import RayNode

BASE = "base"
HEAD_NODE = RayNode(resources={BASE: 100})
# All that a run begins with stays on the head, so that another node may go without taking any of it along.
HEAD = tuple(f"placement.{part}.resource={BASE}" for part in ("cells", "service", "keypoints", "policy"))


def node_of(resource: str) -> RayNode:
    """One that offers one unit of ``resource``."""
    return RayNode(resources={resource: 1})
