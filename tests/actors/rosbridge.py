"""Sawyer behind rosbridge, as roslibpy sees it: the JSON protocol over a web socket, and the topics that matter."""

import asyncio
import json
import threading
import time
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from actors.robots.kinematics import Arm
from tests.actors.arm_description import JOINTS, TIP, urdf

START = np.array([0.0, -1.18, 0.0, 2.18, 0.0, 0.57, 3.3161])
EVERY_S = 0.01


class SawyerBridge:
    """A robot whose joints move with the last velocities until its watchdog ends."""

    def __init__(self, port: int = 0) -> None:
        self.arm = Arm(urdf(), JOINTS, TIP, np.zeros(3))
        self.angles, self.speeds = START.copy(), np.zeros(7)
        self.until_s, self.watchdog_s, self.at_s = 0.0, 0.2, time.monotonic()
        self.force = np.array([0.0, 0.0, 9.0])  # of the gripper's weight, in the hand's frame: it looks down
        self.state = {"enabled": True, "stopped": False, "error": False}
        self.fingers = {"gACT": 1, "gSTA": 3, "gOBJ": 3, "gPR": 0, "gPO": 0}
        self.mute: set[str] = set()
        self._port, self._started = port, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._started.wait(10.0)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10.0)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with serve(self._talk, "127.0.0.1", self._port, close_timeout=0.2) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()
            await self._end.wait()

    async def _talk(self, connection: ServerConnection) -> None:
        topics: set[str] = set()
        publishing = asyncio.create_task(self._publish(connection, topics))
        try:
            async for text in connection:
                message = json.loads(text)
                match message["op"]:
                    case "subscribe":
                        topics.add(message["topic"])
                    case "call_service":
                        await connection.send(json.dumps(self._answer(message)))
                    case "publish":
                        self._take(message["topic"], message["msg"])
        finally:
            publishing.cancel()

    async def _publish(self, connection: ServerConnection, topics: set[str]) -> None:
        while True:
            self._move()
            for topic, said in self._said().items():
                if topic in topics - self.mute:
                    await connection.send(json.dumps({"op": "publish", "topic": topic, "msg": said}))
            await asyncio.sleep(EVERY_S)

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        known = call["service"] == "/rosapi/get_param" and call["args"]["name"] == "robot_description"
        values = {"value": json.dumps(urdf())} if known else f"no {call['service']} here"
        return {"op": "service_response", "id": call["id"], "values": values, "result": known}

    def _take(self, topic: str, message: dict[str, Any]) -> None:
        if topic == "/robot/limb/right/joint_command":
            assert message["mode"] == 2
            assert message["names"] == list(JOINTS)
            self._move()
            self.speeds, self.until_s = np.array(message["velocity"]), time.monotonic() + self.watchdog_s
        elif topic == "/robot/limb/right/joint_command_timeout":
            self.watchdog_s = message["data"]
        elif topic == "/Robotiq2FGripperRobotOutput":
            self.fingers |= {"gPR": message["rPR"], "gPO": message["rPR"], "gOBJ": 3}

    def _move(self) -> None:
        now_s = time.monotonic()
        self.angles = self.angles + max(0.0, min(now_s, self.until_s) - self.at_s) * self.speeds
        self.at_s = now_s
        if now_s > self.until_s:
            self.speeds = np.zeros(7)

    def _said(self) -> dict[str, Any]:
        force = dict(zip("xyz", self.force.tolist(), strict=True))
        names, angles, speeds = [*JOINTS, "head_pan"], [*self.angles.tolist(), 0.1], [*self.speeds.tolist(), 0.0]
        return {
            "/robot/joint_states": {"name": names[::-1], "position": angles[::-1], "velocity": speeds[::-1]},
            "/robot/state": self.state,
            "/robotiq_ft_wrench": {"wrench": {"force": force, "torque": {"x": 0.0, "y": 0.0, "z": 0.0}}},
            "/Robotiq2FGripperRobotInput": self.fingers,
        }
