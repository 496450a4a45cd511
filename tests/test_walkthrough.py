"""The story of docs/walkthrough.md, from the first event of a change until its incident is closed."""

import pytest

from tests.support.walkthrough import PAGE, told


@pytest.mark.playbook("S4", "R6")
def test_the_walkthrough_is_what_happens():
    """Played anew, it is the page word by word; `python -m tests.support.walkthrough` writes it after a change."""
    assert told() == PAGE.read_text(encoding="utf-8")
