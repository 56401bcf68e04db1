"""HTTPS for servers of the standard library, with certificates that may be renewed while they serve."""

import ssl
from contextlib import suppress
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from s3k_dist.errors import AccessError

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials


def server_context(credentials: "Credentials", *, asks: bool) -> ssl.SSLContext:
    """What a server shows, and whether it asks for a certificate of the same authority, not revoked.

    Raises:
        AccessError: the files cannot be used.
    """
    folder = credentials.folder
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(folder / "ca.pem")
            if (folder / "crl.pem").exists():
                context.load_verify_locations(folder / "crl.pem")
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as error:
        raise AccessError(f"the credentials in {folder} cannot be used: {error}") from error
    return context


def serve_https(server: TCPServer, credentials: "Credentials", *, asks: bool) -> None:
    """Let a server that does not serve yet speak TLS alone, and take up new files with the next connection.

    A client that connects and says nothing holds up no other: the handshake is the business of the request's thread.

    Raises:
        AccessError: the files cannot be used.
    """
    used = [(credentials.current(), server_context(credentials, asks=asks))]
    accept: Any = server.get_request

    def get_request() -> Any:
        material = credentials.current()
        if material is not used[0][0]:
            # While the files are being replaced the old ones do; the next connection looks again.
            with suppress(AccessError):
                used[0] = material, server_context(credentials, asks=asks)
        connection, address = accept()
        secured = used[0][1].wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        return secured, address

    server.get_request = get_request  # type: ignore[method-assign]
