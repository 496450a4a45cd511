"""The soak's section is made from what the tests counted."""

import msgspec

from benchmarks.soak import commit
from benchmarks.soak_page import CASES, Count, Result, page


def test_the_page_tells_each_case_once_with_all_that_was_counted():
    """Counts come before measured values, cases in order; what failed is named."""
    counts = (
        Count(21, "full disks", False, 1_200), Count(1, "s to ready", True, 4.25), Count(1, "kills", False, 100),
    )  # fmt: skip
    result = Result("make soak", "abc", 61.2, 12, 0, ("tests/test_some.py::test_it",), counts)
    found = page(msgspec.json.decode(msgspec.json.encode(result), type=Result))
    assert "| 1 | kill -9 | 100 kills, at most 4.25 s to ready |\n| 21 | a full disk | 1,200 full disks |" in found
    assert "* failed: `tests/test_some.py::test_it`" in found
    assert "at commit `abc`, in 61 minutes: 12 passed,\n1 failed" in found


def test_the_cases_are_numbered_through():
    """Thirty-two cases; and the checkout has a commit to name."""
    assert list(CASES) == list(range(1, 33))
    assert commit()
