"""A process spares memory that it would reserve and never use: under a limit on address space that counts like used."""

import ctypes
import os
import threading

BLAS_THREADS = "1"
"""Arrays are small here and nothing multiplies matrices; each further thread of the library reserves some 40 MB."""
ARENAS_MAX = 1
"""Pools of the C library's allocator, by default eight for each core: each reserves 64 MB, and keeps what is freed
in it. Python's lock lets one thread allocate at a time, so one pool is enough."""
STACK_BYTES = 2 * 2**20
"""Stack of a thread, by default 8 MB: threads here wait, send and answer requests, and do not go deep."""
_M_ARENA_MAX = -8
"""The name of this option to `mallopt` (malloc.h of glibc)."""


def spare_memory() -> None:
    """Reserve little from now on; to be called before numpy is imported and before a thread begins.

    What the environment says is respected. Where the C library has no such option nothing is changed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", BLAS_THREADS)
    threading.stack_size(STACK_BYTES)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, ARENAS_MAX)
