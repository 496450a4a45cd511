"""Blocks are the bytes of a file or of standard input piece by piece, unpacked and cut into lines of bounded length."""

import gzip
import os
import select
import zlib
from collections.abc import Iterator
from io import BufferedReader
from typing import Protocol

import zstandard

BLOCK_BYTES = 1 << 20
"""Bytes asked for at once; a megabyte holds about a thousand events, so that work per block costs nothing per event."""
ZSTD_INPUT_BYTES = 256
"""Compressed bytes given to zstd at once. It cannot be told to stop, and at worst makes 128 KiB of every 4 bytes, so
this makes 8 MiB of the worst file, four times in memory on their way; smaller pieces would cost time."""
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Blocks(Protocol):
    """Bytes in order, once."""

    def read(self, timeout_seconds: float) -> bytes | None:
        """Give the next bytes, b"" at the end, None if there are none yet.

        Raises OSError, EOFError (cut off), `zlib.error` or `zstandard.ZstdError` (damaged).
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class FileBlocks:
    """The blocks of one file; a name that ends in .gz or .zst says that it is compressed.

    Raises OSError if the file cannot be opened, also if it is not of the kind its name says.
    """

    def __init__(self, path: str) -> None:
        # Closed by `close`; unpacking begins at the first read.
        self._file = open(path, "rb")  # noqa: PTH123, SIM115 - the path is shown and used exactly as given
        try:
            self._blocks = _unpack(path, self._file)
        except OSError:
            self._file.close()
            raise

    def read(self, timeout_seconds: float) -> bytes:
        """Give the next bytes, b"" at the end; a file never makes one wait."""
        return next(self._blocks, b"")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StreamBlocks:
    """The blocks of an open descriptor that others write to, such as standard input; it is not closed by us."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, timeout_seconds: float) -> bytes | None:
        """Give the next bytes, b"" at the end, None if there are none within the timeout."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_seconds)
        return os.read(self._descriptor, BLOCK_BYTES) if ready else None

    def close(self) -> None:
        """Leave the descriptor open: it belongs to the process."""


def _unpack(path: str, file: BufferedReader) -> Iterator[bytes]:
    """Choose the way to read a file by its name; an empty file has no blocks in every format."""
    for suffix, magic, blocks in ((".gz", GZIP_MAGIC, _gzip), (".zst", ZSTD_MAGIC, _zstd)):
        if path.endswith(suffix):
            start = file.peek(len(magic))[: len(magic)]
            if start and not magic.startswith(start) and not _skippable(start):
                raise OSError(f"it is no {suffix} file")
            return _gathered(blocks(file))
    return _plain(file)


def _skippable(start: bytes) -> bool:
    """Say whether a zstd file begins with a frame of user data, as parallel compressors write (RFC 8878, 3.1.2)."""
    return start[1:] == b"\x2a\x4d\x18" and start[0] >> 4 == 5


def _plain(file: BufferedReader) -> Iterator[bytes]:
    while block := file.read1(BLOCK_BYTES):
        yield block


def _gzip(file: BufferedReader) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as unpacked:
        while block := unpacked.read1(BLOCK_BYTES):  # read1 hands over what there is before it says what is wrong
            yield block


def _zstd(file: BufferedReader) -> Iterator[bytes]:
    """Unpack frame after frame; the library's own stream reader takes a file that is cut off for a whole one."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    begun = False
    while packed := file.read1(ZSTD_INPUT_BYTES):
        while packed:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            begun = True
            if piece := frame.decompress(packed):
                yield piece
            packed = frame.unused_data
    if begun and not frame.eof:
        raise EOFError


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces to blocks; what there is before a failure comes before it."""
    block = bytearray()
    try:
        for piece in pieces:
            block += piece
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        if block:
            yield bytes(block)
        raise
    if block:
        yield bytes(block)


class Lines:
    r"""Cuts blocks into lines, and never holds more of an unfinished line than one byte over its limit.

    That byte makes a line that is too long still too long for the decoder, which then rejects it.

    >>> lines = Lines(line_bytes_max=3)
    >>> lines.cut(b"ab"), lines.cut(b"c\nd\n123"), lines.cut(b"4567"), lines.cut(b"8\n"), lines.rest()
    ([], [b'abc', b'd'], [], [b'1234'], [])
    """

    def __init__(self, line_bytes_max: int) -> None:
        self._held_max = line_bytes_max + 1
        self._held: list[bytes] = []
        self._held_bytes = 0

    def cut(self, block: bytes) -> list[bytes]:
        """Give the lines that this block completes, without their newlines."""
        if b"\n" not in block:
            self._hold(block)
            return []
        lines = block.split(b"\n")
        if self._held:
            self._hold(lines[0])
            lines[0] = self.rest()[0]
        self._hold(lines.pop())
        if len(block) >= self._held_max:
            lines = [line[: self._held_max] for line in lines]
        return lines

    def rest(self) -> list[bytes]:
        """Give the last line if it has no newline, and forget it."""
        rest = [b"".join(self._held)] if self._held else []
        self._held, self._held_bytes = [], 0
        return rest

    def _hold(self, piece: bytes) -> None:
        kept = piece[: self._held_max - self._held_bytes]
        if kept:
            self._held.append(kept)
            self._held_bytes += len(kept)
