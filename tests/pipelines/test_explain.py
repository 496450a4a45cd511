"""`limen explain` says why a series did, or did not, alarm: by the real detectors, or what it cannot know."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from pipelines.aggregate.codec import decode_minute, encode_minute
from pipelines.cli import main
from pipelines.detect.detect import Detect
from pipelines.engine_kept import Kept, Snapshot, encode
from pipelines.explain import Asked, explain
from pipelines.respond.respond import Respond
from pipelines.store import Store
from schemas.effects import Commit, merged
from schemas.signal import series_key
from tests.pipelines.detect.by_hand import EU, KNOWN, US, Story, settings

REGIONS = settings(((), ("region",)))
HOURS = 3 * 60
QUIET, TRIPLED = {EU: (200, 0.03), US: (200, 0.03)}, {EU: (200, 0.2), US: (200, 0.03)}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Give a store as a run leaves it: charts, a snapshot, and ten minutes since in which refusals rose in eu."""
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('store')}/limen.db")
    story, respond = Story(REGIONS), Respond(REGIONS, KNOWN.signal)
    rows, series, kept, effects = [], [], [], []
    for at in range(HOURS + 10):
        minute = story.draw(QUIET if at < HOURS else TRIPLED)
        covered = respond.covered
        judged = story.detect.step(minute, covered)
        rows.append((at, msgspec.msgpack.encode(judged.history)))
        series += judged.new_series
        effects.append(respond.step(at, minute.detected_ms, judged.findings, judged.candidates, judged.recovered))
        if at == HOURS - 1:
            snapshot = (at, encode(Snapshot(story.detect.snapshot(), (), b"")))
        if at >= HOURS:
            kept.append((at, encode(Kept(encode_minute(minute), tuple(sorted(covered))))))
    store.commit(
        Commit(
            positions=(), closed_minute=HOURS + 9, minutes=tuple(kept), snapshot=snapshot,
            history=tuple(rows[60:]), series=tuple(series), effects=merged(effects),
        )
    )  # fmt: skip
    return store


def asked(store, cohort, minute, signal="refusal_rate"):
    """Ask about a minute of a series."""
    info = next(each for each in store.series() if (each.signal, each.cohort) == (signal, cohort))
    found = Asked(info, minute, KNOWN.signal(signal), REGIONS)
    return explain(store, Detect(REGIONS, KNOWN.signal), decode_minute, found)


def test_a_minute_that_alarmed_is_explained_by_the_detectors(told):
    """Value, expected value, band, odds and what each level needed are those of that minute; nothing is unknown."""
    found = asked(told, EU, HOURS + 8)
    assert (found.verdict, found.alarmed, found.exact, found.unknown) == ("it alarmed: anomaly", True, True, ())
    assert list(found.facts)[:5] == ["value", "expected", "odds", "needed", "learning"]
    assert found.facts["value"].startswith("2")
    assert found.facts["expected"] == "2.96 %, 0.4 to 8.56 % is normal"
    assert found.facts["needed"].startswith("a note once in ")
    assert "by anomaly, pending since" in found.facts["alerts"]
    pages = [each for each in told.incidents(None, 9) if each.severity < "sev3"]
    assert series_key("refusal_rate", EU) in pages[0].series
    assert "covers it" in found.facts["learning"]


def test_a_minute_that_did_not_alarm_says_what_was_missing(told):
    """The other region went on as before: its evidence is told beside what a note needs."""
    found = asked(told, US, HOURS + 8)
    assert (found.alarmed, found.exact) == (False, True)
    assert found.verdict.startswith("it did not alarm: its evidence was once in ")
    assert ", and a note needs once in " in found.verdict
    assert found.facts["learning"] == "it learns"
    assert found.facts["rules"] == "the budget of false alarms"


def test_of_an_older_minute_it_is_said_what_is_not_kept(told):
    """Figures come from the charts, what a note needed from the snapshot; of a minute that was dropped even less."""
    older = asked(told, US, 100)
    assert not older.exact
    assert older.facts["value"].endswith("n 0") or "n " in older.facts["value"]
    assert older.facts["needed"].endswith("(as of the snapshot)")
    assert [line.partition(":")[0] for line in older.unknown] == [
        "what a note needed then",
        "whether learning was held back in that minute, but for what incidents and alerts tell",
    ]
    dropped = asked(told, US, 30)
    assert "value" not in dropped.facts
    assert dropped.unknown[0].startswith("value, expectation and odds")
    assert dropped.verdict == "it did not alarm, and what was seen is not kept"


def test_what_was_never_judged_is_said(told):
    """A minute to come, and one before the series, have no figures at all."""
    assert asked(told, EU, HOURS + 10).verdict == "that minute has not closed yet: nothing was judged in it"
    born = msgspec.structs.replace(next(iter(told.series())), first_minute=50)
    early = explain(
        told, Detect(REGIONS, KNOWN.signal), decode_minute, Asked(born, 49, KNOWN.signal(born.signal), REGIONS)
    )
    assert early.verdict.startswith("there was no such series yet")


def test_the_command_tells_it_in_lines_and_as_json(told, tmp_path):
    """A series is named by number or by name; one that is not there names those near it."""
    file = tmp_path / "limen.yaml"
    file.write_text(
        f"storage: {{url: 'sqlite:///{told.where}'}}\ncohorts: {{sets: [[], [region]]}}\n", encoding="utf-8"
    )
    at = "1970-01-01T03:08:00Z"
    shown = CliRunner().invoke(main, ["explain", "refusal_rate region=eu", at, "-c", str(file)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[:2] == [
        "refusal_rate of region eu at 1970-01-01 03:08 UTC",
        "  it alarmed: anomaly",
    ]
    found = json.loads(CliRunner().invoke(main, ["explain", "0", at, "-o", "json", "-c", str(file)]).stdout)
    assert found["exact"] is True
    wrong = CliRunner().invoke(main, ["explain", "refusal_rate", at, "-c", str(file)])
    assert wrong.exit_code == 0
    none = CliRunner().invoke(main, ["explain", "refusal_rate region=mars", at, "-c", str(file)])
    assert (none.exit_code, "there is no series" in none.stderr) == (2, True)
