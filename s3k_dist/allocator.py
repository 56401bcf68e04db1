"""Large blocks of memory stay with the process, where glibc would give them back after every use.

A forward pass over sixteen frames allocates and frees tens of megabytes; returned to the kernel, each page of them has
to be faulted in again by the next one.
"""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = 1 << 30


def keep_large_blocks() -> bool:
    """For processes that run networks; returns whether this allocator could be told."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all(mallopt(threshold, KEPT_BYTES) == 1 for threshold in (TRIM_THRESHOLD, MMAP_THRESHOLD))
