"""The story of one incident as docs/walkthrough.md tells it, from its first event until it is closed.

Everything in it is done and not made up: the traffic is simulated, the engine, the store, the clocks and the commands
are the real ones, and only the time of day is the story's own. `python -m tests.support.walkthrough` writes the page.
"""

import json
import tempfile
import textwrap
from pathlib import Path
from random import Random
from unittest.mock import patch

from click.testing import CliRunner

from pipelines import build
from pipelines.cli import main
from pipelines.config import load
from pipelines.ingest.simulate import PARTITION, Simulator
from pipelines.ingest.simulate_model import Shift
from pipelines.respond.notifiers.text import Said, plain, said_of
from pipelines.run_clock import SystemClock
from pipelines.run_line import Hooks, Line
from schemas.incident import PAGING, Incident
from schemas.minutes import MINUTE_MS
from schemas.words import moment, rfc3339
from tests.pipelines.run_fakes import FakeClock

PAGE = Path(__file__).resolve().parents[2] / "docs" / "walkthrough.md"
SEED = 7
FIRST_MINUTE = 29_459_520
"""2026-01-05 00:00, a Monday."""
CHANGE_MINUTE = FIRST_MINUTE + 9 * 60
"""Nine hours are enough for the levels of a region to be known."""
VERSION = "orion-2026-09"
"""What comes then to the EU: a version of a model that refuses four times as often."""
ROLLBACK_MINUTES = 40
"""How long after the change the version is taken back: the time that the people of the story take."""
PAGED_MINUTES_MAX = 30
"""Within so many minutes after the change somebody is paged, or there is no story."""
BACK_MINUTES_MAX = 120
"""Within so many minutes after the rollback it is shown that the rate is back."""
SHOWN = (
    "event_id",
    "ts",
    "tenant",
    "region",
    "surface",
    "model",
    "model_version",
    "finish_reason",
    "refusal",
    "latency_ms",
)
"""Fields of an event that the story shows."""
STEP_MINUTES = 20
"""Minutes that are read at once while nothing happens."""
CONFIG = """\
storage: {{url: "sqlite:///{folder}/limen.db"}}
cohorts:
  sets: [[], [region], [model_version], [region, model_version]]
owners:
  default: assistants
  chains:
    - {{owner: assistants, steps: [{{name: ana, after_minutes: 0}}, {{name: ben, after_minutes: 10}}]}}
notifiers:
  - {{name: pager, kind: log}}
serve: {{public_url: "https://limen.example"}}
"""


class Story:
    """A Limen that reads simulated traffic as time passes; what happens is kept as Markdown in `text`."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty store in the folder, at the first minute."""
        self.text: list[str] = []
        self._config = folder / "limen.yaml"
        self._config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
        settings = load(str(self._config), {})
        version = {"from": "orion-2026-07", "to": VERSION}
        until = CHANGE_MINUTE + ROLLBACK_MINUTES
        shifts = (Shift(CHANGE_MINUTE, until, "eu", model_version=version, factor=4.0, announced=True),)
        self.simulator = Simulator(SEED, shifts=shifts, take=build.measuring(settings).take)
        self.limen = build.live(settings)
        self._clock = FakeClock(FIRST_MINUTE * MINUTE_MS)
        self.minute = FIRST_MINUTE
        self._line = Line(self.limen.engine, self.limen.store, self._clock, Random(0), Hooks(hear=self._hear))
        self._told: set[str] = set()

    def _hear(self) -> bool:
        """Let the engine hear of what people did, as a run does."""
        place, found = self.limen.store.acts.heard(self.limen.engine.heard)
        self.limen.engine.hear(place, found)
        return bool(found)

    def now_ms(self) -> int:
        """Give the time of day of the story."""
        return self._clock.now_ms()

    def pass_minutes(self, minutes: int) -> None:
        """Read so many minutes of traffic, and let the clocks of incidents look at each of them."""
        for _ in range(minutes):
            self._read(1)
            self.limen.duty(self.now_ms())

    def pass_until(self, minute: int) -> None:
        """Read all traffic before a minute, in long steps."""
        while self.minute < minute:
            self._read(min(STEP_MINUTES, minute - self.minute))
        self.limen.duty(self.now_ms())

    def _read(self, minutes: int) -> None:
        offset = self.limen.engine.offsets().get(PARTITION, 0)
        self.limen.engine.feed_batch(self.simulator.batch(self.minute, offset, minutes))
        self.minute += minutes
        self._clock.sleep(self.minute * 60 - self._clock.now_ms() / 1000)
        self._line.checkpoint()

    def say(self, *paragraphs: str) -> None:
        """Tell something, in lines of a width that is good to read."""
        self.text += [textwrap.fill(each, 118, break_on_hyphens=False) for each in paragraphs]

    def show(self, text: str) -> None:
        """Show what a program wrote."""
        self.text.append("\n".join(f"    {line}".rstrip() for line in text.strip("\n").splitlines()))

    def run(self, *words: str) -> str:
        """Do what somebody asks for at a terminal, show it, and give what it wrote; it has to succeed."""
        with patch.object(SystemClock, "now_ms", lambda _: self.now_ms()):
            result = CliRunner().invoke(main, [*words, "--config", str(self._config)], env={"COLUMNS": "118"})
        assert result.exit_code == 0, f"{words}: {result.output}"
        shown = " ".join(f'"{word}"' if " " in word else word for word in words)
        self.show(f"$ limen {shown}\n{result.output}")
        return result.output

    def told(self) -> list[Said]:
        """Give the messages that were written since the last call, oldest first."""
        new = [each for each in self.limen.store.deliveries(1_000) if each.notification.id not in self._told]
        self._told |= {each.notification.id for each in new}
        return [said_of(each.notification) for each in reversed(new)]

    def show_headlines(self) -> None:
        """Show of each message since the last its headline and what it says first."""
        for said in self.told():
            label, text = said.facts[0]
            self.show(f"{said.headline}\n{label}: {text}")

    def only_state(self) -> str:
        """Give its state, as people see it."""
        return self.only_incident().state

    def only_incident(self) -> Incident:
        """Give the incident of which people were told."""
        (found,) = (each for each in self.limen.store.incidents(None, 100) if each.severity in PAGING)
        return found


def at(ms: int) -> str:
    """Give a time of day for the text."""
    return f"{moment(rfc3339(ms))[-5:]} UTC"


def first_events(story: Story) -> tuple[str, str]:
    """Give the event that announces the version, and the first refusal of it."""
    events = [json.loads(line) for line in story.simulator.lines(CHANGE_MINUTE)]
    change = next(each for each in events if each.get("kind") == "change")
    refused = next(each for each in events if each.get("model_version") == VERSION and each.get("refusal"))
    return json.dumps(change), json.dumps({key: refused[key] for key in SHOWN if key in refused})


def told() -> str:
    """Play the story and give the page."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        try:
            for part in (_quiet, _page, _answer, _contain, _over, _closed):
                part(story)
        finally:
            story.limen.store.close()
    return "\n\n".join(story.text) + "\n"


def _quiet(story: Story) -> None:
    story.pass_until(CHANGE_MINUTE)
    assert story.told() == [], "somebody was told of something on a quiet day"
    events = f"{story.limen.engine.counters.read:,}"
    change, refused = first_events(story)
    story.say(
        "# A walkthrough: one incident, from its first event until it is closed",
        "This page is written by a test (`tests/test_walkthrough.py`), which plays it anew each "
        "time and compares. The "
        "traffic is simulated; everything else is what Limen does and what its commands print. Times of day are UTC.",
        "## A quiet morning",
        f"Four tenants, three regions and three models make {events} events from midnight until "
        f"09:00. Limen has never seen"
        " any of them before. It learns what is normal, and nobody is told of anything.",
        "## 09:00, a new version in one region",
        f"A rollout takes `{VERSION}` to the EU, and announces it in the same stream. The first event of the story:",
    )
    story.show(change)
    story.say("The new version refuses four times as often. Its first refusal (of its fields, those that matter here):")
    story.show(refused)
    story.say("Nothing has failed: no request is slower, no error is thrown. An availability page stays green.")


def _page(story: Story) -> None:
    story.pass_minutes(1)
    while not (messages := story.told()):
        assert story.now_ms() < (CHANGE_MINUTE + PAGED_MINUTES_MAX) * MINUTE_MS, "nobody was paged"
        story.pass_minutes(1)
    story.say(
        f"## {at(story.now_ms())}, somebody is paged",
        f"{story.now_ms() // MINUTE_MS - CHANGE_MINUTE} minutes after the change, the evidence is "
        f"past the page level of the "
        "budget (one false page a week for everything that is watched). The message, as mail, chat "
        "and pagers have it:",
    )
    story.show(plain(messages[0]))
    story.say(
        "It says how much, against what, how rare that is by chance, where, since when, what "
        "changed there, what was ruled "
        "out and what was not. Ana is the first of the chain, so she is called at once. She looks at what there is:"
    )
    story.run("incidents", "list")


def _answer(story: Story) -> None:
    story.pass_minutes(3)
    incident = story.only_incident().id
    story.say(f"## {at(story.now_ms())}, Ana has it")
    story.run("incidents", "ack", incident, "--as", "ana")
    story.run("incidents", "name", incident, "containment", "ana", "--as", "ana")
    story.run("incidents", "name", incident, "public", "cleo", "--as", "ana")
    story.say(
        "Ben, who is next in the chain, is not called. A second person who acknowledges would be told that Ana has it."
    )
    story.show_headlines()


def _contain(story: Story) -> None:
    story.pass_minutes(8)
    incident = story.only_incident().id
    story.say(
        f"## {at(story.now_ms())}, what to do is decided",
        "The message named one change near the onset, in the same region and model. Ana decides to "
        "take it back, and says so:",
    )
    story.run("incidents", "decide", incident, "--note", f"take {VERSION} back in the EU", "--as", "ana")
    story.pass_minutes(CHANGE_MINUTE + ROLLBACK_MINUTES - story.minute)
    story.say(
        f"## {at(story.now_ms())}, the version is taken back",
        "Meanwhile the clocks ran. What they asked for until the rollback was through:",
    )
    story.show_headlines()
    story.pass_minutes(2)
    story.run("incidents", "update", incident, "rolled back at 09:40; contained; figures are watched", "--as", "ana")
    story.run("incidents", "mitigate", incident, "--as", "ana")


def _over(story: Story) -> None:
    rolled_back = CHANGE_MINUTE + ROLLBACK_MINUTES
    while story.only_state() != "resolved":
        assert story.minute < rolled_back + BACK_MINUTES_MAX, "it was never shown to be back"
        story.pass_minutes(1)
    story.say(
        f"## {at(story.now_ms())}, it is shown to be over",
        "Nobody says so: the recovery test does, with its own error rate. What the pager heard "
        "since, the last of it by Limen itself:",
    )
    story.show_headlines()


def _closed(story: Story) -> None:
    incident = story.only_incident().id
    story.pass_minutes(30)
    story.say(
        f"## {at(story.now_ms())}, closed", "Ana says what it was, which counts for the precision of what found it:"
    )
    story.run("incidents", "close", incident, "--reason", "true", "--note", "the version refuses harmless requests",
              "--as", "ana")  # fmt: skip
    story.run("incidents", "show", incident)
    story.say("The same stands on the page of the incident, and under `/api/v1/incidents/" + incident + "`.")


if __name__ == "__main__":
    PAGE.write_text(told(), encoding="utf-8")
