"""What is attacked: a feature service and a robot behind certificates, and the frames and calls of honest callers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from actors.robots.driver import RobotReading
from actors.robots.simulated import Snapshot
from actors.safety.envelope import Motion
from actors.safety.limits import Box, SafetyLimits
from s3k_dist.access.authority import Authority
from s3k_dist.access.credentials import Credentials, channel_credentials
from s3k_dist.access.identity import Identity
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera

PATIENCE_S = 20.0
HOME_M = np.array([0.0, 0.0, 0.2])
LIMITS = SafetyLimits(
    workspace=Box(low_m=(-0.1, -0.1, 0.1), high_m=(0.1, 0.1, 0.3)),
    speed=(0.05, 0.05, 0.05, 0.5, 0.5, 0.5),
    state_age_s=PATIENCE_S,
    wrench_age_s=PATIENCE_S,
    command_age_s=PATIENCE_S,
)


class PaperRobot:
    """Goes where it is told, on paper."""

    name, has_wrench, has_gripper = "paper", True, True

    def __init__(self) -> None:
        self.home_m = HOME_M.copy()
        self.position_m = HOME_M.copy()
        self.grips: list[tuple[float, float]] = []

    def read(self) -> RobotReading:
        return RobotReading(time.time_ns(), self.position_m.copy(), np.zeros(3), np.zeros(6), np.zeros(6), 0.08)

    def follow(self, motion: Motion) -> None:
        self.position_m = motion.position_m

    def grip(self, opening_m: float, force_n: float) -> float:
        self.grips.append((opening_m, force_n))
        return opening_m

    def close(self) -> None:
        pass


class PaperWorld:
    """What a simulated robot knows beside."""

    snapshot = Snapshot(1, 0, np.zeros(3))

    def arrange(self, seed: int, timeout_s: float) -> None:
        pass


@dataclass
class Installation:
    """An authority and folders of credentials, made when first asked for."""

    root: Path

    def __post_init__(self) -> None:
        self.authority = Authority.make(self.root / "authority")

    def folder(self, identity: str) -> Path:
        out = self.root / identity.replace("/", "-")
        if not out.exists():
            self.authority.issue(Identity.of(identity), out)
        return out

    def credentials(self, identity: str) -> Credentials:
        return Credentials(self.folder(identity))


def dial(address: str, credentials: Credentials | None, server: str, **files: bytes) -> grpc.Channel:
    """A channel as an attacker would make it: to any server, with any of its files replaced; None is plaintext."""
    options = [("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
    if credentials is None:
        return grpc.insecure_channel(address, options)
    material = credentials.current()
    options.append(("grpc.ssl_target_name_override", server))  # type: ignore[arg-type]
    if files:
        given = {"ca": material.ca, "key": material.key, "certificate": material.certificate, **files}
        shown = grpc.ssl_channel_credentials(given["ca"], given["key"], given["certificate"])
        return grpc.secure_channel(address, shown, options)
    return grpc.secure_channel(address, channel_credentials(material), options)


def make_frame(cell_id: str, sequence: int = 0, views: int = 2, size: int = 8) -> MultiViewFrame:
    intrinsics = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
    now_ns = time.time_ns()
    cameras = (Camera(f"cam{i}", size, size, intrinsics, np.zeros(5), np.eye(3), np.zeros(3)) for i in range(views))
    seen = tuple(View(camera, np.full((size, size, 3), 7, np.uint8), now_ns) for camera in cameras)
    return MultiViewFrame(cell_id, sequence, now_ns, seen)


def code_of(call: Callable[[], Any]) -> grpc.StatusCode:
    """What a call is answered with."""
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK
