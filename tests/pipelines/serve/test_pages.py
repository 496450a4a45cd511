"""The pages say what the API says, are readable without scripts, and let no data become markup."""

import html
import json
import re

import msgspec
import pytest

from tests.pipelines.serve.made_up import EVIL
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
        "10 % 5 % 1 to 9 % 20 once in 2.1 days",
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
    assert data == {"share": True, "unit": "share", "points": api["points"], "incidents": api["incidents"]}


def test_a_series_page_that_is_pinned_keeps_its_time(client):
    """A chart of the past stays in the past when its range is changed."""
    page = client.get("/series/1?until=2026-01-05T00:05:00Z").text
    assert '<a href="?range=3d&amp;until=2026-01-05T00:05:00Z">3d</a>' in page


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
