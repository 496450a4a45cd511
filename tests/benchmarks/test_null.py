"""The null board: what counts as kept, what the plain rules call an alarm, and that the streams are what they say."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.null import Result, Rival, Row, _row, episodes, main
from benchmarks.null_page import page
from benchmarks.null_rules import PAST, Rules
from benchmarks.null_streams import DAY, Streams


@pytest.mark.parametrize(
    ("level", "seen", "kept"), [(0, 30, True), (0, 29, False), (0, 300, True), (0, 301, False), (1, 40, True),
                                (1, 45, False), (2, 7, True), (2, 8, False), (2, 0, True)]
)  # fmt: skip
def test_a_promise_is_kept_by_its_interval(level, seen, kept):
    """Over three weeks 300 notes, 30 tickets and 3 pages are allowed: notes from a tenth on, the others by interval."""
    assert _row("independent", level, seen, 3.0).kept is kept


def test_an_alarm_counts_once_until_the_evidence_has_fallen_to_half():
    """At a threshold of 11 the alarm begins twice: after 5.0 anew, not after 6.0, nor after minutes without events."""
    on, told = np.zeros(1, dtype=bool), []
    for log_r in (12.0, -np.inf, 12.0, 6.0, 12.0, 5.0, -np.inf, 12.0):
        on, began = episodes(on, np.array([log_r >= 11.0]), np.array([log_r]), 11.0)
        told.append(bool(began[0]))
    assert told == [True, False, False, False, False, False, False, True]


def test_a_rule_alarms_once_while_it_lasts():
    """After a day of values that hardly move, three windows far outside are one alarm; none counts in burn-in."""
    rules = Rules(np.zeros(1, dtype=np.int64), 1, 3)
    rng = np.random.default_rng(3)
    for _ in range(PAST):
        rules.step(np.array([1.0 + 0.01 * rng.standard_normal()]), counts=True)
    before = rules.alarms["3 sigma"][0]
    for _ in range(3):
        rules.step(np.array([2.0]), counts=True)
    assert rules.alarms["3 sigma"][0] - before == 1.0
    assert rules.alarms["never"][0] == 0.0
    assert rules.alarms["always"][0] == PAST + 3
    quiet = Rules(np.zeros(1, dtype=np.int64), 1, 3)
    quiet.step(np.array([2.0]), counts=False)
    assert quiet.alarms["always"][0] == 0.0


def test_streams_hold_what_they_say():
    """Without real data there are four nulls; hits stay within trials, and the same seed gives the same minutes."""
    streams, again = (Streams(20, DAY, 5, None) for _ in range(2))
    assert streams.nulls == ("independent", "overdispersed", "wandering", "seasonal")
    made, same = streams.draw("rate", 0), again.draw("rate", 0)
    assert len(made.n) == len(streams.signal("rate")) == 4 * streams.sizes["rate"]
    assert (made.x <= made.n).all()
    assert made.n.tobytes() == same.n.tobytes()


def test_the_command_says_when_there_is_no_real_data(tmp_path):
    """A handful of series over two days give a board of four nulls, and the page tells it."""
    file = tmp_path / "null.json"
    arguments = ["--series", "5", "--days", "2", "--seed", "1", "--data", str(tmp_path), "--json", str(file)]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    assert "there is no shuffled null" in answer.output
    assert file.exists()


def test_the_page_names_what_is_missed():
    """A board with one broken promise says which."""
    rows = (Row("wandering", "page", 9, 3.0, 1.37, 5.7, kept=False),)
    text = page(Result("python -m x", 10, 8, 1, ("wandering",), rows, {"rate": (1,)}, (Rival("3 sigma", (7.0,)),)))
    assert "Missed: wandering at page level." in text
    assert "| 3 sigma | 7.0 |" in text
