"""A page for one machine by default, and for who knows the token alone: what every live page of this project needs.

A page of another origin, open in the same browser, must not get through: each request needs the token of the printed
address, a body must be JSON, and Host and Origin must be this server's own.
"""

import json
import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from s3k_dist.access.reach import require_credentials
from s3k_dist.errors import S3KError, ServiceError

LOOPBACK = ("127.0.0.1", "localhost")
EVERYWHERE = ("", "0.0.0.0")
MAX_BODY_BYTES = 2048
MAX_CONNECTIONS = 32
SOCKET_S = 5.0  # for a request to arrive, and for an idle connection to be closed
STOP_S = 2.0
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class MalformedError(S3KError):
    """A message to a page's server that says nothing it could act on."""


class PageServer:
    """Serves in threads, from ``start`` on.

    Args:
        name: of the page, for messages.
        handler: answers a request.
        given: attributes of the handler.
        address: to listen at.
        port: 0 takes a free one.
        token: who has it may look and act; a new one if None.
        credentials: folder of the certificate that the page is served with, over HTTPS; needed beyond this machine.

    Raises:
        ServiceError: the port is in use, or the address is not this machine's.
        AccessError: an address beyond this machine and no credentials, or such as cannot be used.
    """

    def __init__(
        self,
        name: str,
        handler: type["PageHandler"],
        given: dict[str, Any],
        address: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        credentials: Path | None = None,
    ) -> None:
        require_credentials(f"the {name} page", f"{address}:{port}", credentials)
        self.token = token or secrets.token_urlsafe(16)
        self._address = address
        self._scheme = "http" if credentials is None else "https"
        made = type("Handler", (handler,), {**given, "token": self.token, "address": address, "scheme": self._scheme})
        try:
            self._server = _Server((address, port), made)
        except OSError as error:
            raise ServiceError(
                f"cannot serve the {name} page at {address}:{port}: {error.strerror or error}; choose another port"
            ) from error
        if credentials is not None:
            from s3k_dist.access.credentials import Credentials
            from s3k_dist.access.https import serve_https

            try:
                # Browsers have no certificates of their own: who may look is what the token is for.
                serve_https(self._server, Credentials(credentials), asks=False)
            except S3KError:
                self._server.server_close()
                raise
        # Short, since stopping waits for it.
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name=f"{name}-page", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Of the page, with the token."""
        host = socket.gethostname() if self._address in EVERYWHERE else self._address
        return f"{self._scheme}://{host}:{self.port}/?token={self.token}"

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more; stopping twice does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(STOP_S)
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class PageHandler(BaseHTTPRequestHandler):
    """Answers those who may ask; a page's own handler says what."""

    token: str
    address: str
    scheme = "http"
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_S

    def log_message(self, *arguments: Any) -> None:
        """Ten lines a second would say nothing."""

    def admitted(self) -> dict[str, str] | None:
        """The query, if this request may come in; else it is answered already."""
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        # A server at the loopback address is asked by that name; any other is a name somebody has bent to point here.
        if self.address in LOOPBACK and host.rpartition(":")[0] not in LOOPBACK:
            self.refuse(403, f"this page is not at {host!r}")
        elif origin is not None and origin != f"{self.scheme}://{host}":
            self.refuse(403, f"a page of {origin!r} may not use this one")
        elif not secrets.compare_digest(query.get("token", "").encode(), self.token.encode()):
            self.refuse(403, "the token is missing or wrong: open the address as it was printed")
        else:
            return query
        return None

    def body(self) -> bytes:
        """Raises MalformedError: it is not JSON by its own account, of unknown length, or too long."""
        if self.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise MalformedError("expected Content-Type: application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            raise MalformedError("expected a body with a Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise MalformedError(f"the body has {length} bytes, at most {MAX_BODY_BYTES} are taken")
        return self.rfile.read(int(length))

    def refuse(self, status: int, reason: str) -> None:
        """Answer with an error."""
        self.close_connection = True  # a body that was not read would be taken for the next request
        self.answer_json(status, {"error": reason})

    def answer_json(self, status: int, value: dict[str, Any]) -> None:
        """Answer with plain JSON values."""
        self.answer(status, json.dumps(value).encode(), "application/json")

    def answer(self, status: int, content: bytes, kind: str) -> None:
        """Answer with content of a media type."""
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


def page_of(name: str) -> str:
    """A page: its template with the style sheet and the script of that name in it; it asks for nothing else."""
    templates = resources.files("deploy") / "templates"
    text = (templates / f"{name}.html").read_text()
    for part in (f"{name}.css", f"{name}.js"):
        text = text.replace(f"/* {part} */", (templates / part).read_text())
    return text


class _Server(ThreadingHTTPServer):
    """A bounded number of connections, none of which keeps a process alive."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(*arguments)

    def server_bind(self) -> None:
        """Without asking a name server who this is, which HTTPServer does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in the middle is no news."""
