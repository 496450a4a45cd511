"""The soak's section is made from what the tests counted."""

import msgspec

from benchmarks.soak import commit
from benchmarks.soak_page import CASES, Count, Result, page


def test_the_page_tells_each_case_once_with_all_that_was_counted():
    """Counts come before measured values, cases in order; what failed is named."""
    counts = (
        Count(21, "full disks", False, 1_200), Count(1, "s to ready", True, 4.25), Count(1, "kills", False, 100),
    )  # fmt: skip
    result = Result("make soak", "abc", 61.2, True, 12, 0, ("tests/test_some.py::test_it",), counts)
    found = page(msgspec.json.decode(msgspec.json.encode(result), type=Result))
    assert "| 1 | kill -9 | 100 kills, at most 4.25 s to ready |\n| 21 | a full disk | 1,200 full disks |" in found
    assert "* failed: `tests/test_some.py::test_it`" in found
    assert "at commit `abc`, in 61 minutes: 12\npassed, 1 failed, 0 skipped. The tests" in found
    assert "in groups: 2, 3, 4," in found
    assert "20, 22, 23," in found


def test_a_soak_that_was_ended_early_says_so():
    """What it counted stands, and nobody takes it for a whole one."""
    found = page(Result("make soak", "abc", 60.0, False, 1, 0, (), (Count(1, "kills", False, 3),)))
    assert "0 skipped. It was ended before it was over, so what came last was not run. The tests" in found
    assert "| 1 | kill -9 | 3 kills |" in found


def test_the_cases_are_numbered_through():
    """Thirty-two cases; and the checkout has a commit to name."""
    assert list(CASES) == list(range(1, 33))
    assert commit()
