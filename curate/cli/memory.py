"""How the C library deals with memory that is freed."""

from __future__ import annotations

import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Numbers of the parameters in glibc's malloc.h."""

_NEVER = 2**31 - 1


def keep_memory() -> None:
    """Let the process keep freed memory for itself, in one heap for all threads.

    By default glibc gives large blocks back to the system as soon as they are freed. Networks on a
    CPU free and ask for hundreds of megabytes at every step, and the system then fills them with
    zeros anew: more than half of the time of a forward pass at 512x1024 pixels went there.
    Whoever sets malloc's environment variables is left alone, and so are other C libraries.
    """
    is_set = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if sys.platform != "linux" or is_set:
        return
    import ctypes  # here, so that --help need not wait for it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
