"""Text measures: shapes, entropy, repetition, and refusals judged by their words."""

import gzip
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aggregate import text
from pipelines.aggregate.many_texts import entropies, repetition, repetitions
from pipelines.aggregate.refusal import refusals, refuses
from pipelines.aggregate.text import Memory, Shape, has_list, is_json, lines, shapes

DECLINING = [
    "I'm sorry, but I can't help with that.",
    "I’m not able to share other people’s addresses.",
    "Sorry, as an AI developed to be safe I cannot provide instructions for this.",
    "I must respectfully decline.",
    "That goes against my guidelines.",
    "It is not appropriate or ethical to provide advice on this.",
    "Thank you for asking. Unfortunately, we are unable to assist with this request.",
    "Es tut mir leid, dabei kann ich nicht helfen.",
    "Ich bin leider nicht in der Lage, das zu tun.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Il ne m'est pas possible de répondre.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Mi dispiace, ma non posso fornire queste informazioni.",
    "Desculpe, mas não posso ajudar com isso.",
    "申し訳ありませんが、そのご依頼にはお応えできません。",
]
ANSWERING = [
    "",
    "Of course! Here is how.",
    "I'm sorry to hear about your loss. Here is what may help.",
    "I can't wait to help you plan this trip!",
    "I cannot recommend it highly enough.",
    "While I can't give legal advice, here is how such contracts work.",
    'The clerk said: "I cannot help you." She left.',
    "You cannot create a file without permission.",
    "I don't have enough context. Which version do you use?",
    "Ich kann nicht glauben, wie schön das ist. Hier ist der Plan.",
    "Je ne peux pas croire que c'est fini.",
    "No puedo esperar a verte.",
    "Non posso crederci, che bella notizia!",
    "x" * 500 + " I can't help with that.",
]


@pytest.mark.parametrize("response", DECLINING)
def test_a_refusal_is_recognised(response):
    """First person, inability or unwillingness, and what an assistant is asked for, in seven languages."""
    assert refuses(response)


@pytest.mark.parametrize("response", ANSWERING)
def test_an_answer_is_no_refusal(response):
    """Regret, turns of phrase, quotations, limits that introduce an answer, and what comes late are no refusals."""
    assert not refuses(response)


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_labelled_answers_are_judged_as_measured(shared_data: Path):
    """On XSTest at least three of four full refusals are found, and at most three in a hundred answers are mistaken."""
    rows = [row for path in sorted((shared_data / "refusals").glob("*.gz")) for row in _rows(path)]
    refused = [refuses(row["response"]) for row in rows if row["label"] == "2_full_refusal"]
    answered = [refuses(row["response"]) for row in rows if row["label"] == "1_full_compliance"]
    assert sum(refused) / len(refused) >= 0.75
    assert sum(answered) / len(answered) <= 0.03


def test_ordinary_answers_are_seldom_mistaken(shared_data: Path):
    """Of everyday answers at most one in fifty reads like a refusal, but for one model that does refuse often."""
    for path in sorted((shared_data / "outputs").glob("*.gz")):
        if "llama-2" not in path.name:
            responses = [row["response"] for row in _rows(path)]
            assert sum(map(refuses, responses)) / len(responses) <= 0.02, path.name


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("", Shape(0, False, False, False, 0.0, 0.0)),
        ("aabb", Shape(1, False, False, False, 1.0, 0.0)),
        ("* one\n* two\n", Shape(2, False, True, False, 2.9182958340544896, 0.0)),
        ("```\nx = 1\n```", Shape(3, True, False, False, 2.199687794731328, 0.0)),
        ('[{"a": 1}]', Shape(1, False, False, True, 3.121928094887362, 0.0)),
    ],
)
def test_the_shape_of_a_text(response, expected):
    """Lines, code, list, JSON, bits a character, share of repetition."""
    (found,) = shapes([response])
    assert found == Shape(
        *(expected.lines, expected.code, expected.listed, expected.json),
        pytest.approx(expected.entropy),
        expected.repetition,
    )


def test_a_loop_at_the_end_of_a_long_text_is_repetition():
    """A text that ends in a loop repeats itself, however long it was sensible before."""
    sensible = " ".join(f"word{k}" for k in range(2_000))
    assert repetition(sensible) == 0.0
    assert repetition(sensible + " and so on" * 100) > 0.9


SPACES = ["\u3000", "\x85", "\u2003", "\x1c", "\n\n", "\t"]
LONG = ["exactly_sixteen_", "exactly_twenty_four_byte", "a_word_of_more_than_24_bytes", "a_word_of_more_than_24_BYTES"]
PIECES = st.sampled_from(["a", "b", "c", "the", "word", "Straße", "twelveletter", "話", *LONG, *SPACES])


@given(texts=st.lists(st.lists(PIECES, max_size=40).map(" ".join) | st.text(max_size=60), max_size=12))
def test_texts_are_counted_together_as_each_alone(texts):
    """Neither spaces of all kinds, nor long words, nor neighbours change what counting one by one gives."""
    assert repetitions(texts).tolist() == [repetition(text) for text in texts]
    assert entropies(texts).tolist() == [entropies([text])[0] for text in texts]
    for one, bits in zip(texts, entropies(texts).tolist(), strict=True):
        shares = [count / len(one) for count in Counter(one).values()]
        assert bits == pytest.approx(-sum(share * math.log2(share) for share in shares), abs=1e-12)


def test_more_texts_than_are_counted_at_a_time():
    """Nothing is lost where one group of texts ends and the next begins."""
    texts = [f"w{k} " + "one two three four five " * (k % 3) for k in range(300)]
    assert repetitions(texts).tolist() == [repetition(text) for text in texts]


def test_json_that_is_cut_off_or_too_deep_is_none():
    """Only what parses is JSON, and nothing that is sent can break the measure."""
    assert not is_json('{"a": 1')
    assert not is_json("[" * 5_000 + "]" * 5_000)
    assert is_json("[" + "1," * 40_000 + "1]")


@given(response=st.text(max_size=300))
def test_every_text_can_be_measured(response):
    """No text breaks a measure, and all values stay inside their range."""
    (found,) = shapes([response])
    assert 0 <= found.entropy <= 8.3  # log2(300)
    assert 0 <= found.repetition <= 1
    assert found.lines == lines(response) >= 0
    assert refuses(response) in {True, False}
    assert has_list(response) in {True, False}


def test_a_lone_surrogate_is_a_character():
    """Half a surrogate pair is bad text, and is still counted."""
    assert entropies(["\ud800a"]).tolist() == [1.0]


def test_refusals_are_found_among_many_texts():
    """Neighbours, what ends an opening, and characters that grow in lower case change no verdict."""
    texts = [f"{DECLINING[k % len(DECLINING)]}" if k % 7 == 0 else ANSWERING[k % len(ANSWERING)] for k in range(600)]
    texts += ["\0I can't help with that.", "İ" * 300 + " I can't help with that.", "not \0", "x" * 400 + "I refuse"]
    assert refusals(texts) == [refuses(one) for one in texts]
    assert refusals(texts[:600]) == [k % 7 == 0 for k in range(600)]
    assert refusals(texts[600:]) == [True, True, False, False]
    assert refusals([]) == []


def test_what_was_read_is_remembered_within_bounds(monkeypatch):
    """The same text is read once, and a text too long to remember is read again."""
    seen = []
    memory = Memory(lambda texts: seen.extend(texts) or [len(text) for text in texts])
    assert memory.of(["short", "other"]) == [5, 5]
    assert memory.of(["short", "x" * 9_000]) == [5, 9_000]
    assert memory.of(["x" * 9_000]) == [9_000]
    assert seen == ["short", "other", "x" * 9_000, "x" * 9_000]
    monkeypatch.setattr(text, "CACHED_TEXTS_MAX", 1)
    memory.of(["last"])
    assert memory.of(["last", "short"]) == [4, 5]
    assert seen[4:] == ["last", "short"]
