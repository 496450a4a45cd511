"""The people of the simulated world silence things and end that again; an oracle says what is not to be told when.

The oracle reads silences, the window and the wait of an end by plain rules of its own, and holds the gate to them both
ways: nothing else is kept back, and nothing of it goes out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pipelines.respond.gate import Gate
from pipelines.respond.silencing import Wish, end_silence, silence
from pipelines.respond.waiting import Held, is_ending
from pipelines.store import Store, StoreError
from schemas.incident import Incident, Notification
from schemas.quiet import SILENCES_MAX, Silence
from schemas.settings import Settings
from tests.simulation.log import MINUTE_MS, REGIONS
from tests.simulation.settings import RULES, SETTINGS, WINDOW_MS, WINDOW_REGION

AGAIN_MS = 10_000
DAY_MS = 24 * 60 * MINUTE_MS
CLEAR_MS = SETTINGS.quiet.clear_minutes * MINUTE_MS
WORDS = {"silenced": "silenced", "in": "in a window", "told": "an end that may come back"}
"""The first word of why something is held -> how the oracle calls it."""


@dataclass
class Plan:
    """One silence that somebody is going to make (true time), and when they end it, if before its time."""

    at_ms: float
    wish: Wish
    ends_ms: float | None
    made: Silence | None = None


class People:
    """Make silences, and end half of them early; who was not answered tries again."""

    def __init__(self, store: Store, random: Random, from_ms: float, until_ms: float, counts: Counter[str]) -> None:
        self._store = store
        self._counts = counts
        self._plans: list[Plan] = []
        for _ in range(random.choice([0, 1, 2, 4])):
            at_ms, minutes = random.uniform(from_ms, until_ms), random.randint(2, 25)
            which = random.choice(
                [{"match": {"region": each}} for each in REGIONS] + [{"rules": (each,)} for each in RULES]
            )
            ends_ms = at_ms + random.random() * minutes * MINUTE_MS if random.random() < 0.5 else None
            self._plans.append(Plan(at_ms, Wish(minutes, "a load test", **which), ends_ms))

    def act(self, ms: float, now_ms: int) -> None:
        """Do what is due at a true time, by the clock of Limen."""
        for plan in self._plans:
            try:
                if plan.made is None and plan.at_ms <= ms:
                    made = silence(self._store.silences, plan.wish, "Ana", "web", now_ms, Settings())
                    assert isinstance(made, Silence), made
                    plan.made = made
                    self._counts["silences"] += 1
                if plan.made is not None and plan.ends_ms is not None and plan.ends_ms <= ms:
                    ended = end_silence(self._store.silences, plan.made.id, "Ben", "web", now_ms)
                    plan.ends_ms = None
                    self._counts["silences ended early"] += isinstance(ended, Silence)
            except StoreError:
                self._counts["silencing failed"] += 1
                plan.at_ms, plan.ends_ms = ms + AGAIN_MS, None if plan.ends_ms is None else plan.ends_ms + AGAIN_MS

    def why_not(self, message: Notification, now_ms: int) -> str:
        """Say why a message is not to go out at a time of day, "" if it may."""
        heard = self._store.acts.found(message.incident_id)
        assert heard is not None, "a message tells of an incident that is there"
        incident = heard.incident
        if is_ending(message):
            since_ms = now_ms - message.created_ms
            wait = incident.ended != "calm" and -CLEAR_MS <= since_ms < CLEAR_MS
            return "an end that may come back" if wait else ""
        if incident.severity == "sev1":
            return ""
        silences = [each for each in self._store.silences.latest(SILENCES_MAX) if not each.ended_by]
        if any(now_ms < each.ends_ms and _names(each, incident) for each in silences):
            return "silenced"
        begins_ms, ends_ms = WINDOW_MS
        works = begins_ms <= now_ms % DAY_MS < ends_ms and incident.scope.get("region") == WINDOW_REGION
        return "in a window" if works else ""


def _names(made: Silence, incident: Incident) -> bool:
    """Say whether a silence of a region, or of a rule, means all of an incident."""
    if made.which.match:
        return incident.scope.get("region") == made.which.match["region"]
    return incident.rules == made.which.rules


class WatchedGate:
    """The real gate, held to what the oracle says; what the gate alone knows the reason of is counted."""

    def __init__(self, gate: Gate, people: People, counts: Counter[str]) -> None:
        self._gate = gate
        self._people = people
        self._counts = counts

    def held(self, messages: Sequence[Notification], now_ms: int) -> Mapping[str, Held]:
        """Say which messages are not to go out yet."""
        found = self._gate.held(messages, now_ms)
        for message in messages:
            why = found[message.id].why if message.id in found else ""
            word = why.partition(" ")[0]
            expected = self._people.why_not(message, now_ms)
            if word != "explained" or expected:
                assert WORDS.get(word, why) == expected, f"{message.incident_id}: {why!r}, but {expected!r}"
            if word:
                self._counts[f"held: {WORDS.get(word, word)}"] += 1
        return found
