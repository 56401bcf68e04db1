"""Asks of every call who makes it, whether they may, and whether they do so too often; before the message is read."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from s3k_dist.access.certificate import Peer, peer_of
from s3k_dist.access.identity import Identity, Part
from s3k_dist.access.rules import RULES
from s3k_dist.errors import AccessError, S3KError, StorageError

if TYPE_CHECKING:
    from s3k_dist.access.audit import AuditLog
    from s3k_dist.access.credentials import Credentials

logger = logging.getLogger(__name__)

LONGEST_NAME = 64  # of a name that is repeated to whoever sent it
SAID_AGAIN_S = 10.0  # a flood of refused calls must not become a flood of lines


@dataclass(frozen=True)
class RateLimit:
    """How often a peer may call.

    Attributes:
        per_s: in the long run.
        burst: at once.
    """

    per_s: float
    burst: float


# A cell asks at 4 to 30 Hz; a robot is commanded at up to 40. A machine of the cluster runs several simulated cells.
LIMITS = {
    Part.CELL: RateLimit(100.0, 100.0),
    Part.SERVICE: RateLimit(2000.0, 2000.0),
    Part.OPERATOR: RateLimit(200.0, 200.0),
    Part.ROBOT: RateLimit(10.0, 20.0),
    Part.MONITOR: RateLimit(10.0, 20.0),
}


class TooOftenError(AccessError):
    """A peer has called more often than it may."""


class Guard:
    """Of one server.

    Args:
        credentials: the server's own; a cell's robot is the one of its name.
        limits: how often whom may call.
        audit: where refused calls are noted, too; None: in the process's log alone.
        clock: seconds, of no particular beginning.
    """

    def __init__(
        self,
        credentials: "Credentials",
        limits: Mapping[Part, RateLimit] | None = None,
        audit: "AuditLog | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._limits = LIMITS if limits is None else limits
        self._audit = audit
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[Identity, tuple[float, float]] = {}
        self._said: dict[tuple[str, str, str], tuple[float, int]] = {}

    def admit(self, method: str, context: Any) -> Identity:
        """Who calls.

        Raises:
            AccessError: they may not; says who may.
            TooOftenError: they do so too often.
        """
        who = "nobody"
        try:
            identity = self._peer(context).identity
            who = str(identity)
            self._require_role(method, identity)
            self.spend(identity, method)
        except AccessError as error:
            self._note(who, method, context, error)
            raise
        return identity

    def require_claim(self, context: Any, cell_id: str) -> None:
        """Raises AccessError: a cell speaks for another one than itself."""
        identity = self._peer(context).identity
        if identity.part is Part.CELL and cell_id != identity.name:
            named = cell_id[:LONGEST_NAME]
            error = AccessError(f"expected frames of cell {identity.name!r} from {identity}, got one of {named!r}")
            self._note(str(identity), "claim", context, error)
            raise error

    def who(self, context: Any) -> str:
        """Who calls, for the audit log."""
        return str(self._peer(context).identity)

    def spend(self, identity: Identity, method: str) -> None:
        """Count a message; raises TooOftenError."""
        rule = RULES.get(method)
        if rule is not None and rule.always:
            return
        limit, now = self._limits[identity.part], self._clock()
        with self._lock:
            left, at = self._left.get(identity, (limit.burst, now))
            left = min(limit.burst, left + (now - at) * limit.per_s)
            self._left[identity] = max(0.0, left - 1.0), now
        if left < 1.0:
            raise TooOftenError(f"{identity} calls more than {limit.per_s:g} times a second")

    def _peer(self, context: Any) -> Peer:
        shown = context.auth_context().get("x509_pem_cert")
        if not shown:
            raise AccessError("expected a certificate of `s3k certs`, got none")
        peer = peer_of(next(iter(shown)))
        peer.require_valid(self._credentials.current().revoked)
        return peer

    def _require_role(self, method: str, identity: Identity) -> None:
        rule, own = RULES.get(method), self._credentials.identity
        if rule is None:
            raise AccessError(f"nobody may call {method}")
        if identity.part not in rule.parts:
            may = ", ".join(sorted(part.value for part in rule.parts))
            raise AccessError(f"{identity} may not call {method}; expected a certificate of: {may}")
        if rule.own and identity.part is Part.CELL and identity.name != own.name:
            raise AccessError(f"{identity} may not call {method} of {own}: a cell has the robot of its own name")

    def _note(self, who: str, method: str, context: Any, error: S3KError) -> None:
        key, now = (who, method, type(error).__name__), self._clock()
        with self._lock:
            last, before = self._said.get(key, (-SAID_AGAIN_S, 0))
            if now - last < SAID_AGAIN_S:
                self._said[key] = last, before + 1
                return
            self._said[key] = now, 0
        logger.warning("refused %s from %s: %s", method, context.peer(), error)
        if self._audit is not None:
            try:
                self._audit.write(
                    who, "call.refused", method=method, reason=str(error), peer=context.peer(), alike_before=before
                )
            except StorageError as full:
                logger.warning("%s", full)  # it is refused all the same


def status_of(error: S3KError) -> grpc.StatusCode:
    """What a refused caller is told."""
    if isinstance(error, TooOftenError):
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return grpc.StatusCode.PERMISSION_DENIED if isinstance(error, AccessError) else grpc.StatusCode.INVALID_ARGUMENT
