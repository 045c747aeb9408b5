"""Memory that trees were in, kept for the trees to come."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Their numbers in glibc's malloc.h."""
_KEEP = 64 * 1024 * 1024
"""Bytes of freed memory that the process may keep for itself."""
_LARGE = 32 * 1024 * 1024
"""Bytes from which a block is the kernel's own business; glibc takes no more than this."""


def keep_freed_memory() -> None:
    """Tell glibc not to give the memory of each parsed page back to the kernel, to ask for it again at the next page.

    By default it returns the free end of the heap, and each block of 128 KiB or more, which a tree has: the page
    faults that follow are a third of the CPU time of a loop that fetches and parses pages of 18 KB. Elsewhere (musl,
    macOS, Windows) nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_M_TRIM_THRESHOLD, _KEEP)
    mallopt(_M_MMAP_THRESHOLD, _LARGE)
