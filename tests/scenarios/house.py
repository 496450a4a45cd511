"""A house for stories: the stage with what stands around it, a store, duty, the gate and an outbox with one pager.

Time of day is the event time at which a minute is judged. With `restarts` everything is made anew after every minute.
"""

from random import Random

import msgspec

from pipelines.respond.desk import Desk
from pipelines.respond.duty import Duty
from pipelines.respond.gate import Gate
from pipelines.respond.lane import Sink
from pipelines.respond.orders import Order, Refusal
from pipelines.respond.outbox import Outbox
from pipelines.respond.waiting import is_ending
from pipelines.store import Store
from schemas.act import Act
from schemas.audit import AuditLine
from schemas.effects import Commit, Effects
from schemas.incident import Notification, Outcome
from schemas.people import Chain, Owners, Step
from schemas.quiet import Matcher, Quiet, Silence
from schemas.settings import Notifier, Settings
from tests.scenarios.stage import SIGNALS, Stage, detected_at_ms

DAY_MS = 86_400_000


class Pager:
    """A sink that remembers what it was sent and when."""

    def __init__(self) -> None:
        self.got: list[tuple[int, Notification]] = []

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Take everything."""
        self.got.append((now_ms, notification))
        return Outcome("done")


class House(Stage):
    """Plays a story up to what the pager shows."""

    def __init__(self, quiet: Quiet | None = None, *, restarts: bool = False, owners: Owners | None = None) -> None:
        chain = Chain("on-call", (Step("Ben", 30),))
        super().__init__(
            Settings(
                notifiers=(Notifier(name="pager", minimum_severity="sev3"),),
                quiet=quiet or Quiet(),
                owners=owners or Owners(chains=(chain,)),
            ),
            restarts=restarts,
        )
        self.store = Store.open("sqlite://")
        self.pager = Pager()
        self._around()

    def _around(self) -> None:
        """Make duty and the outbox, which know nothing but the store."""
        held = self.store.silences.held
        self.duty = Duty(self.store.acts, self.settings, SIGNALS.__getitem__, held)
        gate = Gate(self.store.acts, self.settings, held)
        self.outbox = Outbox(self.store.outbox, {"pager": Sink(self.pager, DAY_MS)}, Random(1), gate)

    def play(self, until: int) -> "House":
        """Close the minutes up to `until`; after each duty looks, and what is due goes out."""
        while self.minute < until:
            done = len(self.effects)
            super().play(self.minute + 1)
            now_ms = detected_at_ms(self.minute - 1)
            for effects in self.effects[done:]:
                if effects != Effects():
                    self.store.commit(Commit(positions=(), effects=effects))
            self.duty.look(now_ms)
            while self.outbox.work(now_ms):
                pass
            if self.restarts:
                self._around()
        return self

    def act(self, verb: str, who: str = "Ana", **more: str) -> Act | Refusal:
        """Let somebody act on the only incident."""
        (incident,) = self.incidents
        desk = Desk(self.store.acts, self.settings, SIGNALS.__getitem__)
        return desk.take(incident, Order(verb, **more), who, "web", detected_at_ms(self.minute))

    def silence(self, minutes: int, **which: object) -> Silence:
        """Let Ana make a silence now."""
        now_ms = detected_at_ms(self.minute)
        made = Silence(f"s{self.minute}", Matcher(**which), now_ms, now_ms + minutes * 60_000, "Ana", "a load test")
        assert self.store.silences.add(made, AuditLine(now_ms, "Ana", "silence added", "cli"))
        return made

    def told(self) -> list[tuple[int, str]]:
        """Give what the pager was sent: the minute, and the type without its family."""
        start_ms = detected_at_ms(0)
        return [((at_ms - start_ms) // 60_000, each.type.partition(".")[2]) for at_ms, each in self.pager.got]

    def pages(self) -> list[int]:
        """Give the minutes in which a pager that opens on news and closes on ends rang anew."""
        rings, is_open = [], set()
        for (minute, _), (_, each) in zip(self.told(), self.pager.got, strict=True):
            if is_ending(each):
                is_open.discard(each.incident_id)
            elif each.incident_id not in is_open:
                is_open.add(each.incident_id)
                rings.append(minute)
        return rings

    def latest(self) -> dict[str, object]:
        """Give what the last message says of its incident."""
        return msgspec.json.decode(self.pager.got[-1][1].body)["data"]

    def timeline(self) -> list[str]:
        """Give the timeline of the only incident, with what people and clocks did."""
        (incident,) = self.incidents
        return [entry.what for entry in self.store.incident(incident).timeline]
