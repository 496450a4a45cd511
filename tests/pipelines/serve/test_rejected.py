"""The rejects are shown by the API and by their page alike, in pages, by reason and partition, and as text."""

import msgspec
import pytest

from schemas.effects import Commit
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.settings import KafkaSource, Settings, Source
from tests.pipelines.serve.made_up import FIRST_MS
from tests.pipelines.serve.made_up_days import hostile
from tests.pipelines.serve.test_pages import text_of

P, Q = Partition("kafka:t@5f0c21ab", 0), Partition("kafka:t@5f0c21ab", 1)


@pytest.fixture
def filled(world):
    """Give the tiny world with three rejects of two partitions."""
    late = Rejected(9, "not_json", "unexpected end", 1_234, "ab" * 32, '{"prompt":*', FIRST_MS + 60_000)
    early = Rejected(7, "empty")
    world.store.commit(Commit((), rejects=((P, (early, late)), (Q, (Rejected(3, "empty"),))), rejects_max=1_000))
    return world


def places(answer: dict) -> list[tuple[int, int]]:
    """Give partition and offset of what was answered."""
    return [(each["partition"], each["offset"]) for each in answer["rejects"]]


def test_the_api_gives_counts_and_what_is_kept(filled, ask):
    """Counts are of all rejects there ever were; every field of those that are kept is there."""
    answer = ask(filled).get("/api/v1/rejects?limit=1").json()
    assert answer == {
        "rejected": 5,
        "reasons": {"empty": 1, "not_json": 4},
        "kept_max": 1_000,
        "dead_letters": None,
        "next_offset": 1,
        "rejects": [
            {
                "source": "kafka:t@5f0c21ab",
                "partition": 0,
                "offset": 9,
                "at": "2026-01-05T00:01:00Z",
                "reason": "not_json",
                "detail": "unexpected end",
                "size_bytes": 1234,
                "sha256": "ab" * 32,
                "sample": '{"prompt":*',
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "found", "after"),
    [
        ("", [(0, 9), (0, 7), (1, 3)], None),
        ("limit=2", [(0, 9), (0, 7)], 2),
        ("limit=2&offset=2", [(1, 3)], None),
        ("reason=empty", [(0, 7), (1, 3)], None),
        ("reason=empty,not_json&partition=0", [(0, 9), (0, 7)], None),
        ("source=kafka:t@5f0c21ab&partition=1", [(1, 3)], None),
        ("source=kafka:t", [], None),
    ],
)
def test_rejects_are_paged_and_filtered(filled, ask, query, found, after):
    """By reason, source and partition, in pages."""
    answer = ask(filled).get(f"/api/v1/rejects?{query}").json()
    assert (places(answer), answer["next_offset"]) == (found, after)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("reason=rude", "reason=rude: give one or more of "),
        ("partition=x", "partition=x: give a whole number from 0 to 2147483647"),
        ("reasons=empty", "reasons: no such parameter; did you mean reason?"),
    ],
)
def test_a_wrong_question_is_told(client, query, said):
    """As the API and as a page."""
    answer = client.get(f"/api/v1/rejects?{query}")
    assert (answer.status_code, answer.json()["error"][: len(said)]) == (400, said)
    assert client.get(f"/rejects?{query}").status_code == 400


def test_the_page_says_what_the_api_says(filled, ask):
    """Counts by reason with links, the places, times, sizes and shapes, and the way to older ones."""
    page = ask(filled).get("/rejects?limit=2").text
    text = text_of(page)
    for words in (
        "5 records were no event. The newest 1,000 of each partition are kept",
        "all empty 1 not json 4 Kept, the latest first",
        'not json kafka:t@5f0c21ab/0 offset 9 2026-01-05 00:01 1,234 bytes abababababab unexpected end {"prompt":*',
        "empty kafka:t@5f0c21ab/0 offset 7 not yet 0 bytes",
    ):
        assert words in text
    assert 'href="/api/v1/rejects?limit=2"' in page
    assert 'href="/rejects?limit=2&amp;offset=2"' in page
    assert 'href="/rejects?source=kafka%3At%405f0c21ab&amp;partition=0"' in page
    assert "topic" not in text
    last = text_of(ask(filled).get("/rejects?reason=empty&offset=1").text)
    assert "Kept ones that fit" in last
    assert "Older ones" not in last


def test_no_rejects_are_said_to_be_none(client):
    """An empty list is a sentence."""
    assert "Kept, the latest first None." in text_of(client.get("/rejects").text)
    assert "None that is kept fits. Show all ." in text_of(client.get("/rejects?partition=5").text)


def test_the_overview_leads_there(client):
    """The counts of rejects are links."""
    page = client.get("/").text
    assert '<a href="/rejects">rejected</a>' in page
    assert '<a href="/rejects?reason=not_json">not json</a>' in page


def test_a_dead_letter_topic_is_told(filled, ask):
    """Where rejects go to a topic, what became of them stands beside the counts."""
    letter = Rejected(10, "empty", at_ms=FIRST_MS)
    filled.store.commit(Commit((), rejects=((P, (letter,)),), rejects_max=1_000, dead_letters=True))
    settings = Settings(source=Source(kafka=KafkaSource(dead_letter_topic="limen.dead")))
    told = ask(type(filled)(filled.store, filled.status, settings))
    letters = {"topic": "limen.dead", "waiting": 1, "sent": 0, "refused": 0, "dropped": 0}
    assert told.get("/api/v1/rejects").json()["dead_letters"] == letters
    said = "also go to the topic limen.dead: 0 sent, 1 waiting, 0 refused, 0 dropped before they were sent."
    assert said in text_of(told.get("/rejects").text)


def test_hostile_bytes_stay_text(world, ask):
    """Whatever a store holds, no text of it becomes markup, an attribute or a template."""
    evil = Partition('file:</bdi><script>alert(2)</script>"&', 0)
    world.store.commit(Commit((), rejects=((evil, hostile()),), rejects_max=1_000))
    page = ask(world).get("/rejects").text
    assert "<script" not in page
    assert "<h1>x" not in page
    assert "onclick=&#34;alert(1)" in page or "&#34; onclick=&#34;alert(1)" in page
    assert "{{ 7 * 7 }}" in page
    assert (
        ask(world).get("/api/v1/rejects").json()["rejects"][-1]["sample"] == msgspec.to_builtins(hostile())[0]["sample"]
    )
