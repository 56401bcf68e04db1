"""The credentials of one part, in a folder: ca.pem, cert.pem, key.pem, and crl.pem where something was revoked.

    credentials = Credentials(Path("/etc/s3k/credentials"))
    credentials.identity                                     # cell/bench3

The files may be replaced at any time: the next connection uses the new ones. As long as they do not fit together, such
as in the middle of a copy, the old ones are used.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from s3k_dist.access.certificate import identity_of
from s3k_dist.access.identity import Identity, Part
from s3k_dist.errors import AccessError

logger = logging.getLogger(__name__)

CA_NAME, CERT_NAME, KEY_NAME, CRL_NAME = "ca.pem", "cert.pem", "key.pem", "crl.pem"
SOON = timedelta(days=14)
FOR_OTHERS = 0o007  # a group may read: that is how Kubernetes hands over a secret
Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Material:
    """What the files hold.

    Attributes:
        ca: certificates of those who are trusted, PEM.
        certificate: one's own, PEM.
        key: of it, PEM.
        identity: of the certificate.
        until: when it expires.
        revoked: serial numbers that count no more.
    """

    ca: bytes
    certificate: bytes
    key: bytes
    identity: Identity
    until: datetime
    revoked: frozenset[int]


class Credentials:
    """Of one folder; safe to use from several threads.

    Args:
        folder: that holds them.

    Attributes:
        folder: the same.

    Raises:
        AccessError: a file is missing or damaged, others may read the key, or the files do not fit together.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._material = _read(folder)
        if datetime.now(UTC) >= self._material.until:
            raise AccessError(
                f"the certificate in {folder}, of {self.identity}, expired at {self._material.until:%Y-%m-%d %H:%M} "
                "UTC; `s3k certs renew` makes a new one"
            )

        if datetime.now(UTC) + SOON >= self._material.until:
            logger.warning(
                "the certificate in %s, of %s, expires at %s UTC: renew it",
                *(folder, self.identity, f"{self._material.until:%Y-%m-%d %H:%M}"),
            )

    @property
    def identity(self) -> Identity:
        """Whose they are."""
        return self.current().identity

    def current(self) -> Material:
        """As the files are now, if they fit together, and as they were if not."""
        stamp = self._look()
        with self._lock:
            if stamp == self._stamp:
                return self._material
            self._stamp = stamp
            try:
                self._material = _read(self.folder)
            except AccessError as error:
                logger.warning("the credentials stay as they were: %s", error)
            return self._material

    def server(self) -> grpc.ServerCredentials:
        """For a server that asks who calls, and takes up new files with the next connection."""
        given = [self.current()]

        def newer() -> grpc.ServerCertificateConfiguration | None:
            material = self.current()
            if material is given[0]:
                return None
            given[0] = material
            return _configuration(material)

        # "None: as before" is gRPC's own contract; its stubs do not know it.
        return grpc.dynamic_ssl_server_credentials(
            _configuration(given[0]),
            newer,  # type: ignore[arg-type]
            require_client_authentication=True,
        )

    def _look(self) -> Stamp:
        return tuple(_stamp(self.folder / name) for name in (CA_NAME, CERT_NAME, KEY_NAME, CRL_NAME))


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """Of a client."""
    return grpc.ssl_channel_credentials(material.ca, material.key, material.certificate)


def expected_server(material: Material, server: Part) -> str:
    """The name that a server's certificate must hold."""
    return material.identity.expects(server)


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.ca)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _read(folder: Path) -> Material:
    def content(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise AccessError(
                f"expected {CA_NAME}, {CERT_NAME} and {KEY_NAME} in {folder}, cannot read {name}: {error.strerror}; "
                "`s3k certs issue` makes them"
            ) from error

    ca_pem, certificate_pem, key_pem = content(CA_NAME), content(CERT_NAME), content(KEY_NAME)
    if (folder / KEY_NAME).stat().st_mode & FOR_OTHERS:
        raise AccessError(f"others may read the key {folder / KEY_NAME}: run chmod 600 {folder / KEY_NAME}")
    try:
        trusted = x509.load_pem_x509_certificates(ca_pem)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, None)
        crl = x509.load_pem_x509_crl(content(CRL_NAME)) if (folder / CRL_NAME).exists() else None
    except (ValueError, TypeError) as error:
        raise AccessError(f"the credentials in {folder} are damaged: {' '.join(str(error).split())}") from error
    if key.public_key() != certificate.public_key():
        raise AccessError(f"{KEY_NAME} in {folder} is not the key of {CERT_NAME}")
    if not any(_issued(certificate, by) for by in trusted):
        raise AccessError(f"{CERT_NAME} in {folder} is not of the authority in {CA_NAME}")
    revoked: frozenset[int] = frozenset()
    if crl is not None:
        if not any(crl.is_signature_valid(by.public_key()) for by in trusted):  # type: ignore[arg-type]
            raise AccessError(f"{CRL_NAME} in {folder} is not of the authority in {CA_NAME}")
        revoked = frozenset(entry.serial_number for entry in crl)
    identity = identity_of(certificate)
    return Material(ca_pem, certificate_pem, key_pem, identity, certificate.not_valid_after_utc, revoked)


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
