"""What reading files promises: every line once, in order, in bounded memory, and a clear line when it cannot be."""

import gzip
import os
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest import files
from pipelines.ingest.blocks import Lines
from pipelines.ingest.decode import Decoder
from pipelines.ingest.files import FileSource, partition_of
from pipelines.ingest.source import Source
from schemas.event import Reject, RejectReason
from schemas.record import Partition, Record

LIMIT = 1_000


def read_all(source: Source, times_ms: dict[Partition, int] | None = None) -> tuple[list[Record], list[str]]:
    """Poll until every partition has ended; give all records and all failures."""
    records: list[Record] = []
    failures: list[str] = []
    while not all(source.ended(each) for each in source.partitions()):
        source.watermarks(times_ms or {})
        poll = source.poll(0.0, 0)
        records += poll.records
        if poll.failure:
            assert poll.final
            failures.append(poll.failure)
    return records, failures


def opened(*paths, positions=None, limit=LIMIT) -> FileSource:
    """Give an open source of these files."""
    source = FileSource([str(path) for path in paths], limit)
    assert source.open(positions or {}) == ""
    return source


PACK = {
    ".jsonl": lambda data: data,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture(params=PACK)
def write(request, tmp_path):
    """Write a file in each format; give its path."""

    def write_file(data: bytes, name: str = "a"):
        path = tmp_path / (name + request.param)
        path.write_bytes(PACK[request.param](data))
        return path

    return write_file


def test_lines_become_records_with_their_numbers(write):
    """Each line is a record whose offset is its number, blank lines and a last line without newline included."""
    path = write(b'{"a":1}\n\n  \r\nlast')
    partition = partition_of(str(path))
    assert read_all(opened(path)) == (
        [
            Record(b'{"a":1}', partition, 0),
            Record(b"", partition, 1),
            Record(b"  \r", partition, 2),
            Record(b"last", partition, 3),
        ],
        [],
    )


def test_blank_lines_are_rejected_as_empty(write):
    """A blank line counts as a record, and no format makes an event of it."""
    records, _ = read_all(opened(write(b"\n  \r\n")))
    assert [Decoder("auto", LIMIT).decode(each.value).reason for each in records] == [RejectReason.EMPTY] * 2


def test_an_empty_file_ends_with_nothing(write, tmp_path):
    """No bytes, packed or not, are no records and no failure."""
    path = write(b"")
    assert read_all(opened(path)) == ([], [])
    path.write_bytes(b"")
    assert read_all(opened(path)) == ([], [])


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=9), cut=st.integers(1, 7)
)
def test_the_way_blocks_are_cut_changes_nothing(lines, cut):
    """However the bytes arrive, the same lines come out, shortened to one byte over the limit where too long."""
    data = b"\n".join(lines)
    cutter = Lines(line_bytes_max=6)
    found = [line for at in range(0, len(data), cut) for line in cutter.cut(data[at : at + cut])] + cutter.rest()
    expected = lines[:-1] if lines and not lines[-1] else lines
    assert found == [line[:7] for line in expected]


@pytest.mark.parametrize("position", [0, 1, 4999, 5000, 12_000, 12_345])
def test_a_position_is_the_next_line(write, position):
    """Opened at a position, reading goes on with exactly that line, also behind several polls and blocks."""
    path = write(b"".join(b"line %d %s\n" % (n, b"x" * 200) for n in range(12_345)))
    partition = partition_of(str(path))
    source = opened(path, positions={partition: position, Partition("kafka:other", 0): 9})
    records, failures = read_all(source)
    assert [each.offset for each in records] == list(range(position, 12_345))
    assert all(each.value.startswith(b"line %d " % each.offset) for each in records)
    assert (failures, source.position(partition)) == ([], 12_345)


def test_one_poll_brings_five_thousand_records_at_most(write):
    """Short lines fill a poll by number."""
    source = opened(write(b"x\n" * 12_000))
    assert [len(source.poll(0.0, 0).records) for _ in range(3)] == [5000, 5000, 2000]


def test_a_file_shorter_than_its_position_is_a_failure(write):
    """A file that was replaced by a shorter one is not silently taken for read."""
    path = write(b"1\n2\n")
    source = opened(path, positions={partition_of(str(path)): 5})
    assert read_all(source) == ([], [f"{path}: has 2 lines, but 5 were read before: give the same file"])


def test_a_line_that_is_too_long_is_cut_and_rejected(write):
    """A line over the limit is one record that decodes to too_large, and the line behind it is whole."""
    source = opened(write(b"a\n" + b"x" * 5_000_000 + b"\nb\n"))
    records, _ = read_all(source)
    assert [(each.offset, each.value[:1], len(each.value)) for each in records] == [
        (0, b"a", 1),
        (1, b"x", 1001),
        (2, b"b", 1),
    ]
    found = Decoder("native", LIMIT).decode(records[1].value)
    assert isinstance(found, Reject)
    assert (found.reason, found.detail) == (RejectReason.TOO_LARGE, "more than 1000 bytes")


def test_memory_is_bounded_whatever_the_line(tmp_path):
    """A packed line of 200 MB passes through a few tens of megabytes."""
    for pack, name in ((gzip.compress, "a.gz"), (zstandard.ZstdCompressor().compress, "a.zst")):
        path = tmp_path / name
        path.write_bytes(pack(b"x" * 200_000_000 + b"\nb\n"))
        tracemalloc.start()
        records, _ = read_all(opened(path))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [len(each.value) for each in records] == [1001, 1]
        assert peak_bytes < 40_000_000


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_file_that_is_cut_off_delivers_what_there_is(tmp_path, suffix):
    """All whole lines before the cut are delivered, then one failure names the file and what to do."""
    path = tmp_path / ("a" + suffix)
    data = b"".join(b"%d %s\n" % (n, os.urandom(20).hex().encode()) for n in range(9_000))
    path.write_bytes(PACK[suffix](data)[:-20_000])
    records, failures = read_all(opened(path))
    assert 4_000 < len(records) < 9_000
    assert b"".join(each.value + b"\n" for each in records) == data[: sum(len(each.value) + 1 for each in records)]
    assert failures == [
        f"{path}: is cut off: everything before the cut was read; fetch the whole file and read it again"
    ]


def test_a_file_that_was_cut_off_goes_on_once_it_is_whole(tmp_path):
    """Half a line at the cut is not delivered, so that the whole file continues with that line."""
    path = tmp_path / "a.gz"
    data = b"".join(b"%d %s\n" % (n, os.urandom(20).hex().encode()) for n in range(500))
    path.write_bytes(gzip.compress(data)[:-3000])
    first, _ = read_all(opened(path))
    path.write_bytes(gzip.compress(data))
    second, failures = read_all(opened(path, positions={partition_of(str(path)): len(first)}))
    assert b"".join(each.value + b"\n" for each in first + second) == data
    assert failures == []


def test_a_damaged_file_ends_and_the_others_go_on(tmp_path):
    """Damage in the middle of one file is its own failure."""
    packed = bytearray(gzip.compress(os.urandom(50_000).hex().encode()))
    packed[3_000:3_100] = bytes(100)
    (tmp_path / "a.gz").write_bytes(packed)
    (tmp_path / "b.jsonl").write_bytes(b"1\n2\n")
    records, failures = read_all(opened(tmp_path / "a.gz", tmp_path / "b.jsonl"))
    assert [each.value for each in records] == [b"1", b"2"]
    assert failures == [
        f"{tmp_path}/a.gz: is damaged or not compressed as its name says: fetch it again, or correct its name"
    ]


def test_several_frames_are_one_file(tmp_path):
    """Packed pieces put behind each other read as one file, with a frame of user data among them."""
    skippable = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    pack = zstandard.ZstdCompressor().compress
    (tmp_path / "a.zst").write_bytes(skippable + pack(b"1\n2") + pack(b"3\n") + skippable + pack(b"4\n"))
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"1\n2") + gzip.compress(b"3\n4\n"))
    for name in ("a.zst", "a.gz"):
        records, failures = read_all(opened(tmp_path / name))
        assert ([each.value for each in records], failures) == ([b"1", b"23", b"4"], [])


def test_what_cannot_be_opened_is_one_clear_line(tmp_path):
    """Each way not to be a readable file says what is wrong, where, and what to do; and nothing stays open."""
    (tmp_path / "text.gz").write_bytes(b"not packed\n")
    (tmp_path / "text.zst").write_bytes(b"not packed\n")
    (tmp_path / "good").write_bytes(b"1\n")
    failures = {
        "missing.jsonl": "does not exist: correct the path",
        ".": "is a directory: name the files in it",
        "text.gz": "is damaged or not compressed as its name says: fetch it again, or correct its name",
        "text.zst": "is damaged or not compressed as its name says: fetch it again, or correct its name",
        "good": "is given twice: name each file once",
    }
    for name, text in failures.items():
        path = f"{tmp_path}/{name}"
        source = FileSource([f"{tmp_path}/good", path], LIMIT)
        assert source.open({}) == f"{path}: {text}"
        assert source.partitions() == ()
    assert FileSource([], LIMIT).open({}) == "no file to read: name one or more, or - for standard input"


def test_a_missing_permission_is_one_clear_line(tmp_path, monkeypatch):
    """A file that the user may not read says so (as if by the system: the superuser may read all)."""

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "FileBlocks", refuse)
    assert FileSource(["a"], LIMIT).open({}) == "a: may not be read: give the user that runs this the right to read it"


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    """Such a name could be opened, but neither stored nor shown."""
    name = os.fsdecode(b"\xff.jsonl")
    (tmp_path / name).write_bytes(b"x\n")
    assert FileSource([name], LIMIT).open({}) == "?.jsonl: its name is not UTF-8: rename it"


def test_the_partition_furthest_behind_is_read_next(tmp_path):
    """Unknown counts as furthest behind, ties go by the order of the paths, and ended files are left out."""
    for name in "abc":
        (tmp_path / name).write_bytes(b"x\n" * 7_000)
    source = opened(*(tmp_path / name for name in "abc"))
    a, b, c = source.partitions()
    served = []
    for times_ms in ({}, {a: 50}, {a: 50, b: 70}, {a: 50, b: 70, c: 60}, {a: 90, b: 70, c: 60}, {a: 90, b: 90, c: 90}):
        source.watermarks(times_ms)
        served.append(source.poll(0.0, 0).records[0].partition)
    assert served == [a, b, c, a, c, b]
    assert all(source.ended(each) for each in (a, b, c))


def test_state_is_told_as_it_changes(tmp_path):
    """Position, end and lag follow what was delivered; an unknown partition is neither read nor ended."""
    (tmp_path / "a").write_bytes(b"x\n" * 6_000)
    source = opened(tmp_path / "a")
    (a,) = source.partitions()

    def state():
        return source.position(a), source.ended(a), source.caught_up(a), source.lag(a)

    assert state() == (0, False, False, -1)
    source.hold([a])
    assert source.poll(0.0, 0).records == []
    source.hold([])
    source.poll(0.0, 0)
    assert state() == (5000, False, False, -1)
    source.poll(0.0, 0)
    assert state() == (6000, True, True, 0)
    assert source.poll(0.0, 0).records == []
    other = Partition("file:other")
    assert (source.position(other), source.ended(other), source.caught_up(other)) == (-1, False, False)
    source.close()


@pytest.fixture
def pipe():
    """Give both ends of a pipe that stands for standard input."""
    reader, writer = os.pipe()
    writing = os.fdopen(writer, "wb", buffering=0)
    yield reader, writing
    os.close(reader)
    writing.close()


def test_standard_input_is_read_as_it_comes(pipe):
    """Whole lines are delivered when they are there, half a line waits, and closing the other end ends it."""
    reader, writer = pipe
    source = FileSource(["-"], LIMIT, descriptor=reader)
    assert source.open({}) == ""
    (stdin,) = source.partitions()
    assert stdin == Partition("stdin", 0)
    writer.write(b"one\ntwo\nthr")
    assert [each.value for each in source.poll(0.0, 0).records] == [b"one", b"two"]
    assert (source.caught_up(stdin), source.ended(stdin), source.lag(stdin)) == (True, False, 0)
    assert source.poll(0.0, 0).records == []
    writer.write(b"ee\nfour")
    assert [each.value for each in source.poll(0.0, 0).records] == [b"three"]
    writer.close()
    assert source.poll(0.0, 0).records == [Record(b"four", stdin, 3)]
    assert source.ended(stdin)


def test_standard_input_counts_on_from_its_position(pipe):
    """It cannot be read twice, so nothing is skipped and the next line has the next number."""
    reader, writer = pipe
    source = FileSource(["-"], LIMIT, descriptor=reader)
    assert source.open({Partition("stdin", 0): 7}) == ""
    writer.write(b"x\n")
    assert [each.offset for each in source.poll(0.0, 0).records] == [7]


def test_a_broken_standard_input_is_a_failure():
    """A descriptor that is not open ends the partition with a failure instead of an exception."""
    source = FileSource(["-"], LIMIT, descriptor=987)
    assert source.open({}) == ""
    assert read_all(source) == ([], ["-: cannot be read (bad file descriptor): check the file and its disk"])
