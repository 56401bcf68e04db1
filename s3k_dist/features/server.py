"""The gRPC feature service: frames in, 3-D keypoints and, if wanted, an embedding out, by the newest promoted models.

    server = FeatureServer(registry.current, load_detector, address="0.0.0.0:50051")
    port = await server.start()
    ...
    await server.stop(grace_s=5.0)

Beside the feature service it answers gRPC health checks, NOT_SERVING until a first model is loaded, and reflection.
"""

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from s3k_dist.access.doors import GUARDED_OPTIONS, add_port
from s3k_dist.access.reach import require_credentials
from s3k_dist.errors import ServiceError
from s3k_dist.features.batcher import Batcher, Trial
from s3k_dist.features.detector import CurrentVersion, Detector, Encoder, EncoderSource, LoadDetector, Trials
from s3k_dist.features.figures import FiguresWriter
from s3k_dist.features.latency import LatencySummary
from s3k_dist.features.metrics import FeatureMetrics
from s3k_dist.features.model_follower import ModelFollower
from s3k_dist.features.servicer import FeatureServicer
from s3k_dist.v1 import service_pb2, service_pb2_grpc

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

logger = logging.getLogger(__name__)

SERVICE_NAME = service_pb2.DESCRIPTOR.services_by_name["FeatureService"].full_name
# Four raw views of 2048 x 1536 px are 38 MB.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
THREAD_STOP_S = 5.0
_HEALTH_NAMES = ("", SERVICE_NAME)  # "" is the server as a whole, in the health protocol


class FeatureServer:
    """One feature service; started and stopped once.

    Args:
        current_version: the version that ought to serve: `WeightsRegistry.current`.
        load_detector: makes the detector of a version.
        address: host and port; port 0 takes a free one.
        max_batch_frames: frames in one call of the detector, at most.
        max_queue_frames: frames that may wait; one more is answered RESOURCE_EXHAUSTED.
        max_wait_ms: how long a frame may wait for others to join its batch, milliseconds.
        poll_s: how often to look for a newly promoted version, seconds.
        max_message_bytes: a larger request is answered RESOURCE_EXHAUSTED by gRPC itself.
        metrics_port: where Prometheus scrapes over HTTP; 0 takes a free port, None serves none.
        encoder: answer with an embedding beside the keypoints, by this encoder; None answers with keypoints alone.
        trials: let the version on trial answer its share, and write how versions do; None does neither.
        credentials: whoever calls has to show a certificate, and a cell speaks for itself alone; None serves this
            machine alone.

    Raises:
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self,
        current_version: CurrentVersion,
        load_detector: LoadDetector,
        address: str = "127.0.0.1:0",
        *,
        max_batch_frames: int = 16,
        max_queue_frames: int = 64,
        max_wait_ms: float = 0.0,
        poll_s: float = 1.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        metrics_port: int | None = None,
        encoder: EncoderSource | None = None,
        trials: Trials | None = None,
        credentials: "Credentials | None" = None,
    ) -> None:
        require_credentials("a feature service", address, credentials)
        self._credentials = credentials
        self.metrics = FeatureMetrics()
        self.address = address
        self.metrics_port = metrics_port
        self._max_message_bytes = max_message_bytes
        encodes = encoder is not None
        self._batcher = Batcher(self.metrics, max_batch_frames, max_queue_frames, max_wait_ms, encodes=encodes)
        self._follower = ModelFollower(current_version, load_detector, self._serve, self.metrics, poll_s)
        self._encoder_follower: ModelFollower[Encoder] | None = None
        if encoder is not None:
            self._encoder_follower = ModelFollower(
                encoder.current_version, encoder.load, self._serve_encoder, self.metrics, poll_s
            )
        self._trials, self._poll_s, self._share = trials, poll_s, 0.0
        self._canary_follower: ModelFollower[Detector] | None = None
        self._writer: FiguresWriter | None = None
        if trials is not None:
            self._canary_follower = ModelFollower(
                self._canary_version,
                load_detector,
                self._try,
                self.metrics,
                poll_s,
                withdraw=self._end_trial,
                refused=self._batcher.figures.failed,
            )
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # not in the stubs
        self._loop: asyncio.AbstractEventLoop
        self._server: grpc.aio.Server

    async def start(self) -> int:
        """Listen, and begin to load the promoted model.

        Returns:
            The port.

        Raises:
            ServiceError: a port is in use, or the address is none of this machine.
        """
        self._loop = asyncio.get_running_loop()
        interceptors: list[grpc.aio.ServerInterceptor] = []
        guard = None
        if self._credentials is not None:
            from s3k_dist.access.guard import Guard
            from s3k_dist.access.interception import GuardedAsyncCalls

            guard = Guard(self._credentials)
            interceptors.append(GuardedAsyncCalls(guard))
        options = [*_options(self._max_message_bytes), *(GUARDED_OPTIONS if guard is not None else ())]
        self._server = grpc.aio.server(interceptors=interceptors, options=options)
        claims = None if guard is None else guard.require_claim
        servicer = FeatureServicer(self._batcher, self.metrics, self._why_no_model, claims)
        service_pb2_grpc.add_FeatureServiceServicer_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        host = self.address.rpartition(":")[0]
        bound = add_port(self._server, "a feature service", self.address, self._credentials)
        if self.metrics_port is not None:
            try:
                self.metrics_port = self.metrics.start_http(host, self.metrics_port, self._credentials)
            except ServiceError:
                await self._server.stop(None)  # so that the port it took is free again
                raise
        self.address = f"{host}:{bound}"
        await self._server.start()
        self._batcher.start()
        for follower in self._followers():
            follower.start()
        if self._trials is not None:
            # On another machine the same port may serve the same registry.
            replica = f"{socket.gethostname()}-{bound}"
            book = self._batcher.figures
            self._writer = FiguresWriter(book, self._trials.weights, replica, self._poll_s, logger.warning)
            self._writer.start()
        return bound

    async def stop(self, grace_s: float) -> None:
        """Take no more requests, finish those under way for at most ``grace_s`` seconds, and stop."""
        await self._health.enter_graceful_shutdown()
        for follower in self._followers():
            await asyncio.to_thread(follower.stop, THREAD_STOP_S)
        await self._server.stop(grace_s)
        if self._writer is not None:
            await asyncio.to_thread(self._writer.stop, THREAD_STOP_S)
        await asyncio.to_thread(self._batcher.close, THREAD_STOP_S)
        await asyncio.to_thread(self.metrics.stop_http)

    def latency_summary(self) -> LatencySummary:
        """Recent latency from arrival to answer, and throughput."""
        return self.metrics.latency_summary()

    @property
    def model_version(self) -> int | None:
        """The version that serves now."""
        return None if self._batcher.detector is None else self._batcher.detector.version

    @property
    def encoder_version(self) -> int | None:
        """The encoder's version that serves now."""
        return None if self._batcher.encoder is None else self._batcher.encoder.version

    def _followers(self) -> "list[ModelFollower[Any]]":
        more = self._encoder_follower, self._canary_follower
        return [self._follower, *(follower for follower in more if follower is not None)]

    def _why_no_model(self) -> str:
        if self._batcher.detector is None or self._encoder_follower is None:
            return f"no keypoint model serves yet: {self._follower.problem}"
        return f"no encoder serves yet: {self._encoder_follower.problem}"

    def _serve(self, detector: Detector) -> None:
        """Called by the follower's thread."""
        self._batcher.swap(detector)
        self._batcher.figures.serves(detector.version)
        self.metrics.swapped(detector.version)
        self._say_ready()

    def _canary_version(self) -> int | None:
        """Asked by the thread of the canary's follower."""
        assert self._trials is not None
        canary = self._trials.canary()
        if canary is None:
            self._batcher.figures.tries(0)
            return None
        self._share = canary.share
        # Counted for this trial from the first attempt to load it.
        self._batcher.figures.tries(canary.version)
        return canary.version

    def _try(self, detector: Detector) -> None:
        """Called by the same."""
        self._batcher.swap_trial(Trial(detector, self._share))
        self.metrics.trial(detector.version)

    def _end_trial(self) -> None:
        """Called by the same."""
        self._batcher.swap_trial(None)
        self.metrics.trial(0)

    def _serve_encoder(self, encoder: Encoder) -> None:
        """Called by the thread of the encoder's follower."""
        self._batcher.swap_encoder(encoder)
        self.metrics.encoder_swapped(encoder.version)
        self._say_ready()

    def _say_ready(self) -> None:
        if not self._batcher.ready:
            return
        asyncio.run_coroutine_threadsafe(self._set_health(health_pb2.HealthCheckResponse.SERVING), self._loop)

    async def _set_health(self, status: "health_pb2.HealthCheckResponse.ServingStatus.ValueType") -> None:
        for name in _HEALTH_NAMES:
            await self._health.set(name, status)


def _options(max_message_bytes: int) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # Clients ask whether it still lives while they wait for an answer (``client.KEEPALIVE_MS``).
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        # With SO_REUSEPORT a second server would share the port in silence and get half of the frames.
        ("grpc.so_reuseport", 0),
    ]
