"""``s3k robot``: serve a robot behind its safety gate, look at it, send it home, stop it."""

import argparse
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands.access import AUDIT
from deploy.commands.options import add_credentials

if TYPE_CHECKING:
    from actors.robots.client import RobotClient
    from deploy.commands.options import Commands

ADDRESS = "127.0.0.1:50061"
READY_S, HOMING_S, EVERY_S = 5.0, 60.0, 0.2


def add_robot(commands: "Commands") -> None:
    """``robot``."""
    robot = commands.add_parser("robot", help="a robot behind its safety gate: serve, state, home, stop, resume")
    verbs = robot.add_subparsers(title="verbs", metavar="VERB", required=True)
    serve = verbs.add_parser("serve", help="serve a robot over gRPC until Ctrl-C; it is brought to rest first")
    serve.add_argument("file", type=Path, nargs="?", help="YAML: driver, options, limits; default: the simulated robot")
    serve.add_argument("--ends-with-input", action="store_true", help="ends when standard input is closed, too")
    serve.add_argument(
        "--audit", type=Path, default=AUDIT, metavar="FILE", help="what it is asked, by whom (default: %(default)s)"
    )
    serve.set_defaults(command=_serve)
    state = verbs.add_parser("state", help="where it is, how it moves, what the gate does")
    state.add_argument("--watch", action="store_true", help="until Ctrl-C")
    state.set_defaults(command=_state)
    home = verbs.add_parser("home", help="drive home, within the limits")
    home.set_defaults(command=_home)
    stop = verbs.add_parser("stop", help="stop smoothly, and stay so")
    stop.add_argument("--emergency", action="store_true", help="until a person takes it back at the robot")
    stop.set_defaults(command=_stop)
    resume = verbs.add_parser("resume", help="take a stop back that is no emergency stop")
    resume.set_defaults(command=_resume)
    for verb in verbs.choices.values():
        verb.add_argument("--address", default=ADDRESS, help="of its service (default: %(default)s)")
        add_credentials(verb)


def _serve(options: argparse.Namespace) -> int:
    import logging
    import signal
    import sys
    import threading

    from actors.robots.gated import GatedRobot
    from actors.robots.server import RobotServer
    from deploy.robot_file import make_driver, read_robot_file
    from s3k_dist.access.audit import AuditLog
    from s3k_dist.access.reach import read_credentials, require_credentials

    logging.basicConfig(format="%(asctime)s %(message)s")
    file = options.file or Path(str(resources.files("deploy") / "robots" / "simulated.yaml"))
    robot = read_robot_file(file)
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    require_credentials("a robot", options.address, options.credentials)
    server = RobotServer(
        GatedRobot(make_driver(robot), robot.limits, robot.step_s),
        options.address,
        credentials=read_credentials(options.credentials),
        audit=AuditLog(options.audit.expanduser()),
    )
    server.start()
    print(f"{robot.driver} behind its gate at {server.address}; Ctrl-C brings it to rest and ends", flush=True)  # noqa: T201
    if options.ends_with_input:

        def listen() -> None:
            sys.stdin.read()
            told.set()

        threading.Thread(target=listen, name="input", daemon=True).start()
    told.wait()
    server.stop()
    return 0


def _state(options: argparse.Namespace) -> int:
    import time

    with _client(options) as robot:
        while True:
            state = robot.state()
            millimetres = ", ".join(f"{1e3 * value:.1f}" for value in state.position_m)
            speed = ", ".join(f"{1e3 * value:.1f}" for value in state.twist[:3])
            force = (
                "" if state.wrench is None else f"   force {', '.join(f'{value:.1f}' for value in state.wrench[:3])} N"
            )
            print(f"{state.mode.value}   at {millimetres} mm   {speed} mm/s{force}   {state.reason}", flush=True)  # noqa: T201
            if not options.watch:
                return 0
            time.sleep(EVERY_S)


def _home(options: argparse.Namespace) -> int:
    with _client(options) as robot:
        robot.home(HOMING_S)
    return 0


def _stop(options: argparse.Namespace) -> int:
    with _client(options) as robot:
        robot.stop("s3k robot stop", emergency=options.emergency)
    return 0


def _resume(options: argparse.Namespace) -> int:
    with _client(options) as robot:
        robot.resume()
    return 0


def _client(options: argparse.Namespace) -> "RobotClient":
    from actors.robots.client import RobotClient
    from s3k_dist.access.reach import read_credentials

    client = RobotClient(options.address, credentials=read_credentials(options.credentials))
    client.wait_ready(READY_S)
    return client
