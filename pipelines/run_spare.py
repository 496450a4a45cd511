"""A process spares memory that it would reserve, or keep, and never use: under a limit on address space that counts."""

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
MAPPED_BYTES = 2**23
"""Blocks from this size on are mapped apart, and go back when they are freed. By default the C library learns from the
first large block that is freed to take those up to 32 MB from the heap: what a checkpoint needs for a moment lay there
between what lasts, and 50 MB were given back in some minutes and not in others. Smaller ones cost time to map."""
TRIMMED_BYTES = 2**25
"""Free memory at the end of the heap that is kept for what comes next; asking for it anew each time costs time."""
OPTIONS = {
    "MALLOC_ARENA_MAX": (-8, ARENAS_MAX),
    "MALLOC_MMAP_THRESHOLD_": (-3, MAPPED_BYTES),
    "MALLOC_TRIM_THRESHOLD_": (-1, TRIMMED_BYTES),
}
"""What the environment may say instead -> the name of the option to `mallopt` (malloc.h of glibc), and our value."""


def spare_memory() -> None:
    """Reserve and keep little from now on; to be called before numpy is imported and before a thread begins.

    What the environment says is respected. Where the C library has no such option nothing is changed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", BLAS_THREADS)
    threading.stack_size(STACK_BYTES)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, (option, value) in OPTIONS.items():
            if name not in os.environ:
                mallopt(option, value)
