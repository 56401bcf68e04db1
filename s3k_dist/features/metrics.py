"""What the feature service tells Prometheus.

| name | unit | what it says |
|---|---|---|
| s3k_features_requests_total | frames | by `outcome`: answered, refused (a frame that cannot be used), no_model, overloaded (queue full), expired (deadline passed or caller gone), failed (the detector) |
| s3k_features_latency_seconds | seconds | histogram, arrival to answer, of answered frames |
| s3k_features_batch_frames | frames | histogram of frames in each call of the detector; always 1 under load means batching does not work |
| s3k_features_queue_frames | frames | waiting now; near the limit means requests are about to be turned away |
| s3k_features_model_version | version | what serves now; 0 before a first model |
| s3k_features_canary_version | version | on trial, answers a share of the frames; 0 for none |
| s3k_features_encoder_version | version | what makes the embeddings; 0 where no encoder serves |
| s3k_features_swaps_total | swaps | models and encoders taken into service, the first included |
| s3k_features_failed_swaps_total | attempts | versions that could not be loaded; the one before goes on serving |
"""  # noqa: E501

from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from s3k_dist.access.https import serve_https
from s3k_dist.access.reach import require_credentials
from s3k_dist.errors import ServiceError
from s3k_dist.features.latency import LatencySummary, LatencyWindow

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

OUTCOMES = ("answered", "refused", "no_model", "overloaded", "expired", "failed")
# A 4 Hz cell has 250 ms in all; 4 views take 3-25 ms on two cores and about 1 ms on a GPU.
LATENCY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
STOP_S = 5.0
SCRAPE_S = 10.0  # for a request to arrive


class _QuietHandler(WSGIRequestHandler):
    timeout = SCRAPE_S

    def log_message(self, *arguments: Any) -> None:
        """A line for each scrape would say nothing."""


class FeatureMetrics:
    """The metrics of one server, in a collector registry of its own, so that one process may run several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "s3k_features_requests", "Frames by outcome", ["outcome"], registry=self.registry
        )  # prometheus_client adds _total
        for outcome in OUTCOMES:
            self._requests.labels(outcome)  # so that a rate over an outcome that never came is 0, not absent
        self._latency = Histogram(
            "s3k_features_latency_seconds", "Arrival to answer", buckets=LATENCY_BUCKETS_S, registry=self.registry
        )
        self._batch = Histogram(
            "s3k_features_batch_frames", "Frames in a detector call", buckets=BATCH_BUCKETS, registry=self.registry
        )
        self._queue = Gauge("s3k_features_queue_frames", "Frames waiting", registry=self.registry)
        self._version = Gauge("s3k_features_model_version", "Version that serves", registry=self.registry)
        self._canary = Gauge("s3k_features_canary_version", "Version on trial", registry=self.registry)
        self._encoder_version = Gauge(
            "s3k_features_encoder_version", "Version of the encoder that serves", registry=self.registry
        )
        self._swaps = Counter("s3k_features_swaps", "Models taken into service", registry=self.registry)
        self._failed_swaps = Counter("s3k_features_failed_swaps", "Versions not loaded", registry=self.registry)
        self._window = LatencyWindow()
        self._http: tuple[WSGIServer, Thread] | None = None

    def answered(self, latency_s: float) -> None:
        """A frame was answered ``latency_s`` seconds after it arrived."""
        self._requests.labels("answered").inc()
        self._latency.observe(latency_s)
        self._window.add(latency_s)

    def turned_away(self, outcome: str) -> None:
        """A frame was not answered; ``outcome`` is one of OUTCOMES."""
        self._requests.labels(outcome).inc()

    def batch(self, frames: int) -> None:
        """The detector was called with this many frames."""
        self._batch.observe(frames)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Read the queue's length from ``length`` at each scrape."""
        self._queue.set_function(length)

    def swapped(self, version: int) -> None:
        """A keypoint model was taken into service."""
        self._swaps.inc()
        self._version.set(version)

    def trial(self, version: int) -> None:
        """A keypoint model went on trial; 0 for the end of one."""
        self._canary.set(version)

    def encoder_swapped(self, version: int) -> None:
        """An encoder was taken into service."""
        self._swaps.inc()
        self._encoder_version.set(version)

    def swap_failed(self) -> None:
        """A version could not be loaded."""
        self._failed_swaps.inc()

    def value(self, name: str, **labels: str) -> float:
        """The present value of a sample, such as ``s3k_features_swaps_total``; 0 if there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def latency_summary(self) -> LatencySummary:
        """Recent latency from arrival to answer, and throughput."""
        return self._window.summary()

    def start_http(self, host: str, port: int, credentials: "Credentials | None" = None) -> int:
        """Serve the metrics over HTTP, at any path; port 0 takes a free one.

        With credentials it is HTTPS, and who scrapes has to show a certificate of the same authority.

        Returns:
            The port.

        Raises:
            ServiceError: the port is taken.
            AccessError: an address beyond this machine, and no credentials.
        """
        require_credentials("the metrics", f"{host}:{port}", credentials)
        try:
            server = make_server(
                host, port, make_wsgi_app(self.registry), ThreadingWSGIServer, handler_class=_QuietHandler
            )
        except OSError as error:
            raise ServiceError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error
        if credentials is not None:
            serve_https(server, credentials, asks=True)
        thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        self._http = server, thread
        return self._http[0].server_port

    def stop_http(self) -> None:
        """Stop serving over HTTP, if that was started."""
        if self._http is not None:
            server, thread = self._http
            server.shutdown()
            server.server_close()
            thread.join(STOP_S)
            self._http = None
