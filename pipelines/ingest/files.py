"""The file source reads JSON lines from files, plain or compressed, and from standard input.

Each is one partition whose offsets count lines from 0, blank ones included. Of several, the one whose events are
oldest is read next, so that minutes close in the order in which they would have closed live.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import zstandard

from pipelines.ingest.blocks import Blocks, FileBlocks, Lines, StreamBlocks
from pipelines.ingest.source import Poll
from schemas.record import Partition, Record
from schemas.status import Loss

STDIN = "-"
"""The path that means standard input."""
POLL_RECORDS_MAX = 5_000
"""Most records of one poll, as from Kafka: enough for columns to pay, few enough to stay within a minute or so."""
POLL_BYTES_MAX = 8 << 20
"""Most bytes read for one poll, plus a block; it bounds memory where lines are long."""


def partition_of(path: str) -> Partition:
    """Give the partition that a path is read as.

    >>> str(partition_of("a.jsonl")), str(partition_of("-"))
    ('file:a.jsonl/0', 'stdin/0')
    """
    return Partition("stdin" if path == STDIN else f"file:{path}")


class FileSource:
    """Records of files and standard input, as `pipelines.ingest.source.Source` promises.

    A line longer than `record_bytes_max` is delivered cut to one byte more than that. A file that turns out to be
    damaged ends early: what was readable is delivered, beside a final failure. Each open file holds up to two blocks
    of lines in memory. `descriptor` is read for "-".
    """

    def __init__(self, paths: Sequence[str], record_bytes_max: int, descriptor: int = 0) -> None:
        self._paths = tuple(paths)
        self._record_bytes_max = record_bytes_max
        self._descriptor = descriptor
        self._logs: dict[Partition, _Log] = {}
        self._watermarks_ms: Mapping[Partition, int] = {}
        self._held: frozenset[Partition] = frozenset()

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Open every file and begin at these lines, at the first where none is named; one that fails fails all.

        Standard input cannot be read twice: it goes on where it is, whatever the position, and counts from there.
        """
        self.close()
        for path in self._paths:
            partition = partition_of(path)
            if path != (shown := path.encode(errors="replace").decode()):
                self.close()
                return f"{shown}: its name is not UTF-8: rename it"
            if partition in self._logs:
                self.close()
                return f"{path}: is given twice: name each file once"
            try:
                blocks: Blocks = StreamBlocks(self._descriptor) if path == STDIN else FileBlocks(path)
            except OSError as error:
                self.close()
                return f"{path}: {_what(error)}"
            self._logs[partition] = _Log(path, blocks, self._record_bytes_max, positions.get(partition, 0))
        self._held = frozenset()
        return "" if self._logs else "no file to read: name one or more, or - for standard input"

    def partitions(self) -> tuple[Partition, ...]:
        """Give one partition for each path, in the order of the paths."""
        return tuple(self._logs)

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Take note of how far each partition has come, to read the one that is furthest behind."""
        self._watermarks_ms = watermarks_ms

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give the next lines of the partition that is furthest behind; only standard input makes one wait."""
        behind = [each for each, log in self._logs.items() if not log.ended and each not in self._held]
        if not behind:
            return Poll()
        partition = min(behind, key=lambda each: self._watermarks_ms.get(each, -1))
        log = self._logs[partition]
        first = log.position
        lines = log.take(timeout_seconds)
        records = [Record(line, partition, offset) for offset, line in enumerate(lines, first)]
        return Poll(records, log.failure, final=True) if log.ended and log.failure else Poll(records)

    def position(self, partition: Partition) -> int:
        """Give the number of the next line."""
        return self._logs[partition].position if partition in self._logs else -1

    def ended(self, partition: Partition) -> bool:
        """Say whether the last line has been delivered."""
        return partition in self._logs and self._logs[partition].ended

    def caught_up(self, partition: Partition) -> bool:
        """Say whether nothing is left, or standard input has nothing at the moment."""
        return partition in self._logs and (self._logs[partition].ended or self._logs[partition].waiting)

    def lag(self, partition: Partition) -> int:
        """Give 0 where nothing is left, else -1: lines are not counted before they are read."""
        return 0 if self.caught_up(partition) else -1

    def gaps(self) -> Mapping[Partition, Loss]:
        """Give nothing: a file loses no lines, and one that has fewer than were read before is a failure."""
        return MappingProxyType({})

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these partitions, and of all others again."""
        self._held = frozenset(partitions)

    def close(self) -> None:
        """Close all files."""
        for log in self._logs.values():
            log.close()
        self._logs = {}


class _Log:
    """One file being read: lines that are ready, and how far it has come."""

    def __init__(self, path: str, blocks: Blocks, record_bytes_max: int, position: int) -> None:
        self.position = position
        self.ended = False
        self.waiting = False
        self.failure = ""
        self._path = path
        self._blocks = blocks
        self._lines = Lines(record_bytes_max)
        self._ready: list[bytes] = []
        self._skip = 0 if path == STDIN else position
        self._read = False

    def take(self, timeout_seconds: float) -> list[bytes]:
        """Give the next lines in order and move on; after the last one the log has ended."""
        self._fill(timeout_seconds)
        lines, self._ready = self._ready[:POLL_RECORDS_MAX], self._ready[POLL_RECORDS_MAX:]
        self.position += len(lines)
        self.ended = self._read and not self._ready
        return lines

    def close(self) -> None:
        """Close the file."""
        self._blocks.close()

    def _fill(self, timeout_seconds: float) -> None:
        """Read until a poll is full, the end, or until there is nothing for now."""
        filled = 0
        while len(self._ready) < POLL_RECORDS_MAX and filled < POLL_BYTES_MAX and not self._read:
            try:
                block = self._blocks.read(0.0 if self._ready or filled else timeout_seconds)
            except (OSError, EOFError, ValueError, zlib.error, zstandard.ZstdError) as error:
                # Half a line is kept back: once the file is whole again, that line is read from here as one.
                self._end(_what(error))
                return
            self.waiting = block is None
            if block is None:
                return
            lines = self._lines.cut(block) if block else self._lines.rest()
            filled += len(block)
            if self._skip:
                skipped = min(self._skip, len(lines))
                self._skip -= skipped
                lines = lines[skipped:]
            self._ready += lines
            if not block:
                self._end("")

    def _end(self, what: str) -> None:
        self._read = True
        if not what and self._skip:
            what = f"has {self.position - self._skip} lines, but {self.position} were read before: give the same file"
        if what:
            self.failure = f"{self._path}: {what}"
        self.close()


def _what(error: Exception) -> str:
    """Say what is wrong with a file, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "does not exist: correct the path"
    if isinstance(error, IsADirectoryError):
        return "is a directory: name the files in it"
    if isinstance(error, PermissionError):
        return "may not be read: give the user that runs this the right to read it"
    if isinstance(error, EOFError):
        return "is cut off: everything before the cut was read; fetch the whole file and read it again"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror.lower()}): check the file and its disk"
    return "is damaged or not compressed as its name says: fetch it again, or correct its name"
