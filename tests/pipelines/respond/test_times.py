"""How long people took is counted as acts are written, of real incidents only."""

import pytest

from pipelines.respond.times import EDGES
from tests.pipelines.respond.test_duty import World


def took(world: World) -> dict[tuple[str, str, str], float]:
    """Give the seconds that were counted, by what was reached, severity and category."""
    return {key: histogram.total for key, histogram in world.duty.times.histograms.items()}


class Watched(World):
    """A world whose duty lives on between two looks."""

    def __init__(self) -> None:
        super().__init__()
        self.duty = self.fresh()

    def fresh(self):
        """Give the one duty of this world, once there is one."""
        return getattr(self, "duty", None) or super().fresh()


@pytest.mark.playbook("P5")
def test_the_times_of_an_incident_are_counted_by_severity_and_category():
    """To detect by event time from the onset, all else by the wall clock from the opening."""
    world = Watched()
    world.opened(onset_ms=0, detected_ms=240_000)
    world.look(0)
    world.order(7, "acknowledged")
    world.order(20, "mitigated")
    world.order(30, "resolved")
    world.look(31)
    kind = ("sev2", "capability_loss")
    assert took(world) == {
        ("detect", *kind): 240, ("acknowledge", *kind): 420, ("mitigate", *kind): 1_200, ("resolve", *kind): 1_800
    }  # fmt: skip
    assert world.duty.times.histograms["acknowledge", *kind].counts[EDGES.index(900.0)] == 1


def test_drills_and_what_was_before_the_start_are_not_counted():
    """A drill is not how fast people are; and what was reached under an earlier process was counted by that."""
    world = Watched()
    world.opened(kind="drill")
    world.look(0)
    world.order(7, "acknowledged")
    world.look(8)
    assert took(world) == {}
    later = World()
    later.opened()
    later.look(0)
    later.order(7, "acknowledged")
    again = later.fresh()
    again.look(later.at_ms(8))
    assert again.times.histograms == {}
