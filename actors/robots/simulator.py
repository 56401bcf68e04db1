"""A simulated robot's world over gRPC: served beside the robot, asked by whoever draws it."""

from typing import TYPE_CHECKING

import grpc
import numpy as np

from actors.robots.client import RECONNECT
from actors.robots.simulated import SimulatedRobot, Snapshot
from s3k_dist.access.doors import open_channel
from s3k_dist.access.identity import Part
from s3k_dist.errors import CellError, RobotError
from s3k_dist.v1 import simulator_pb2, simulator_pb2_grpc

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

ARRANGE_S = 5.0
MAX_SEED = 2**64


class SimulatorServicer(simulator_pb2_grpc.SimulatorServicer):
    """Answers for a simulated robot."""

    def __init__(self, robot: SimulatedRobot) -> None:
        self._robot = robot

    def add_to(self, server: grpc.Server) -> None:
        """Answer at a server's address."""
        simulator_pb2_grpc.add_SimulatorServicer_to_server(self, server)

    def Snapshot(  # noqa: N802
        self, request: simulator_pb2.SnapshotRequest, context: grpc.ServicerContext
    ) -> simulator_pb2.SnapshotResponse:
        found = self._robot.snapshot
        return simulator_pb2.SnapshotResponse(
            seed=found.seed, captured_at_ns=found.captured_at_ns, state=found.state.tolist()
        )

    def Arrange(  # noqa: N802
        self, request: simulator_pb2.ArrangeRequest, context: grpc.ServicerContext
    ) -> simulator_pb2.ArrangeResponse:
        try:
            self._robot.arrange(request.seed, ARRANGE_S)
        except RobotError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return simulator_pb2.ArrangeResponse()


class SimulatorClient:
    """Asks for a simulated robot's world.

    Args:
        address: of the robot.
        deadline_s: for a snapshot.
        credentials: to show to, and to know, a simulator beyond this machine.

    Raises:
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(self, address: str, deadline_s: float = 1.0, credentials: "Credentials | None" = None) -> None:
        self.address = address
        self._deadline_s = deadline_s
        self._channel = open_channel(address, Part.ROBOT, credentials, RECONNECT)
        self._stub = simulator_pb2_grpc.SimulatorStub(self._channel)

    def snapshot(self) -> Snapshot:
        """The world after the robot's last step.

        Raises:
            CellError: the simulator does not answer in time.
        """
        try:
            found = self._stub.Snapshot(simulator_pb2.SnapshotRequest(), timeout=self._deadline_s)
        except grpc.RpcError as error:
            raise self._explained(error) from error
        return Snapshot(found.seed, found.captured_at_ns, np.array(found.state))

    def arrange(self, seed: int) -> None:
        """Set the scene up anew around the robot, which is at home.

        Raises:
            CellError: it is not, or the simulator does not answer in time.
        """
        try:
            request = simulator_pb2.ArrangeRequest(seed=seed % MAX_SEED)
            self._stub.Arrange(request, timeout=ARRANGE_S + self._deadline_s)
        except grpc.RpcError as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _explained(self, error: grpc.RpcError) -> CellError:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return CellError(f"the simulator at {self.address} does not answer in time")
        details = " ".join((error.details() or error.code().name).split())
        return CellError(f"the simulator at {self.address}: {details}")
