"""Serves a gated robot over gRPC: whoever commands it commands its gate.

server = RobotServer(GatedRobot(driver, limits), "127.0.0.1:50061")
server.start()
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from actors.robots.gated import GatedRobot, GatedState
from actors.safety.gate import Mode
from s3k_dist.errors import RobotError, S3KError, SafetyError, ServiceError
from s3k_dist.v1 import robot_pb2, robot_pb2_grpc

CALLERS, WATCHERS = 16, 8  # a thread is always left for who wants to stop the robot
WATCH_S = 1.0
LONGEST_HOMING_S = 60.0
MODES = {
    Mode.MOVING: robot_pb2.GATE_MODE_MOVING,
    Mode.HOLDING: robot_pb2.GATE_MODE_HOLDING,
    Mode.STOPPED: robot_pb2.GATE_MODE_STOPPED,
    Mode.EMERGENCY: robot_pb2.GATE_MODE_EMERGENCY,
}


class RobotServer:
    """One robot's service.

    Args:
        robot: behind its gate.
        address: host and port; port 0 takes a free one.
        beside: adds further services at the same address.
    """

    def __init__(self, robot: GatedRobot, address: str, beside: Sequence[Callable[[grpc.Server], None]] = ()) -> None:
        self._robot = robot
        self._server = grpc.server(ThreadPoolExecutor(CALLERS), options=[("grpc.so_reuseport", 0)])
        robot_pb2_grpc.add_RobotDriverServicer_to_server(_Servicer(robot), self._server)
        for add in beside:
            add(self._server)
        healthy = health.HealthServicer()
        healthy.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, self._server)
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ServiceError(f"cannot listen at {address}: {' '.join(str(error).split())}") from error
        self.address = f"{address.rpartition(':')[0]}:{port}"

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self, grace_s: float = 1.0) -> None:
        """Answer no more, bring the robot to rest, and let its driver go."""
        self._server.stop(grace_s).wait(2 * grace_s)
        self._robot.close()


class _Servicer(robot_pb2_grpc.RobotDriverServicer):
    def __init__(self, robot: GatedRobot) -> None:
        self._robot = robot
        self._watchers = threading.BoundedSemaphore(WATCHERS)
        self._homing = threading.Lock()

    def Describe(  # noqa: N802
        self, request: robot_pb2.DescribeRequest, context: grpc.ServicerContext
    ) -> robot_pb2.DescribeResponse:
        driver = self._robot.driver
        return robot_pb2.DescribeResponse(
            name=driver.name,
            has_wrench=driver.has_wrench,
            has_gripper=driver.has_gripper,
            twist_limit=self._robot.limits.speed,
            step_s=self._robot.step_s,
        )

    def WatchState(  # noqa: N802
        self, request: robot_pb2.WatchStateRequest, context: grpc.ServicerContext
    ) -> Iterator[robot_pb2.WatchStateResponse]:
        if not self._watchers.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHERS} watch this robot already")
        try:
            sequence = -1
            while context.is_active() and (state := self._robot.after(sequence, WATCH_S)) is not None:
                sequence = state.sequence
                yield robot_pb2.WatchStateResponse(state=_state(state))
        finally:
            self._watchers.release()

    def Command(  # noqa: N802
        self, request: robot_pb2.CommandRequest, context: grpc.ServicerContext
    ) -> robot_pb2.CommandResponse:
        try:
            state = self._robot.command(np.array(request.twist), request.feature_age_s, request.uncertainty_m)
        except SafetyError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return robot_pb2.CommandResponse(mode=MODES[state.mode], reason=state.reason)

    def Home(self, request: robot_pb2.HomeRequest, context: grpc.ServicerContext) -> robot_pb2.HomeResponse:  # noqa: N802
        left_s = context.time_remaining()
        if not self._homing.acquire(blocking=False):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the robot is on its way home already")
        try:
            state = self._robot.home(LONGEST_HOMING_S if left_s is None else min(left_s, LONGEST_HOMING_S))
        except SafetyError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        finally:
            self._homing.release()
        return robot_pb2.HomeResponse(state=_state(state))

    def Grip(self, request: robot_pb2.GripRequest, context: grpc.ServicerContext) -> robot_pb2.GripResponse:  # noqa: N802
        if self._robot.state.mode in (Mode.STOPPED, Mode.EMERGENCY):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"not gripping: {self._robot.state.reason}")
        try:
            return robot_pb2.GripResponse(opening_m=self._robot.driver.grip(request.opening_m, request.force_n))
        except RobotError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    def Stop(self, request: robot_pb2.StopRequest, context: grpc.ServicerContext) -> robot_pb2.StopResponse:  # noqa: N802
        self._robot.stop(request.reason or "asked to", emergency=request.emergency)
        mode = robot_pb2.GATE_MODE_EMERGENCY if request.emergency else robot_pb2.GATE_MODE_STOPPED
        return robot_pb2.StopResponse(mode=mode)

    def Resume(self, request: robot_pb2.ResumeRequest, context: grpc.ServicerContext) -> robot_pb2.ResumeResponse:  # noqa: N802
        try:
            resumed = self._robot.resume()
        except S3KError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        if not resumed:
            reason = self._robot.state.reason
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"a person takes this back at the robot: {reason}")
        return robot_pb2.ResumeResponse(mode=robot_pb2.GATE_MODE_HOLDING)


def _state(state: GatedState) -> robot_pb2.RobotState:
    reading = state.reading
    return robot_pb2.RobotState(
        sequence=state.sequence,
        captured_at_ns=reading.captured_at_ns,
        position_m=reading.position_m,
        rotation_rad=reading.rotation_rad,
        twist=reading.twist,
        wrench=() if reading.wrench is None else reading.wrench,
        opening_m=reading.opening_m,
        mode=MODES[state.mode],
        reason=state.reason,
    )
