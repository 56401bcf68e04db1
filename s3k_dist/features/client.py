"""A cell's way to the feature service: one call, one total deadline, whatever happens on the network.

with FeatureClient("127.0.0.1:50051", deadline_s=0.2) as client:
    client.wait_ready(30.0)
    features = client.extract(frame)
"""

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from s3k_dist.access.doors import open_channel, refused_handshake
from s3k_dist.access.identity import Part
from s3k_dist.errors import AccessError, DeadlineError, FrameError, ServiceError, ServiceUnavailableError
from s3k_dist.features.latency import LatencySummary, LatencyWindow
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding
from s3k_dist.v1 import service_pb2, service_pb2_grpc
from s3k_dist.wire import features_from_proto, frame_to_proto

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

Answer = TypeVar("Answer")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # as the server's
READY_LOOK_S = 0.05
KEEPALIVE_MS = 1500  # the server allows as much (``server.py``)
SHORTEST_PAUSE_S = 0.01  # many retries must not become a busy loop
_WORTH_RETRYING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclass(frozen=True)
class EncoderInfo:
    """What makes the embeddings.

    Attributes:
        kind: of the model: "vae", "pixels-frozen".
        version: version in its own weights registry.
        embedding_size: numbers in an embedding.
        published_at_ns: host time of publication, nanoseconds since the Unix epoch.
    """

    kind: str
    version: int
    embedding_size: int
    published_at_ns: int


@dataclass(frozen=True)
class ModelInfo:
    """What serves.

    Attributes:
        version: version in the weights registry.
        keypoint_names: K names, in the order of the features.
        image_size_px: side of the square images that the network sees, pixels.
        published_at_ns: host time of publication, nanoseconds since the Unix epoch.
        encoder: what makes the embeddings; None where no encoder serves.
    """

    version: int
    keypoint_names: tuple[str, ...]
    image_size_px: int
    published_at_ns: int
    encoder: EncoderInfo | None = None


class FeatureClient:
    """Asks a feature service; safe to use from several threads.

    Of several replicas each is asked in turn, as long as it says that it is healthy; one that is gone is passed over,
    and asked again once it is back.

    Attributes:
        group: of the frames to come, such as the name of an episode: one version of the model reads all of a group,
            also while another is on trial. Empty leaves it to the service.

    Args:
        address: host and port; of several replicas with commas between them.
        deadline_s: for a call with all its retries, seconds.
        retries: how often to ask again where nobody answers or the queue is full. The pauses double, with jitter, and
            fill the deadline, so that a service that restarts within it goes unnoticed.
        encoding: how images travel: RAW on one machine, JPEG or PNG over a slow network.
        max_message_bytes: what the server takes, at most.
        credentials: to show to, and to know, a service beyond this machine.

    Raises:
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self,
        address: str,
        deadline_s: float = 5.0,
        retries: int = 3,
        encoding: Encoding = Encoding.RAW,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        credentials: "Credentials | None" = None,
    ) -> None:
        self.address = address
        self.group = ""
        self._deadline_s = deadline_s
        self._retries = retries
        self._encoding = encoding
        replicas = address.split(",")
        self._replicas = len(replicas)
        options = _options(max_message_bytes, len(replicas))
        self._channel = open_channel(address, Part.SERVICE, credentials, options, _target(replicas))
        self._stub = service_pb2_grpc.FeatureServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._latest: FrameFeatures | None = None
        self._latest_lock = threading.Lock()
        self._window = LatencyWindow()

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        """The keypoints of ``frame``, and its embedding where an encoder serves.

        Raises:
            FrameError: the frame cannot be used, or is larger than a message may be.
            ServiceUnavailableError: nothing answers at the address, after all retries.
            AccessError: it answers others, but not this client.
            DeadlineError: no answer in ``deadline_s`` seconds.
            ServiceError: the service answered that it cannot: no model, queue full, or its detector failed; or it
                answered about another frame.
        """
        asked = time.monotonic()
        request = service_pb2.ExtractRequest(frame=frame_to_proto(frame, self._encoding), group=self.group)
        response = self._call(lambda timeout_s: self._stub.Extract(request, timeout=timeout_s))
        features = features_from_proto(response.features)
        if (features.cell_id, features.sequence) != (frame.cell_id, frame.sequence):
            raise ServiceError(
                f"the feature service at {self.address} answered with frame {features.sequence} of cell "
                f"{features.cell_id!r}, asked about frame {frame.sequence} of cell {frame.cell_id!r}"
            )
        self._window.add(time.monotonic() - asked)
        with self._latest_lock:
            # By number, not by time of capture: a clock that was set back would hold up the news for as long.
            if self._latest is None or not _is_older(features, self._latest):
                self._latest = features
        return features

    def model(self) -> ModelInfo:
        """What serves now; raises as `extract` does."""
        request = service_pb2.GetModelRequest()
        response = self._call(lambda timeout_s: self._stub.GetModel(request, timeout=timeout_s))
        encoder = None
        if response.HasField("encoder"):
            made_by = response.encoder
            encoder = EncoderInfo(made_by.kind, made_by.version, made_by.embedding_size, made_by.published_at_ns)
        return ModelInfo(
            response.version, tuple(response.keypoint_names), response.image_size_px, response.published_at_ns, encoder
        )

    def latest(self) -> FrameFeatures | None:
        """The features of the newest frame that was answered; None before a first answer."""
        return self._latest

    def latest_age_ms(self) -> float | None:
        """Time since the capture of the frame behind `latest`, milliseconds; None before a first answer."""
        latest = self._latest
        return None if latest is None else (time.time_ns() - latest.captured_at_ns) / 1e6

    def latency_summary(self) -> LatencySummary:
        """Recent round trips, retries included, as this client saw them."""
        return self._window.summary()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the service has a model and answers.

        Raises:
            ServiceUnavailableError: it did not within ``timeout_s`` seconds; says whether anything answers at all.
        """
        give_up = time.monotonic() + timeout_s
        seen = "nothing answers"
        while (left_s := give_up - time.monotonic()) > 0:
            try:
                status = self._health.Check(health_pb2.HealthCheckRequest(), timeout=left_s).status
            except grpc.RpcError as error:
                seen = f"nothing answers ({_one_line(error)})"
            else:
                if status == health_pb2.HealthCheckResponse.SERVING:
                    return
                seen = "it answers, but has no model yet"
            time.sleep(min(READY_LOOK_S, max(0.0, give_up - time.monotonic())))
        raise ServiceUnavailableError(
            f"the feature service at {self.address} is not ready after {timeout_s:.1f} s: {seen}"
        )

    def close(self) -> None:
        """Hang up; a call under way in another thread ends with ServiceError."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, attempt: Callable[[float], Answer]) -> Answer:
        started = time.monotonic()
        give_up = started + self._deadline_s
        for retry in range(self._retries + 1):
            try:
                return attempt(max(0.0, give_up - time.monotonic()))
            except grpc.RpcError as error:
                failure = error
            except ValueError as error:  # what gRPC raises on a closed channel
                raise ServiceError(f"the client of {self.address} is closed") from error
            pause_s = self._pause_s(retry)
            last = retry == self._retries or time.monotonic() + pause_s >= give_up
            if last or failure.code() not in _WORTH_RETRYING or _is_too_large(failure):
                break
            time.sleep(pause_s)
        raise self._explained(failure, retry, time.monotonic() - started) from failure

    def _pause_s(self, retry: int) -> float:
        # For three retries 1/8, 2/8 and 4/8 of the deadline: the last attempt keeps an eighth of it. The jitter keeps
        # the cells of a fleet from coming back all at once.
        if retry < self._replicas - 1:
            return SHORTEST_PAUSE_S  # another replica may answer at once
        pause_s = max(SHORTEST_PAUSE_S, self._deadline_s * 2.0 ** (retry - self._retries))
        return pause_s * random.uniform(0.5, 1.0)  # nosec B311  # jitter

    def _explained(self, failure: grpc.RpcError, retries: int, elapsed_s: float) -> Exception:
        code, details = failure.code(), _one_line(failure)
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return FrameError(details)
        if code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
            return AccessError(f"the feature service at {self.address}: {details}")
        if _is_too_large(failure):
            return FrameError(f"the frame is too large for the service at {self.address}: {details}")
        if code is grpc.StatusCode.UNAVAILABLE:
            within = f"within {elapsed_s:.1f} s ({retries} retries)"
            why = refused_handshake(details)
            return ServiceUnavailableError(f"no feature service at {self.address} {within}{self._age()}{why}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(f"no answer from {self.address} within {self._deadline_s:.1f} s{self._age()}")
        return ServiceError(f"the feature service at {self.address} could not answer: {details}{self._age()}")

    def _age(self) -> str:
        age_ms = self.latest_age_ms()
        return "" if age_ms is None else f"; latest known features are {age_ms:.0f} ms old"


def _is_too_large(failure: grpc.RpcError) -> bool:
    # gRPC has no status of its own for it; both ends word it this way.
    return failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in _one_line(failure)


def _one_line(failure: grpc.RpcError) -> str:
    return " ".join((failure.details() or failure.code().name).split())


def _target(replicas: list[str]) -> str:
    """What gRPC connects to.

    Raises:
        ServiceUnavailableError: a host among several is unknown.
    """
    if len(replicas) == 1:
        return replicas[0]
    found = []
    for replica in replicas:
        host, _, port = replica.rpartition(":")
        try:
            found.append(f"{socket.gethostbyname(host)}:{port}")  # a list takes addresses, no names
        except OSError as error:
            raise ServiceUnavailableError(f"no feature service at {replica}: {error.strerror or error}") from error
    return f"ipv4:{','.join(found)}"


def _options(max_message_bytes: int, replicas: int) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # gRPC waits 1 s, then up to 2 min, before it connects again: a restarted service would look dead to a cell.
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # What it calls the least backoff is the time it gives a connection to come about.
        ("grpc.min_reconnect_backoff_ms", 2000),
        # A server that is stopped keeps its connections and answers nothing: without pings that would look like work.
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if replicas > 1:
        balanced = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
        options.append(("grpc.service_config", json.dumps(balanced)))
    return options


def _is_older(features: FrameFeatures, than: FrameFeatures) -> bool:
    return features.cell_id == than.cell_id and features.sequence < than.sequence
