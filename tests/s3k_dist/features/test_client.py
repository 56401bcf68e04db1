"""What a cell hears when the service is away, and what it still knows."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from s3k_dist.errors import ServiceError, ServiceUnavailableError
from s3k_dist.features.client import FeatureClient

HANG_GUARD_S = 30.0


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"


def test_nothing_at_the_address_is_said_with_address_time_and_retries(make_frame: Any) -> None:
    address = free_address()
    with FeatureClient(address, deadline_s=2.0, retries=2) as client:
        with pytest.raises(
            ServiceUnavailableError, match=rf"no feature service at {address} within \d\.\d s \(2 retries\)"
        ):
            client.extract(make_frame())
        with pytest.raises(ServiceUnavailableError, match=r"not ready after 0\.2 s: nothing answers"):
            client.wait_ready(0.2)


def test_the_deadline_bounds_the_call_with_its_retries(make_frame: Any) -> None:
    with FeatureClient(free_address(), deadline_s=0.5, retries=50) as client:
        asked = time.monotonic()
        with pytest.raises(ServiceUnavailableError):
            client.extract(make_frame())
        assert time.monotonic() - asked < HANG_GUARD_S


def test_the_age_of_the_latest_features_is_told_when_the_service_goes_away(serve: Any, make_frame: Any) -> None:
    service = serve()
    with FeatureClient(service.address, deadline_s=HANG_GUARD_S, retries=0) as client:
        client.wait_ready(HANG_GUARD_S)
        assert client.latest() is None
        assert client.latest_age_ms() is None
        features = client.extract(make_frame(sequence=1))
        service.stop(grace_s=0.0)

        with pytest.raises(ServiceUnavailableError, match=r"; latest known features are \d+ ms old"):
            client.extract(make_frame(sequence=2))
        age_ms = client.latest_age_ms()

    assert client.latest() is features
    assert age_ms is not None
    assert 0 < age_ms < HANG_GUARD_S * 1e3


def test_latest_is_the_newest_capture_not_the_last_answer(client: FeatureClient, make_frame: Any) -> None:
    older, newer = make_frame(sequence=1), make_frame(sequence=2)
    client.extract(newer)
    client.extract(older)

    latest = client.latest()
    assert latest is not None
    assert latest.sequence == 2


def test_round_trips_are_kept(client: FeatureClient, make_frame: Any) -> None:
    for sequence in range(5):
        client.extract(make_frame(sequence=sequence))

    summary = client.latency_summary()
    assert summary.frames == 5
    assert 0 < summary.p50_ms <= summary.p99_ms


def test_a_closed_client_says_so(serve: Any, make_frame: Any) -> None:
    client = FeatureClient(serve().address)
    client.close()
    with pytest.raises(ServiceError, match="is closed"):
        client.extract(make_frame())


def test_replicas_share_the_frames_and_one_that_dies_is_passed_over_until_it_is_back(
    serve: Any, make_frame: Any
) -> None:
    services = [serve(), serve()]
    counted = [service.server.latency_summary for service in services]
    with FeatureClient(",".join(service.address for service in services), deadline_s=HANG_GUARD_S) as client:
        client.wait_ready(HANG_GUARD_S)
        end = time.monotonic() + HANG_GUARD_S
        while not all(summary().frames for summary in counted):
            client.extract(make_frame())
            assert time.monotonic() < end, "one replica is never asked"
        for sequence in range(10, 20):
            assert client.extract(make_frame(sequence)).sequence == sequence
        services[0].stop(grace_s=0.0)
        for sequence in range(20, 40):
            assert client.extract(make_frame(sequence)).sequence == sequence
        back = serve(address=services[0].address)
        while not back.server.latency_summary().frames:
            client.extract(make_frame())
            assert time.monotonic() < end, "a replica that is back is never asked again"


def test_a_replica_without_a_model_is_not_asked(serve: Any, models: Any, make_frame: Any) -> None:
    ready = serve()
    models.promoted = None
    empty = serve()
    with FeatureClient(f"{empty.address},{ready.address}", deadline_s=HANG_GUARD_S, retries=0) as client:
        client.wait_ready(HANG_GUARD_S)
        for sequence in range(10):
            assert client.extract(make_frame(sequence)).sequence == sequence


def test_a_replica_whose_host_is_unknown_is_named() -> None:
    with pytest.raises(ServiceUnavailableError, match=r"no feature service at nowhere\.invalid:1"):
        FeatureClient("nowhere.invalid:1,127.0.0.1:2")


STOPPED = """
import sys
sys.path.insert(0, {root!r})
from tests.s3k_dist.features.conftest import FakeModels
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
models = FakeModels()
thread = FeatureServerThread(FeatureServer(models.current, models.load))
thread.start(30.0)
print(thread.address, flush=True)
sys.stdin.read()
"""


def test_a_replica_that_is_stopped_holds_nobody_up_for_long(serve: Any, make_frame: Any) -> None:
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED.format(root=root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            other = process.stdout.readline().strip()
            with FeatureClient(f"{other},{serve().address}", deadline_s=HANG_GUARD_S) as client:
                client.wait_ready(HANG_GUARD_S)
                for sequence in range(10):
                    client.extract(make_frame(sequence))
                process.send_signal(signal.SIGSTOP)
                for sequence in range(10, 20):
                    assert client.extract(make_frame(sequence)).sequence == sequence
        finally:
            process.kill()
