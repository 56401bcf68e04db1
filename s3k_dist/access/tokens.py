"""Tokens of people: a secret that a person keeps, and a file that knows its hash, its name and its role.

    tokens = Tokens.load(Path("tokens.json"))
    secret = tokens.add("anna", Role.LABELLER, days=90)  # shown once, kept by nobody
    tokens.holder(secret)                                # Holder("anna", Role.LABELLER)

A secret has 256 random bits. Nobody can try them all, so one SHA-256 is hash enough, where a password would need a
slow one.
"""

import enum
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from s3k_dist.atomic import OWNER_ONLY, write_atomic
from s3k_dist.errors import AccessError
from s3k_dist.file_lock import file_lock

PREFIX = "s3k_"  # so that a scanner for leaked secrets knows one
SECRET_BYTES = 32
LONGEST_SECRET = 256  # characters; more is not even hashed
LOCK_S = 5.0
DAY_S = 86_400.0
WRITABLE_BY_OTHERS = 0o022
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Role(enum.IntEnum):
    """What a person may do; each may all that the one before it may.

    A viewer looks. A labeller labels. An operator stops and starts cells, and promotes models.
    """

    VIEWER = 1
    LABELLER = 2
    OPERATOR = 3

    @classmethod
    def of(cls, text: str) -> Self:
        """The role of this name, in lower case.

        Raises:
            AccessError: there is none.
        """
        found = {role.name.lower(): role for role in cls}.get(text)
        if found is None:
            raise AccessError(f"no role {text!r}; there are {', '.join(role.name.lower() for role in cls)}")
        return found


@dataclass(frozen=True)
class Holder:
    """Who showed a token.

    Attributes:
        name: as in the audit log.
        role: what they may do.
    """

    name: str
    role: Role


@dataclass(frozen=True)
class Token:
    """What the file knows of one token.

    Attributes:
        name: of who holds it; one person may hold several, such as an old and a new one.
        role: lower case.
        sha256: of the secret, hexadecimal. Its first eight digits tell two tokens of one person apart.
        made_at_s: seconds since the Unix epoch.
        expires_at_s: the same; None means never.
    """

    name: str
    role: str
    sha256: str
    made_at_s: float
    expires_at_s: float | None = None

    def __post_init__(self) -> None:
        """Raises AccessError: one of them says nothing that could be true."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise AccessError(f"a name is lower-case letters, digits, '.', '_' and '-', at most 64, got {self.name!r}")
        Role.of(self.role)
        if not isinstance(self.sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise AccessError(f"the token of {self.name!r} has no SHA-256 of 64 hexadecimal digits")
        for value in (self.made_at_s, 0.0 if self.expires_at_s is None else self.expires_at_s):
            if not isinstance(value, int | float):
                raise AccessError(f"the token of {self.name!r} has the time {value!r}, expected seconds")

    @property
    def mark(self) -> str:
        """What tells it apart from others of the same name."""
        return self.sha256[:8]

    def expired(self, now_s: float) -> bool:
        """Whether it counts no more."""
        return self.expires_at_s is not None and now_s >= self.expires_at_s


class Tokens:
    """Who holds which token; safe to use from several threads.

    A file that changes is read anew with the next question: a token that was added, removed or has expired needs no
    restart. A file that is damaged or gone lets nobody in.

    Args:
        path: of the file; None holds ``tokens`` and can be changed by nobody.
        tokens: where there is no file.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self, path: Path | None, tokens: tuple[Token, ...] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._tokens = tokens
        self._clock = clock
        self._read: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path, clock: Callable[[], float] = time.time) -> Self:
        """The tokens of a file, which has to be there.

        Raises:
            AccessError: there is none, it is damaged, or others than its owner may write it.
        """
        tokens = cls(path, clock=clock)
        tokens.list()
        return tokens

    @classmethod
    def of_one(cls, secret: str, name: str, role: Role) -> Self:
        """One token that lives as long as the process: what an embedded page makes for whoever started it.

        Raises:
            AccessError: a secret of fewer than 16 characters.
        """
        if len(secret) < 16:
            raise AccessError(f"a secret has at least 16 characters, got {len(secret)}")
        return cls(None, (Token(name, role.name.lower(), _hash(secret), time.time()),))

    def holder(self, secret: str) -> Holder | None:
        """Who holds ``secret``; None if nobody does, or does no more.

        It takes as long whichever token is meant, and if none is.

        Raises:
            AccessError: the file is damaged or gone.
        """
        if len(secret) > LONGEST_SECRET:
            return None
        asked, now_s, found = _hash(secret), self._clock(), None
        for token in self.list():
            if hmac.compare_digest(token.sha256, asked) and not token.expired(now_s):
                found = token
        return None if found is None else Holder(found.name, Role.of(found.role))

    def list(self) -> tuple[Token, ...]:
        """All tokens, expired ones too.

        Raises:
            AccessError: the file is damaged or gone.
        """
        if self._path is None:
            return self._tokens
        with self._lock:
            try:
                status = self._path.stat()
                seen = status.st_mtime_ns, status.st_ino, status.st_size
                if seen != self._read:
                    if status.st_mode & WRITABLE_BY_OTHERS:
                        raise AccessError(f"others than its owner may write {self._path}: run chmod 600 {self._path}")
                    self._tokens, self._read = _parsed(self._path.read_bytes(), self._path), seen
            except OSError as error:
                raise AccessError(
                    f"cannot read the tokens {self._path}: {error.strerror}; `s3k tokens add` makes one"
                ) from error
            return self._tokens

    def add(self, name: str, role: Role, days: float | None = None) -> str:
        """A new token for ``name``; returns its secret, which is kept nowhere.

        Args:
            name: lower-case letters, digits, '.', '_' and '-'.
            role: what they may do.
            days: after which it expires; None means never.

        Raises:
            AccessError: the name is none, or the file cannot be used.
            StorageError: it cannot be written.
        """
        if days is not None and not days > 0:
            raise AccessError(f"a token lives for more than 0 days, got {days}")
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        now_s = self._clock()
        until_s = None if days is None else now_s + days * DAY_S
        token = Token(name, role.name.lower(), _hash(secret), now_s, until_s)
        self._change(lambda tokens: (*tokens, token))
        return secret

    def remove(self, name_or_mark: str) -> tuple[Token, ...]:
        """Take back all tokens of a name, or the one of a mark; returns them.

        Raises:
            AccessError: there is none.
            StorageError: the file cannot be written.
        """
        gone: list[Token] = []

        def without(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            gone.extend(token for token in tokens if name_or_mark in (token.name, token.mark))
            if not gone:
                known = ", ".join(sorted({token.name for token in tokens})) or "nobody"
                raise AccessError(f"no token of {name_or_mark!r} in {self._path}; there are tokens of {known}")
            return tuple(token for token in tokens if token not in gone)

        self._change(without)
        return tuple(gone)

    def _change(self, change: Callable[[tuple[Token, ...]], tuple[Token, ...]]) -> None:
        if self._path is None:
            raise AccessError("these tokens are of one process and cannot be changed")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Two who add at once must not lose one of the two.
        with file_lock(self._path.with_name(f".{self._path.name}.lock"), LOCK_S):
            tokens = change(self.list() if self._path.exists() else ())
            text = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=2)
            write_atomic(self._path, text.encode() + b"\n", OWNER_ONLY)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _parsed(data: bytes, path: Path) -> tuple[Token, ...]:
    try:
        rows: Any = json.loads(data)["tokens"]
        return tuple(Token(**row) for row in rows)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise AccessError(f"{path} is no file of tokens: {type(error).__name__} {error}") from error
