"""Ray nodes on this machine, as many as a cluster has machines: each a set of processes with resources of its own."""

import os
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from pydantic import Field

from deploy.ray_access import local_ray
from deploy.settings import Section

OBJECT_STORE_BYTES = 100 * 1024 * 1024


class RayNode(Section):
    """What a node offers.

    Attributes:
        num_cpus: cores that Ray counts; nothing is reserved by that.
        resources: custom ones, units by name.
    """

    num_cpus: float = Field(4, gt=0)
    resources: dict[str, float] = Field(default_factory=dict)


class LocalNodes:
    """A cluster of which the first node is the head; it ends with its block::

        with LocalNodes([RayNode(resources={"base": 4})]) as nodes:
            ray.init(address=nodes.address)
            bench = nodes.add(RayNode(resources={"arm": 1}))
            nodes.kill(bench)

    Args:
        nodes: one or more.
    """

    def __init__(self, nodes: Sequence[RayNode]) -> None:
        local_ray()
        from ray._common.utils import reset_ray_address
        from ray.cluster_utils import Cluster

        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # Ray spells it so
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        # A folder of its own for its sessions; and nobody else's ray.init on this machine is to join this cluster.
        self._folder = TemporaryDirectory(prefix="s3k-ray-", ignore_cleanup_errors=True)
        head = {**_arguments(nodes[0]), "temp_dir": self._folder.name}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        for node in nodes[1:]:
            self.add(node)
        reset_ray_address()

    @property
    def address(self) -> str:
        """Where to join."""
        return str(self._cluster.address)

    def add(self, node: RayNode) -> Any:
        """One more node, when it has joined."""
        return self._cluster.add_node(wait=True, **_arguments(node))

    def kill(self, node: Any) -> None:
        """kill -9, of all processes of a node."""
        self._cluster.remove_node(node, allow_graceful=False)

    def stop(self) -> None:
        """End all of them."""
        self._cluster.shutdown()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _arguments(node: RayNode) -> dict[str, Any]:
    return {
        "num_cpus": node.num_cpus,
        "resources": node.resources,
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }
