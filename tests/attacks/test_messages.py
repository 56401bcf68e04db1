"""Messages that are too large, torn, impossible or too many are refused, and honest callers do not notice."""

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from actors.robots.client import RobotClient
from actors.robots.gated import GatedRobot
from actors.robots.server import RobotServer
from s3k_dist.access.guard import LIMITS, Guard, RateLimit, TooOftenError
from s3k_dist.access.identity import Identity, Part
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.images import Encoding
from s3k_dist.v1 import frame_pb2, robot_pb2, robot_pb2_grpc, service_pb2, service_pb2_grpc
from s3k_dist.wire import frame_to_proto
from tests.attacks.targets import LIMITS as ARM_LIMITS
from tests.attacks.targets import PATIENCE_S, Installation, PaperRobot, code_of, dial, make_frame
from tests.s3k_dist.features.conftest import FakeModels

INVALID = grpc.StatusCode.INVALID_ARGUMENT
ExtractFrame = Callable[[frame_pb2.Frame], grpc.StatusCode]


def bomb(width_px: int, height_px: int) -> bytes:
    """A PNG of some hundred bytes that claims this many black pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width_px.to_bytes(4, "big") + height_px.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    pixels = chunk(b"IDAT", zlib.compress(bytes(10**6)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def jpeg_bomb(width_px: int, height_px: int) -> bytes:
    size = height_px.to_bytes(2, "big") + width_px.to_bytes(2, "big")
    return b"\xff\xd8\xff\xc0\x00\x11\x08" + size + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01" + bytes(100)


@pytest.fixture
def extract(features: str, installation: Installation) -> Iterator[ExtractFrame]:
    """What the service says to a frame of the cell bench1, as the cell bench1."""
    with dial(features, installation.credentials("cell/bench1"), "service.s3k") as channel:
        stub = service_pb2_grpc.FeatureServiceStub(channel)

        def ask(frame: frame_pb2.Frame) -> grpc.StatusCode:
            time.sleep(0.011)  # within the rate of a cell
            return code_of(lambda: stub.Extract(service_pb2.ExtractRequest(frame=frame), timeout=PATIENCE_S))

        yield ask


def sound() -> frame_pb2.Frame:
    return frame_to_proto(make_frame("bench1"), Encoding.RAW)


def test_images_that_claim_to_be_giants_are_not_decoded(extract: ExtractFrame) -> None:
    assert extract(sound()) is grpc.StatusCode.OK
    for width, height in ((40_000, 40_000), (65_535, 65_535), (100_000, 300)):
        for encoding, data in (
            (frame_pb2.Image.ENCODING_PNG, bomb(width, height)),
            (frame_pb2.Image.ENCODING_JPEG, jpeg_bomb(min(width, 65_535), height)),
        ):
            frame = sound()
            frame.views[0].image.encoding = encoding
            frame.views[0].image.data = data
            assert extract(frame) is INVALID  # the camera says otherwise
            frame.views[0].camera.width_px, frame.views[0].camera.height_px = width, height
            assert extract(frame) is INVALID  # it does not, and is no camera


def test_many_large_images_are_as_bad_as_a_giant(extract: ExtractFrame) -> None:
    frame = sound()
    data = bomb(4000, 4000)
    for number in range(8):
        view = frame.views.add()
        view.CopyFrom(frame.views[0])
        view.camera.name = f"more{number}"
        view.camera.width_px = view.camera.height_px = 4000
        view.image.encoding, view.image.data = frame_pb2.Image.ENCODING_PNG, data
    assert extract(frame) is INVALID


def test_a_cell_that_says_impossible_things_is_told(extract: ExtractFrame) -> None:
    def changed(change: Callable[[frame_pb2.Frame], object]) -> frame_pb2.Frame:
        frame = sound()
        change(frame)
        return frame

    impossible: list[Callable[[frame_pb2.Frame], object]] = [
        lambda frame: frame.ClearField("views"),
        lambda frame: frame.views[0].camera.cam_from_world.rotation.__setitem__(0, float("nan")),
        lambda frame: frame.views[0].camera.distortion.__setitem__(0, float("inf")),
        lambda frame: setattr(frame.views[0].camera, "fx_px", float("nan")),
        lambda frame: setattr(frame.views[0].camera, "width_px", 2**32 - 1),
        lambda frame: setattr(frame.views[0].image, "data", b"short"),
        lambda frame: setattr(frame.views[0].image, "encoding", 99),
        lambda frame: setattr(frame.views[0].camera, "name", "x" * 100_000),
        lambda frame: frame.views[0].camera.cam_from_world.rotation.extend([0.0] * 1000),
        lambda frame: [frame.views.add().CopyFrom(frame.views[0]) for _ in range(200)],
    ]
    for change in impossible:
        assert extract(changed(change)) is INVALID
    for name in ("bench2", "", "../bench1", "bench1\0", "BENCH1", "x" * 100_000):
        assert extract(changed(lambda frame, name=name: setattr(frame, "cell_id", name))) in (  # type: ignore[misc]
            grpc.StatusCode.PERMISSION_DENIED,
            INVALID,
        )
    assert extract(sound()) is grpc.StatusCode.OK


def test_a_stream_refuses_one_frame_after_the_other(features: str, installation: Installation) -> None:
    with dial(features, installation.credentials("cell/bench3"), "service.s3k") as channel:
        stub = service_pb2_grpc.FeatureServiceStub(channel)
        frames = [make_frame("bench3", 1), make_frame("bench4", 2), make_frame("bench3", 3)]
        asked = (service_pb2.ExtractStreamRequest(frame=frame_to_proto(frame, Encoding.RAW)) for frame in frames)
        answers = list(stub.ExtractStream(asked, timeout=PATIENCE_S))
    assert [answer.WhichOneof("outcome") for answer in answers] == ["features", "refusal", "features"]
    assert "expected frames of cell 'bench3' from cell/bench3, got one of 'bench4'" in answers[1].refusal.reason


def test_torn_and_oversized_messages_are_refused(features: str, robot: str, installation: Installation) -> None:
    whole = service_pb2.ExtractRequest(frame=sound()).SerializeToString()
    with dial(features, installation.credentials("service/gpu2"), "service.s3k") as channel:
        raw = channel.unary_unary("/s3k_dist.v1.FeatureService/Extract", lambda data: data, lambda data: data)
        for data in (whole[: len(whole) // 2], whole[:-1], b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", bytes(1000)):
            assert code_of(lambda data=data: raw(data, timeout=PATIENCE_S)) is INVALID  # type: ignore[misc]
        too_large = bytes(64 * 1024 * 1024 + 1)
        assert code_of(lambda: raw(too_large, timeout=PATIENCE_S)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    with dial(robot, installation.credentials("operator/anna"), "robot.s3k") as channel:
        raw = channel.unary_unary("/s3k_dist.v1.RobotDriver/Command", lambda data: data, lambda data: data)
        for data in (
            b"\x0a\xff",
            b"\x0a\x08" + bytes(8),
            robot_pb2.CommandRequest(twist=[0.0] * 7).SerializeToString(),
        ):
            assert code_of(lambda data=data: raw(data, timeout=PATIENCE_S)) is INVALID  # type: ignore[misc]
        assert code_of(lambda: raw(bytes(100_000), timeout=PATIENCE_S)) is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_robot_takes_no_number_that_is_none(value: float, robot: str, installation: Installation) -> None:
    with dial(robot, installation.credentials("operator/anna"), "robot.s3k") as channel:
        stub = robot_pb2_grpc.RobotDriverStub(channel)
        twist = robot_pb2.CommandRequest(twist=[value, 0, 0, 0, 0, 0])
        assert code_of(lambda: stub.Command(twist, timeout=PATIENCE_S)) is INVALID
        for request, reason in (
            (robot_pb2.CommandRequest(twist=[0.01] * 6, feature_age_s=value), "features are"),
            (robot_pb2.CommandRequest(twist=[0.01] * 6, uncertainty_m=value), "a keypoint is unsure"),
        ):
            end = time.monotonic() + PATIENCE_S
            while not (answer := stub.Command(request, timeout=PATIENCE_S)).reason.startswith(reason):
                assert time.monotonic() < end, answer
            assert answer.mode == robot_pb2.GATE_MODE_HOLDING
        for grip in (robot_pb2.GripRequest(opening_m=value), robot_pb2.GripRequest(force_n=value)):
            code = code_of(lambda grip=grip: stub.Grip(grip, timeout=PATIENCE_S))  # type: ignore[misc]
            assert code is grpc.StatusCode.FAILED_PRECONDITION


def test_a_rate_is_kept_by_each_for_itself(installation: Installation) -> None:
    now_s = [0.0]
    guard = Guard(installation.credentials("service/gpu1"), {Part.CELL: RateLimit(4.0, 2.0)}, clock=lambda: now_s[0])
    a, b = Identity(Part.CELL, "a"), Identity(Part.CELL, "b")
    guard.spend(a, "Extract")
    guard.spend(a, "Extract")
    with pytest.raises(TooOftenError, match="cell/a calls more than 4 times a second"):
        guard.spend(a, "Extract")
    guard.spend(b, "Extract")
    guard.spend(a, "/s3k_dist.v1.RobotDriver/Stop")  # nothing keeps anybody from that
    now_s[0] = 0.25
    guard.spend(a, "Extract")
    with pytest.raises(TooOftenError):
        guard.spend(a, "Extract")


def test_who_calls_too_often_is_told_so_and_may_still_stop_a_robot(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = RateLimit(1e-6, 3.0)
    monkeypatch.setitem(LIMITS, Part.CELL, never)
    models = FakeModels()
    seen = FeatureServer(models.current, models.load, credentials=installation.credentials("service/gpu1"))
    own = installation.credentials("robot/bench1")
    arm = RobotServer(GatedRobot(PaperRobot(), ARM_LIMITS), "127.0.0.1:0", credentials=own)
    arm.start()
    cell = installation.credentials("cell/bench1")
    with (
        FeatureServerThread(seen) as service,
        dial(service.address, cell, "service.s3k") as eyes,
        dial(arm.address, cell, "robot.s3k") as hand,
    ):
        look, move = service_pb2_grpc.FeatureServiceStub(eyes), robot_pb2_grpc.RobotDriverStub(hand)
        looks = [code_of(lambda: look.Extract(service_pb2.ExtractRequest(), timeout=PATIENCE_S)) for _ in range(5)]
        twist = robot_pb2.CommandRequest(twist=[0.0] * 6)
        moves = [code_of(lambda: move.Command(twist, timeout=PATIENCE_S)) for _ in range(5)]
        stops = [code_of(lambda: move.Stop(robot_pb2.StopRequest(), timeout=PATIENCE_S)) for _ in range(5)]
    arm.stop(0.2)
    assert looks == [INVALID] * 3 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    assert moves == [grpc.StatusCode.OK] * 3 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    assert stops == [grpc.StatusCode.OK] * 5


def test_control_loops_run_through_attacks_and_miss_no_deadline(
    features: str, robot: str, installation: Installation
) -> None:
    over = threading.Event()
    answered: dict[str, list[grpc.StatusCode]] = {}

    def flood(name: str, identity: str | None, address: str, server: str, path: str, data: bytes) -> None:
        credentials = None if identity is None else shown[identity]
        codes = answered.setdefault(name, [])
        while not over.is_set():
            with dial(address, credentials, server) as channel:
                raw = channel.unary_unary(path, lambda data: data, lambda data: data)
                for _ in range(50):
                    codes.append(code_of(lambda raw=raw: raw(data, timeout=2.0)))  # type: ignore[misc]
                    if over.is_set():
                        return

    extract, command = "/s3k_dist.v1.FeatureService/Extract", "/s3k_dist.v1.RobotDriver/Command"
    claims = service_pb2.ExtractRequest(frame=sound()).SerializeToString()
    bombs = frame_to_proto(make_frame("bomber"), Encoding.RAW)
    bombs.views[0].image.encoding, bombs.views[0].image.data = frame_pb2.Image.ENCODING_PNG, bomb(9000, 9000)
    bombs.views[0].camera.width_px = bombs.views[0].camera.height_px = 9000
    giant = service_pb2.ExtractRequest(frame=bombs).SerializeToString()
    greedy = service_pb2.ExtractRequest(frame=frame_to_proto(make_frame("greedy"), Encoding.RAW)).SerializeToString()
    full_speed = robot_pb2.CommandRequest(twist=[1.0] * 6).SerializeToString()
    attacks = (
        ("plaintext", None, features, "", extract, claims),
        ("another's frames", "cell/mallory", features, "service.s3k", extract, claims),
        ("noise", "cell/mallory", features, "service.s3k", extract, b"\xff" * 1000),
        ("bombs", "cell/bomber", features, "service.s3k", extract, giant),
        ("greed", "cell/greedy", features, "service.s3k", extract, greedy),
        ("another's robot", "cell/mallory", robot, "robot.s3k", command, full_speed),
    )
    shown = {identity: installation.credentials(identity) for _, identity, *_ in attacks if identity is not None}
    missed = 0
    with (
        FeatureClient(features, 5.0, credentials=installation.credentials("cell/bench1")) as eyes,
        RobotClient(robot, 5.0, PATIENCE_S, installation.credentials("cell/bench1")) as arm,
        ThreadPoolExecutor(len(attacks)) as pool,
    ):
        arm.wait_ready(PATIENCE_S)
        under_way = [pool.submit(flood, *attack) for attack in attacks]
        try:
            for step in range(12):  # three seconds at 4 Hz
                began = time.monotonic()
                try:
                    seen = eyes.extract(make_frame("bench1", step))
                    arm.command(np.zeros(6), feature_age_s=(time.time_ns() - seen.captured_at_ns) / 1e9)
                except Exception:  # noqa: BLE001  # whatever it is, the step was not made
                    missed += 1
                time.sleep(max(0.0, began + 0.25 - time.monotonic()))
        finally:
            over.set()
        for attack in under_way:
            attack.result(PATIENCE_S)
    assert missed == 0
    for name, codes in answered.items():
        # Who is greedy has what is due to everybody, and no more.
        assert len(codes) > 5, name
        assert name == "greed" or grpc.StatusCode.OK not in codes, name
