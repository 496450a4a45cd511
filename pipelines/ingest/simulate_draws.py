"""The draws of simulated traffic: everything that happens in some minutes, as numpy columns.

Every tenant and minute has a random generator of its own, keyed by (seed, tenant, minute), which gives each event one
row of uniform numbers. What the event is, is a function of that row and of the expected rates; so a minute is the
same whatever was made before it, and a shift changes only what it says it changes.
"""

from enum import IntEnum

import msgspec
import numpy as np

from pipelines.ingest.simulate_model import (
    MODELS,
    RATE_MAX,
    RATES,
    REGIONS,
    SURFACES,
    TENANTS,
    WANDER_MINUTES,
    Effect,
    Shift,
    Traffic,
    Wander,
    season,
    wander,
)
from pipelines.ingest.simulate_slots import session_slots, versions
from schemas.arrays import Floats, Ints
from schemas.minutes import MINUTE_MS

CALLS_MAX = 16
"""Most tool calls of one simulated turn; a loop that is longer is cut, as agent frameworks do."""


class U(IntEnum):
    """What each uniform number of an event decides; behind these, every tool call takes two more."""

    TIME = 0
    REGION = 1
    SLOT = 2
    KIND = 3
    KEPT = 4
    TEXT = 5
    REFUSAL = 6
    SAFETY = 7
    ERROR = 8
    EMPTY = 9
    TRUNCATION = 10
    RETRY = 11
    THUMBS_DOWN = 12
    TASK_FAILURE = 13
    FIRST_TOKEN = 14
    SPEED = 15
    OUTPUT = 16
    CONTEXT = 17
    CALLS = 18
    MEMORY = 19


UNIFORMS = len(U) + 2 * CALLS_MAX


class Arrivals(msgspec.Struct, frozen=True):
    """N events that arrive: `serial` counts within tenant and minute.

    `burst` [rates, N] is what the log rates of the tenant have in this minute on top; `u` [UNIFORMS, N] the event's
    own numbers between 0 and 1.
    """

    minute: Ints
    tenant: Ints
    serial: Ints
    burst: Floats
    u: Floats

    @property
    def ts_ms(self) -> Ints:
        """Give the time of every event in epoch milliseconds."""
        within: Ints = (self.u[U.TIME] * MINUTE_MS).astype(np.int64)
        return self.minute * MINUTE_MS + within

    def take(self, rows: Ints) -> "Arrivals":
        """Give the events at these rows, in this order."""
        return Arrivals(self.minute[rows], self.tenant[rows], self.serial[rows], self.burst[:, rows], self.u[:, rows])


class Places(msgspec.Struct, frozen=True):
    """Where N events belong: codes into the tables of the model; `run` counts the sessions of a slot."""

    ts_ms: Ints
    region: Ints
    surface: Ints
    model: Ints
    version: Ints
    language: Ints
    slot: Ints
    run: Ints
    user: Ints


class Draws(msgspec.Struct, frozen=True):
    """N events in order of time: who, where, the probability of everything that may go wrong, and numbers to decide it.

    `rates` [rates, N] are probabilities; `latency_factor` and `calls_factor` [N] are what region, wandering and
    scenario make of the usual values; `u` [UNIFORMS, N].
    """

    minute: Ints
    tenant: Ints
    serial: Ints
    places: Places
    rates: Floats
    latency_factor: Floats
    calls_factor: Floats
    u: Floats


class Drawing:
    """Draws the events of any minutes; made once for a seed, a traffic and a scenario."""

    def __init__(self, seed: int, traffic: Traffic, shifts: tuple[Shift, ...]) -> None:
        self._seed = seed
        self._traffic = traffic
        self._shifts = shifts
        self._versions = versions(shifts)
        self._wander: Wander = wander(seed, traffic)
        self._slots = session_slots(traffic)
        self._bases = np.array(list(RATES.values()))
        self._tenant_factor = np.array([tenant.rate_factor for tenant in TENANTS])
        self._surface_factor = np.array([surface.rate_factor for surface in SURFACES])
        self._region_latency = np.array([region.latency_factor for region in REGIONS])

    def draw(self, first: int, minutes: int = 1) -> Draws:
        """Draw the events of `minutes` minutes from minute `first` (since the epoch) on, in order of time."""
        assert first >= 0
        assert minutes >= 1
        arrivals, weights = self._arrivals(first, minutes)
        places = self._places(arrivals, weights[arrivals.minute - first])
        factors: dict[Effect, Floats] = {}
        for shift in self._shifts:
            if shift.at_minute < first + minutes and shift.until_minute > first:
                arrivals, places, factors = self._shifted(shift, arrivals, places, factors)
        position = arrivals.minute % WANDER_MINUTES
        wandering = self._wander.rate_by_region[:, places.region, position]
        wandering += self._wander.rate_by_tenant[:, arrivals.tenant, position]
        rates = self._bases[:, np.newaxis] * np.exp(wandering + arrivals.burst)
        rates *= self._tenant_factor[arrivals.tenant] * self._surface_factor[places.surface]
        for row, name in enumerate(RATES):
            rates[row] *= factors.get(name, 1.0)
        latency = self._region_latency[places.region] * np.exp(self._wander.latency_by_region[places.region, position])
        return Draws(
            minute=arrivals.minute,
            tenant=arrivals.tenant,
            serial=arrivals.serial,
            places=places,
            rates=np.minimum(rates, RATE_MAX),
            latency_factor=latency * factors.get("latency", 1.0),
            calls_factor=np.ones(len(latency)) * factors.get("tool_calls", 1.0),
            u=arrivals.u,
        )

    def _arrivals(self, first: int, minutes: int) -> tuple[Arrivals, Floats]:
        """Draw how many events arrive and their numbers; also give each region's weight [minutes, regions]."""
        traffic = self._traffic
        span = np.arange(first, first + minutes)
        shares = np.array([region.share for region in REGIONS])
        weights = shares * season(span) * np.exp(self._wander.volume_by_region[:, span % WANDER_MINUTES].T)
        tenant_shares = np.array([tenant.share for tenant in TENANTS[: traffic.tenants]])
        expected = traffic.events_per_minute * weights.sum(axis=1)[:, np.newaxis] * tenant_shares / tenant_shares.sum()
        counts: list[int] = []
        bursts: list[Floats] = []
        numbers: list[Floats] = []
        for row in range(minutes):
            # One generator a tenant and minute: its burst, its number of events, then their uniform numbers.
            makers = [np.random.default_rng((self._seed, 1 + t, first + row)) for t in range(traffic.tenants)]
            normals = [maker.standard_normal(1 + len(RATES)) for maker in makers]
            arriving = [
                int(maker.poisson(mean * np.exp(traffic.volume_sd * normal[0])))
                for maker, mean, normal in zip(makers, expected[row], normals, strict=True)
            ]
            # The largest tenant makes up what is missing from the smallest minute.
            arriving[0] += max(0, traffic.events_minimum - sum(arriving))
            counts += arriving
            bursts += [normal[1:] for normal in normals]
            numbers += [maker.random((UNIFORMS, count)) for maker, count in zip(makers, arriving, strict=True)]
        # The mean of exp(normal) is exp(variance / 2): taken off, so that rates average to their base.
        center = (traffic.wander_sd**2 + traffic.burst_sd**2) / 2.0
        arrivals = Arrivals(
            minute=np.repeat(np.repeat(span, traffic.tenants), counts),
            tenant=np.repeat(np.tile(np.arange(traffic.tenants), minutes), counts),
            serial=np.concatenate([np.arange(count) for count in counts]),
            burst=np.repeat(traffic.burst_sd * np.array(bursts).T - center, counts, axis=1),
            u=np.concatenate(numbers, axis=1),
        )
        # By whole milliseconds: ties keep the order of tenants, in a minute on its own as among others.
        return arrivals.take(np.argsort(arrivals.ts_ms, kind="stable")), weights

    def _places(self, arrivals: Arrivals, weights: Floats) -> Places:
        """Give every event its region, by the weights of its minute, and one of the running sessions there."""
        slots = self._slots
        edges = np.cumsum(weights, axis=1)
        region = (arrivals.u[U.REGION] * edges[:, -1] >= edges[:, :-1].T).sum(axis=0)
        slot = slots.start[arrivals.tenant, region]
        slot += (arrivals.u[U.SLOT] * slots.count[arrivals.tenant, region]).astype(np.int64)
        run = (arrivals.minute + 7 * slot) // slots.session_minutes[slot]
        return Places(
            ts_ms=arrivals.ts_ms,
            region=region,
            surface=slots.surface[slot],
            model=slots.model[slot],
            version=slots.version[slot],
            language=slots.language[slot],
            slot=slot,
            run=run,
            # A multiplicative hash: users come and go without a pattern, yet a session always has the same one.
            user=((run * 7_919 + slot * 104_729) * 40_503 >> 8) % self._traffic.users_per_tenant,
        )

    def _shifted(
        self, shift: Shift, arrivals: Arrivals, places: Places, factors: dict[Effect, Floats]
    ) -> tuple[Arrivals, Places, dict[Effect, Floats]]:
        """Let one shift change what it matches: move its version, take events away, or collect its factor."""
        hit = (arrivals.minute >= shift.at_minute) & (arrivals.minute < shift.until_minute)
        for name, names, codes in (
            (shift.tenant, [tenant.name for tenant in TENANTS], arrivals.tenant),
            (shift.region, [region.name for region in REGIONS], places.region),
            (shift.surface, [surface.name for surface in SURFACES], places.surface),
            (shift.model, [model.name for model in MODELS], places.model),
        ):
            if name:
                hit &= codes == names.index(name)
        if shift.model_version:
            hit &= places.version == self._versions.index(shift.model_version["from"])
            moved = np.where(hit, self._versions.index(shift.model_version["to"]), places.version)
            places = msgspec.structs.replace(places, version=moved)
        if shift.signal != "traffic":
            usual = factors.get(shift.signal, np.ones(len(hit)))
            return arrivals, places, factors | {shift.signal: np.where(hit, shift.factor * usual, usual)}
        kept = np.flatnonzero(~hit | (arrivals.u[U.KEPT] < shift.factor))
        left = Places(*(getattr(places, field)[kept] for field in Places.__struct_fields__))
        return arrivals.take(kept), left, {name: factor[kept] for name, factor in factors.items()}
