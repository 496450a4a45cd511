"""The traffic model: who sends how much when, how often things go wrong, and what a scenario changes about it.

Nothing here draws an event; it says what to expect of any minute. Rates wander: the log of every rate follows a
stationary first-order autoregression (time constant a few hours), one path a region and one a tenant, added up.
Time zones shape the hour of the week. Every table is a tuple in the order of its names, so codes are indices.
"""

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from schemas.arrays import Floats, Ints

WEEK_MINUTES = 7 * 24 * 60
WANDER_MINUTES = 4 * WEEK_MINUTES
"""Length of the wandering paths; they are circular, so that any minute has a value, and repeat after four weeks."""
_WANDER_CONSTANT_MINUTES = 180.0
"""Time constant of the wandering: behaviour of real traffic stays high or low for a few hours."""
_MONDAY_MINUTE = 4 * 24 * 60
"""The first Monday, 1970-01-05, in minutes since the epoch."""

Rate = Literal["refusal", "safety", "error", "tool_error", "retry", "truncation", "thumbs_down", "task_failure"]
RATES: dict[Rate, float] = {
    "refusal": 0.035,
    "safety": 0.02,
    "error": 0.012,
    "tool_error": 0.04,
    "retry": 0.02,
    "truncation": 0.02,
    "thumbs_down": 0.2,
    "task_failure": 0.1,
}
"""Base rate of everything that may go wrong, of the turns (calls, feedbacks, tasks) that it is counted on."""
RATE_NAMES = tuple(RATES)
RATE_MAX = 0.95
"""No rate goes beyond this, whatever a scenario multiplies it by."""


class Tenant(msgspec.Struct, frozen=True):
    """One customer: share of the traffic, and how its rates compare with the average."""

    name: str
    share: float
    rate_factor: float


class Region(msgspec.Struct, frozen=True):
    """One region: share of a week's traffic, hours ahead of UTC, latency factor, and its mixes in model order."""

    name: str
    share: float
    utc_hours: int
    latency_factor: float
    models: tuple[float, ...]
    languages: tuple[float, ...]


class Surface(msgspec.Struct, frozen=True):
    """One surface: share of the sessions, rate factor, context given to the model, and tool calls a turn."""

    name: str
    share: float
    rate_factor: float
    context_tokens: float
    tool_calls: float


class Model(msgspec.Struct, frozen=True):
    """One model: versions with shares, speed, and price in nano-USD a token (1,000 is one USD a million)."""

    name: str
    versions: tuple[tuple[str, float], ...]
    first_token_ms: float
    token_ms: float
    input_nano_usd: int
    output_nano_usd: int


class Tool(msgspec.Struct, frozen=True):
    """One tool: share of the calls, and how its error rate compares with the average."""

    name: str
    share: float
    rate_factor: float
    effect: Literal["read", "write", "irreversible"]


TENANTS = (
    Tenant("harbour", 0.40, 1.0),
    Tenant("meadow", 0.30, 0.9),
    Tenant("quarry", 0.20, 1.1),
    Tenant("willow", 0.10, 1.2),
)
REGIONS = (
    Region("us", 0.35, -6, 1.0, models=(0.50, 0.30, 0.20), languages=(0.90, 0.00, 0.10, 0.00)),
    Region("eu", 0.35, 1, 1.1, models=(0.85, 0.00, 0.15), languages=(0.55, 0.25, 0.20, 0.00)),
    Region("ap", 0.30, 8, 1.3, models=(0.40, 0.35, 0.25), languages=(0.60, 0.00, 0.00, 0.40)),
)
SURFACES = (
    Surface("chat", 0.55, 1.0, context_tokens=700.0, tool_calls=0.0),
    Surface("code", 0.25, 0.8, context_tokens=2_400.0, tool_calls=0.0),
    Surface("agent", 0.20, 1.2, context_tokens=5_000.0, tool_calls=1.4),
)
MODELS = (
    Model("orion", (("orion-2026-07", 1.0),), 420.0, 14.0, 3_000, 15_000),
    Model("lyra", (("lyra-2026-05", 0.7), ("lyra-2026-06", 0.3)), 260.0, 8.0, 800, 4_000),
    Model("corvus", (("corvus-3", 1.0),), 180.0, 5.0, 150, 600),
)
TOOLS = (
    Tool("search", 0.45, 1.0, "read"),
    Tool("fetch_page", 0.20, 1.6, "read"),
    Tool("run_query", 0.20, 0.9, "read"),
    Tool("create_ticket", 0.10, 0.5, "write"),
    Tool("send_mail", 0.05, 0.4, "irreversible"),
)
SAFETY = (("prompt_injection", 0.4), ("personal_data", 0.35), ("toxicity", 0.25))
"""Categories of guardrail hits with their shares."""


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much traffic there is and how unruly it is; the mixes are the tables of this file.

    Every minute has at least `events_minimum` events, unless a scenario takes some away. `wander_sd` is the standard
    deviation of the slow wandering of every log rate, `burst_sd` that of the log rate from one minute to the next
    within a tenant (the overdispersion), `level_sd` and `volume_sd` the wandering of latency and of volume.
    """

    events_per_minute: Annotated[float, Meta(gt=0, le=100_000)] = 160.0
    events_minimum: Annotated[int, Meta(ge=0)] = 100
    tenants: Annotated[int, Meta(ge=1, le=4)] = 4
    users_per_tenant: Annotated[int, Meta(ge=1, le=100_000)] = 400
    feedback_share: Annotated[float, Meta(ge=0, lt=1)] = 0.03
    wander_sd: Annotated[float, Meta(ge=0, le=1)] = 0.12
    burst_sd: Annotated[float, Meta(ge=0, le=1)] = 0.2
    level_sd: Annotated[float, Meta(ge=0, le=1)] = 0.03
    volume_sd: Annotated[float, Meta(ge=0, le=1)] = 0.05


Effect = Rate | Literal["latency", "tool_calls", "traffic"]


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `at_minute` until `until_minute` the events it matches behave differently; all other draws stay the same.

    It matches by region, tenant, surface and model ("" matches all). `signal` is multiplied by `factor`: a rate by
    its name, `latency` (times longer), `tool_calls` (times as many), or `traffic` (the share that is left, at most 1:
    0 is silence). `model_version` {"from", "to"} moves the matched events of version "from" to version "to" and
    confines the effect to them. `announced` also sends a change event at the start.

    A refusal surge after a new version: `Shift(at, region="eu", model_version={"from": "orion-2026-07", "to":
    "orion-2026-09"})`; a guardrail switched off: `Shift(at, signal="safety", factor=0)`; a tool loop: `Shift(at,
    region="us", signal="tool_calls", factor=3)`; a silent region: `Shift(at, region="ap", signal="traffic", factor=0)`.
    """

    at_minute: int
    until_minute: int = 2**53
    region: str = ""
    tenant: str = ""
    surface: str = ""
    model: str = ""
    signal: Effect = "refusal"
    factor: Annotated[float, Meta(ge=0, le=1_000)] = 3.0
    model_version: dict[Literal["from", "to"], str] = {}
    announced: bool = False

    def __post_init__(self) -> None:
        """Refuse a scenario that means nothing: a programmer's mistake, not input."""
        assert self.model_version.keys() in ({"from", "to"}, set()), "model_version needs both from and to"
        for name, table in (
            (self.region, REGIONS),
            (self.tenant, TENANTS),
            (self.surface, SURFACES),
            (self.model, MODELS),
        ):
            assert not name or name in [row.name for row in table], f"the model has no {name}"
        assert self.signal != "traffic" or self.factor <= 1.0, "a shift can only take traffic away"


class Wander(msgspec.Struct, frozen=True):
    """The wandering of every log rate, log latency and log volume: arrays [rate or level, region or tenant, minute]."""

    rate_by_region: Floats
    rate_by_tenant: Floats
    latency_by_region: Floats
    volume_by_region: Floats


def wander(seed: int, traffic: Traffic) -> Wander:
    """Draw all wandering paths of a seed, `WANDER_MINUTES` long each."""
    rng = np.random.default_rng((seed, 0))
    # A region's path and a tenant's are added, so each has half of the variance.
    half = traffic.wander_sd / np.sqrt(2.0)
    return Wander(
        rate_by_region=half * _paths(len(RATES), len(REGIONS), rng),
        rate_by_tenant=half * _paths(len(RATES), traffic.tenants, rng),
        latency_by_region=traffic.level_sd * _paths(1, len(REGIONS), rng)[0],
        volume_by_region=traffic.volume_sd * _paths(1, len(REGIONS), rng)[0],
    )


def _paths(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Draw circular AR(1) paths of unit variance, [rows, columns, WANDER_MINUTES].

    White noise is filtered in the frequency domain by 1 / (1 - phi z^-1), the transfer function of the recursion
    x_t = phi x_(t-1) + e_t, which makes the path exactly stationary and joins its end to its beginning.
    """
    phi = np.exp(-1.0 / _WANDER_CONSTANT_MINUTES)
    noise = rng.standard_normal((rows, columns, WANDER_MINUTES))
    frequencies = 2.0 * np.pi * np.arange(WANDER_MINUTES // 2 + 1) / WANDER_MINUTES
    filtered = np.fft.rfft(noise) * (np.sqrt(1.0 - phi**2) / (1.0 - phi * np.exp(-1j * frequencies)))
    return np.fft.irfft(filtered, WANDER_MINUTES)


def season(minutes: Ints) -> Floats:
    """Give the share of each region's average volume at each minute since the epoch, [minutes, regions].

    A day has its low at four in the morning and its high at four in the afternoon, local time; weekends are quieter
    by a fifth. The average over a week is 1.
    """
    hours = np.array([region.utc_hours for region in REGIONS])
    local = minutes[:, np.newaxis] - _MONDAY_MINUTE + 60 * hours[np.newaxis, :]
    return np.asarray(_SHAPE[local % WEEK_MINUTES], dtype=np.float64)


def _shape() -> Floats:
    """Draw the local week from Monday 00:00, one value a minute."""
    minute = np.arange(WEEK_MINUTES)
    day = np.exp(0.6 * np.cos(2.0 * np.pi * (minute - 16 * 60) / (24 * 60)))
    shape = np.where(minute < 5 * 24 * 60, day, 0.8 * day)
    return np.asarray(shape / shape.mean(), dtype=np.float64)


_SHAPE = _shape()
