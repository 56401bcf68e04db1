"""Where a server listens and a client calls: within one machine freely, beyond it with credentials and no other way."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc

from s3k_dist.access.identity import Part
from s3k_dist.access.reach import require_credentials
from s3k_dist.errors import ServiceError

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials, Material

# A peer is known by its certificate from the handshake on: who was revoked since has to show it again.
GUARDED_OPTIONS = (
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.max_concurrent_streams", 16),
    ("grpc.server_handshake_timeout_ms", 10_000),  # who connects and says nothing is let go
)


def refused_handshake(details: str) -> str:
    """What to add to a message where a connection failed over certificates; empty where it did not."""
    marks = ("handshake", "ssl", "tls", "certificate", "peer name")
    if not any(mark in details.lower() for mark in marks):
        return ""
    return f"; it may want credentials, or other ones than these: {details[:300]}"


def add_port(server: Any, what: str, address: str, credentials: "Credentials | None") -> int:
    """Let a gRPC server listen; returns its port.

    Raises:
        AccessError: beyond this machine, and without credentials.
        ServiceError: the port is in use, or the address is none of this machine.
    """
    require_credentials(what, address, credentials)
    host, _, port = address.rpartition(":")
    try:
        if credentials is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials.server()))
    except RuntimeError as error:
        raise ServiceError(
            f"cannot listen on {address}: port {port} is in use, or {host!r} is no address of this machine"
        ) from error


def open_channel(
    address: str,
    server: Part,
    credentials: "Credentials | None",
    options: Sequence[tuple[str, Any]],
    target: str | None = None,
) -> grpc.Channel:
    """A channel to a part of the system.

    Args:
        address: as it was said: host and port; of several replicas with commas between them.
        server: what answers there; its certificate must say so.
        credentials: None within this machine.
        options: of gRPC.
        target: what gRPC connects to, where that is not the address.

    Raises:
        AccessError: an address beyond this machine, and no credentials.
    """
    if credentials is None:
        for each in address.split(","):
            require_credentials(f"a {server.value}", each, None)
        return grpc.insecure_channel(target or address, options=options)
    return RedialingChannel(target or address, server, credentials, options)


class RedialingChannel(grpc.Channel):
    """A channel that is made anew once the files of its credentials are; calls under way end as they were begun."""

    def __init__(
        self, target: str, server: Part, credentials: "Credentials", options: Sequence[tuple[str, Any]]
    ) -> None:
        self._target, self._server, self._credentials, self._options = target, server, credentials, tuple(options)
        self._lock = threading.Lock()
        self._closed = False
        self._material = credentials.current()
        self._channel = self._dialled(self._material)
        self._before: grpc.Channel | None = None

    def current(self) -> grpc.Channel:
        """The channel to call on now."""
        material = self._credentials.current()
        with self._lock:
            if material is not self._material and not self._closed:
                # Closing would end its calls: it lives until the next change.
                if self._before is not None:
                    self._before.close()
                self._before, self._channel, self._material = self._channel, self._dialled(material), material
            return self._channel

    def _dialled(self, material: "Material") -> grpc.Channel:
        from s3k_dist.access.credentials import channel_credentials, expected_server

        options = (*self._options, ("grpc.ssl_target_name_override", expected_server(material, self._server)))
        return grpc.secure_channel(self._target, channel_credentials(material), options=options)

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        """As gRPC has it."""
        return _Method(self, "unary_unary", arguments, named)

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        """As gRPC has it."""
        return _Method(self, "unary_stream", arguments, named)

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        """As gRPC has it."""
        return _Method(self, "stream_unary", arguments, named)

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        """As gRPC has it."""
        return _Method(self, "stream_stream", arguments, named)

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        """To the channel that there is now."""
        self.current().subscribe(callback, bool(try_to_connect))

    def unsubscribe(self, callback: Any) -> None:
        """From the channel that there is now."""
        self.current().unsubscribe(callback)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._closed = True
            for channel in (self._channel, self._before):
                if channel is not None:
                    channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Method:
    """One method of whichever channel there is."""

    def __init__(self, channel: RedialingChannel, kind: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._channel, self._kind, self._arguments, self._named = channel, kind, arguments, named
        self._made: tuple[grpc.Channel, Any] | None = None

    def _method(self) -> Any:
        channel = self._channel.current()
        made = self._made
        if made is None or made[0] is not channel:
            made = self._made = channel, getattr(channel, self._kind)(*self._arguments, **self._named)
        return made[1]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._method()(*arguments, **named)

    def with_call(self, *arguments: Any, **named: Any) -> Any:
        return self._method().with_call(*arguments, **named)

    def future(self, *arguments: Any, **named: Any) -> Any:
        return self._method().future(*arguments, **named)
