"""Who asks: a token in a cookie or in a header, turned into a holder with a role.

The token is in the address once; `enter` moves it into a cookie that no script and no other site can use.
"""

import threading
import time
from collections import OrderedDict

from fastapi import HTTPException, Request, Response

from s3k_dist.access.audit import AuditLog
from s3k_dist.access.tokens import Holder, Role, Tokens
from s3k_dist.errors import AccessError

COOKIE_S = 30 * 86_400
WRONG_TOKENS = 10  # from one address, within a minute; 256 bits cannot be guessed, a log can be flooded
FORGET_S = 60.0
REMEMBERED = 1000  # addresses


class Access:
    """Tells holders apart, and slows down who guesses.

    Args:
        tokens: who holds which.
        cookie: its name; the port is in it, since a browser keeps cookies of all ports of a machine together.
        secure: send the cookie over TLS alone.
        audit: takes refusals.
    """

    def __init__(self, tokens: Tokens, *, cookie: str, secure: bool = False, audit: AuditLog | None = None) -> None:
        self._tokens = tokens
        self._cookie = cookie
        self._secure = secure
        self._audit = audit
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def holder(self, request: Request) -> Holder | None:
        """Who asks; None if nobody who is known.

        Raises:
            HTTPException: 429, too many wrong tokens came from this address; 503, the tokens cannot be read.
        """
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        secret = bearer.strip() if scheme.lower() == "bearer" else request.cookies.get(self._cookie, "")
        return self.holder_of(secret, _address(request)) if secret else None

    def holder_of(self, secret: str, address: str) -> Holder | None:
        """Who holds a token that came from ``address``; raises as `holder`."""
        try:
            holder = self._tokens.holder(secret)
        except AccessError as error:
            raise HTTPException(503, f"nobody can be let in: {error}") from error
        if holder is None:
            # Who has a right one comes in all the same: a neighbour who guesses must not lock anybody out.
            if len(self._wrong_of(address)) >= WRONG_TOKENS:
                raise HTTPException(429, "too many wrong tokens came from your address; wait a minute")
            with self._lock:
                self._wrong.setdefault(address, []).append(time.monotonic())
                while len(self._wrong) > REMEMBERED:
                    self._wrong.popitem(last=False)
            self._note("nobody", "call.refused", address=address, reason="wrong token")
        return holder

    def admit(self, request: Request, role: Role) -> Holder:
        """Who asks, if they may.

        Raises:
            HTTPException: 401, nobody who is known; 403, a role that is too low; or as `holder`.
        """
        holder = self.holder(request)
        if holder is None:
            raise HTTPException(401, "open the address as it was printed, or enter your token")
        if holder.role < role:
            said = f"this needs the role {role.name.lower()}; {holder.name} is {holder.role.name.lower()}"
            self._note(holder.name, "call.refused", path=request.url.path, reason=said)
            raise HTTPException(403, said)
        return holder

    def remember(self, response: Response, secret: str) -> None:
        """Let the browser show ``secret`` from now on."""
        response.set_cookie(
            self._cookie, secret, max_age=COOKIE_S, httponly=True, samesite="strict", secure=self._secure
        )

    def forget(self, response: Response) -> None:
        """Let the browser show nothing any more."""
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=self._secure)

    def _wrong_of(self, address: str) -> list[float]:
        with self._lock:
            recent = [at for at in self._wrong.get(address, []) if time.monotonic() - at < FORGET_S]
            if recent:
                self._wrong[address] = recent
            else:
                self._wrong.pop(address, None)
            return recent

    def _note(self, who: str, action: str, **facts: object) -> None:
        if self._audit is not None:
            self._audit.write(who, action, **facts)


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"
