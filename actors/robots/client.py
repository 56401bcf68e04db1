"""A cell's way to its robot: commands go over, the newest state is always at hand, and nothing waits without a bound.

with RobotClient("127.0.0.1:50061") as robot:
    robot.wait_ready(10.0)
    robot.command(twist, feature_age_s=0.1)
    robot.state().position_m
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
import numpy as np

from actors.safety.gate import Mode
from s3k_dist.access.doors import open_channel, refused_handshake
from s3k_dist.access.identity import Part
from s3k_dist.errors import AccessError, DeadlineError, RobotError, SafetyError, ServiceUnavailableError
from s3k_dist.v1 import robot_pb2, robot_pb2_grpc

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

Answer = TypeVar("Answer")

RECONNECT = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 500))
LOOK_S, AGAIN_S = 0.01, 0.2
GRIP_S = 15.0  # fingers travel for seconds
WATCH_S = 10.0  # then the state is asked for anew: a connection may die without a word
MODES = {
    robot_pb2.GATE_MODE_MOVING: Mode.MOVING,
    robot_pb2.GATE_MODE_HOLDING: Mode.HOLDING,
    robot_pb2.GATE_MODE_STOPPED: Mode.STOPPED,
    robot_pb2.GATE_MODE_EMERGENCY: Mode.EMERGENCY,
}


@dataclass(frozen=True)
class RobotState:
    """What the robot last said, robot base frame.

    Attributes:
        sequence: of the gate's step.
        captured_at_ns: host time, nanoseconds since the Unix epoch.
        position_m: of the tool point, shape (3,).
        rotation_rad: rotation vector from home, shape (3,).
        twist: linear then angular velocity, shape (6,).
        wrench: force then torque on the tool, shape (6,); None without a sensor.
        opening_m: of the gripper; None without one.
        mode: of the gate.
        reason: why it does not let commands through; empty while it does.
    """

    sequence: int
    captured_at_ns: int
    position_m: np.ndarray
    rotation_rad: np.ndarray
    twist: np.ndarray
    wrench: np.ndarray | None
    opening_m: float | None
    mode: Mode
    reason: str


class RobotClient:
    """Commands one robot; safe to use from several threads.

    Args:
        address: host and port of its driver.
        deadline_s: for a call, but for homing and gripping.
        state_age_s: a state older than this is no state.
        credentials: to show to, and to know, a robot beyond this machine.

    Raises:
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self,
        address: str,
        deadline_s: float = 1.0,
        state_age_s: float = 0.5,
        credentials: "Credentials | None" = None,
    ) -> None:
        self.address = address
        self._deadline_s = deadline_s
        self._state_age_s = state_age_s
        self._channel = open_channel(address, Part.ROBOT, credentials, RECONNECT)
        self._stub = robot_pb2_grpc.RobotDriverStub(self._channel)
        self._newest: tuple[float, RobotState] | None = None
        self._refused: Exception | None = None
        self._closing = threading.Event()
        self._watching: Any = None
        self._thread = threading.Thread(target=self._watch, name="robot-state", daemon=True)
        self._thread.start()

    def describe(self) -> robot_pb2.DescribeResponse:
        """What robot it is; raises as ``command`` does."""
        return self._call(lambda: self._stub.Describe(robot_pb2.DescribeRequest(), timeout=self._deadline_s))

    def state(self) -> RobotState:
        """The newest state.

        Raises:
            RobotError: there is none, or it is too old: the robot has fallen silent.
        """
        newest = self._newest
        if newest is None:
            raise RobotError(f"nothing is known yet of the robot at {self.address}")
        age_s = time.monotonic() - newest[0]
        if age_s > self._state_age_s:
            raise RobotError(f"the robot at {self.address} has said nothing for {age_s:.1f} s")
        return newest[1]

    def wait_ready(self, timeout_s: float) -> RobotState:
        """Wait until the robot says something of itself.

        Raises:
            ServiceUnavailableError: it did not within ``timeout_s`` seconds.
            AccessError: it says it to others alone.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self._newest is not None and time.monotonic() - self._newest[0] < self._state_age_s:
                return self._newest[1]
            if self._refused is not None:
                raise self._refused
            time.sleep(LOOK_S)
        raise ServiceUnavailableError(f"no robot at {self.address} within {timeout_s:.1f} s")

    def command(self, twist: np.ndarray, feature_age_s: float = 0.0, uncertainty_m: float = 0.0) -> Mode:
        """Say how the tool should move; returns what the gate does at the moment.

        Raises:
            SafetyError: the twist is not six finite numbers.
            ServiceUnavailableError, DeadlineError: nothing answers, or not in time. The robot stops by itself then.
        """
        request = robot_pb2.CommandRequest(twist=twist, feature_age_s=feature_age_s, uncertainty_m=uncertainty_m)
        return MODES[self._call(lambda: self._stub.Command(request, timeout=self._deadline_s)).mode]

    def home(self, timeout_s: float) -> RobotState:
        """Drive home; returns the state there.

        Raises:
            SafetyError: it was stopped, or did not get there; says why.
        """
        return _state(self._call(lambda: self._stub.Home(robot_pb2.HomeRequest(), timeout=timeout_s)).state)

    def grip(self, opening_m: float, force_n: float) -> float:
        """Open or close the gripper; returns the opening at which the fingers came to rest."""
        request = robot_pb2.GripRequest(opening_m=opening_m, force_n=force_n)
        return float(self._call(lambda: self._stub.Grip(request, timeout=GRIP_S)).opening_m)

    def stop(self, reason: str, *, emergency: bool = False) -> None:
        """Stop smoothly, and stay so; an emergency stop until a person takes it back at the robot."""
        request = robot_pb2.StopRequest(reason=reason, emergency=emergency)
        self._call(lambda: self._stub.Stop(request, timeout=self._deadline_s))

    def resume(self) -> None:
        """Take back a stop that is no emergency stop.

        Raises:
            SafetyError: it is one, or the robot is outside of its limits by now.
        """
        self._call(lambda: self._stub.Resume(robot_pb2.ResumeRequest(), timeout=self._deadline_s))

    def close(self) -> None:
        """Hang up; the robot stops by itself."""
        self._closing.set()
        self._channel.close()
        self._thread.join(2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                for response in self._stub.WatchState(robot_pb2.WatchStateRequest(), timeout=WATCH_S):
                    self._newest = time.monotonic(), _state(response.state)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    continue
                self._refused = self._explained(error) if error.code() is grpc.StatusCode.PERMISSION_DENIED else None
            except ValueError:  # the channel is closed
                return
            self._closing.wait(AGAIN_S)  # `state` says how long nothing was heard

    def _call(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except grpc.RpcError as error:
            raise self._explained(error) from error
        except ValueError as error:  # what gRPC raises on a closed channel
            raise RobotError(f"the client of {self.address} is closed") from error

    def _explained(self, error: grpc.RpcError) -> Exception:
        details = " ".join((error.details() or error.code().name).split())
        match error.code():
            case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.FAILED_PRECONDITION:
                return SafetyError(details)
            case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
                return AccessError(f"the robot at {self.address}: {details}")
            case grpc.StatusCode.UNAVAILABLE:
                why = refused_handshake(details)
                return ServiceUnavailableError(f"no robot at {self.address}: {why.removeprefix('; ') or details}")
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return DeadlineError(f"no answer from the robot at {self.address} in time")
            case _:
                return RobotError(f"the robot at {self.address} could not: {details}")


def _state(message: robot_pb2.RobotState) -> RobotState:
    return RobotState(
        message.sequence,
        message.captured_at_ns,
        np.array(message.position_m),
        np.array(message.rotation_rad),
        np.array(message.twist),
        np.array(message.wrench) if message.wrench else None,
        message.opening_m if message.HasField("opening_m") else None,
        MODES[message.mode],
        message.reason,
    )
