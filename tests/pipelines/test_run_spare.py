"""Address space that is reserved and never used: a limit counts it like memory that is."""

import os
import platform
import subprocess
import sys

import pytest

from pipelines.run_spare import OPTIONS

LOOK = """
import os, sys, threading
from pathlib import Path
from pipelines.run_spare import spare_memory

def size():
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")

def hold():
    kept = bytes(100_000)
    allocated.wait()
    weighed.wait()

spare_memory()
before, allocated, weighed = size(), threading.Barrier(9), threading.Barrier(9)
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
allocated.wait()
sys.stdout.write(f"{size() - before} {os.environ['OMP_NUM_THREADS']}")
weighed.wait()
"""
KEEP = """
import os, sys
from pathlib import Path
from pipelines.run_spare import spare_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

spare_memory()
first, kept = held(), []
large = bytearray(30 << 20)
del large
for _ in range(20):
    block = bytearray(12 << 20)
    kept.append(bytes(100_000))
    del block
sys.stdout.write(f"{held() - first} 0")
"""


def looked(program: str = LOOK, **env: str) -> list[str]:
    """Give by how much a program makes its process larger, and how many threads arrays may use."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library has no such pools")
    plain = {name: value for name, value in os.environ.items() if name not in {"OMP_NUM_THREADS", *OPTIONS}}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=plain | env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_threads_reserve_little():
    """A thread takes its stack and no pool of its own: eight of them stay below what one pool would reserve."""
    size, threads = looked()
    assert int(size) < 64 * 2**20
    assert threads == "1"


def test_large_blocks_are_given_back():
    """What is needed for a moment lies apart from what lasts, also after a large block was freed."""
    size, _ = looked(KEEP)
    assert int(size) < 6 * 2**20


def test_what_the_environment_says_is_respected():
    """Whoever knows better is not overruled."""
    size, threads = looked(OMP_NUM_THREADS="4", MALLOC_ARENA_MAX="9")
    assert int(size) > 64 * 2**20
    assert threads == "4"
