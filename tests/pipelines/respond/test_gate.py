"""The gate asks what is known of an incident now, whatever its message says, and waits by its own clock."""

import msgspec
import pytest

from pipelines.respond.gate import Gate
from schemas.act import Heard, Response
from schemas.incident import Incident
from schemas.quiet import Matcher, Silence
from schemas.settings import Settings
from tests.pipelines.respond.test_orders import INCIDENT
from tests.support.messages import message, over

NOW_MS = 1_767_571_500_000
MINUTE_MS = 60_000
SILENCE = Silence("s", Matcher(categories=(INCIDENT.category,)), 0, NOW_MS + MINUTE_MS, "Ana", "a load test")


class Known:
    """A store that knows one incident."""

    def __init__(self, incident: Incident = INCIDENT, response: Response | None = None) -> None:
        self.heard = Heard(msgspec.structs.replace(incident, id="i1", severity="sev2"), response)

    def these(self, incident_ids):
        """Give it where it is asked for."""
        return {"i1": self.heard} if "i1" in incident_ids else {}

    def asking(self, limit):
        """Give no other."""
        return ()

    def over_since(self, from_ms, limit):
        """Give no past."""
        return ()


def held(told, *silences: Silence, known: Known | None = None, now_ms: int = NOW_MS) -> str:
    """Say why a message is held, "" where it goes out."""
    gate = Gate(known or Known(), Settings(), lambda _: silences)
    found = gate.held([told], now_ms)
    return found[told.id].why if found else ""


def at(told, created_ms: int):
    """Give a message of another time."""
    return msgspec.structs.replace(told, created_ms=created_ms)


def test_what_is_silenced_waits_and_what_is_not_goes_out():
    """The same message, with and without the silence."""
    assert held(message(), SILENCE) == "silenced by Ana until 2026-01-05 00:06 UTC: a load test"
    assert held(message()) == ""
    assert held(message(), SILENCE, now_ms=NOW_MS + MINUTE_MS) == ""


def test_a_report_from_outside_goes_through_a_silence():
    """Whoever silenced it did not have that news."""
    act = {"who": "press", "verb": "reported", "what": "reported: a screenshot goes round"}
    assert held(message("incident.reported", act=act), SILENCE) == ""
    assert held(message("incident.opened", act=act), SILENCE) == ""


def test_an_incident_that_nobody_knows_any_more_is_told():
    """It was dropped with its age; its message is not held for ever."""
    assert held(message(id="gone"), SILENCE) == ""


def test_what_duty_has_noted_holds_until_duty_says_otherwise():
    """So the message that tells people again is the only one."""
    assert held(message(), known=Known(response=Response("i1", muted="silenced by Ana"))) == "silenced by Ana"


@pytest.mark.parametrize(
    ("created_ms", "why"),
    [
        (NOW_MS, "told when it has held for 10 minutes"),
        (NOW_MS - 9 * MINUTE_MS, "told when it has held for 10 minutes"),
        (NOW_MS - 10 * MINUTE_MS, ""),
        (NOW_MS + 5 * MINUTE_MS, "told when it has held for 10 minutes"),  # a clock that is a little behind
        (NOW_MS + 11 * MINUTE_MS, ""),  # no time of this clock
    ],
)
def test_an_end_waits_until_it_has_held(created_ms, why):
    """From its own time on, where that can be compared with this clock."""
    assert held(at(over(), created_ms)) == why


def test_the_end_that_a_person_says_and_that_of_what_flapped_do_not_wait():
    """The one is meant, and the other has waited."""
    act = {"who": "Ana", "verb": "resolved", "what": "resolved"}
    assert held(at(over(act=act), NOW_MS)) == ""
    assert held(at(over(), NOW_MS), known=Known(msgspec.structs.replace(INCIDENT, ended="calm"))) == ""
