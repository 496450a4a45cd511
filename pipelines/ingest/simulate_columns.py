"""The batch face of simulated traffic: drawn turns straight as numpy columns, without an event or a byte between.

What depends on text is measured once for every text of the pool, by the same function that measures real events, and
then looked up; all else is filled in from the draws. A contract test holds the two faces to each other.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from pipelines.ingest.simulate_draws import Draws
from pipelines.ingest.simulate_events import (
    ENVIRONMENT,
    FINISH_REASONS,
    POLICY_VERSION,
    PROMPT_VERSIONS,
    event_ids,
    user_names,
)
from pipelines.ingest.simulate_model import MODELS, REGIONS, SAFETY, SURFACES, TENANTS, TOOLS, Traffic
from pipelines.ingest.simulate_texts import LANGUAGES, Text
from pipelines.ingest.simulate_turns import EMPTY, NOTHING, REFUSAL, Turns
from schemas.arrays import Bools, Ints
from schemas.batch import Batch, Coded, Named, Ratio, SeenChange
from schemas.event import DIMENSIONS, Change, Event, Reject, event_time_ms
from schemas.hashing import hashes64
from schemas.record import Partition

Take = Callable[[Partition, Sequence[int], Sequence[Event | Reject]], Batch]
"""Measures decoded events: partition, offsets and items to a batch."""


class BatchFace:
    """Writes drawn turns down as batches; made once for the names and texts it uses.

    It has exactly the columns that `take` gives for its samples (one event for each text, then a feedback and a
    change): a signal that is switched off there is missing here too. `take` has to measure every text, so it must not
    sample. A custom signal sees the samples only, hence nothing but text.
    """

    def __init__(self, take: Take, pool: tuple[Text, ...], traffic: Traffic, versions: tuple[str, ...]) -> None:
        samples = [
            *(_sample(number, text) for number, text in enumerate(pool)),
            Event(event_id="feedback", ts=0, kind="feedback", feedback="up", user_hash="user"),
            Event(event_id="change", ts=0, kind="change", change=Change(what="configuration")),
        ]
        self._feedback_row, self._change_row = len(pool), len(pool) + 1
        self._measured = take(Partition("simulate"), range(len(samples)), samples)
        self._versions = versions
        self._users = np.array([hashes64(names) for names in user_names(traffic)])
        self._mix_items = {name: _items(mix, len(samples)) for name, mix in self._measured.mixes.items()}

    def batch(self, partition: Partition, start: int, draws: Draws, turns: Turns, changes: Sequence[Event]) -> Batch:
        """Give the N draws, and the changes at their times, as the events with offsets from `start` on."""
        measured = self._measured
        until = start + len(draws.minute)
        sample = np.where(turns.feedback, self._feedback_row, turns.text)
        ratios, levels, mixes = _ratios(turns), _levels(turns), _mixes(draws, turns)
        users = self._users[draws.tenant, draws.places.user]
        batch = Batch(
            partition=partition,
            start=start,
            until=until,
            offsets=np.arange(start, until),
            ts_ms=draws.places.ts_ms,
            id_hash=hashes64(event_ids(draws)),
            dims=self._dims(draws),
            ratios={
                name: ratios.get(name) or Ratio(x=ratio.x[sample], n=ratio.n[sample])
                for name, ratio in measured.ratios.items()
            },
            levels={name: levels[name] if name in levels else level[sample] for name, level in measured.levels.items()},
            mixes={name: mixes.get(name) or self._looked_up(name, sample) for name in measured.mixes},
            # Which events count is measured, whom they count is drawn.
            ids={name: np.where(ids[sample] > 0, users, np.uint64(0)) for name, ids in measured.ids.items()},
            scores=measured.scores,  # no sample has an evaluation, and no simulated event either
        )
        return self._with_changes(batch, changes) if changes else batch

    def _dims(self, draws: Draws) -> dict[str, Coded]:
        """Name where every event belongs; a dimension that the traffic does not have is absent everywhere."""
        places = draws.places
        known = {
            "tenant": _coded(draws.tenant, [tenant.name for tenant in TENANTS]),
            "region": _coded(places.region, [region.name for region in REGIONS]),
            "environment": _coded(np.zeros_like(draws.tenant), [ENVIRONMENT]),
            "surface": _coded(places.surface, [surface.name for surface in SURFACES]),
            "model": _coded(places.model, [model.name for model in MODELS]),
            "model_version": _coded(places.version, self._versions),
            "prompt_version": _coded(places.surface, PROMPT_VERSIONS),
            "policy_version": _coded(np.zeros_like(draws.tenant), [POLICY_VERSION]),
            "language": _coded(places.language, LANGUAGES),
        }
        absent = _coded(np.full_like(draws.tenant, -1), [])
        return {name: known.get(name, absent) for name in self._measured.dims}

    def _looked_up(self, name: str, sample: Ints) -> Named:
        """Give a mix that was measured on the samples, for the sample of every event."""
        first, count, code = self._mix_items[name]
        counts = count[sample]
        row = np.repeat(np.arange(len(sample)), counts)
        within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Named(row=row, code=code[first[sample[row]] + within], values=self._measured.mixes[name].values)

    def _with_changes(self, batch: Batch, changes: Sequence[Event]) -> Batch:
        """Put change events in, each before the events of its time; what they count as was measured on the sample."""
        measured, row = self._measured, self._change_row
        times = np.array([event_time_ms(event) for event in changes])
        at = np.searchsorted(batch.ts_ms, times)
        until = batch.until + len(changes)
        cohorts = [{name: value for name in DIMENSIONS if (value := getattr(event, name))} for event in changes]
        return msgspec.structs.replace(
            batch,
            until=until,
            offsets=np.arange(batch.start, until),
            ts_ms=np.insert(batch.ts_ms, at, times),
            id_hash=np.insert(batch.id_hash, at, hashes64([event.event_id for event in changes])),
            dims={
                name: _inserted(column, at, [c.get(name, "") for c in cohorts]) for name, column in batch.dims.items()
            },
            ratios={
                name: Ratio(
                    x=np.insert(ratio.x, at, measured.ratios[name].x[row]),
                    n=np.insert(ratio.n, at, measured.ratios[name].n[row]),
                )
                for name, ratio in batch.ratios.items()
            },
            levels={name: np.insert(level, at, measured.levels[name][row]) for name, level in batch.levels.items()},
            mixes={
                name: msgspec.structs.replace(mix, row=mix.row + np.searchsorted(at, mix.row, side="right"))
                for name, mix in batch.mixes.items()
            },
            ids={name: np.insert(ids, at, measured.ids[name][row]) for name, ids in batch.ids.items()},
            changes=tuple(
                SeenChange(change=event.change, ts_ms=ts_ms, cohort=cohort)
                for event, ts_ms, cohort in zip(changes, times.tolist(), cohorts, strict=True)
                if event.change is not None
            ),
            change_rows=tuple((at + np.arange(len(at))).tolist()),
        )


def _sample(number: int, text: Text) -> Event:
    """Give an event that carries one text, with all that decides which of its measures are taken."""
    failed = text.outcome == "none"
    return Event(
        event_id=f"text-{number}",
        ts=0,
        model=MODELS[0].name,
        language=text.language,
        prompt=text.prompt,
        response=text.response,
        finish_reason="error" if failed else "stop",
        refusal=None if failed else text.outcome == "refusal",
        status="error" if failed else "ok",
        user_hash="user",
        tool_calls=[],
        safety=[],
    )


def _ratios(turns: Turns) -> dict[str, Ratio]:
    """Count everything that does not depend on text: hits among trials, by signal."""
    turn = ~turns.feedback
    answered = turn & (turns.outcome != NOTHING)
    called = np.arange(len(turns.tool))[:, np.newaxis] < turns.calls
    return {
        "refusal_rate": _rate(turns.outcome == REFUSAL, answered),
        "safety_trigger_rate": _rate(turns.safety >= 0, turn),
        "tool_calls_per_turn": Ratio(x=turns.calls, n=turns.task.astype(np.int64)),
        "tool_error_rate": Ratio(x=(turns.tool_failed & called).sum(axis=0), n=turns.calls),
        "unauthorised_tool_rate": Ratio(x=np.zeros_like(turns.calls), n=turns.calls),
        "memory_writes_per_turn": Ratio(x=np.maximum(turns.memory_writes, 0), n=turns.task.astype(np.int64)),
        "retry_rate": _rate(turns.retry, turn),
        "error_rate": _rate(turns.outcome == NOTHING, turn),
        "empty_response_rate": _rate(turns.outcome == EMPTY, answered),
        "truncation_rate": _rate(turns.truncated, turn),
        "thumbs_down_rate": _rate(turns.thumbs_down, turns.feedback),
        "task_success_rate": _rate(turns.task & ~turns.task_failed, turns.task),
    }


def _levels(turns: Turns) -> dict[str, Ints]:
    """Give everything measured in fixed units, by signal."""
    return {
        "latency_ms": turns.latency_us,
        "ttft_ms": turns.ttft_us,
        "input_tokens": turns.input_tokens,
        "output_tokens": turns.output_tokens,
        "cost_usd": turns.cost_nano_usd,
    }


def _mixes(draws: Draws, turns: Turns) -> dict[str, Named]:
    """Give every name that does not depend on text, by signal."""
    row, call = np.nonzero((np.arange(len(turns.tool))[:, np.newaxis] < turns.calls).T)
    rows = np.flatnonzero(~turns.feedback)
    hits = np.flatnonzero(turns.safety >= 0)
    finish = np.where(turns.outcome == NOTHING, 2, turns.truncated.astype(np.int64))
    return {
        "tool_mix": Named(row=row, code=turns.tool[call, row], values=tuple(tool.name for tool in TOOLS)),
        "safety_trigger_rate": Named(row=hits, code=turns.safety[hits], values=tuple(name for name, _ in SAFETY)),
        "language_mix": Named(row=rows, code=draws.places.language[rows], values=LANGUAGES),
        "finish_reason_mix": Named(row=rows, code=finish[rows], values=FINISH_REASONS),
    }


def _rate(hit: Bools, counted: Bools) -> Ratio:
    """Count one trial for each event that counts, and a hit where it hit."""
    return Ratio(x=(hit & counted).astype(np.int64), n=counted.astype(np.int64))


def _coded(codes: Ints, names: Sequence[str]) -> Coded:
    """Name codes, -1 being absent."""
    return Coded(codes=codes + 1, values=("", *names))


def _items(mix: Named, count: int) -> tuple[Ints, Ints, Ints]:
    """Sort a mix by event: where each of `count` events begins, how many names it has, and the codes."""
    counts = np.bincount(mix.row, minlength=count).astype(np.int64)
    return np.cumsum(counts) - counts, counts, mix.code[np.argsort(mix.row, kind="stable")]


def _inserted(column: Coded, at: Ints, names: list[str]) -> Coded:
    """Put these names into a column before the given rows."""
    values = tuple(dict.fromkeys((*column.values, *names)))
    return Coded(codes=np.insert(column.codes, at, [values.index(name) for name in names]), values=values)
