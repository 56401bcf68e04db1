"""Serves the pages: on this machine alone, or beyond it with tokens, and with TLS or behind a proxy that has it."""

import getpass
import ipaddress
import re
import secrets
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from deploy.web.access import Access
from deploy.web.app import create_app
from deploy.web.label.predictions import Predictions
from deploy.web.label.project import LabelProject
from deploy.web.run_pages import RunPages
from s3k_dist.access.audit import AuditLog
from s3k_dist.access.credentials import Credentials
from s3k_dist.access.https import server_context
from s3k_dist.access.reach import is_local
from s3k_dist.access.tokens import Role, Tokens
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import AccessError, ConfigError, ServiceError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
KEEP_ALIVE_S, STOP_S = 15, 3
MAX_CONNECTIONS = 128


@dataclass(frozen=True)
class WebSettings:
    """Where and for whom the pages are.

    Attributes:
        root: a data set, or the folder of a run.
        address: ``HOST:PORT``; port 0 takes a free one.
        tokens: file of tokens; None makes one token for whoever started it, on this machine alone.
        credentials: folder of a certificate that browsers know this server by (`s3k certs issue`); None for no TLS.
        proxy: address of a proxy whose account of the client and of TLS is believed; None for none.
        names: by which browsers ask for this server, beside its own.
        audit: file of the audit log, which takes refusals.
        run: the run whose pages are shown; None where ``root`` is a data set.
    """

    root: Path
    address: str
    tokens: Path | None = None
    credentials: Path | None = None
    proxy: str | None = None
    names: tuple[str, ...] = ()
    audit: Path = Path("audit.jsonl")
    run: RunPages | None = None


def serve_web(settings: WebSettings) -> int:
    """Serve until a signal comes.

    Raises:
        ConfigError: the address is none, or is beyond this machine without tokens or without TLS.
        StorageError: there is no data set.
        AccessError: the tokens cannot be read.
        ServiceError: the address is in use, or not this machine's.
    """
    host, port = parse_address(settings.address)
    local = is_local(settings.address)
    refuse_open(settings, local=local)
    project = LabelProject(DatasetFolder(settings.root), Predictions(settings.root / "models"))
    if settings.tokens is None:
        secret = secrets.token_urlsafe(24)
        tokens, query = Tokens.of_one(secret, user_name(), Role.OPERATOR), f"?token={secret}"
    else:
        tokens, query = Tokens.load(settings.tokens), ""
    tls = None if settings.credentials is None else tls_of(settings.credentials)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    secure = settings.credentials is not None or settings.proxy is not None
    access = Access(tokens, cookie=f"s3k_{port}", secure=secure, audit=AuditLog(settings.audit))
    names = _names(host, settings.names, local=local)
    app = create_app(project, access, names=names, any_address=not local, run=settings.run)
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        # By default uvicorn believes whoever asks from this machine.
        proxy_headers=settings.proxy is not None,
        forwarded_allow_ips=settings.proxy or "",
        ssl_context_factory=tls,
    )
    shown = socket.gethostname() if _is_everywhere(host) else f"[{host}]" if ":" in host else host
    scheme = "https" if settings.credentials is not None else "http"
    doing = "labelling" if settings.run is None else "showing"
    print(f"{doing} {settings.root}: {scheme}://{shown}:{port}/{query}", flush=True)  # noqa: T201
    try:
        uvicorn.Server(config).run([listening])
    finally:
        project.close()
    return 0


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, with an IPv6 host in brackets.

    Raises:
        ConfigError: it is none.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"--address is {text!r}, expected HOST:PORT such as 127.0.0.1:8470")
    return host, int(port)


def refuse_open(settings: WebSettings, *, local: bool) -> None:
    """Raise ConfigError for pages that others could reach, or overhear, without having been let in."""
    if local:
        return
    if settings.tokens is None:
        raise ConfigError(
            f"{settings.address} is beyond this machine: name the tokens of those who may come in with --tokens FILE "
            "(`s3k tokens add` makes one), or serve at 127.0.0.1"
        )
    if settings.credentials is None and settings.proxy is None:
        raise ConfigError(
            f"{settings.address} is beyond this machine, and tokens would go over the wire in clear text: name "
            "a folder with --credentials (`s3k certs issue`), or with --behind-proxy the address of a proxy with TLS"
        )


def user_name() -> str:
    """Who started it, as a token's holder is named."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = ""
    return re.sub("[^a-z0-9._-]", "-", name.lower()).lstrip("._-")[:64] or "user"


def _names(host: str, given: tuple[str, ...], *, local: bool) -> set[str]:
    own = LOOPBACK_NAMES if local else (socket.gethostname(), socket.getfqdn(), host)
    return {name.lower() for name in (*own, *given) if name}


def tls_of(folder: Path) -> Callable[[object, object], ssl.SSLContext]:
    """A context, as uvicorn asks for it, that takes up renewed files with the next connection.

    Raises:
        AccessError: the credentials cannot be used.
    """
    credentials = Credentials(folder)
    used = [(credentials.current(), server_context(credentials, asks=False))]

    def renew(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        material = credentials.current()
        if material is not used[0][0]:
            with suppress(AccessError):  # in the middle of a copy the old files do
                used[0] = material, server_context(credentials, asks=False)
        connection.context = used[0][1]

    used[0][1].sni_callback = renew
    first = used[0][1]
    return lambda config, default: first


def _is_everywhere(host: str) -> bool:
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(MAX_CONNECTIONS)
    except OSError as error:
        raise ServiceError(
            f"cannot serve the pages at {host}:{port}: {error.strerror or error}; choose another port"
        ) from error
    return listening
