"""The pages say what the API says, are readable without scripts, and let no data become markup."""

import html
import json
import re
from dataclasses import replace

import msgspec
import pytest

from pipelines.respond.acts import after
from schemas.account import Account, Composition, Moved, Part, Rest, Shape
from schemas.act import Act
from schemas.breach import Burn
from schemas.effects import Commit, Effects
from schemas.incident import Effect
from schemas.settings import Settings, Severities
from schemas.status import Loss
from tests.pipelines.serve.made_up import EVIL, FIRST_MS, alert
from tests.pipelines.serve.made_up_days import busy


def text_of(page: str) -> str:
    """Give what a reader sees: tags gone, white space folded."""
    page = re.sub(r"<(script|title)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_overview_reads_without_scripts(client):
    """State, incidents with scope, time and odds, unusual series, counters, partitions and heartbeat are plain HTML."""
    page = client.get("/").text
    text = text_of(page)
    for words in (
        "1 incident open Judged up to 2026-01-05 00:10 UTC.",
        "3 series of 3 cohorts watched, 1 still learning.",
        "sev2 Refusals tripled in region eu region eu 12 % instead of 4 %",
        "since 2026-01-05 00:02 , detected 2026-01-05 00:10",
        "by chance once in 16 weeks in the whole fleet",
        "10 % 5 % 3.4 to 6.14 % 200 once in 2.1 days",
        "aggregated 980 late 3 out of range 2 duplicate 10 rejected 5 empty 1 not json 4 read 1,000",
        "every record read is accounted for",
        "kafka:events/0 12 2026-01-05 00:12 stdin/0 idle unknown not yet",
        "heartbeat 2026-01-05 00:00:07",
    ):
        assert words in text
    assert "<script" not in page


def test_a_quiet_overview_says_so(tmp_path, ask):
    """With nothing open the title says that all is quiet, and what is over is still told."""
    text = text_of(ask(busy(tmp_path, quiet=True)).get("/").text)
    assert "All quiet Judged up to 2026-01-08 00:00 UTC." in text
    assert "Lately over sev3 Latency of surface search rose" in text


def test_troubles_of_limen_itself_are_said_on_top(world, ask):
    """An engine that is not ready, a source that fails and a sum that is wrong are warnings under the title."""
    counters = msgspec.structs.replace(world.status.counters, late=4)
    troubled = world.with_status(ready=False, source_failure="kafka: no broker <b>", counters=counters)
    page = ask(troubled).get("/").text
    assert "Not ready: the engine is restoring its state" in page
    assert "Source: kafka: no broker &lt;b&gt;" in page
    assert "Records are not all accounted for" in page


def test_a_limen_that_sees_nothing_is_never_called_quiet(tmp_path, ask):
    """With a store that cannot be written, or a source that cannot be read, the title says so, and why."""
    quiet = busy(tmp_path, quiet=True)
    gaps = {"kafka:e/0": Loss(1200, 10), "kafka:e/1": Loss(corrupt=1)}
    page = ask(quiet.with_status(ready=False, store_failure="limen.db: <full>", gaps=gaps)).get("/").text
    assert "All quiet" not in page
    assert "Nothing is judged at the moment" in page
    assert "Store: limen.db: &lt;full&gt;." in page
    assert "kafka:e/0: 1,200 records were gone before they could be read." in page
    assert "kafka:e/0: 10 records are broken in the log and were passed over." in page
    assert "kafka:e/1: 1 record is broken in the log and was passed over." in page
    blind = ask(quiet.with_status(source_failure="kafka: no broker")).get("/api/v1/overview").json()
    assert (blind["state"], blind["title"]) == ("blind", "Nothing is judged at the moment")


def put(world, **changes):
    """Put the tiny world's incident into its store with changes."""
    found = world.store.incident("i1")
    world.store.commit(Commit(positions=(), effects=Effects(incidents=(msgspec.structs.replace(found, **changes),))))


def test_a_limit_is_told_as_a_limit(world, ask):
    """A limit is no expectation: no band is called normal, and nothing is "instead of" it."""
    put(world, level="limit", effect=Effect(0.12, 0.04, 0.04, 0.04, "share", 3.0))
    text = text_of(ask(world).get("/incidents/i1").text)
    assert "refusal_rate : 12 % against a limit of 4 %. A limit is stated by people and has no odds." in text
    assert "is normal" not in text
    assert "12 % against a limit of 4 %" in text_of(ask(world).get("/").text)


def test_a_limit_with_more_to_say_than_a_bound_says_it(world, ask):
    """An error budget is told with its windows and counts instead of a bound, and JSON has the same figures."""
    burn = Burn(0.99, 60, 5, 14.4, 16.0, 18.0, 2_000, 320, -300.0)
    put(world, level="limit", effect=Effect(0.16, 0.144, 0.144, 0.144, "share", 1.1), breach=burn)
    text = text_of(ask(world).get("/incidents/i1").text)
    assert "16 % against a limit of 14.4 %" in text
    assert "320 of 2,000 were bad in 1 h, where the objective of 99 % allows 20." in text
    assert "has no odds" not in text
    told = ask(world).get("/api/v1/incidents/i1").json()["incident"]["breach"]
    assert (told["type"], told["bad"], told["n"], told["burn"]) == ("burn", 320, 2_000, 16.0)


@pytest.mark.playbook("T9")
def test_an_incident_says_where_it_comes_from_and_what_is_ruled_out(world, ask):
    """Parts are a table, each conclusion a sentence with its numbers, and JSON has the same account."""
    part = Part({"region": "eu", "tenant": EVIL}, 0.3, 0.04, 200, 0.714)
    rest, mix = Rest(1.01, 0.94, 1.08, 12_400), Composition(0.04, 0.045)
    account = Account(
        {"region": "eu"},
        "rate",
        FIRST_MS,
        FIRST_MS + 600_000,
        0.12,
        0.045,
        500,
        37.5,
        0.97,
        rest,
        mix,
        (part,),
        9,
        part,
    )
    put(world, account=account)
    page = ask(world).get("/incidents/i1").text
    for words in (
        "Found by rate: minutes of hits among trials",
        "Where it comes from In region eu from 2026-01-05 00:00 to 2026-01-05 00:10 UTC it was 12 %",
        f"region eu tenant {EVIL} 30 % 4 % 200 71 %",
        "Ruled out A change of mix explains 0.5 of 8 points. All other traffic stands at x1.01 of its normal",
        f"Not ruled out The largest of its 9 cells, region eu, tenant {EVIL}, holds 71 % of the change.",
    ):
        assert words in text_of(page)
    assert EVIL not in page
    told = ask(world).get("/api/v1/incidents/i1").json()["incident"]["account"]
    assert (told["share"], told["rest"]["n"], told["parts"][0]["cohort"]) == (0.97, 12_400, part.cohort)


def test_a_drift_of_shape_is_shown_in_shares(world, ask):
    """Figures of a latency's shape are per cent of events, in the head and among the alerts, and names stay data."""
    account = Account({}, "shape", FIRST_MS, FIRST_MS + 3_600_000, 0.25, 0.1, 700, 105.0,
                      shape=Shape(0.28, 0.2, 0.5, (Moved(EVIL, 0.05, 0.2),)))  # fmt: skip
    effect = Effect(0.25, 0.1, 0.08, 0.12, "share of events", 2.5)
    put(world, lead_signal="latency_ms", effect=effect, account=account)
    drifted = alert("a1", "latency_ms", (), FIRST_MS, "i1")
    peak = msgspec.structs.replace(drifted.peak, detector="shape", observed=0.25, expected=0.1)
    drifted = msgspec.structs.replace(drifted, peak=peak)
    world.store.commit(Commit(positions=(), effects=Effects(alerts=(drifted,))))
    page = ask(world).get("/incidents/i1").text
    text = text_of(page)
    assert "25 % instead of 10 %" in text
    assert f"25 % of 700 stand where 10 % usually do: {EVIL} (5 % -> 20 %)." in text
    assert "firing 25 % 10 %" in text
    assert EVIL not in page


def test_an_incident_without_an_account_makes_no_claims(client):
    """Where nothing was computed the page says nothing of sources, and rules nothing out."""
    text = text_of(client.get("/incidents/i1").text)
    assert "Where it comes from" not in text
    assert "Ruled out" not in text


def test_silence_has_no_band(world, ask):
    """Where the band has no upper edge, none is shown, rather than that none was normal."""
    put(world, lead_signal="traffic", effect=Effect(0.0, 12.0, 0.0, float("inf"), "events/min", 0.0))
    text = text_of(ask(world).get("/incidents/i1").text)
    assert "0 events/min instead of 12 events/min. By chance" in text
    assert "normal" not in text


def test_the_chart_behind_an_incident_is_that_of_its_figures(world, ask):
    """The link leads to the series of the lead alert, not to whichever alert of that signal came first."""
    first = alert("a0", "refusal_rate", (), FIRST_MS, "i1")
    world.store.commit(Commit(positions=(), effects=Effects(alerts=(first,))))
    put(world, alert_ids=("a0", "a1"))
    assert '<a class="name" href="/series/1?range=24h">refusal_rate</a>' in ask(world).get("/incidents/i1").text


def test_an_old_incident_keeps_its_alerts(world, ask):
    """However many alerts came later, an incident shows its own."""
    later = tuple(alert(f"m{i}", "error_rate", (), FIRST_MS + 10**9 + i, "", state="resolved") for i in range(1_100))
    world.store.commit(Commit(positions=(), effects=Effects(alerts=later)))
    assert [one["id"] for one in ask(world).get("/api/v1/incidents/i1").json()["alerts"]] == ["a1"]


def test_the_series_page_links_ranges_and_neighbours(client):
    """Ranges are links, the chart's data is in the page, and a still picture stands in without scripts."""
    page = client.get("/series/1?range=24h").text
    assert '<b aria-current="true">24h</b>' in page
    assert '<a href="?range=6h">6h</a>' in page
    assert '<a href="/series/0">all traffic</a>' in page
    assert '<a href="/incidents/i1">Refusals tripled in region eu</a>' in page
    assert re.search(r'<noscript>\s*<svg class="still"', page)
    data = json.loads(re.search(r'id="chart-data">(.*?)</script>', page).group(1))
    api = client.get("/api/v1/series/1?range=24h").json()
    assert (data["share"], data["unit"], data["incidents"]) == (True, "share", api["incidents"])
    # Twenty turns a minute: the page shows five minutes a point, so that a rate can be seen, and the API each minute.
    assert (data["points"]["n"], data["points"]["observed"]) == ([100.0, 100.0], [0.1, 0.1])
    assert api["points"]["n"] == [20.0] * 10


def test_a_series_page_that_is_pinned_keeps_its_time(client):
    """A chart of the past stays in the past when its range is changed."""
    page = client.get("/series/1?until=2026-01-05T00:05:00Z").text
    assert '<a href="?range=3d&amp;until=2026-01-05T00:05:00Z">3d</a>' in page


def test_a_time_before_the_series_keeps_its_links(client):
    """A chart pinned to before the first minute says so, and its ranges still lead somewhere."""
    page = client.get("/series/1?until=2026-01-04T23:00:00%2B01:00").text
    assert "No minute of this series had closed by then." in page
    (link,) = re.findall(r'href="(\?range=3d[^"]*)"', page)
    assert html.unescape(link) == "?range=3d&until=2026-01-04T22:00:00Z"
    assert client.get(f"/series/1{html.unescape(link)}").status_code == 200
    assert client.get("/series/1?until=0001-01-01T00:00:00Z").status_code == 200


def test_the_incident_page(client):
    """An incident shows what happened, the change near the onset, its alerts and its timeline."""
    text = text_of(client.get("/incidents/i1").text)
    for words in (
        "refusal_rate : 12 % instead of 4 % (2 to 6 % is normal) .",
        "once in 920 years in this series, once in 16 weeks in the whole fleet",
        "2026-01-05 00:01 model_version from 4.1 to 4.2 announced region eu",
        "refusal_rate region eu firing 12 % 4 % 2026-01-05 00:07 once in 920 years",
        "2026-01-05 00:10 limen opened: refusal_rate up, 12 % instead of 4 %",
    ):
        assert words in text


@pytest.mark.parametrize(
    "path", ["/", "/series/0", "/series/2", "/incidents/i0", f"/?search={EVIL}", f"/incidents/{EVIL}", f"/x/{EVIL}"]
)
def test_data_never_becomes_markup(client, path):
    """A tenant, a title, a search or a path named like a script is shown as text on every page."""
    page = client.get(path).text
    assert "<script>alert" not in page
    assert "alert(1)" in page


@pytest.mark.parametrize("path", ["/", "/series/1", "/incidents/i1", "/nothing"])
def test_no_page_has_inline_code_or_style(client, path):
    """No page carries a style, an event handler, a script of its own or a link to elsewhere."""
    page = client.get(path).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://", page)
    assert not re.search(r"<script(?![^>]*(src=\"/static/|type=\"application/json\"))", page)


def test_a_mistake_on_a_page_is_shown_as_a_page(client):
    """A wrong parameter or an unknown id is said in the same words as in the API, as a page."""
    answer = client.get("/series/1?range=1h")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "range=1h: give one of 6h, 24h, 3d, all" in answer.text
    assert client.get("/series/99").status_code == 404
    assert client.get("/nothing").status_code == 404


@pytest.mark.playbook("C2")
def test_severities_are_in_the_words_of_the_house(world, ask):
    """On every page; colours stay those of the ladder inside."""
    house = Settings(severities=Severities(names="P0-P3"))
    client = ask(replace(world, settings=house))
    for path in ("/", "/incidents/i1"):
        page = client.get(path).text
        assert '<span class="sev sev2">P1</span>' in page
        assert ">sev2<" not in page
    assert "<title>P1 Refusals tripled" in client.get("/incidents/i1").text
    assert '"names":{"sev1":"P0","sev2":"P1"' in client.get("/series/1").text
    act = Act("i1", 1, FIRST_MS, "Ana", "graded", "sev1")
    assert world.store.acts.put((act,), after(world.store.acts.found("i1"), act))
    timeline = client.get("/api/v1/incidents/i1").json()["timeline"]
    assert [line["what"] for line in timeline if line["who"] == "Ana"] == ["graded P0"]
