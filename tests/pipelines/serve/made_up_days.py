"""Three made-up busy days for the serving tests, with some noise, a hostile tenant and an incident."""

from pathlib import Path

import msgspec
import numpy as np

from pipelines.store import Store
from schemas.account import Account, Composition, Part, Rest
from schemas.effects import Commit, Effects
from schemas.history import HistoryRow, SeriesInfo
from schemas.incident import Effect, Notification
from schemas.partial import Counters
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.settings import Settings
from schemas.signal import Cohort
from tests.pipelines.serve.made_up import EVIL, FIRST_MINUTE, FIRST_MS, SIGNALS, World, alert, incident, status_of


def busy(folder: Path, *, quiet: bool = False) -> World:
    """Make three days of some 60 series; refusals triple in region eu in the last hours, unless it stays quiet."""
    rng = np.random.default_rng(7)
    cohorts: list[Cohort] = [
        (),
        *((("region", name),) for name in ("eu", "us", "apac")),
        *((("surface", name),) for name in ("chat", "search")),
        *((("tenant", name),) for name in ("acme", "globex", "initech", EVIL)),
        *((("model_version", name),) for name in ("4.1", "4.2")),
        *((("region", name), ("surface", "chat")) for name in ("eu", "us")),
    ]
    series = tuple(
        SeriesInfo(number, signal, cohort, FIRST_MINUTE + 90 * (cohort == (("model_version", "4.2"),)))
        for number, (signal, cohort) in enumerate((s, c) for s in SIGNALS for c in cohorts)
    )
    minutes = np.arange(4_320)
    day = 1 + 0.4 * np.sin((minutes % 1_440 - 540) / 1_440 * 2 * np.pi)
    onset = 4_320 - 150
    rows: list[tuple[np.ndarray, ...]] = [
        _history(rng, info, minutes, day, 0 if quiet or ("region", "eu") not in info.cohort else onset)
        for info in series
    ]
    arrays = [np.stack(columns, axis=1).astype("<f4") for columns in zip(*rows, strict=True)]
    history = [HistoryRow(FIRST_MINUTE + int(m), *(array[m].tobytes() for array in arrays)) for m in minutes]
    store = Store.open(f"sqlite:///{folder}/limen.db")
    store.commit(
        Commit(
            positions=(),
            history=tuple((row.minute, msgspec.msgpack.encode(row)) for row in history),
            series=series,
            effects=_effects(FIRST_MS + onset * 60_000, quiet=quiet),
        )
    )
    store.commit(Commit((), rejects=((Partition(f"kafka:{EVIL}", 0), hostile()),), rejects_max=1_000))
    counters = Counters(1_284_113, 1_281_906, 412, 3, 1_771, 21, {"not_json": 17, "invalid_field": 4})
    status = status_of(series, history[-1], counters=counters, cohorts_total=len(cohorts), learning=4)
    return World(store, status, Settings())


def hostile() -> tuple[Rejected, ...]:
    """Make rejects whose texts try what a page could fall for; what Limen keeps holds none of it, but a store may."""
    texts = (
        EVIL,
        "</code></li><h1>x</h1>",
        "\x1b[2J\x00\u202egnp.exe",
        "{{ 7 * 7 }}",
        '" onclick="alert(1)',
        "*" * 256,
    )
    return tuple(
        Rejected(offset, "not_json", text[:40], 900 + offset, f"{offset:064x}", text, FIRST_MS + offset * 60_000)
        for offset, text in enumerate(texts)
    )


def _effects(onset_ms: int, *, quiet: bool) -> Effects:
    """Give the incidents of the busy days: a quiet world has one that is over."""
    over = incident(
        "5d2e8a01f3b7c964",
        "Latency of surface search rose to 2.1 times the expected",
        {"surface": "search"},
        FIRST_MS + 1_900 * 60_000,
        state="resolved",
        severity="sev3",
        level="ticket",
        signals=("latency_ms",),
        lead_signal="latency_ms",
        effect=Effect(1_720.0, 812.0, 640.0, 1_010.0, "ms", 2.1),
        resolved_ms=FIRST_MS + 2_030 * 60_000,
    )
    if quiet:
        return Effects(incidents=(over,))
    scope = {"region": "eu"}
    page = incident(
        "9f1c44b0a7d2e638",
        "Refusal rate tripled in region eu",
        scope,
        onset_ms,
        severity="sev1",
        alert_ids=("a1", "a2"),
        account=_account(scope, onset_ms),
    )
    evil = incident(
        "71aa0c5be92f4d13", f"Errors of tenant {EVIL} rose", {"tenant": EVIL}, onset_ms + 3_600_000, alert_ids=("a3",)
    )
    evil = msgspec.structs.replace(evil, lead_signal="error_rate", signals=("error_rate",), level="limit")
    eu, chat = (("region", "eu"),), (("region", "eu"), ("surface", "chat"))
    return Effects(
        alerts=(
            alert("a1", "refusal_rate", eu, onset_ms, page.id),
            alert("a2", "refusal_rate", chat, onset_ms, page.id, state="pending", firing_ms=-1),
            alert("a3", "error_rate", (("tenant", EVIL),), onset_ms + 3_600_000, evil.id),
        ),
        incidents=(page, evil, over),
        notifications=(Notification("n1", page.id, "log", "opened", 1, onset_ms, b"{}"),),
    )


def _history(
    rng: np.random.Generator, info: SeriesInfo, minutes: np.ndarray, day: np.ndarray, onset: int
) -> tuple[np.ndarray, ...]:
    """Give n, observed, expected, lower, upper and log_r of one series [T]; nothing is expected in the first hours."""
    kind = SIGNALS[info.signal].kind
    n = rng.poisson((400 if not info.cohort else 80 / len(info.cohort)) * day).astype(float)
    shift = np.where((minutes >= onset) & (onset > 0), 3.0, 1.0) if info.signal == "refusal_rate" else 1.0
    if kind == "rate":
        expected = np.full(len(minutes), 0.04)
        observed = rng.binomial(n.astype(int), np.clip(expected * shift, 0, 1)) / np.maximum(n, 1)
        width = 2.6 * np.sqrt(expected * 0.96 / np.maximum(n, 1))
    elif kind == "traffic":
        expected, observed = 400 * day / (1 + 4 * len(info.cohort)), n
        observed = rng.poisson(expected).astype(float)
        width = 3 * np.sqrt(expected)
    else:
        expected = 812 * (0.8 + 0.2 * day)
        observed = expected * np.exp(rng.normal(0, 0.07, len(minutes)))
        width = expected * 0.2
    log_r = np.abs(rng.normal(0, 1.2, len(minutes))) + 1
    if onset and info.signal == "refusal_rate":
        log_r += np.clip((minutes - onset) / 4, 0, 22)
    known = np.where(minutes < 180, np.nan, 1.0)
    unseen = np.where(FIRST_MINUTE + minutes < info.first_minute, np.nan, 1.0)
    columns = (n, observed, expected * known, np.maximum(0, expected - width) * known, (expected + width) * known)
    return (*(column * unseen for column in columns), log_r * known * unseen)


def _account(scope: dict[str, str], onset_ms: int) -> Account:
    """Make the account of a rate that tripled, for the most part in two tenants."""
    chat = scope | {"surface": "chat"}
    parts = (
        Part(chat | {"tenant": "acme"}, 0.151, 0.041, 712, 0.63),
        Part(chat | {"tenant": EVIL}, 0.118, 0.039, 388, 0.24),
    )
    rest, mix = Rest(1.01, 0.94, 1.08, 12_400), Composition(0.039, 0.04)
    until_ms = onset_ms + 900_000
    return Account(scope, "rate", onset_ms, until_ms, 0.12, 0.04, 2_310, 184.8, 0.973, rest, mix, parts, 14, parts[0])
