"""A private certificate authority in a folder: it issues, renews and revokes the certificates of one installation.

    authority/
      ca.pem, ca.key        whom everybody trusts, and the key that nobody but the administrator has
      crl.pem               what was revoked, signed
      issued/<serial>.pem   every certificate there ever was

    authority = Authority.make(Path("authority"))
    authority.issue(Identity.of("cell/bench3"), Path("bench3"), days=90)    # bench3/{ca,cert,key,crl}.pem

Keys are P-256, readable by their owner alone, and never written over: a renewed certificate is of the same key.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from s3k_dist.access.certificate import identity_of
from s3k_dist.access.credentials import CA_NAME, CERT_NAME, CRL_NAME, KEY_NAME
from s3k_dist.access.identity import Identity
from s3k_dist.atomic import OWNER_ONLY, write_atomic
from s3k_dist.errors import AccessError
from s3k_dist.file_lock import file_lock
from s3k_dist.folders import make_folder

CA_KEY_NAME, ISSUED = "ca.key", "issued"
CA_DAYS, DAYS = 3650, 90
LONGEST_DAYS = 825
SKEW = timedelta(minutes=5)  # clocks of a lab differ
LOCK_S = 10.0
_DIGEST = hashes.SHA256()


class Authority:
    """The authority of a folder that has one.

    Raises:
        AccessError: there is none, or its files are damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._certificate = x509.load_pem_x509_certificate((folder / CA_NAME).read_bytes())
            key = load_pem_private_key((folder / CA_KEY_NAME).read_bytes(), None)
        except OSError as error:
            raise AccessError(f"no authority in {folder}: {error.strerror}; `s3k certs init` makes one") from error
        except (ValueError, TypeError) as error:
            raise AccessError(f"the authority in {folder} is damaged: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._certificate.public_key():
            raise AccessError(f"the authority in {folder} is damaged: {CA_KEY_NAME} is not the key of {CA_NAME}")
        self._key = key

    @classmethod
    def make(cls, folder: Path, name: str = "s3k") -> Self:
        """A new one.

        Raises:
            AccessError: there is one already.
            StorageError: it cannot be written.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock(folder / ".lock", LOCK_S):
            if any((folder / taken).exists() for taken in (CA_NAME, CA_KEY_NAME)):
                raise AccessError(f"{folder} holds an authority already; nothing is written over")
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} authority")])
            certificate = (
                _begun(subject, key.public_key(), CA_DAYS)
                .issuer_name(subject)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(signs=True), critical=True)
                .sign(key, _DIGEST)
            )
            # The key first: a crash between the two leaves no authority that cannot sign.
            write_atomic(folder / CA_KEY_NAME, _key_pem(key), OWNER_ONLY)
            write_atomic(folder / CA_NAME, certificate.public_bytes(Encoding.PEM))
        made = cls(folder)
        made._write_crl({})
        return made

    def issue(self, identity: Identity, out: Path, days: float = DAYS, hosts: tuple[str, ...] = ()) -> None:
        """Make a key and a certificate, and put them with the authority's into ``out``.

        Args:
            identity: of the certificate.
            out: folder; it may hold no key yet.
            days: until it expires, at most LONGEST_DAYS.
            hosts: names and addresses, for browsers and others that know a server by where it is.

        Raises:
            AccessError: there is a key in ``out``, or another part's name differs in the size of letters alone.
            StorageError: it cannot be written.
        """
        with file_lock(self.folder / ".lock", LOCK_S):
            for issued in self.issued():
                held = identity_of(issued)
                # The names that TLS compares know no capitals.
                if held != identity and str(held).lower() == str(identity).lower():
                    raise AccessError(f"there is a certificate of {held}; {identity} would be taken for it")
            if (out / KEY_NAME).exists():
                raise AccessError(f"{out} holds a key already; name another folder, or renew the certificate")
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._signed(identity, key.public_key(), days, hosts)
            make_folder(out)
            write_atomic(out / KEY_NAME, _key_pem(key), OWNER_ONLY)
            self._hand_over(certificate, out)

    def renew(self, out: Path, days: float = DAYS) -> Identity:
        """Issue the certificate in ``out`` anew, of the same key, identity and hosts.

        Raises:
            AccessError: it is missing, of another authority, or revoked.
            StorageError: it cannot be written.
        """
        try:
            old = x509.load_pem_x509_certificate((out / CERT_NAME).read_bytes())
            old.verify_directly_issued_by(self._certificate)
            identity = identity_of(old)
        except OSError as error:
            raise AccessError(f"no certificate in {out}: {error.strerror}; `s3k certs issue` makes one") from error
        except (ValueError, TypeError, InvalidSignature, AccessError) as error:
            raise AccessError(f"the certificate in {out} is none of the authority in {self.folder}: {error}") from error
        with file_lock(self.folder / ".lock", LOCK_S):
            if old.serial_number in self.revoked():
                raise AccessError(f"the certificate in {out}, of {identity}, is revoked; issue one with a new key")
            public = old.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)
            names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            known = {*identity.server_names, *_LOCAL}
            hosts = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
            certificate = self._signed(identity, public, days, tuple(host for host in hosts if host not in known))
            self._hand_over(certificate, out)
        return identity

    def revoke(self, which: str) -> tuple[Identity, ...]:
        """Take back every certificate of ``cell/bench3``, or the one of a serial number in hexadecimal.

        Raises:
            AccessError: there is none.
            StorageError: it cannot be written.
        """
        with file_lock(self.folder / ".lock", LOCK_S):
            revoked = self.revoked()
            found = [
                issued for issued in self.issued() if which in (str(identity_of(issued)), f"{issued.serial_number:x}")
            ]
            if not found:
                known = ", ".join(sorted({str(identity_of(issued)) for issued in self.issued()})) or "none"
                raise AccessError(f"no certificate {which!r} was issued in {self.folder}; there are {known}")
            now = datetime.now(UTC)
            self._write_crl({**{issued.serial_number: now for issued in found}, **revoked})
            return tuple(dict.fromkeys(identity_of(issued) for issued in found))

    def issued(self) -> list[x509.Certificate]:
        """Every certificate, oldest first."""
        files = (self.folder / ISSUED).glob("*.pem")
        return sorted(
            (x509.load_pem_x509_certificate(file.read_bytes()) for file in files),
            key=lambda each: each.not_valid_before_utc,
        )

    def revoked(self) -> dict[int, datetime]:
        """When which serial number was revoked."""
        path = self.folder / CRL_NAME
        if not path.exists():
            return {}
        crl = x509.load_pem_x509_crl(path.read_bytes())
        return {entry.serial_number: entry.revocation_date_utc for entry in crl}

    def _signed(
        self, identity: Identity, public: ec.EllipticCurvePublicKey, days: float, hosts: tuple[str, ...]
    ) -> x509.Certificate:
        if not 0 < days <= LONGEST_DAYS:
            raise AccessError(f"a certificate lives for up to {LONGEST_DAYS} days, got {days:g}")
        serves = identity.part.serves or bool(hosts)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
        local = _LOCAL if serves else ()
        names += [_general(host) for host in dict.fromkeys((*identity.server_names, *local, *hosts))]
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if serves else [])]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(identity)[:64])])
        return (
            _begun(subject, public, days)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .sign(self._key, _DIGEST)
        )

    def _hand_over(self, certificate: x509.Certificate, out: Path) -> None:
        make_folder(self.folder / ISSUED)
        pem = certificate.public_bytes(Encoding.PEM)
        # Known here before anybody has it: what was issued can be revoked.
        write_atomic(self.folder / ISSUED / f"{certificate.serial_number:x}.pem", pem)
        write_atomic(out / CERT_NAME, pem)
        for name in (CA_NAME, CRL_NAME):
            write_atomic(out / name, (self.folder / name).read_bytes())

    def _write_crl(self, revoked: dict[int, datetime]) -> None:
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(self._certificate.subject, now, now + timedelta(days=CA_DAYS))
        for serial, at in revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(entry)
        write_atomic(self.folder / CRL_NAME, builder.sign(self._key, _DIGEST).public_bytes(Encoding.PEM))


_LOCAL = ("localhost", "127.0.0.1")


def _begun(subject: x509.Name, public: ec.EllipticCurvePublicKey, days: float) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
