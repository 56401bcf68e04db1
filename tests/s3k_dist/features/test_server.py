"""The service as its callers meet it: a real gRPC server on 127.0.0.1."""

import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from s3k_dist.errors import DeadlineError, FrameError, ServiceError, ServiceUnavailableError
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.server import SERVICE_NAME, FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.images import Encoding
from s3k_dist.v1 import service_pb2, service_pb2_grpc
from s3k_dist.wire import frame_to_proto

HANG_GUARD_S = 30.0


def eventually(condition: Any) -> None:
    give_up = time.monotonic() + HANG_GUARD_S
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.005)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_frame_comes_back_as_features(serve: Any, make_frame: Any, encoding: Encoding) -> None:
    with FeatureClient(serve().address, encoding=encoding) as client:
        client.wait_ready(HANG_GUARD_S)
        features = client.extract(make_frame(sequence=4, value=9))

    assert (features.cell_id, features.sequence, features.model_version) == ("sim0", 4, 1)
    assert features.keypoint_names == ("tip", "base")
    assert features.camera_names == ("cam0", "cam1")
    assert features.positions_m[1].tolist() == [9.0, 9.0, 9.0]


def test_the_model_describes_itself(client: FeatureClient) -> None:
    info = client.model()

    assert (info.version, info.keypoint_names, info.image_size_px, info.published_at_ns) == (1, ("tip", "base"), 8, 123)


def test_a_frame_of_one_view_is_refused_by_name(client: FeatureClient, make_frame: Any) -> None:
    with pytest.raises(FrameError, match=r"frame sim0/00000003: .*at least 2 views, got 1 \(cam0\)"):
        client.extract(make_frame(sequence=3, views=1))


def test_before_a_first_model_the_service_says_so(serve: Any, models: Any, make_frame: Any) -> None:
    models.promoted = None
    with FeatureClient(serve().address) as client:
        with pytest.raises(ServiceUnavailableError, match="it answers, but has no model yet"):
            client.wait_ready(0.2)
        with pytest.raises(ServiceError, match="no keypoint model serves yet: no version is promoted"):
            client.extract(make_frame())
        with pytest.raises(ServiceError, match="no keypoint model serves yet"):
            client.model()

        models.promoted = 1
        client.wait_ready(HANG_GUARD_S)
        assert client.extract(make_frame()).model_version == 1


def test_a_first_model_that_cannot_be_loaded_is_named_and_tried_again(serve: Any, models: Any, make_frame: Any) -> None:
    models.broken = {1}
    service = serve()
    with FeatureClient(service.address) as client:
        eventually(lambda: service.server.metrics.value("s3k_features_failed_swaps_total") == 1)
        with pytest.raises(ServiceError, match="version 1 could not be loaded: version 1 is torn"):
            client.extract(make_frame())

        models.broken = set()
        client.wait_ready(HANG_GUARD_S)


def test_health_and_reflection_answer(client: FeatureClient) -> None:
    with grpc.insecure_channel(client.address) as channel:
        check = health_pb2.HealthCheckRequest(service=SERVICE_NAME)
        status = health_pb2_grpc.HealthStub(channel).Check(check, timeout=HANG_GUARD_S).status
        listing = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=HANG_GUARD_S
        )
        names = {service.name for service in next(listing).list_services_response.service}

    assert status == health_pb2.HealthCheckResponse.SERVING
    assert SERVICE_NAME in names


def test_a_model_is_swapped_under_load_without_one_failed_request(serve: Any, models: Any, make_frame: Any) -> None:
    service = serve()
    stop = threading.Event()

    def cell(number: int) -> list[int]:
        versions: list[int] = []
        with FeatureClient(service.address, deadline_s=HANG_GUARD_S, retries=0) as client:
            while not stop.is_set():
                versions.append(
                    client.extract(make_frame(sequence=len(versions), cell_id=f"sim{number}")).model_version
                )
        return versions

    with FeatureClient(service.address) as client:
        client.wait_ready(HANG_GUARD_S)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        cells = [pool.submit(cell, number) for number in range(4)]
        for version in (2, 3, 4, 5):
            time.sleep(0.1)
            models.promoted = version
            eventually(lambda version=version: service.server.model_version == version)
        time.sleep(0.1)
        stop.set()
        seen = [future.result(HANG_GUARD_S) for future in cells]

    assert all(versions == sorted(versions) for versions in seen)
    assert {version for versions in seen for version in versions} == {1, 2, 3, 4, 5}
    metrics = service.server.metrics
    assert metrics.value("s3k_features_requests_total", outcome="answered") == sum(map(len, seen))
    assert metrics.value("s3k_features_swaps_total") == 5
    assert metrics.value("s3k_features_model_version") == 5


def test_a_version_that_fails_to_load_is_refused_and_the_old_one_serves(
    client: FeatureClient, models: Any, make_frame: Any
) -> None:
    models.broken = {2}
    models.promoted = 2
    time.sleep(0.1)
    assert client.extract(make_frame()).model_version == 1

    models.promoted = 3
    eventually(lambda: client.extract(make_frame()).model_version == 3)
    models.promoted = 1  # a roll-back is a promotion like any other
    eventually(lambda: client.extract(make_frame()).model_version == 1)


def test_a_detector_of_another_version_is_refused(serve: Any, models: Any, make_frame: Any) -> None:
    models.detectors[2] = models.load(1)
    service = serve()
    models.promoted = 2
    eventually(lambda: service.server.metrics.value("s3k_features_failed_swaps_total") == 1)
    assert service.server.model_version == 1


def test_a_crash_of_the_detector_fails_that_frame_only(client: FeatureClient, make_frame: Any) -> None:
    with pytest.raises(ServiceError, match="model version 1 failed on this frame: out of memory"):
        client.extract(make_frame(cell_id="crash"))
    with pytest.raises(FrameError, match="all dark"):
        client.extract(make_frame(cell_id="bad"))
    assert client.extract(make_frame()).sequence == 0


def stream_requests(make_frame: Any) -> Iterator[service_pb2.ExtractStreamRequest]:
    for sequence in range(40):
        frame = make_frame(sequence=sequence, views=1 if sequence % 10 == 3 else 2, size=8 if sequence % 2 else 6)
        yield service_pb2.ExtractStreamRequest(frame=frame_to_proto(frame, Encoding.PNG))


def test_a_stream_answers_in_order_and_outlives_a_bad_frame(client: FeatureClient, make_frame: Any) -> None:
    with grpc.insecure_channel(client.address) as channel:
        stub = service_pb2_grpc.FeatureServiceStub(channel)
        answers = list(stub.ExtractStream(stream_requests(make_frame), timeout=HANG_GUARD_S))

    sequences = [getattr(answer, answer.WhichOneof("outcome")).sequence for answer in answers]
    refused = [answer.refusal.sequence for answer in answers if answer.WhichOneof("outcome") == "refusal"]
    assert sequences == list(range(40))
    assert refused == [3, 13, 23, 33]
    assert "at least 2 views, got 1" in answers[3].refusal.reason


def test_a_stream_has_several_frames_in_flight_and_hanging_up_clears_them(
    serve: Any, models: Any, make_frame: Any
) -> None:
    detector = models.load(1)
    detector.go_on.clear()
    service = serve()
    metrics = service.server.metrics
    with FeatureClient(service.address) as client, grpc.insecure_channel(service.address) as channel:
        client.wait_ready(HANG_GUARD_S)
        call = service_pb2_grpc.FeatureServiceStub(channel).ExtractStream(
            stream_requests(make_frame), timeout=HANG_GUARD_S
        )
        eventually(lambda: metrics.value("s3k_features_queue_frames") >= 4)
        call.cancel()
        eventually(lambda: metrics.value("s3k_features_requests_total", outcome="expired") >= 4)
        detector.go_on.set()
        assert client.extract(make_frame(sequence=99)).sequence == 99
    # Of the 8 in flight, the 4 and more that waited were never read; the others were in the batch under way.
    assert sum(map(len, detector.batches)) <= 8 - 4 + 1


def test_a_request_whose_deadline_passed_is_dropped_unread(serve: Any, models: Any, make_frame: Any) -> None:
    detector = models.load(1)
    detector.go_on.clear()
    service = serve()
    with FeatureClient(service.address, deadline_s=HANG_GUARD_S) as patient:
        patient.wait_ready(HANG_GUARD_S)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            first = pool.submit(patient.extract, make_frame(sequence=1))
            assert detector.entered.wait(HANG_GUARD_S)
            with (
                FeatureClient(service.address, deadline_s=0.1) as hurried,
                pytest.raises(DeadlineError, match=r"no answer from .* within 0\.1 s"),
            ):
                hurried.extract(make_frame(sequence=2))
            eventually(lambda: service.server.metrics.value("s3k_features_requests_total", outcome="expired") == 1)
            detector.go_on.set()
            assert first.result(HANG_GUARD_S).sequence == 1
        patient.extract(make_frame(sequence=3))

    assert detector.batches == [[1], [3]]


def test_a_full_queue_turns_frames_away_and_recovers(serve: Any, models: Any, make_frame: Any) -> None:
    detector = models.load(1)
    detector.go_on.clear()
    service = serve(max_queue_frames=2)
    with (
        FeatureClient(service.address, deadline_s=HANG_GUARD_S, retries=0) as client,
        concurrent.futures.ThreadPoolExecutor(3) as pool,
    ):
        client.wait_ready(HANG_GUARD_S)
        waiting = [pool.submit(client.extract, make_frame(sequence=0))]
        assert detector.entered.wait(HANG_GUARD_S)
        waiting += [pool.submit(client.extract, make_frame(sequence=number)) for number in (1, 2)]
        eventually(lambda: service.server.metrics.value("s3k_features_queue_frames") == 2)

        with pytest.raises(ServiceError, match="the queue is full: 2 frames wait already"):
            client.extract(make_frame(sequence=3))

        detector.go_on.set()
        assert sorted(future.result(HANG_GUARD_S).sequence for future in waiting) == [0, 1, 2]
        assert client.extract(make_frame(sequence=4)).sequence == 4


def test_an_oversize_frame_is_refused_and_not_retried(serve: Any, make_frame: Any) -> None:
    service = serve(max_message_bytes=10_000)
    with FeatureClient(service.address, deadline_s=HANG_GUARD_S) as client:
        client.wait_ready(HANG_GUARD_S)
        with pytest.raises(FrameError, match=r"frame is too large for the service at .*larger than max"):
            client.extract(make_frame(size=64))
    with (
        FeatureClient(service.address, max_message_bytes=5_000) as client,
        pytest.raises(FrameError, match="too large"),
    ):
        client.extract(make_frame(size=32))


def test_a_port_in_use_is_one_clear_line(serve: Any, models: Any) -> None:
    service = serve()
    with pytest.raises(ServiceError, match=rf"cannot listen on {service.address}: port \d+ is in use"):
        FeatureServerThread(FeatureServer(models.current, models.load, service.address)).start(HANG_GUARD_S)


def test_a_metrics_port_in_use_is_one_clear_line(models: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"cannot serve metrics on 127\.0\.0\.1:{port}: Address already in use"):
            FeatureServerThread(FeatureServer(models.current, models.load, metrics_port=port)).start(HANG_GUARD_S)


def test_prometheus_scrapes_what_happened(serve: Any, make_frame: Any) -> None:
    service = serve(metrics_port=0)
    with FeatureClient(service.address) as client:
        client.wait_ready(HANG_GUARD_S)
        client.extract(make_frame())
        with pytest.raises(FrameError):
            client.extract(make_frame(views=1))
        url = f"http://127.0.0.1:{service.server.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=HANG_GUARD_S) as response:
            text = response.read().decode()
        summary = service.server.latency_summary()

    assert 's3k_features_requests_total{outcome="answered"} 1.0' in text
    assert 's3k_features_requests_total{outcome="refused"} 1.0' in text
    assert "s3k_features_model_version 1.0" in text
    assert summary.frames == 1
    assert 0 < summary.p50_ms <= summary.p99_ms
    assert summary.frames_per_s > 0


def test_stopping_finishes_what_is_under_way(serve: Any, models: Any, make_frame: Any) -> None:
    detector = models.load(1)
    service = serve()
    with FeatureClient(service.address, retries=0) as client, concurrent.futures.ThreadPoolExecutor(2) as pool:
        client.wait_ready(HANG_GUARD_S)
        detector.go_on.clear()
        under_way = pool.submit(client.extract, make_frame(sequence=1))
        assert detector.entered.wait(HANG_GUARD_S)
        stopped = pool.submit(service.stop, HANG_GUARD_S)
        time.sleep(0.1)
        detector.go_on.set()

        assert under_way.result(HANG_GUARD_S).sequence == 1
        stopped.result(HANG_GUARD_S)
        with pytest.raises(ServiceUnavailableError):
            client.extract(make_frame(sequence=2))


SERVE_IN_A_PROCESS = """
import sys, time
sys.path.insert(0, sys.argv[2])
from conftest import FakeModels
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
models = FakeModels()
with FeatureServerThread(FeatureServer(models.current, models.load, sys.argv[1])) as service:
    print(service.address, flush=True)
    time.sleep(60)
"""


def server_process(address: str, folder: str) -> "tuple[subprocess.Popen[str], str]":
    command = [sys.executable, "-c", SERVE_IN_A_PROCESS, address, folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_client_outlives_a_killed_and_restarted_service(request: Any, make_frame: Any) -> None:
    folder = str(request.path.parent)
    process, address = server_process("127.0.0.1:0", folder)
    with process, FeatureClient(address, deadline_s=HANG_GUARD_S) as client:
        client.wait_ready(HANG_GUARD_S)
        client.extract(make_frame(sequence=1))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(HANG_GUARD_S)
        with FeatureClient(address, deadline_s=0.2) as hurried, pytest.raises(ServiceUnavailableError):
            hurried.extract(make_frame(sequence=2))

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.extract, make_frame(sequence=3))
            restarted, again = server_process(address, folder)
            with restarted:
                try:
                    assert again == address
                    assert asked.result(HANG_GUARD_S).sequence == 3
                finally:
                    restarted.kill()
