"""What is broken in a log is found by asking, and no sooner passed over than it failed three times."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.kafka_corrupt import Strikes, first_sound
from schemas.record import Partition

P, Q = Partition("kafka:t@1", 0), Partition("kafka:t@1", 1)


def test_the_third_failure_at_the_same_offset_counts():
    """A partition that has moved on in between is not the one that fails, and begins anew."""
    strikes = Strikes()
    assert [strikes.count(at) for at in ({P: 5, Q: 1}, {P: 5, Q: 2}, {P: 5, Q: 3}, {P: 5, Q: 3}, {P: 5, Q: 3})] == [
        [],
        [],
        [P],
        [],
        [Q],
    ]


@given(begin=st.integers(0, 10**15), broken=st.integers(1, 5_000), left=st.integers(0, 10**6))
def test_the_end_of_what_is_broken_is_found_in_a_few_questions(begin, broken, left):
    """It is exact, up to the end of the log, and the number of questions grows with the digits of what is broken."""
    asked = []

    def sound(offset: int) -> bool:
        asked.append(offset)
        return offset >= begin + broken

    end = begin + broken + left
    assert first_sound(begin, end, sound) == begin + broken
    assert len(asked) <= 2 * broken.bit_length() + 2
