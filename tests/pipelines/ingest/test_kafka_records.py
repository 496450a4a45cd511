"""A batch of Kafka's log is read as the library reads it, record by record, and bytes that are none are told."""

from random import Random

import pytest
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from pipelines.ingest.kafka_records import MalformedError, unpacked
from schemas.record import Partition, Record

LOG = Partition("kafka:events", 3)
BASE, FIRST_MS = 1_000_000, 1_770_000_000_000
HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size


def batch_of(records: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]]) -> bytes:
    """Write a batch with the library; each record is (milliseconds after the first, key, value, headers)."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    for number, (late_ms, key, value, headers) in enumerate(records):
        builder.append(number, FIRST_MS + late_ms, key, value, headers)
    return bytes(builder.build())


def read(batch: bytes, count: int, appended_ms: int = -1) -> list[Record]:
    """Read the records of a batch."""
    return unpacked(batch[HEADER_BYTES:], count, LOG, BASE, FIRST_MS, appended_ms)


def test_records_of_every_size_are_read_as_the_library_reads_them() -> None:
    """Lengths of one, two and three bytes, times before and after the first, absent keys and values, headers."""
    rng = Random(5)
    sizes = [0, 1, 30, 31, 50, 63, 64, 200, 4_000, 8_180, 8_191, 8_192, 9_000, 40_000, 1_100_000]
    written = [
        (
            rng.choice([0, 1, -1, 63, 64, -64, -65, 9_000, -70_000, 3_000_000_000]) if number else 0,
            rng.choice([None, b"", b"k" * rng.choice([1, 63, 64, 9_000])]),
            rng.choice([None, b"{}"]) if size == 0 else rng.randbytes(size),
            rng.choice([[], [("trace", b"a" * rng.randrange(300))]]),
        )
        for number, size in enumerate(sizes * 20)
    ]
    batch = batch_of(written)
    expected = [
        Record(each.value or b"", LOG, BASE + each.offset, each.timestamp) for each in DefaultRecordBatch(batch)
    ]
    assert [each.value for each in expected] == [value or b"" for _, _, value, _ in written]
    assert read(batch, len(written)) == expected


def test_times_of_the_broker_stand_for_all_records_of_a_batch() -> None:
    """Where the broker stamps, its time is that of every record."""
    batch = batch_of([(0, None, b"a", []), (5, None, b"b", [])])
    assert [each.broker_ms for each in read(batch, 2, appended_ms=77)] == [77, 77]
    assert [each.broker_ms for each in read(batch, 2)] == [FIRST_MS, FIRST_MS + 5]


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_records_than_the_header_says_is_malformed(count: int) -> None:
    """What is left over, or missing, is not passed over."""
    batch = batch_of([(at, b"k", b"value", []) for at in range(3)])
    with pytest.raises(MalformedError):
        read(batch, count)


def test_a_batch_that_is_cut_anywhere_is_malformed() -> None:
    """No cut gives records, or an error of another kind."""
    batch = batch_of([(at, b"k", b"v" * 100, [("h", b"x")]) for at in range(3)])
    for size in range(HEADER_BYTES, len(batch)):
        with pytest.raises(MalformedError):
            read(batch[:size], 3)


def test_bytes_that_are_changed_give_records_or_are_malformed() -> None:
    """Whatever stands there, reading ends, and raises nothing else."""
    rng = Random(6)
    batch = batch_of([(at, b"k", b"v" * 40, []) for at in range(5)])
    for _ in range(2_000):
        changed = bytearray(batch)
        changed[rng.randrange(HEADER_BYTES, len(batch))] = rng.randrange(256)
        try:
            found = read(bytes(changed), 5)
        except MalformedError:
            continue
        assert len(found) == 5
