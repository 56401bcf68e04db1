"""What every request passes before any route sees it: whose page asks, how large it is, how often it comes.

A page of another site, open in the same browser, must not get through: Host must be a name of this server, and Origin,
where there is one, the same. A body is bounded as it arrives, whatever its header claims.
"""

import ipaddress
import json
import time
from collections import OrderedDict
from collections.abc import Collection
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 256 * 1024  # a label of a hundred keypoints in ten views is a tenth of that
TOO_LARGE = f"at most {MAX_BODY_BYTES} bytes are taken"
REQUESTS_A_S = 60.0  # of one address: a drag asks thirty times a second
BURST = 240.0  # a frame of twelve views and a strip of thumbnails, at once
REMEMBERED = 1000  # addresses
HEALTH = "/healthz"  # a probe asks an address, not a name; there is nothing to see
POLICY = "Content-Security-Policy"
SECURITY_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class Gate:
    """ASGI middleware; puts the headers on every answer, its own refusals among them.

    Args:
        app: what it guards.
        names: of this server as a browser may ask for it, lower case, without a port.
        any_address: let an IP address in the Host header pass. Nobody can bend one to point here, as they can a name.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str], any_address: bool = False) -> None:
        self._app = app
        self._names = frozenset(names)
        self._any_address = any_address
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, and when that was so

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there is no websocket here

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    if name != POLICY or name not in headers:  # a route may have a stricter one of its own
                        headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await _answer(send_guarded, *refused)
            return
        await self._app(scope, _bounded(receive), send_guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(_name(host)) and scope["path"] != HEALTH:
            return 421, f"this server is not {host!r}; {', '.join(sorted(self._names))} can be asked for"
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, f"a page of {origin!r} may not use this one"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return 413, TOO_LARGE
        has_body = length != "0" or "transfer-encoding" in headers
        if has_body and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return 415, "expected Content-Type: application/json"
        client = scope.get("client")
        if not self._may_ask("unknown" if client is None else client[0]):
            return 429, "too many requests came from your address; wait a moment"
        return None

    def _is_own(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address

    def _may_ask(self, address: str) -> bool:
        now = time.monotonic()
        left, at = self._left.pop(address, (BURST, now))
        left = min(BURST, left + (now - at) * REQUESTS_A_S)
        self._left[address] = (max(0.0, left - 1), now)
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return left >= 1


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LARGE)  # passed on as it is by who reads the body
        return message

    return bounded


def _name(host: str) -> str:
    """Of a Host header, without the port and the brackets of an IPv6 address."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


async def _answer(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
