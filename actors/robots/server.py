"""Serves a gated robot over gRPC: whoever commands it commands its gate.

server = RobotServer(GatedRobot(driver, limits), "127.0.0.1:50061")
server.start()
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from actors.robots.gated import GatedRobot, GatedState
from actors.robots.record import RobotRecord
from actors.safety.gate import Mode
from s3k_dist.access.doors import GUARDED_OPTIONS, add_port
from s3k_dist.access.reach import require_credentials
from s3k_dist.errors import RobotError, S3KError, SafetyError, StorageError
from s3k_dist.v1 import robot_pb2, robot_pb2_grpc

if TYPE_CHECKING:
    from s3k_dist.access.audit import AuditLog
    from s3k_dist.access.credentials import Credentials

MAX_MESSAGE_BYTES = 64 * 1024  # a command is a hundred bytes
LONGEST_REASON = 200  # characters
UNRECORDED = "what cannot be recorded is not done, but a stop always is"
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
        credentials: of the robot: its own cell and operators may call, nobody else; None serves this machine alone.
        audit: where it goes what was asked, and by whom.

    Raises:
        AccessError: an address beyond this machine, and no credentials.
        ServiceError: the port is in use.
    """

    def __init__(
        self,
        robot: GatedRobot,
        address: str,
        beside: Sequence[Callable[[grpc.Server], None]] = (),
        *,
        credentials: "Credentials | None" = None,
        audit: "AuditLog | None" = None,
    ) -> None:
        require_credentials("a robot", address, credentials)
        self._robot = robot
        guard = None
        interceptors: list[grpc.ServerInterceptor] = []
        if credentials is not None:
            from s3k_dist.access.guard import Guard
            from s3k_dist.access.interception import GuardedCalls

            guard = Guard(credentials, audit=audit)
            interceptors.append(GuardedCalls(guard))
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            *(GUARDED_OPTIONS if guard is not None else ()),
        ]
        self._server = grpc.server(ThreadPoolExecutor(CALLERS), interceptors=interceptors, options=options)
        self._record = RobotRecord(audit, robot.driver.name)
        servicer = _Servicer(robot, self._record, _local if guard is None else guard.who)
        robot_pb2_grpc.add_RobotDriverServicer_to_server(servicer, self._server)
        for add in beside:
            add(self._server)
        healthy = health.HealthServicer()
        healthy.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, self._server)
        port = add_port(self._server, "a robot", address, credentials)
        self.address = f"{address.rpartition(':')[0]}:{port}"

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self, grace_s: float = 1.0) -> None:
        """Answer no more, bring the robot to rest, and let its driver go."""
        self._server.stop(grace_s).wait(2 * grace_s)
        self._robot.close()
        self._record.close()


class _Servicer(robot_pb2_grpc.RobotDriverServicer):
    def __init__(self, robot: GatedRobot, record: RobotRecord, who: Callable[[grpc.ServicerContext], str]) -> None:
        self._robot = robot
        self._record = record
        self._who = who
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
            self._record.watches(self._who(context))
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
            twist = np.array(request.twist)
            self._record.twist(self._who(context), twist)
            state = self._robot.command(twist, request.feature_age_s, request.uncertainty_m)
        except SafetyError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except StorageError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{error}; {UNRECORDED}")
        return robot_pb2.CommandResponse(mode=MODES[state.mode], reason=state.reason)

    def Home(self, request: robot_pb2.HomeRequest, context: grpc.ServicerContext) -> robot_pb2.HomeResponse:  # noqa: N802
        left_s = context.time_remaining()
        if not self._homing.acquire(blocking=False):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the robot is on its way home already")
        try:
            self._record.asked(self._who(context), "home")
            state = self._robot.home(LONGEST_HOMING_S if left_s is None else min(left_s, LONGEST_HOMING_S))
        except (SafetyError, StorageError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        finally:
            self._homing.release()
        return robot_pb2.HomeResponse(state=_state(state))

    def Grip(self, request: robot_pb2.GripRequest, context: grpc.ServicerContext) -> robot_pb2.GripResponse:  # noqa: N802
        if self._robot.state.mode in (Mode.STOPPED, Mode.EMERGENCY):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"not gripping: {self._robot.state.reason}")
        try:
            if not (math.isfinite(request.opening_m) and math.isfinite(request.force_n)):
                raise RobotError(f"expected a finite opening and force, got {request.opening_m}, {request.force_n}")
            who = self._who(context)
            self._record.asked(who, "grip", opening_m=request.opening_m, force_n=request.force_n)
            return robot_pb2.GripResponse(opening_m=self._robot.driver.grip(request.opening_m, request.force_n))
        except (RobotError, StorageError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    def Stop(self, request: robot_pb2.StopRequest, context: grpc.ServicerContext) -> robot_pb2.StopResponse:  # noqa: N802
        reason = request.reason[:LONGEST_REASON] or "asked to"
        self._robot.stop(reason, emergency=request.emergency)
        self._record.done(self._who(context), "stop", emergency=request.emergency, reason=reason)
        mode = robot_pb2.GATE_MODE_EMERGENCY if request.emergency else robot_pb2.GATE_MODE_STOPPED
        return robot_pb2.StopResponse(mode=mode)

    def Resume(self, request: robot_pb2.ResumeRequest, context: grpc.ServicerContext) -> robot_pb2.ResumeResponse:  # noqa: N802
        who = self._who(context)
        try:
            self._record.asked(who, "resume")
            resumed = self._robot.resume()
        except S3KError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        if not resumed:
            reason = self._robot.state.reason
            self._record.done(who, "resume.refused", reason=reason)
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


def _local(_: grpc.ServicerContext) -> str:
    """Whoever is on this machine."""
    return "local"
