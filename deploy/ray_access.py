"""Who reaches Ray: on this machine's own cluster this machine alone, on any other those with its token.

Whoever reaches a Ray cluster without a token can run what they like on every node. The token does not encrypt: weights
and episodes want a network of their own, or Ray's TLS (docs/security.md).
"""

import os
import secrets
import sys
from collections.abc import MutableMapping
from pathlib import Path

from s3k_dist.access.reach import is_local
from s3k_dist.errors import AccessError

MODE, TOKEN, TOKEN_PATH, ADDRESS = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"
# Read when ray is imported. Its one meaning is that a node calls itself 127.0.0.1, and then it listens there alone; by
# default Ray's processes listen on every address, also for a cluster of one machine.
ANY_ADDRESS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
DEFAULT_PATH = Path("~/.ray/auth_token")  # where Ray looks, and keeps the one that it makes: readable by anybody
FOR_OTHERS, FOR_GROUP = 0o077, 0o040


def secure_ray(environment: MutableMapping[str, str] | None = None) -> None:
    """Before ``ray.init``: a cluster of this machine is reached from it alone, and none elsewhere without a token.

    Raises:
        AccessError: the cluster is beyond this machine and token authentication is off, or there is no token; or others
            may read the token.
    """
    environment = os.environ if environment is None else environment
    address = environment.get(ADDRESS, "")
    if address in ("", "local"):
        _on_loopback(environment)  # and Ray itself asks for a token, unless somebody has switched that off
        return
    if is_local(address.removeprefix("ray://")):
        return
    environment.pop(ANY_ADDRESS, None)
    if environment.get(MODE) != "token":
        raise AccessError(
            f"the Ray cluster at {address} is beyond this machine, and whoever reaches one without token "
            f"authentication can run anything on it: set {MODE}=token on every node and here (docs/security.md)"
        )
    path = _token_path(environment)
    if not environment.get(TOKEN) and not path.is_file():
        raise AccessError(f"expected the token of the Ray cluster at {address} in {TOKEN} or the file {path}")
    if not environment.get(TOKEN) and path.stat().st_mode & FOR_OTHERS & ~FOR_GROUP:
        raise AccessError(f"others may read the token of the Ray cluster: run chmod 600 {path}")


def local_ray() -> None:
    """Before a cluster of several nodes is begun on this machine: it listens on loopback, and asks for a token."""
    os.environ.setdefault(MODE, "token")
    _on_loopback(os.environ)
    if "ray" in sys.modules:
        from ray._raylet import Config  # type: ignore[attr-defined]  # of its C part

        Config.initialize("")  # it has read the mode when it was imported


def _on_loopback(environment: MutableMapping[str, str]) -> None:
    environment.setdefault(ANY_ADDRESS, "0")
    if "ray" in sys.modules and environment[ANY_ADDRESS] == "0":
        from ray._private import ray_constants

        ray_constants.ENABLE_RAY_CLUSTER = False
    path = _token_path(environment)
    if environment.get(MODE, "token") != "token" or TOKEN in environment:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if path.stat().st_mode & FOR_OTHERS:
            path.chmod(0o600)
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))


def _token_path(environment: MutableMapping[str, str]) -> Path:
    return Path(environment.get(TOKEN_PATH) or DEFAULT_PATH).expanduser()
