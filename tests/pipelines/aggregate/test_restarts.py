"""A restart goes on from the partials of the process before it, also with other settings."""

import pytest

from schemas.event import Change
from schemas.settings import Cohorts, Settings
from tests.support.windows import Line, turn

GOLD = Settings(cohorts=Cohorts(sets=((), ("plan",)), labels=("plan",)))
PLAIN = Settings(cohorts=Cohorts(sets=((), ("tenant",))))


def begun(settings: Settings) -> Line:
    """Give a process that has cut a partial of an open minute."""
    line = Line(settings)
    line.add([turn(k, f"a{k}", tenant="t", labels={"plan": "gold" if k % 2 else "free"}) for k in range(20)])
    line.cut()
    return line


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (PLAIN, GOLD, {(): 40, (("plan", "free"),): 10, (("plan", "gold"),): 10}),
        (GOLD, PLAIN, {(): 40, (("tenant", "t"),): 40}),
    ],
)
def test_labels_may_come_and_go_while_a_minute_is_open(before, after, expected):
    """What was counted without a label has none, what had one that is gone is summed, and no event is lost."""
    line = begun(before)
    line.settings = after
    line = line.restarted()
    line.add([turn(20 + k, f"b{k}", tenant="t", labels={"plan": "gold" if k % 2 else "free"}) for k in range(20)], 20)
    line.finish()
    (minute,) = line.closed
    assert dict(zip(minute.cohorts, minute.events.tolist(), strict=True)) == expected
    assert sum(minute.leaf_events.tolist()) == 40


def test_a_change_is_known_again_though_its_minute_holds_nothing_else():
    """A change that comes twice is told once, also when a restart lies between and no behaviour shares its minute."""
    line = Line()
    line.add([turn(k, f"a{k}") for k in range(20)])
    line.add([turn(70, "c", kind="change", change=Change("model"))], 20)
    line.cut()
    line = line.restarted()
    line.add([turn(70, "c", kind="change", change=Change("model")), turn(130, "b")], 21)
    counted = line.finish()[1]
    assert (counted.aggregated, counted.duplicate) == (22, 1)
    assert [len(minute.changes) for minute in line.closed] == [0, 1, 0]


def test_a_label_may_be_called_like_a_part_of_a_cell():
    """What is over the cap of the label "pet.cat" is counted under that name, and is not taken for a mix."""
    line = Line(Settings(cohorts=Cohorts(sets=((), ("pet.cat",)), labels=("pet.cat",), values_max=1)))
    line.add([turn(k, f"a{k}", labels={"pet.cat": f"c{k}"}) for k in range(20)])
    line.finish()
    assert line.closed[0].overflow == {"pet.cat": 19}
