"""What a cell hears when the service is away, and what it still knows."""

import socket
import time
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
    with FeatureClient(address, deadline_s=0.4, retries=2) as client:
        with pytest.raises(
            ServiceUnavailableError, match=rf"no feature service at {address} within 0\.\d s \(2 retries\)"
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
