"""Duty tells what time asks for, once, whenever the process is restarted: every look here knows only what is stored."""

import msgspec
import pytest

from pipelines.respond.desk import Desk
from pipelines.respond.duty import Duty
from pipelines.respond.orders import Order, Refusal
from pipelines.store import Store
from schemas.act import Act, Heard, Response
from schemas.effects import Commit, Effects
from schemas.people import Chain, May, Owners, Step
from schemas.settings import Notifier, Settings
from schemas.signal import Signal
from tests.pipelines.respond.test_orders import INCIDENT

SIGNAL = Signal("refusal_rate", "rate", "share", "Turns that were refused.", "capability_loss", "refusal")
CHAIN = Chain("on-call", (Step("Ben", 5), Step("lead", 10)), repeat=1)
START_MS = 1_767_571_200_000
MINUTE = 60_000
DAY = 1_440


class World:
    """A store, people and duty on a simulated clock; for every look duty is made anew."""

    def __init__(self, **settings) -> None:
        self.store = Store.open("sqlite://")
        owners = settings.pop("owners", Owners(chains=(CHAIN,)))
        self.settings = Settings(notifiers=(Notifier("all", minimum_severity="sev4"),), owners=owners, **settings)
        self.seen = 0

    def opened(self, **changes) -> None:
        """Let the machine write an incident."""
        self.store.commit(
            Commit(positions=(), effects=Effects(incidents=(msgspec.structs.replace(INCIDENT, **changes),)))
        )

    def fresh(self) -> Duty:
        """Give a duty that knows nothing."""
        return Duty(self.store.acts, self.settings, lambda _: SIGNAL)

    def at_ms(self, minute: float) -> int:
        """Give the time of day of a minute."""
        return START_MS + round(minute * MINUTE)

    def look(self, minute: float) -> list[str]:
        """Start anew, look once at a minute, and give what was done about the incident since."""
        self.fresh().look(self.at_ms(minute))
        acts = self.store.acts.of("i")
        new, self.seen = acts[self.seen :], len(acts)
        return [f"{act.verb} {act.role or act.subject}".strip() for act in new]

    def order(self, minute: float, verb: str, who: str = "Ana", **more) -> Act | Refusal:
        """Let somebody act at a minute."""
        desk = Desk(self.store.acts, self.settings, lambda _: SIGNAL)
        taken = desk.take("i", Order(verb, **more), who, "web", self.at_ms(minute))
        self.seen += 0 if isinstance(taken, Refusal) else 1
        return taken

    def messages(self) -> list[str]:
        """Give the types of all messages so far, the first first."""
        return [each.notification.type for each in self.store.deliveries(99)][::-1]

    def response(self) -> Response:
        """Give what people and clocks did."""
        return self.store.acts.found("i").response


@pytest.fixture
def world():
    """Give a world with one open incident of sev2."""
    made = World()
    made.opened()
    return made


@pytest.mark.playbook("C2")
@pytest.mark.playbook("R6")
def test_an_unanswered_incident_is_told_escalated_and_told_again(world):
    """Each step comes at its minute and once, though every look is made by a process that knows nothing."""
    told = {minute: world.look(minute) for minute in range(66)}
    assert {minute: said for minute, said in told.items() if said} == {
        0: ["opened sev2"],
        5: ["escalated Ben"],
        12: ["at_risk acknowledge"],
        15: ["breached acknowledge", "escalated lead"],
        20: ["escalated Ben"],
        23: ["at_risk update"],
        30: ["breached update", "escalated lead"],
        45: ["at_risk decide"],
        60: ["breached decide", "breached update"],
    }
    assert world.messages() == [
        "incident.escalated", "sla.at_risk", "sla.breached", "incident.escalated", "incident.escalated", "sla.at_risk",
        "sla.breached", "incident.escalated", "sla.at_risk", "sla.breached", "sla.breached",
    ]  # fmt: skip


@pytest.mark.playbook("C2")
def test_a_restart_in_any_state_of_any_clock_loses_nothing_and_repeats_nothing():
    """Looked at every minute or only where the process happened to run: in the end the same has been told."""
    for gap in (5, 10, 25):
        world = World(owners=Owners())
        world.opened()
        world.look(0)
        said = [line for minute in range(gap, 300, gap) for line in world.look(minute)]
        assert world.look(299) == []
        breaches = sorted(line for line in said if line.startswith("breached"))
        assert breaches == ["breached acknowledge", "breached decide", "breached mitigate", *["breached update"] * 4]
        assert len(said) == len(set(said)) + 3


@pytest.mark.playbook("C2")
def test_who_was_away_is_told_what_holds_now(world):
    """After an outage the breach is told, and not the risk that went before it; the chain goes on where it was."""
    world.look(0)
    assert world.look(20) == ["breached acknowledge", "escalated Ben"]
    assert world.look(21) == []


def test_an_acknowledgement_ends_the_calls(world):
    """Whoever has it is asked for what comes next, and nobody is called any more."""
    world.look(0)
    world.order(3, "acknowledged")
    assert [line for minute in range(4, 30) for line in world.look(minute)] == ["at_risk update"]


def test_an_acknowledgement_that_nothing_follows_is_taken_back(world):
    """After an hour without an update, a decision or a mitigation nobody has it, and the calls begin anew."""
    world.look(0)
    world.order(3, "acknowledged")
    world.order(10, "updated", note="looking")
    world.order(20, "decided")
    world.look(79)
    assert world.look(80) == ["released"]
    assert (world.response().state, world.response().owner) == ("triage", "")
    assert "escalated Ben" in world.look(85)
    assert "incident.released" in world.messages()


def test_what_is_mitigated_is_not_taken_back(world):
    """Its updates are still asked for, four times at most."""
    world.look(0)
    world.order(3, "mitigated")
    lines = [line for minute in range(4, 200, 6) for line in world.look(minute)]
    assert lines == ["at_risk update", *["breached update"] * 4]


@pytest.mark.playbook("C2")
def test_a_graver_finding_of_the_machine_has_its_clocks(world):
    """What rises to sev1 after ten minutes is to be acknowledged within five more."""
    world.look(0)
    world.opened(severity="sev1", version=2)
    assert world.look(10) == ["escalated Ben", "opened sev1"][::-1]
    assert "breached acknowledge" in world.look(15)


def test_what_the_machine_resolved_is_closed_a_day_later(world):
    """The engine has told that it is over; the closing is told, and asks for its reason, which may still be given."""
    world.look(0)
    world.opened(state="resolved", resolved_ms=20, version=2)
    assert world.look(40) == ["resolved"]
    assert world.look(40 + DAY - 1) == []
    assert world.look(40 + DAY) == ["closed"]
    assert world.messages() == ["incident.closed"]
    assert (world.response().state, world.response().close_reason) == ("closed", None)
    world.order(40 + DAY + 5, "closed", subject="false")
    assert world.response().close_reason == "false"
    assert world.response().closed_ms == START_MS + (40 + DAY) * MINUTE
    assert world.order(40 + DAY + 6, "closed", subject="true").why == "it is closed: reopen it first"


def test_what_was_over_before_anybody_looked_is_closed_too():
    """An incident that opened and resolved while Limen was busy is dated, and closed in its time."""
    world = World()
    world.opened(state="resolved", resolved_ms=20)
    assert world.look(0) == ["opened sev2", "resolved"]
    assert world.look(DAY) == ["closed"]


def test_what_alerts_again_has_its_clocks_anew(world):
    """The machine has opened it again: the response follows, and the engine has told of it."""
    world.look(0)
    world.opened(state="resolved", resolved_ms=20, version=2)
    world.look(30)
    world.opened(state="triage", version=3, reopens=1)
    assert world.look(40) == ["reopened", "opened sev2"]
    assert world.messages() == []
    assert world.response().since["sev2"] == START_MS + 40 * MINUTE
    assert "breached acknowledge" in world.look(55)


def test_a_ticket_calls_people_only_when_nobody_answered_in_time():
    """What does not page waits for four hours, and then goes along the chain."""
    world = World()
    world.opened(severity="sev3", level="ticket")
    lines = {minute: world.look(minute) for minute in range(0, 256, 5)}
    assert {minute: said for minute, said in lines.items() if said} == {
        0: ["opened sev3"],
        180: ["at_risk acknowledge", "at_risk decide"],
        240: ["breached acknowledge", "breached decide"],
        245: ["escalated Ben"],
        255: ["escalated lead"],
    }


@pytest.mark.playbook("C7")
def test_only_who_may_raise_raises_and_who_is_on_call_always_may():
    """Others are told whom to ask; lowering is free to all."""
    owners = Owners(teams={"on-call": ("Ana",)}, may=May(raise_severity=("lead",)))
    world = World(owners=owners)
    world.opened()
    refused = world.order(1, "graded", "Eve", subject="sev1")
    assert refused.why == "Eve may not raise a severity; owners.may.raise_severity names who may"
    assert world.order(1, "graded", "Eve", subject="sev3").verb == "graded"
    assert world.order(1, "graded", "Ana", subject="sev1").verb == "graded"


def test_nothing_is_written_while_somebody_acts():
    """A look that loses against a person writes nothing, and the next one finds it."""

    class Busy:
        def asking(self, limit):
            return [Heard(INCIDENT)]

        def among(self, states, limit):
            return []

        def put(self, acts, response, notifications=()):
            return False

        def after(self, since):
            return since, []

        def latest(self):
            return 0

    assert Duty(Busy(), Settings(), lambda _: SIGNAL).look(START_MS) == 0
