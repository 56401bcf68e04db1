"""A Ray cluster on this machine: a head for a run, and further nodes that come and go."""

import os
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from deploy.ray_access import local_ray

OBJECT_STORE_BYTES = 100 * 1024 * 1024
BASE = "base"
# All that a run begins with stays on the head, so that another node may go without taking any of it along.
HEAD = tuple(f"placement.{part}.resource={BASE}" for part in ("cells", "service", "keypoints", "policy"))


class Nodes:
    """A cluster with a head; ends with its block::

    with Nodes() as nodes:
        bench = nodes.add("arm")      # a node that offers arm
        nodes.kill(bench)
    """

    def __init__(self) -> None:
        local_ray()
        from ray._common.utils import reset_ray_address
        from ray.cluster_utils import Cluster

        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # Ray spells it so
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        # A folder of its own for its sessions; and nobody else's ray.init on this machine is to join this cluster.
        self._folder = TemporaryDirectory(prefix="s3k-ray-", ignore_cleanup_errors=True)
        head = {**_node(BASE, 100), "temp_dir": self._folder.name}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        reset_ray_address()

    @property
    def address(self) -> str:
        """Where a run joins."""
        return str(self._cluster.address)

    def add(self, resource: str) -> Any:
        """A node that offers one unit of ``resource``, when it has joined."""
        return self._cluster.add_node(wait=True, **_node(resource, 1))

    def kill(self, node: Any) -> None:
        """kill -9, of all processes of a node."""
        self._cluster.remove_node(node, allow_graceful=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.shutdown()
        self._folder.cleanup()


def _node(resource: str, units: int) -> dict[str, Any]:
    return {
        "num_cpus": 4,
        "resources": {resource: units},
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }
