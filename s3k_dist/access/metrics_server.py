"""Prometheus' way in: metrics over HTTP on this machine, over HTTPS with certificates on both sides beyond it."""

from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from s3k_dist.access.https import serve_https
from s3k_dist.access.reach import require_credentials
from s3k_dist.errors import ServiceError

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

STOP_S = 5.0
SCRAPE_S = 10.0  # for a request to arrive


class MetricsServer:
    """Serves a registry at any path, from the start on.

    Args:
        registry: of the metrics.
        host: to listen at.
        port: 0 takes a free one.
        credentials: who scrapes then has to show a certificate of the same authority.

    Attributes:
        port: where it listens.

    Raises:
        ServiceError: the port is taken, or the address is none of this machine.
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self, registry: CollectorRegistry, host: str, port: int, credentials: "Credentials | None" = None
    ) -> None:
        require_credentials("the metrics", f"{host}:{port}", credentials)
        try:
            self._server = make_server(host, port, make_wsgi_app(registry), _Server, handler_class=_QuietHandler)
        except OSError as error:
            raise ServiceError(
                f"cannot serve metrics on {host}:{port}: {error.strerror or error}; choose another port"
            ) from error
        if credentials is not None:
            serve_https(self._server, credentials, asks=True)
        self.port = int(self._server.server_port)
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(STOP_S)


class _Server(ThreadingWSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who does not speak TLS here, or hangs up, is no news."""


class _QuietHandler(WSGIRequestHandler):
    timeout = SCRAPE_S

    def log_message(self, *arguments: Any) -> None:
        """A line for each scrape would say nothing."""
