"""Trouble with the input in words: what, how much of it, where it lies, and what to do."""

from schemas.breach import Trouble
from schemas.operations import BROKEN, CAPPED, CORRUPT, DRIFT, LOST, UNREADABLE
from schemas.words import number

COUNTS_TOLD = 5
"""Most kinds that are named, the most frequent first; the command line and the metrics have all."""
SHOWN_BY = "`limen rejects list` shows where they lie and their shape"

_TO_DO = {
    BROKEN: f"{SHOWN_BY}: look for a sender that was changed, or correct source.format; "
    "while it lasts, no minute closes that needs this partition.",
    DRIFT: f"{SHOWN_BY}: look for a sender that was changed; `limen schema event` prints what is expected.",
    UNREADABLE: f"{SHOWN_BY}: look for a sender that writes no events, or another format.",
    LOST: "They cannot be had any more: keep records longer on the broker, or read faster.",
    CORRUPT: "The broker keeps them broken: check its disk, and have the senders write them again.",
    CAPPED: "Totals stay exact. Look for a field with a value of its own for every event, or raise the cap.",
}


def trouble_title(signal: str, trouble: Trouble) -> str:
    """Give the title of an operational incident.

    >>> trouble_title(BROKEN, Trouble("kafka:t/0", 7, -1, 100, 100, {"not_json": 100}))
    'Ingest broken: none of 100 records in a row of kafka:t/0 is of use (not_json 100)'
    >>> trouble_title(DRIFT, Trouble("", -1, -1, 30, 1_000, {"missing_field": 26, "invalid_field": 4}))
    'Schema drift: 3 % of 1,000 records do not fit (missing_field 26, invalid_field 4)'
    >>> trouble_title(LOST, Trouble("kafka:t/0", 7, 127, 120, 120, {}))
    'Records lost: 120 of kafka:t/0 were gone before they could be read'
    >>> trouble_title(LOST, Trouble("kafka:t/0", 7, 0, -1, -1, {}))
    'Records lost: an unknown number of kafka:t/0 were gone before they could be read'
    >>> trouble_title(LOST, Trouble("kafka:t/0", 7, 127, 220, 220, {}, places=2))
    'Records lost: 220 of kafka:t/0 and 1 more place were gone before they could be read'
    >>> trouble_title(CORRUPT, Trouble("kafka:t/0", 7, 17, 10, 10, {}))
    'Corrupt batch passed over: 10 records of kafka:t/0'
    >>> trouble_title(CAPPED, Trouble("", -1, -1, 950, 1_000, {"tenant": 900, "leaf": 50}))
    'Caps met: not told apart any more (tenant 900, leaf 50)'
    """
    counts, share = _counts(trouble), number(100 * trouble.records / max(1, trouble.of))
    lost = "an unknown number" if trouble.records < 0 else f"{trouble.records:,}"
    others = trouble.places - 1
    where = trouble.partition + (f" and {others:,} more place{'' if others == 1 else 's'}" if others else "")
    titles = {
        BROKEN: f"Ingest broken: none of {trouble.records:,} records in a row of {trouble.partition} is of use{counts}",
        DRIFT: f"Schema drift: {share} % of {trouble.of:,} records do not fit{counts}",
        UNREADABLE: f"Unreadable records: {share} % of {trouble.of:,}{counts}",
        LOST: f"Records lost: {lost} of {where} were gone before they could be read",
        CORRUPT: f"Corrupt batch passed over: {lost} records of {where}",
        CAPPED: f"Caps met: not told apart any more{counts}",
    }
    return titles[signal]


def trouble_in_words(signal: str, trouble: Trouble) -> str:
    """Say what is wrong, where it lies, and what to do.

    >>> trouble_in_words(LOST, Trouble("kafka:t/0", 7, 127, 120, 120, {}))
    'Records lost: 120 of kafka:t/0 were gone before they could be read. They lie from offset 7 on, before 127. They
    cannot be had any more: keep records longer on the broker, or read faster.'
    """
    said = [f"{trouble_title(signal, trouble)}."]
    if trouble.first >= 0:
        before = f", before {trouble.until}" if trouble.until > trouble.first else ""
        which = "They" if trouble.places == 1 else "The first of them"
        said.append(f"{which} lie from offset {trouble.first} on{before}.")
    return " ".join([*said, _TO_DO[signal]])


def _counts(trouble: Trouble) -> str:
    """Name the kinds with their numbers, the most frequent first."""
    most = sorted(trouble.counts.items(), key=lambda pair: (-pair[1], pair[0]))
    told = [f"{name} {count:,}" for name, count in most[:COUNTS_TOLD]]
    told += [f"and {len(most) - COUNTS_TOLD} more"] if len(most) > COUNTS_TOLD else []
    return f" ({', '.join(told)})" if told else ""
