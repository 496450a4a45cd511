"""The event face of simulated traffic: drawn turns as the events that an application would send."""

from typing import Any

from pipelines.ingest.simulate_draws import Draws
from pipelines.ingest.simulate_model import MODELS, REGIONS, SAFETY, SURFACES, TENANTS, TOOLS, Shift, Traffic
from pipelines.ingest.simulate_texts import LANGUAGES, Text
from pipelines.ingest.simulate_turns import ERROR_TYPES, NOTHING, REFUSAL, Turns
from schemas.event import Change, Event, SafetyHit, ToolCall
from schemas.minutes import MINUTE_MS

ENVIRONMENT = "production"
POLICY_VERSION = "policy-4"
PROMPT_VERSIONS = ("chat-12", "code-7", "agent-9")
"""The prompt version of each surface; it never changes by itself."""
FINISH_REASONS = ("stop", "length", "error")
"""Why a turn ended: by itself, cut off, or failed."""


def event_ids(draws: Draws) -> list[str]:
    """Name every event by tenant, minute and serial number: the same event has the same name in every run."""
    names = [tenant.name for tenant in TENANTS]
    rows = zip(draws.tenant.tolist(), draws.minute.tolist(), draws.serial.tolist(), strict=True)
    return [f"{names[tenant]}-{minute}-{serial}" for tenant, minute, serial in rows]


def user_names(traffic: Traffic) -> tuple[tuple[str, ...], ...]:
    """Name the users of every tenant."""
    return tuple(
        tuple(f"{tenant.name}-user-{number}" for number in range(traffic.users_per_tenant))
        for tenant in TENANTS[: traffic.tenants]
    )


def change_events(shifts: tuple[Shift, ...], first: int, minutes: int) -> list[Event]:
    """Give the change events of announced shifts that begin in these minutes, in order of time."""
    announced = sorted((shift for shift in shifts if shift.announced), key=lambda shift: shift.at_minute)
    return [
        Event(
            event_id=f"change-{shift.at_minute}-{number}",
            ts=shift.at_minute * MINUTE_MS,
            kind="change",
            tenant=shift.tenant or None,
            region=shift.region or None,
            environment=ENVIRONMENT,
            surface=shift.surface or None,
            model=shift.model or None,
            change=Change(
                what="model_version" if shift.model_version else "configuration",
                from_=shift.model_version.get("from"),
                to=shift.model_version.get("to"),
                actor="rollout",
            ),
        )
        for number, shift in enumerate(announced)
        if first <= shift.at_minute < first + minutes
    ]


class EventFace:
    """Writes drawn turns down as events; made once for the names it uses."""

    def __init__(self, pool: tuple[Text, ...], traffic: Traffic, versions: tuple[str, ...]) -> None:
        self._pool = pool
        self._users = user_names(traffic)
        self._versions = versions

    def events(self, draws: Draws, turns: Turns) -> list[Event]:
        """Give one event for each of the N draws, in their order."""
        places = _columns(draws.places)
        columns = _columns(turns)
        tenants = draws.tenant.tolist()
        events = []
        for row, event_id in enumerate(event_ids(draws)):
            fields = self._place(tenants[row], {name: values[row] for name, values in places.items()})
            turn = {name: values[row] for name, values in columns.items()}
            if turn["feedback"]:
                fields |= {"kind": "feedback", "feedback": "down" if turn["thumbs_down"] else "up"}
            else:
                fields |= self._turn(turn)
                fields["retry_of"] = f"{event_id}-first" if turn["retry"] else None
            events.append(Event(event_id=event_id, **fields))
        return events

    def _place(self, tenant: int, place: dict[str, Any]) -> dict[str, Any]:
        """Name when and where one event happened."""
        return {
            "ts": place["ts_ms"],
            "tenant": TENANTS[tenant].name,
            "region": REGIONS[place["region"]].name,
            "environment": ENVIRONMENT,
            "surface": SURFACES[place["surface"]].name,
            "model": MODELS[place["model"]].name,
            "model_version": self._versions[place["version"]],
            "prompt_version": PROMPT_VERSIONS[place["surface"]],
            "policy_version": POLICY_VERSION,
            "language": LANGUAGES[place["language"]],
            "session_id": f"{TENANTS[tenant].name}-{place['slot']}-{place['run']}",
            "user_hash": self._users[tenant][place["user"]],
        }

    def _turn(self, turn: dict[str, Any]) -> dict[str, Any]:
        """Say what happened in one turn; a failed turn has no response, and nobody can say whether it refused."""
        failed = turn["outcome"] == NOTHING
        text = self._pool[turn["text"]]
        return {
            "prompt": text.prompt,
            "response": text.response,
            "finish_reason": FINISH_REASONS[finish(failed=failed, truncated=turn["truncated"])],
            "refusal": None if failed else turn["outcome"] == REFUSAL,
            "status": "error" if failed else "ok",
            "error_type": ERROR_TYPES[turn["error"]][0] if failed else None,
            "tool_calls": _calls(turn) if turn["task"] else None,
            "safety": _hits(turn["safety"]),
            "memory_writes": turn["memory_writes"] if turn["task"] else None,
            "task_success": not turn["task_failed"] if turn["task"] else None,
            "latency_ms": turn["latency_us"] / 1_000,
            "ttft_ms": None if failed else turn["ttft_us"] / 1_000,
            "input_tokens": turn["input_tokens"],
            "output_tokens": None if failed else turn["output_tokens"],
            "cost_usd": None if failed else turn["cost_nano_usd"] / 1_000_000_000,
        }


def finish(*, failed: bool, truncated: bool) -> int:
    """Give the finish reason of a turn as an index into `FINISH_REASONS`."""
    return 2 if failed else int(truncated)


def _calls(turn: dict[str, Any]) -> list[ToolCall]:
    """Describe the tool calls of a turn; together they take a third of its time."""
    calls = turn["calls"]
    return [
        ToolCall(
            name=TOOLS[tool].name,
            status="error" if failed else "ok",
            duration_ms=turn["latency_us"] // (3 * calls) / 1_000,
            effect=TOOLS[tool].effect,
            authorised=True,
        )
        for tool, failed in zip(turn["tool"][:calls], turn["tool_failed"][:calls], strict=True)
    ]


def _hits(category: int) -> list[SafetyHit]:
    """Give the hits of the guardrail, which looks at every turn."""
    if category < 0:
        return []
    return [SafetyHit(category=SAFETY[category][0], action="flag", direction="input")]


def _columns(struct: Any) -> dict[str, list[Any]]:
    """Give the columns of a struct of arrays as lists, one item an event: reading single items of arrays is slow."""
    arrays = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return {name: array.T.tolist() for name, array in arrays.items()}
