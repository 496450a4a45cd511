"""The traffic of the throughput board: native events with every modelled field, about 1.2 KB each, drawn from a seed.

Nearly every answer is a text of its own, as in life: a reader that remembers texts gains nothing by it. Half of the
tenants say themselves whether a turn was a refusal; of the others it is judged by the words.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from pipelines.ingest.simulate_texts import PHRASES, Phrases

SEED = 29
EVENTS_PER_MINUTE = 10_000
"""Events in a minute of event time; with more of them closing minutes weighs less."""
START = datetime(2026, 3, 2, tzinfo=UTC)
TENANTS = ("acme", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbour")
REGIONS = ("eu-central", "eu-west", "us-east", "ap-south")
MODELS = (("atlas-large", "2026-01-15"), ("atlas-large", "2026-02-20"), ("atlas-small", "2025-11-02"))
TOOLS = ("search_orders", "read_file", "send_mail", "query_database", "create_ticket")
REFUSED, FAILED, FLAGGED, RETRIED = 0.03, 0.01, 0.04, 0.02
SENTENCES = 6
"""Sentences of an answer, some 350 characters: with them an event has about 1.2 KB."""
ENGLISH = 0.6
"""Share of turns in English; the others are spread over all languages of the simulated traffic."""


def events(count: int, seed: int = SEED) -> Iterator[tuple[bytes, bytes]]:
    """Yield the cohort (tenant and region) and the JSON of so many events, in order of time."""
    rng = Random(seed)  # noqa: S311 - traffic, not a secret
    step = timedelta(minutes=1) / EVENTS_PER_MINUTE
    for number in range(count):
        event = _event(number, START + number * step, rng)
        yield f"{event['tenant']}|{event['region']}".encode(), msgspec.json.encode(event)


def _event(number: int, at: datetime, rng: Random) -> dict[str, Any]:
    """Draw one turn."""
    tenant, region = rng.choice(TENANTS), rng.choice(REGIONS)
    phrases = PHRASES[0] if rng.random() < ENGLISH else rng.choice(PHRASES)
    model, version = rng.choice(MODELS)
    refused, failed = rng.random() < REFUSED, rng.random() < FAILED
    latency_ms = round(1_000 * rng.lognormvariate(0.0, 0.5), 1)
    said: dict[str, Any] = {"refusal": refused} if TENANTS.index(tenant) % 2 else {}
    return (
        said
        | {
            "event_id": f"{rng.getrandbits(64):016x}",
            "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "tenant": tenant,
            "region": region,
            "environment": "production",
            "surface": "agent",
            "model": model,
            "model_version": version,
            "prompt_version": "p12",
            "policy_version": "s3",
            "language": phrases.language,
            "session_id": f"{tenant}-{number // 40}",
            "trace_id": f"{rng.getrandbits(64):016x}",
            "user_hash": f"u{rng.randrange(5_000)}",
            "prompt": _filled(rng.choice(phrases.prompts), phrases, rng),
            "response": _answer(phrases, rng, refused=refused),
            "finish_reason": "error" if failed else rng.choice(("stop", "stop", "tool_calls")),
            "tool_calls": _calls(latency_ms, rng),
            "safety": [{"category": "toxicity", "action": "flag", "direction": "input"}]
            if rng.random() < FLAGGED
            else [],
            "evaluations": [{"name": "groundedness", "score": round(rng.betavariate(9, 1), 3)}],
            "latency_ms": latency_ms,
            "ttft_ms": round(latency_ms * 0.2, 1),
            "input_tokens": rng.randrange(200, 2_000),
            "output_tokens": rng.randrange(40, 400),
            "cost_usd": round(rng.random() * 0.01, 6),
            "status": "error" if failed else "ok",
            "memory_writes": rng.randrange(2),
            "labels": {"plan": rng.choice(("free", "team", "enterprise"))},
            "route": "primary",
            "confidence": round(rng.random(), 3),
            "task_success": rng.random() < 0.9,
        }
        | ({"retry_of": f"{rng.getrandbits(64):016x}"} if rng.random() < RETRIED else {})
    )


def _calls(latency_ms: float, rng: Random) -> list[dict[str, Any]]:
    """Draw up to three tool calls."""
    return [
        {
            "name": rng.choice(TOOLS),
            "status": "error" if rng.random() < FAILED else "ok",
            "duration_ms": round(latency_ms * 0.2, 1),
            "effect": "read",
            "authorised": True,
        }
        for _ in range(rng.choice((0, 0, 1, 1, 2)))
    ]


def _answer(phrases: Phrases, rng: Random, *, refused: bool) -> str:
    """Write an answer, or a refusal."""
    if refused:
        return rng.choice(phrases.refusals)
    return " ".join(_filled(rng.choice(phrases.sentences), phrases, rng) for _ in range(SENTENCES))


def _filled(template: str, phrases: Phrases, rng: Random) -> str:
    return template.replace("{topic}", rng.choice(phrases.topics))
