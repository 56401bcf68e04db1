"""Archives that are small on disk and huge in memory are told before anything of them is read."""

import zipfile
from typing import BinaryIO

from s3k_dist.errors import StorageError

MOST_BYTES = 2 * 1024**3
MOST_MEMBERS = 10_000


def require_modest(file: BinaryIO, most_bytes: int = MOST_BYTES) -> None:
    """Look at what a zip archive, such as an ``.npz``, says of its members; reading one gives no more than it says.

    Args:
        file: open at its beginning.
        most_bytes: that all members may take together, once they are decompressed.

    Raises:
        StorageError: they claim more, or there are more than MOST_MEMBERS.
        BadZipFile: it is no zip archive.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    claimed = sum(member.file_size for member in members)
    if claimed > most_bytes or len(members) > MOST_MEMBERS:
        raise StorageError(
            f"the archive has {len(members)} members of {claimed} bytes, at most {MOST_MEMBERS} members of "
            f"{most_bytes} bytes are read"
        )
