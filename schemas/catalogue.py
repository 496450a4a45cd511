"""The catalogue files every incident under words that it can be found by, and compares incidents by them.

A word is plain, such as one of the title, or a pair: `category=`, `family=`, `signal=`, `direction=`, `severity=`,
`level=`, `kind=`, `state=`, `owner=`, `rule=`, `reason=`, `cause=` (a change near the onset, or what people answered),
and a dimension of the scope, such as `region=eu`. Spaces in a value are underscores. `near_miss` stands for what harmed
nobody: a note (sev4), what was cancelled, and what was an expected change.
"""

import msgspec

from schemas.act import Response
from schemas.incident import FINISHED, Incident

WORDS_CHARS_MAX = 6_000
"""Longest text of words; a long one is a title, fifty signals and some notes. More notes are not searched."""
QUERY_CHARS_MAX = 200
QUERY_WORDS_MAX = 10
"""Longest query: each word more is another pass over the text of an incident."""


class Filed(msgspec.Struct, frozen=True):
    """One incident as it is filed; times are how long it took in milliseconds, None where it has not come to that.

    `reason` is None until it is over, then why it was closed, "" where nobody has said, "cancelled", or "merged".
    """

    incident_id: str
    detected_ms: int
    state: str
    severity: str
    category: str
    lead_signal: str
    rule: str
    kind: str
    reason: str | None
    detect_ms: int | None
    acknowledge_ms: int | None
    mitigate_ms: int | None
    resolve_ms: int | None
    words: str


def filed(incident: Incident, response: Response | None, notes: tuple[str, ...] = ()) -> Filed:
    """File an incident as it stands; `notes` are what people wrote about it, the latest first."""
    reason = None
    if incident.state in FINISHED:
        reason = incident.state if incident.state != "closed" else (response and response.close_reason) or ""
    opened = response.opened_ms if response is not None else -1

    def took(name: str) -> int | None:
        reached = getattr(response, f"{name}_ms", -1)
        return reached - opened if 0 <= opened <= reached else None

    detect = incident.detected_ms - incident.onset_ms
    return Filed(
        incident_id=incident.id,
        detected_ms=incident.detected_ms,
        state=incident.state,
        severity=incident.severity,
        category=incident.category,
        lead_signal=incident.lead_signal,
        rule=incident.rule,
        kind=incident.kind,
        reason=reason,
        detect_ms=detect if incident.onset_ms >= 0 and detect >= 0 else None,
        acknowledge_ms=took("acknowledged"),
        mitigate_ms=took("mitigated"),
        resolve_ms=took("resolved"),
        words=_words(incident, reason, _causes(response), notes),
    )


def _causes(response: Response | None) -> tuple[str, ...]:
    """Give what people answered about what caused it, and what contributed."""
    said = response.assessed if response is not None else {}
    return tuple(name for name in (said.get("cause", ""), *said.get("factors", "").split(",")) if name)


def _words(incident: Incident, reason: str | None, causes: tuple[str, ...], notes: tuple[str, ...]) -> str:
    """Give the text of words: each once, with a space before and after."""
    pairs = [
        ("category", incident.category),
        ("family", incident.family),
        ("signal", incident.lead_signal),
        *(("signal", name) for name in incident.signals),
        ("direction", incident.direction),
        ("severity", incident.severity),
        ("level", incident.level),
        ("kind", incident.kind),
        ("state", incident.state),
        ("owner", incident.owner),
        ("rule", incident.rule),
        ("reason", reason or ("unanswered" if reason == "" else "")),
        *incident.scope.items(),
        *(("cause", change.what) for change in incident.changes),
        *(("cause", cause) for cause in causes),
    ]
    near_miss = incident.severity == "sev4" or reason in {"cancelled", "expected_change"}
    words = [incident.id, *(f"{name}={'_'.join(value.split())}" for name, value in pairs if value)]
    words += ["near_miss"] if near_miss else []
    texts = [incident.title, *(f"{each.from_ or ''} {each.to or ''}" for each in incident.changes), *notes]
    words += [word for text in texts for word in text.split()]
    return f" {' '.join(dict.fromkeys(word.casefold() for word in words))}"[:WORDS_CHARS_MAX] + " "


def asked_words(query: str) -> list[str]:
    """Give the words of a query that an incident must have; a word may be the beginning of one.

    >>> asked_words("  Refusals region=EU ")
    ['refusals', 'region=eu']
    """
    return list(dict.fromkeys(query[:QUERY_CHARS_MAX].casefold().split()))[:QUERY_WORDS_MAX]


class Likeness(msgspec.Struct, frozen=True):
    """How alike two incidents are, from 0 to 1, and in what."""

    score: float
    why: tuple[str, ...]


LIKE_CATEGORY, LIKE_LEAD, LIKE_SIGNALS, LIKE_SCOPE, LIKE_CAUSE = 0.25, 0.2, 0.2, 0.25, 0.1
"""Parts of the likeness: what kind of harm, which signal led and where to, which others moved, where, and after what
kind of change. They add up to 1; where and what weigh most, because who looks for an earlier one asks for its cure."""
LIKE_LEAST = 0.5
"""Below it incidents have little more in common than a category and a direction."""
_OWN = frozenset(
    {
        "category",
        "family",
        "signal",
        "direction",
        "severity",
        "level",
        "kind",
        "state",
        "owner",
        "rule",
        "reason",
        "cause",
    }
)
"""Names of pairs that are no dimension."""


def likeness(one: Filed, other: Filed) -> Likeness:
    """Compare two incidents by what they are filed under.

    0.25 for the same category; 0.2 for the same lead signal in the same direction, half of it in the other; 0.2 times
    the share of signals that both have; 0.25 for the scope, half of it the share of dimensions that both name, half the
    share of values; 0.1 times the share of kinds of change near the onset. A share is of all that either has; where
    neither names anything it is 1 for the scope and 0 for changes.
    """
    ours, theirs = _pairs(one), _pairs(other)
    score, why = 0.0, []
    if one.category == other.category:
        score += LIKE_CATEGORY
        why.append(f"{one.category.replace('_', ' ')} too")
    if one.lead_signal == other.lead_signal:
        same = ours.get("direction") == theirs.get("direction")
        score += LIKE_LEAD if same else LIKE_LEAD / 2
        why.append(f"{one.lead_signal} {'moved the same way' if same else 'moved the other way'}")
    score += LIKE_SIGNALS * _share(ours.get("signal", set()), theirs.get("signal", set()))
    here, there = ({name: values for name, values in pairs.items() if name not in _OWN} for pairs in (ours, theirs))
    if not here and not there:
        score += LIKE_SCOPE
        why.append("all traffic in both")
    else:
        values, others = ({(name, value) for name in each for value in each[name]} for each in (here, there))
        score += LIKE_SCOPE * (_share(set(here), set(there)) + _share(values, others)) / 2
        why += [f"{name} {value} in both" for name, value in sorted(values & others)]
    causes = ours.get("cause", set()), theirs.get("cause", set())
    score += LIKE_CAUSE * _share(*causes)
    why += [f"both near a change of {what}" for what in sorted(causes[0] & causes[1])]
    return Likeness(round(score, 3), tuple(why))


def _pairs(one: Filed) -> dict[str, set[str]]:
    """Read the pairs back from the words."""
    found: dict[str, set[str]] = {}
    for word in one.words.split():
        name, is_pair, value = word.partition("=")
        if is_pair and name:
            found.setdefault(name, set()).add(value)
    return found


def _share(ours: set[str] | set[tuple[str, str]], theirs: set[str] | set[tuple[str, str]]) -> float:
    """Give how much of all that either has both have."""
    return len(ours & theirs) / len(ours | theirs) if ours or theirs else 0.0
