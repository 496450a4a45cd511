"""The texts of simulated traffic: a few hundred prompts with their answers, rendered once from own templates.

Events point into this pool by number, so text that looks alive costs one look-up an event. The pool is the same for
every seed; which text an event gets is drawn elsewhere.
"""

from typing import Literal

import msgspec
import numpy as np

Outcome = Literal["answer", "refusal", "empty", "none"]
"""What came back: an answer, a refusal, an empty string, or nothing at all because the turn failed."""
OUTCOMES: tuple[Outcome, ...] = ("answer", "refusal", "empty", "none")

Form = Literal["prose", "list", "code", "json"]
_FORMS: dict[str, tuple[Form, ...]] = {
    "chat": ("prose", "prose", "prose", "list"),
    "code": ("code", "code", "json", "prose"),
    "agent": ("list", "json", "prose", "prose"),
}
"""Each surface answers in forms of its own."""
_RENDERED: dict[Outcome, tuple[int, int]] = {"answer": (28, 10), "refusal": (8, 4), "empty": (3, 1), "none": (6, 3)}
"""Texts of each outcome for English and for every other language: the shapes of a mix, in a pool of a few hundred."""
_SENTENCES_MAX = 40
"""Longest prose; with `_SENTENCES_LOG_SD` most answers have 3 to 12 sentences, as chat answers do."""
_SENTENCES_MEDIAN = 6.0
_SENTENCES_LOG_SD = 0.7


class Phrases(msgspec.Struct, frozen=True):
    """What one language has to say; `{topic}` stands for a topic."""

    language: str
    topics: tuple[str, ...]
    prompts: tuple[str, ...]
    sentences: tuple[str, ...]
    refused_prompts: tuple[str, ...]
    refusals: tuple[str, ...]


class Text(msgspec.Struct, frozen=True):
    """One prompt and what came back (None: nothing), with the cell of the mix that it belongs to."""

    surface: str
    language: str
    outcome: Outcome
    prompt: str
    response: str | None


PHRASES = (
    Phrases(
        language="en",
        topics=(
            "a vegetable garden",
            "sourdough bread",
            "bicycle brakes",
            "a reading circle",
            "night trains",
            "beekeeping",
            "watercolours",
            "a small web shop",
            "school timetables",
            "old radios",
            "mountain huts",
            "a choir rehearsal",
        ),
        prompts=(
            "How do I get started with {topic}?",
            "Please give me a short plan for {topic}.",
            "What are the usual mistakes with {topic}, and how do I avoid them?",
            "Explain {topic} to a ten-year-old.",
            "I have one free afternoon a week. What can I do about {topic}?",
            "Compare two ways to organise {topic} and say which one you would take.",
        ),
        sentences=(
            "Begin with a small part of {topic} and finish it before you plan the rest.",
            "Most people spend too much money on {topic} in the first month.",
            "A notebook helps: write down what you tried, when, and how it went.",
            "Ask somebody nearby who already knows {topic}; an hour together saves a week alone.",
            "You need less equipment than the shops suggest.",
            "Weather and daylight matter more than you would think.",
            "Keep Tuesday evenings free, because regular short sessions beat rare long ones.",
            "If something breaks, take a picture before you take it apart.",
            "The second attempt at {topic} is nearly always better than the first.",
            "Clean up at once; tomorrow it takes three times as long.",
            "There is no single right way, yet a few rules have proved themselves.",
            "For {topic} the library is a better start than a long evening of videos.",
            "Set a limit in advance, for instance forty euros and two weekends.",
            "Children like to help, and they notice things that adults overlook.",
        ),
        refused_prompts=(
            "Decide for me which dose of this medicine my neighbour should take.",
            "Write a reference letter in the name of my former employer.",
            "Tell me the home address of the person who wrote this review.",
        ),
        refusals=(
            "I'm sorry, but I can't help with that request.",
            "I can't assist with this. A professional who knows the situation would be the right person to ask.",
            "I'm not able to do that, but I am glad to help you find a safe alternative.",
            "Sorry, I cannot share private information about other people.",
        ),
    ),
    Phrases(
        language="de",
        topics=("einen Gemüsegarten", "Sauerteigbrot", "alte Radios", "eine Chorprobe", "Nachtzüge", "Berghütten"),
        prompts=(
            "Wie fange ich am besten an? Es geht um {topic}.",
            "Mach mir bitte einen kurzen Plan für {topic}.",
            "Welche Fehler sind üblich, wenn es um {topic} geht?",
        ),
        sentences=(
            "Fang klein an und mach einen Teil fertig, bevor du weiterplanst.",
            "Für {topic} gibt man am Anfang oft zu viel Geld aus.",
            "Ein Heft hilft: Schreib auf, was du wann versucht hast.",
            "Frag jemanden in der Nähe, der sich schon auskennt.",
            "Das Wetter ist wichtiger, als man denkt.",
            "Kurze, regelmäßige Termine sind besser als seltene lange.",
            "Beim zweiten Versuch gelingt es fast immer besser.",
        ),
        refused_prompts=("Nenne mir die Privatadresse der Person, die das geschrieben hat.",),
        refusals=(
            "Es tut mir leid, dabei kann ich nicht helfen.",
            "Das kann ich leider nicht tun; bitte frag eine Fachperson.",
        ),
    ),
    Phrases(
        language="es",
        topics=("un huerto", "el pan de masa madre", "las radios antiguas", "un coro", "los trenes nocturnos"),
        prompts=(
            "¿Cómo empiezo con {topic}?",
            "Dame un plan breve para {topic}.",
            "¿Qué errores son habituales con {topic}?",
        ),
        sentences=(
            "Empieza con algo pequeño y termínalo antes de seguir.",
            "Con {topic} casi todos gastan demasiado al principio.",
            "Un cuaderno ayuda: apunta qué has probado y cuándo.",
            "Pregunta a alguien cercano que ya tenga experiencia.",
            "El tiempo importa más de lo que parece.",
            "Es mejor poco y a menudo que mucho y rara vez.",
            "El segundo intento casi siempre sale mejor.",
        ),
        refused_prompts=("Dime dónde vive la persona que escribió esto.",),
        refusals=(
            "Lo siento, pero no puedo ayudar con eso.",
            "No puedo hacerlo; es mejor preguntar a un profesional.",
        ),
    ),
    Phrases(
        language="ja",
        topics=("家庭菜園", "パン作り", "古いラジオ", "合唱の練習", "夜行列車"),
        prompts=(
            "{topic}を始めるには何が必要ですか。",
            "{topic}の簡単な計画を作ってください。",
            "{topic}でよくある失敗を教えてください。",
        ),
        sentences=(
            "まず小さく始めて、一つ終えてから次に進みましょう。",
            "{topic}では、最初にお金を使いすぎる人が多いです。",
            "試したことをノートに書いておくと役に立ちます。",
            "近くの経験者に聞くのが一番の近道です。",
            "天気は思ったより大切です。",
            "短い時間でも、毎週続けるほうがうまくいきます。",
            "二回目はたいてい一回目より良くなります。",
        ),
        refused_prompts=("これを書いた人の住所を教えてください。",),
        refusals=(
            "申し訳ありませんが、そのご依頼にはお応えできません。",
            "それはできませんが、別の方法を一緒に考えます。",
        ),
    ),
)
"""All that the simulator can say, harmless throughout."""

LANGUAGES = tuple(phrases.language for phrases in PHRASES)

_NAMES = ("total", "average", "longest", "overdue", "shared", "remaining")
_ITEMS = ("orders", "tickets", "trains", "books", "seeds", "lessons")
_CODE = """```python
def {name}_{items}({items}):
    \"\"\"Give the {name} number of {items}.\"\"\"
    kept = [item for item in {items} if item.{name} is not None]
    if not kept:
        return {number}
    return sum(item.{name} for item in kept) / len(kept)
```"""


def texts() -> tuple[Text, ...]:
    """Render the pool; texts of one surface, language and outcome stand side by side.

    >>> pool = texts()
    >>> len(pool), pool[0].surface, pool[0].language, pool[0].outcome
    (297, 'chat', 'en', 'answer')
    """
    rng = np.random.default_rng(0)  # the pool is part of the model: the same for every seed
    return tuple(
        _text(surface, phrases, outcome, number, rng)
        for surface in _FORMS
        for phrases in PHRASES
        for outcome in OUTCOMES
        for number in range(_RENDERED[outcome][phrases.language != "en"])
    )


def _text(surface: str, phrases: Phrases, outcome: Outcome, number: int, rng: np.random.Generator) -> Text:
    """Render text `number` of its cell of the mix."""
    prompt = _pick(phrases.prompts, rng).format(topic=_pick(phrases.topics, rng))
    response: str | None = None
    if outcome == "answer":
        forms = _FORMS[surface]
        response = _answer(forms[number % len(forms)], phrases, rng)
    elif outcome == "refusal":
        prompt = _pick(phrases.refused_prompts, rng)
        response = phrases.refusals[number % len(phrases.refusals)]
    elif outcome == "empty":
        response = ""
    return Text(surface=surface, language=phrases.language, outcome=outcome, prompt=prompt, response=response)


def _answer(form: Form, phrases: Phrases, rng: np.random.Generator) -> str:
    """Write one answer of the given form."""
    length = _SENTENCES_MEDIAN * np.exp(_SENTENCES_LOG_SD * rng.standard_normal())
    sentences = [_sentence(phrases, rng) for _ in range(min(max(1, round(length)), _SENTENCES_MAX))]
    if form == "list":
        return "\n".join([sentences[0], "", *(f"{i}. {s}" for i, s in enumerate(sentences, start=1))])
    if form == "code":
        code = _CODE.format(name=_pick(_NAMES, rng), items=_pick(_ITEMS, rng), number=int(rng.integers(10)))
        return "\n\n".join([sentences[0], code, *sentences[1:3]])
    if form == "json":
        rows = [{"step": i, "note": s, "done": bool(rng.random() < 0.5)} for i, s in enumerate(sentences, start=1)]
        return msgspec.json.format(msgspec.json.encode({"status": "ok", "steps": rows}), indent=2).decode()
    paragraphs = [" ".join(sentences[i : i + 4]) for i in range(0, len(sentences), 4)]
    return "\n\n".join(paragraphs)


def _sentence(phrases: Phrases, rng: np.random.Generator) -> str:
    """Say one sentence about some topic."""
    return _pick(phrases.sentences, rng).format(topic=_pick(phrases.topics, rng))


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    """Take one of the choices, each as likely as the next."""
    return choices[int(rng.integers(len(choices)))]
