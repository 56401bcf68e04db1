"""A Universal Robots controller as ur_rtde sees one: dashboard, script port, RTDE protocol 2, a Robotiq gripper.

It stands at an address of its own on loopback, because the library knows the ports by heart, and in a process of its
own, because the library stops all threads of ours while it connects. The test tells it what happens in lines of JSON.
"""

import json
import socketserver
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

DASHBOARD, SCRIPTS, RTDE, GRIPPER = 29999, 30003, 30004, 63352
STOPPED, PLAYING = 1, 2
READY, DONE = 1, 2
SPEED_L, STOP_SCRIPT, SET_WATCHDOG = 10, 255, 35
PROTECTIVE = 1 << 2


class Robot:
    """A tool that moves with the last twist, while the watchdog is kicked."""

    def __init__(self, position_m: np.ndarray, rotation_rad: np.ndarray) -> None:
        self.lock = threading.Lock()
        self.position_m, self.rotation_rad = position_m.copy(), rotation_rad.copy()
        self.twist, self.force = np.zeros(6), np.zeros(6)
        self.program, self.safety = STOPPED, 0
        self.command, self.answer = 0, READY
        self.watchdog_s, self.kicked_s, self.at_s = 0.0, time.monotonic(), time.monotonic()
        self.commands = 0
        self.silent = False

    def load(self) -> None:
        """A program was sent: it runs, unless a stop is on."""
        with self.lock:
            if not self.safety:
                self.program, self.twist, self.watchdog_s, self.answer = PLAYING, np.zeros(6), 0.0, READY

    def stop(self, safety: int = 0) -> None:
        with self.lock:
            self.program, self.safety, self.twist = STOPPED, safety, np.zeros(6)

    def take(self, integers: dict[int, int], doubles: dict[int, float]) -> None:
        """What the running program does with its registers."""
        with self.lock:
            self.kicked_s = time.monotonic()
            command = integers.get(0, 0)
            if self.program != PLAYING:
                return
            if command == 0:
                self.answer = READY
            elif command == SPEED_L:
                self.twist, self.commands = np.array([doubles[i] for i in range(6)]), self.commands + 1
            elif command == STOP_SCRIPT:
                self.program, self.twist = STOPPED, np.zeros(6)
            else:
                if command == SET_WATCHDOG:
                    self.watchdog_s = 1 / doubles[0]
                self.answer = DONE

    def values(self) -> dict[str, bytes]:
        """Its state by variable name, packed."""
        with self.lock:
            now_s = time.monotonic()
            if self.watchdog_s and now_s - self.kicked_s > self.watchdog_s:
                self.program, self.twist = STOPPED, np.zeros(6)
            self.position_m = self.position_m + (now_s - self.at_s) * self.twist[:3]
            self.at_s = now_s
            vectors = {
                "actual_TCP_pose": np.concatenate([self.position_m, self.rotation_rad]),
                "actual_TCP_speed": self.twist,
                "actual_TCP_force": self.force,
            }
            return {
                "timestamp": struct.pack(">d", now_s),
                **{name: struct.pack(">6d", *vector) for name, vector in vectors.items()},
                "runtime_state": struct.pack(">I", self.program),
                "robot_status_bits": struct.pack(">I", 3),
                "safety_status_bits": struct.pack(">I", self.safety),
                **{f"output_int_register_{i}": struct.pack(">i", self.answer if i == 0 else 0) for i in range(3)},
                **{f"output_double_register_{i}": struct.pack(">d", 0.0) for i in range(6)},
            }


TYPES = {
    "timestamp": "DOUBLE", "actual_TCP_pose": "VECTOR6D", "actual_TCP_speed": "VECTOR6D",
    "actual_TCP_force": "VECTOR6D", "runtime_state": "UINT32", "robot_status_bits": "UINT32",
    "safety_status_bits": "UINT32",
}  # fmt: skip


def type_of(name: str) -> str:
    register = "INT32" if "int_register" in name else "DOUBLE" if "double_register" in name else "NOT_FOUND"
    return TYPES.get(name, register)


class Handler(socketserver.BaseRequestHandler):
    robot: Robot

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            got = self.request.recv(count - len(data))
            if not got:
                raise ConnectionResetError
            data += got
        return data


class RtdeHandler(Handler):
    """One client of the real-time interface."""

    def handle(self) -> None:
        self.inputs: list[list[str]] = []
        self.outputs: list[str] = []
        self.sending = threading.Lock()
        self.over = threading.Event()
        try:
            while True:
                size, kind = struct.unpack(">HB", self.exactly(3))
                self.taken(chr(kind), self.exactly(size - 3))
        except OSError:
            self.over.set()

    def say(self, kind: str, body: bytes) -> None:
        with self.sending:
            self.request.sendall(struct.pack(">HB", len(body) + 3, ord(kind)) + body)

    def taken(self, kind: str, body: bytes) -> None:
        if kind == "V":
            self.say("V", b"\x01")
        elif kind == "v":
            self.say("v", struct.pack(">4I", 5, 11, 0, 0))
        elif kind == "O":
            self.every_s = 1 / struct.unpack(">d", body[:8])[0]
            self.outputs = [name for name in body[8:].decode().split(",") if name]
            self.say("O", b"\x01" + ",".join(map(type_of, self.outputs)).encode())
        elif kind == "I":
            names = [name for name in body.decode().split(",") if name]
            self.inputs.append(names)
            self.say("I", bytes([len(self.inputs)]) + ",".join(map(type_of, names)).encode())
        elif kind == "S":
            self.say("S", b"\x01")
            threading.Thread(target=self.stream, daemon=True).start()
        elif kind == "P":
            self.say("P", b"\x01")
            self.over.set()
        elif kind == "U":
            self.robot.take(*self.unpacked(self.inputs[body[0] - 1], body[1:]))

    @staticmethod
    def unpacked(names: list[str], data: bytes) -> tuple[dict[int, int], dict[int, float]]:
        integers: dict[int, int] = {}
        doubles: dict[int, float] = {}
        for name in names:
            number = int(name.rpartition("_")[2])
            if "int_register" in name:
                integers[number], data = struct.unpack(">i", data[:4])[0], data[4:]
            else:
                doubles[number], data = struct.unpack(">d", data[:8])[0], data[8:]
        return integers, doubles

    def stream(self) -> None:
        while not self.over.wait(self.every_s):
            if not self.robot.silent:
                values = self.robot.values()
                try:
                    self.say("U", b"\x01" + b"".join(values[name] for name in self.outputs))
                except OSError:
                    return


class DashboardHandler(Handler):
    ANSWERS: ClassVar = {
        "PolyscopeVersion": "URSoftware 5.11.0.108249 (Mar 01 2022)",
        "is in remote control": "true",
        "get serial number": "20225300001",
        "stop": "Stopped",
    }

    def handle(self) -> None:
        self.request.sendall(b"Connected: Universal Robots Dashboard Server\n")
        try:
            for line in self.request.makefile():
                self.request.sendall((self.ANSWERS.get(line.strip(), "unknown command") + "\n").encode())
        except OSError:
            pass


class ScriptHandler(Handler):
    def handle(self) -> None:
        program = b""
        try:
            while got := self.request.recv(65536):
                program += got
                if program.rstrip().endswith(b"\nend"):
                    program = b""
                    self.robot.load()
        except OSError:
            pass


class GripperHandler(Handler):
    """The Robotiq program's line protocol; its fingers jump."""

    registers: ClassVar[dict[str, int]]

    def handle(self) -> None:
        try:
            for line in self.request.makefile():
                words = line.split()
                if words[0] == "SET":
                    self.registers |= dict(zip(words[1::2], map(int, words[2::2]), strict=True))
                    self.registers["STA"] = 3 if self.registers["ACT"] else 0
                    self.registers |= {"PRE": self.registers["POS"], "OBJ": 3}
                    self.request.sendall(b"ack")
                else:
                    self.request.sendall(f"{words[1]} {self.registers[words[1]]}\n".encode())
        except OSError:
            pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True


def serve(host: str, position_m: list[float], rotation_rad: list[float]) -> None:
    """All servers of one robot at ``host``, until standard input ends."""
    robot = Robot(np.array(position_m), np.array(rotation_rad))
    registers = {"ACT": 0, "GTO": 0, "POS": 0, "PRE": 0, "SPE": 0, "FOR": 0, "STA": 0, "OBJ": 3}
    handlers = {DASHBOARD: DashboardHandler, SCRIPTS: ScriptHandler, RTDE: RtdeHandler, GRIPPER: GripperHandler}
    for port, handler in handlers.items():
        kind = type(handler.__name__, (handler,), {"robot": robot, "registers": registers})
        threading.Thread(target=_Server((host, port), kind).serve_forever, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        told = json.loads(line)
        robot.force = np.array(told.get("force", robot.force.tolist()))
        robot.silent = told.get("silent", robot.silent)
        if "safety" in told:
            robot.stop(told["safety"])
        robot.values()
        said = {"program": robot.program, "twist": robot.twist.tolist(), "commands": robot.commands, **registers}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


class Controller:
    """The process, as the test holds it."""

    def __init__(self, host: str, position_m: np.ndarray, rotation_rad: np.ndarray) -> None:
        asked = json.dumps([host, position_m.tolist(), rotation_rad.tolist()])
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def tell(self, **what: Any) -> dict[str, Any]:
        """Let something happen; what it knows then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    serve(*json.loads(sys.argv[1]))
