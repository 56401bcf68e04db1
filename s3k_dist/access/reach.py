"""Who reaches an address: this machine alone, or others, who then have to show credentials."""

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from s3k_dist.errors import AccessError

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

HOW_TO = "name a folder of credentials (`s3k certs issue`; docs/security.md), or an address of this machine alone"


def is_local(address: str) -> bool:
    """Whether only this machine reaches ``HOST:PORT``; a name other than localhost may lead anywhere."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_credentials(what: str, address: str, credentials: object | None) -> None:
    """Raises AccessError: ``address`` is reached from, or is on, other machines, and there are no credentials."""
    if credentials is None and not is_local(address):
        raise AccessError(f"{what} at {address or 'every address'} is beyond this machine: {HOW_TO}")


def read_credentials(folder: Path | None) -> "Credentials | None":
    """Those of a folder, if one is named; raises as ``Credentials`` does."""
    if folder is None:
        return None
    from s3k_dist.access.credentials import Credentials

    return Credentials(folder)
