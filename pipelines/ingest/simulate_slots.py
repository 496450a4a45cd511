"""Where simulated sessions run: fixed slots, each with its surface, model, version and language.

A slot holds one session after another. Because its mix never changes, the shares of a cohort do not wander, and any
minute knows which sessions are running without looking back.
"""

import msgspec
import numpy as np

from pipelines.ingest.simulate_model import MODELS, REGIONS, SURFACES, TENANTS, Shift, Traffic
from schemas.arrays import Ints

_SLOT_TURNS_PER_MINUTE = 0.4
"""Turns a minute of one running session: with the 4 to 12 minutes a session lasts, about three turns each."""
_SESSION_MINUTES = (4, 13)
"""A session slot starts a new session every 4 to 12 minutes."""
_SPREAD = 1.1673039782614187
"""Root of x^5 = x + 1: its powers spread the slots evenly over four mixes at once (an additive recurrence)."""


class Slots(msgspec.Struct, frozen=True):
    """The session slots of all tenants and regions, flat: a slot keeps its surface, model, version and language.

    `start` and `count` are indexed by tenant and region, the others by slot.
    """

    start: Ints
    count: Ints
    surface: Ints
    model: Ints
    version: Ints
    language: Ints
    session_minutes: Ints


def versions(shifts: tuple[Shift, ...]) -> tuple[str, ...]:
    """Name all model versions, those that a scenario brings behind those of the model.

    >>> versions((Shift(0, model_version={"from": "corvus-3", "to": "corvus-4"}),))[-2:]
    ('corvus-3', 'corvus-4')
    """
    names = [name for model in MODELS for name, _ in model.versions]
    for shift in shifts:
        if shift.model_version:
            assert shift.model_version["from"] in names, f"no model has the version {shift.model_version['from']}"
            names.append(shift.model_version["to"])
    return tuple(dict.fromkeys(names))


def session_slots(traffic: Traffic) -> Slots:
    """Lay out the session slots: as many in each tenant and region as its share of the traffic keeps busy."""
    shares = np.outer([t.share for t in TENANTS[: traffic.tenants]], [r.share for r in REGIONS])
    turns = traffic.events_per_minute * shares / shares.sum()
    count = np.maximum(1, np.rint(turns / _SLOT_TURNS_PER_MINUTE)).astype(np.int64)
    start = np.cumsum(count).reshape(count.shape) - count
    rows: list[tuple[int, int, int, int]] = []
    for tenant, region in np.ndindex(*count.shape):
        here = REGIONS[region]
        for _ in range(count[tenant, region]):
            spread = [(0.5 + len(rows) * _SPREAD**-k) % 1.0 for k in (1, 2, 3, 4)]
            surface = _choice([s.share for s in SURFACES], spread[0])
            model = _choice(here.models, spread[1])
            version = _choice([share for _, share in MODELS[model].versions], spread[2])
            version += sum(len(m.versions) for m in MODELS[:model])
            rows.append((surface, model, version, _choice(here.languages, spread[3])))
    surface, model, version, language = np.array(rows).T
    lengths = np.arange(*_SESSION_MINUTES)
    return Slots(start, count, surface, model, version, language, lengths[np.arange(len(rows)) % len(lengths)])


def _choice(shares: list[float] | tuple[float, ...], u: float) -> int:
    """Give the index that the number u between 0 and 1 falls on when the shares are laid end to end."""
    edges = np.cumsum(shares)
    return int(np.searchsorted(edges[:-1], u * edges[-1], side="right"))
