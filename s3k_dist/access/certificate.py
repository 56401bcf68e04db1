"""Whom a certificate is of, and whether it counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from s3k_dist.access.identity import SCHEME, Identity
from s3k_dist.errors import AccessError

KNOWN_PEERS = 256  # certificates that are not parsed again with each call


def identity_of(certificate: x509.Certificate) -> Identity:
    """What its one ``s3k://`` URI says.

    Raises:
        AccessError: it has none, or several.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith(SCHEME)]
    except (x509.ExtensionNotFound, ValueError):
        uris = []
    if len(uris) != 1:
        raise AccessError(f"expected a certificate with one {SCHEME} name, as `s3k certs issue` makes it, got {uris}")
    return Identity.of(uris[0].removeprefix(SCHEME))


@dataclass(frozen=True)
class Peer:
    """Of the certificate that somebody showed.

    Attributes:
        identity: who it is.
        serial: number of the certificate.
        until: when it expires.
    """

    identity: Identity
    serial: int
    until: datetime

    def require_valid(self, revoked: frozenset[int]) -> None:
        """Raises AccessError: it has expired since the connection was made, or was revoked."""
        if datetime.now(UTC) >= self.until:
            raise AccessError(f"the certificate of {self.identity} expired at {self.until:%Y-%m-%d %H:%M} UTC")
        if self.serial in revoked:
            raise AccessError(f"the certificate of {self.identity} is revoked")


@lru_cache(KNOWN_PEERS)
def peer_of(pem: bytes) -> Peer:
    """Of a certificate that TLS has accepted.

    Raises:
        AccessError: it says of no part whose it is.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise AccessError(f"a certificate that cannot be read: {error}") from error
    return Peer(identity_of(certificate), certificate.serial_number, certificate.not_valid_after_utc)
