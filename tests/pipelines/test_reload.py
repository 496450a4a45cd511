"""A reload between two checkpoints: whole or not at all, and the same as a restart with the new file at that point."""

from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from pipelines import build
from pipelines.config import load
from pipelines.config_yaml import ConfigError
from pipelines.reload import Wishes
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from schemas.record import Record
from schemas.settings import Settings
from schemas.situation import Situation
from tests.pipelines.run_fakes import FakeClock, ScriptedSource
from tests.support.whole import MEASURED, START_MS, P, turn

MINUTES = 40
BUSY = "{name: busy, signal: traffic, above: 10, for_minutes: 6, window_minutes: 5, severity: sev2}"
LONG = "{name: long, signal: output_tokens, above: 50, for_minutes: 2, window_minutes: 3, severity: sev3}"
WIDE = "{name: wide, signal: output_tokens, above: 50, for_minutes: 0, window_minutes: 30, severity: sev4}"
SLOW = "{name: slow, signal: latency_ms, above: 100, for_minutes: 0, window_minutes: 1, severity: sev4}"


def text(*rules: str, folder: Path, more: str = "") -> str:
    """Write a configuration with a few signals and some rules."""
    every = load(None, {})
    off = sorted(build.catalogue(every.signals, every.cohorts).signals.keys() - MEASURED)
    return (
        f"signals: {{off: [{', '.join(off)}]}}\ncohorts: {{sets: [[], [tenant]]}}\n"
        f"detection: {{snapshot_minutes: 10, false_notes_per_week: 100}}\nrules: [{', '.join(rules)}]\n"
        f"storage: {{url: 'sqlite:///{folder}/limen.db'}}\n{more}"
    )


def events(first: int, until: int) -> list[bytes]:
    """Write twenty turns a minute; their latency rises half way."""
    random = Random(f"{first}")
    return [
        turn(
            f"e{minute}-{k}", 60 * minute + 3 * k, output_tokens=100 + random.randrange(20),
            latency_ms=(300 if minute < 25 else 3_000) + random.randrange(200), refusal=random.random() < 0.2,
        )
        for minute in range(first, until)
        for k in range(20)
    ]  # fmt: skip


class Running:
    """A Limen over a file of settings, fed minute by minute."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "limen.yaml"
        self.wishes = Wishes()
        self.limen = build.live(load(str(self.file), {}), read=self._read, wishes=self.wishes)
        reloads, board = self.limen.reloads, self.limen.board
        hooks = Hooks(status=board.put, waking=reloads.asked, reload=reloads.reload)
        self.line = Line(self.limen.engine, self.limen.store, FakeClock(START_MS), Random(1), hooks)

    def _read(self, running: Settings) -> Settings | tuple[str, ...]:
        try:
            return load(str(self.file), {}, files=True, running=running)
        except ConfigError as error:
            return tuple(map(str, error.problems))

    def feed(self, first: int, until: int) -> None:
        """Read some minutes, with a checkpoint after each."""
        for minute in range(first, until):
            offset = self.limen.engine.offsets().get(P, 0)
            values = events(minute, minute + 1)
            self.limen.engine.feed([Record(value, P, offset + k) for k, value in enumerate(values)])
            self.line.checkpoint()

    def reload(self, changed: str):
        """Change the file, ask, and make the next checkpoint."""
        self.file.write_text(changed, encoding="utf-8")
        answer = self.wishes.ask()
        self.line.checkpoint()
        return answer.result(timeout=0)

    def found(self):
        """Give all that is stored of what was said, and how far it stands."""
        store = self.limen.store
        saved = store.load()
        return (
            saved.positions,
            saved.closed_minute,
            store.alerts(None, 999),
            store.incidents(None, 999),
            store.history(0, 10**9),
            [(each.notification.id, each.notification.body) for each in store.deliveries(999)],
        )

    def end(self):
        """Close every minute, and give what is stored."""
        self.line.checkpoint(Situation(final=True))
        found = self.found()
        self.limen.store.close()
        return found


@pytest.fixture
def begun():
    """Give what begins in a folder with some rules; every store is closed afterwards."""
    made = []

    def begin(folder: Path, *rules: str, more: str = "") -> Running:
        folder.mkdir(exist_ok=True)
        (folder / "limen.yaml").write_text(text(*rules, folder=folder, more=more), encoding="utf-8")
        made.append(Running(folder))
        return made[-1]

    yield begin
    for running in made:
        running.limen.store.close()


def alerts(running: Running, rule: str):
    """Give the alerts of a rule over all traffic, the oldest first."""
    found = running.limen.store.alerts(None, 999)
    return [alert for alert in found[::-1] if alert.rule == rule and alert.cohort == ()]


def at(ms: int) -> float:
    """Give a time as minutes since the start."""
    return (ms - START_MS) / 60_000


def test_a_new_rule_takes_effect_and_what_is_pending_goes_on(begun, tmp_path):
    """An alert that waits for six minutes fires when it would have fired; the new rule begins at the reload."""
    calm, changed = begun(tmp_path / "calm", BUSY), begun(tmp_path / "changed", BUSY)
    for running in (calm, changed):
        running.feed(0, 8)
    (pending,) = alerts(changed, "busy")
    assert pending.state == "pending"
    done = changed.reload(text(BUSY, LONG, folder=tmp_path / "changed"))
    assert (done.changed, done.problems) == (("rules",), ())
    for running in (calm, changed):
        running.feed(8, 16)
    (one,), (other,) = alerts(calm, "busy"), alerts(changed, "busy")
    assert (one.id, one.pending_ms, one.firing_ms) == (other.id, other.pending_ms, other.firing_ms)
    assert other.state == "firing"
    (late,) = alerts(changed, "long")
    # The minute before the reload is closed by its watermark, two minutes late; the next one is judged by the new rule.
    assert (at(late.pending_ms), at(late.firing_ms)) == (at(pending.latest.detected_ms) + 1, at(late.pending_ms) + 2)
    assert alerts(calm, "long") == []


@pytest.mark.parametrize("reload_at", [16, 18])
def test_a_reload_is_a_restart_at_that_point(begun, tmp_path, reload_at):
    """Whether the process goes on or is killed a few minutes later, it says the same, bit for bit, for ever.

    Rules, a bound and the budget are changed; what a new rule counts begins at the reload, also after the restart.
    """
    found = []
    for name, killed in (("on", False), ("killed", True)):
        running = begun(tmp_path / name, BUSY, LONG)
        running.feed(0, reload_at)
        changed = text(BUSY.replace("above: 10", "above: 15"), SLOW, WIDE, folder=tmp_path / name)
        running.reload(changed.replace("false_notes_per_week: 100", "false_notes_per_week: 5000"))
        running.feed(reload_at, reload_at + 3)
        if killed:
            running.limen.store.close()
            running = Running(tmp_path / name)
        running.feed(reload_at + 3, MINUTES)
        found.append(running.end())
    assert found[0] == found[1]
    assert {alert.rule for alert in found[0][2]} >= {"busy", "long", "slow", "wide"}


def test_a_removed_rule_ends_its_alerts_with_the_next_minute(begun, tmp_path):
    """The incident resolves and says why; the messages tell of it."""
    running = begun(tmp_path, BUSY)
    running.feed(0, 14)
    (incident,) = running.limen.store.incidents(None, 99)
    assert incident.state == "triage"
    running.reload(text(folder=tmp_path))
    running.feed(14, 16)
    (incident,) = running.limen.store.incidents(None, 99)
    assert [entry.what for entry in incident.timeline[-2:]] == [
        "the settings have no rule busy any more",
        "resolved: its last alerts have ended with their rule",
    ]
    assert {alert.state for alert in running.limen.store.alerts(None, 99)} == {"resolved"}
    assert next(each.notification.type for each in running.limen.store.deliveries(9)) == "incident.resolved"


def test_a_file_with_anything_wrong_changes_nothing(begun, tmp_path):
    """Not even what is right in it; it is told in the log, the status and the journal, and the outcome is the same."""
    calm, tried = begun(tmp_path / "calm", BUSY), begun(tmp_path / "tried", BUSY)
    for running in (calm, tried):
        running.feed(0, 5)
    before = tried.limen.board.status().config_hash
    with capture_logs() as log:
        done = tried.reload(text(LONG, folder=tmp_path / "tried") + "serve: {prot: 1}\nowners: {default: ''\n")
    assert len(done.problems) == 1
    assert (done.changed, done.config_hash) == ((), before)
    status = tried.limen.board.status()
    assert (status.config_hash, status.config_problems) == (before, done.problems)
    assert [(line["event"], line["problems"]) for line in log] == [("settings.refused", done.problems[0])]
    ((_, told),) = tried.limen.store.journal(1)
    assert told == f"a reload of the settings was refused: {done.problems[0]}"
    for running in (calm, tried):
        running.feed(5, 15)
    assert calm.end() == tried.end()


def test_a_good_file_after_a_bad_one_clears_the_failure(begun, tmp_path):
    """The status is well again, the hash is that of the file, and the journal has both."""
    running = begun(tmp_path, BUSY)
    running.feed(0, 3)
    running.reload("x: 1")
    assert running.limen.board.status().config_problems
    loaded_ms = running.limen.board.status().config_loaded_ms
    done = running.reload(text(BUSY, folder=tmp_path, more="owners: {default: team-ai}\n"))
    status = running.limen.board.status()
    assert (status.config_problems, status.config_hash, done.changed) == ((), done.config_hash, ("owners.default",))
    assert status.config_loaded_ms >= loaded_ms
    told = [what for _, what in running.limen.store.journal(2)]
    assert told[0] == f"the settings were reloaded ({done.config_hash}): owners.default changed"
    assert told[1].startswith("a reload of the settings was refused: ")


def test_a_file_that_is_gone_changes_nothing(begun, tmp_path):
    """The defaults do not take its place."""
    running = begun(tmp_path, BUSY)
    running.feed(0, 3)
    running.file.unlink()
    answer = running.wishes.ask()
    running.line.checkpoint()
    assert answer.result(timeout=0).problems == (
        f"{running.file}: cannot be read (No such file or directory); name a readable file",
    )


def test_sinks_and_owners_are_those_of_the_new_file(begun, tmp_path):
    """Messages go to the sinks in use; what waits for one that is gone is given up and told."""
    hook = "notifiers: [{name: hook, kind: webhook, url: 'http://127.0.0.1:1/', give_up_hours: 100}]\n"
    running = begun(tmp_path, BUSY, more=hook)
    running.feed(0, 14)
    running.limen.pump(1)
    assert running.limen.store.delivery_counts() == {"hook": {"waiting": 1}}
    running.reload(text(BUSY, SLOW, folder=tmp_path, more="owners: {default: team-ai}\n"))
    with capture_logs() as log:
        running.limen.pump(2)
    assert running.limen.store.delivery_counts() == {"hook": {"dead": 1}}
    (told,) = [line for line in log if line["event"] == "notification.dead"]
    assert (told["sink"], told["reason"]) == ("hook", 'the settings name no sink "hook" any more')
    running.feed(14, 30)
    counts = running.limen.store.delivery_counts()
    assert (counts["hook"], "log" in counts) == ({"dead": 1}, False)  # sev4 is below what the log sink asks for
    assert "team-ai" in {incident.owner for incident in running.limen.store.incidents(None, 99)}


def test_several_who_ask_at_once_are_answered_by_one_reload(begun, tmp_path):
    """A signal and two requests between two checkpoints read the file once."""
    running = begun(tmp_path, BUSY)
    running.feed(0, 2)
    answers = [running.wishes.ask() for _ in range(3)]
    running.line.checkpoint()
    assert len({id(answer.result(timeout=0)) for answer in answers}) == 1
    assert len(running.limen.store.journal(99)) == 1


def test_a_reload_is_heard_while_the_source_is_away():
    """It waits neither for the source nor for the end of a pause between two attempts."""
    clock, wishes, reloaded = FakeClock(START_MS), Wishes(), []

    def reload():
        for answer in wishes.take():
            answer.set_result(None)
        reloaded.append(clock.seconds)
        return ((START_MS, "reloaded"),)

    class Asks(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if 20 <= self.seconds < 20.2:
                wishes.ask()

    clock = Asks(START_MS)
    source = ScriptedSource(clock, {P: []}, opens=["kafka: nobody listens there"] * 12)
    with_store = build.replaying(Settings())
    hooks = Hooks(waking=wishes.waiting, reload=reload)
    line = Line(with_store.engine, with_store.store, clock, Random(1), hooks)
    Loop(source, line, Settings(), clock, Random(1)).run()
    assert len(reloaded) == 1
    assert 20 <= reloaded[0] < 21
    assert [what for _, what in with_store.store.journal(9)] == ["reloaded"]
