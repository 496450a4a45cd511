"""What becomes of drawn events: outcome, text, tools, tokens, times and cost of every turn, as numpy columns.

Latency and tokens are heavy-tailed: a lognormal body with a Pareto tail. Everything that is counted in fixed units
is made in those units, so that the same number comes back from an event's field.
"""

import msgspec
import numpy as np
from scipy.special import ndtri

from pipelines.ingest.simulate_draws import CALLS_MAX, Draws, U
from pipelines.ingest.simulate_model import MODELS, RATE_NAMES, SAFETY, SURFACES, TOOLS
from pipelines.ingest.simulate_texts import LANGUAGES, OUTCOMES, Text
from schemas.arrays import Bools, Floats, Ints

ERROR_TYPES = (("timeout", 0.5), ("rate_limit", 0.3), ("server_error", 0.2))
"""Ways for a turn to fail, with their shares."""
ANSWER, REFUSAL, EMPTY, NOTHING = range(4)
"""Codes into `OUTCOMES`."""
_ONCE = frozenset(RATE_NAMES) - {"tool_error"}
"""Rates that are decided once an event; a tool may fail at every call."""
_EMPTY_SHARE = 0.003
"""Share of turns that come back as an empty string."""
_MEMORY_SHARE = 0.15
"""Share of agent turns that write to memory."""
_CHARS_PER_TOKEN = 4.2
"""Characters of one token of ordinary text."""
_TOOL_US = 350_000.0
"""Usual time of one tool call."""
_LATENCY_US_MAX = 600_000_000.0
"""Clients give up after ten minutes."""
_TOKENS_MAX = 200_000.0
"""A context window ends somewhere."""
_TAIL_FROM = 0.97
"""The slowest and longest 3 % follow the Pareto tail."""


class Turns(msgspec.Struct, frozen=True):
    """What became of N events; codes are -1 and levels -1 where absent, flags are False where they do not apply.

    `feedback` tells feedback events from turns; only `thumbs_down` and the places apply to them. `text` indexes the
    pool, `outcome` `OUTCOMES`, `error` `ERROR_TYPES`, `safety` `SAFETY`. `calls` [N] counts tool calls; `tool` and
    `tool_failed` [CALLS_MAX, N] describe them, without meaning beyond `calls`. `task` says whether the turn was a
    task that can fail. Levels are in us, tokens and nano-USD.
    """

    feedback: Bools
    text: Ints
    outcome: Ints
    error: Ints
    truncated: Bools
    safety: Ints
    retry: Bools
    thumbs_down: Bools
    task: Bools
    task_failed: Bools
    calls: Ints
    tool: Ints
    tool_failed: Bools
    memory_writes: Ints
    latency_us: Ints
    ttft_us: Ints
    input_tokens: Ints
    output_tokens: Ints
    cost_nano_usd: Ints


class Rules:
    """Turns draws into turns; made once for a pool of texts."""

    def __init__(self, pool: tuple[Text, ...], feedback_share: float) -> None:
        self._feedback_share = feedback_share
        surfaces = [surface.name for surface in SURFACES]
        cells = [(surfaces.index(t.surface), LANGUAGES.index(t.language), OUTCOMES.index(t.outcome)) for t in pool]
        self._cell_count = np.zeros((len(SURFACES), len(LANGUAGES), len(OUTCOMES)), dtype=np.int64)
        np.add.at(self._cell_count, tuple(np.array(cells).T), 1)
        assert cells == sorted(cells), "the texts of one cell stand side by side"
        self._cell_start = np.cumsum(self._cell_count).reshape(self._cell_count.shape) - self._cell_count
        self._prompt_chars = np.array([len(text.prompt) for text in pool])
        self._response_chars = np.array([len(text.response or "") for text in pool])
        self._first_token_us = np.array([1_000.0 * model.first_token_ms for model in MODELS])
        self._token_us = np.array([1_000.0 * model.token_ms for model in MODELS])
        self._input_nano_usd = np.array([model.input_nano_usd for model in MODELS])
        self._output_nano_usd = np.array([model.output_nano_usd for model in MODELS])
        self._context_tokens = np.array([surface.context_tokens for surface in SURFACES])
        self._tool_calls = np.array([surface.tool_calls for surface in SURFACES])
        self._tool_edges = np.cumsum([tool.share for tool in TOOLS])
        self._tool_factor = np.array([tool.rate_factor for tool in TOOLS])

    def turns(self, draws: Draws) -> Turns:
        """Decide everything about every drawn event."""
        u, places = draws.u, draws.places
        below = {name: u[U[name.upper()]] < draws.rates[row] for row, name in enumerate(RATE_NAMES) if name in _ONCE}
        feedback = u[U.KIND] < self._feedback_share
        outcome = np.select([below["error"], u[U.EMPTY] < _EMPTY_SHARE, below["refusal"]], [NOTHING, EMPTY, REFUSAL], 0)
        answered = outcome == ANSWER
        cell = (places.surface, places.language, outcome)
        text = self._cell_start[cell] + (u[U.TEXT] * self._cell_count[cell]).astype(np.int64)
        # What is left of a number that fell below its rate is uniform again, and decides which way it went.
        error_left = u[U.ERROR] / draws.rates[RATE_NAMES.index("error")]
        safety_left = u[U.SAFETY] / np.maximum(draws.rates[RATE_NAMES.index("safety")], 1e-12)
        task = self._tool_calls[places.surface] > 0
        calls = self._calls(draws, answered & ~feedback)
        tool = np.searchsorted(self._tool_edges[:-1], u[len(U) : len(U) + CALLS_MAX] * self._tool_edges[-1], "right")
        tool_rates = draws.rates[RATE_NAMES.index("tool_error")] * self._tool_factor[tool]
        levels = self._levels(draws, text, outcome, calls)
        return Turns(
            feedback=feedback,
            text=np.where(feedback, -1, text),
            outcome=np.where(feedback, -1, outcome),
            error=np.where(below["error"] & ~feedback, _pick(ERROR_TYPES, error_left), -1),
            truncated=below["truncation"] & answered & ~feedback,
            safety=np.where(below["safety"] & ~feedback, _pick(SAFETY, safety_left), -1),
            retry=below["retry"] & ~feedback,
            thumbs_down=below["thumbs_down"] & feedback,
            task=task & ~feedback,
            task_failed=(below["task_failure"] | ~answered) & task & ~feedback,
            calls=calls,
            tool=tool,
            tool_failed=u[len(U) + CALLS_MAX :] < tool_rates,
            memory_writes=np.where(feedback | ~task, -1, (u[U.MEMORY] < _MEMORY_SHARE) & answered),
            **{name: np.where(feedback, -1, values) for name, values in levels.items()},
        )

    def _calls(self, draws: Draws, possible: Bools) -> Ints:
        """Draw how many tools each turn calls: geometric about the surface's usual number, for loops have no memory."""
        mean = self._tool_calls[draws.places.surface] * draws.calls_factor
        # P(at least k) = (mean / (1 + mean))^k, inverted; a mean of 0 gives none.
        log_go_on = np.log(np.maximum(mean, 1e-12) / (1.0 + mean))
        calls = np.minimum(np.floor(np.log1p(-draws.u[U.CALLS]) / log_go_on), CALLS_MAX).astype(np.int64)
        return np.where(possible, calls, 0)

    def _levels(self, draws: Draws, text: Ints, outcome: Ints, calls: Ints) -> dict[str, Ints]:
        """Draw times, tokens and cost; a turn that failed has neither a first token nor output, but took its time."""
        u, model = draws.u, draws.places.model
        failed = outcome == NOTHING
        context = self._context_tokens[draws.places.surface] * heavy(u[U.CONTEXT], 0.6)
        input_tokens = np.rint(np.minimum(self._prompt_chars[text] / _CHARS_PER_TOKEN + context, _TOKENS_MAX))
        # Counted output holds what the reader never sees as well, hence the tail.
        output = self._response_chars[text] / _CHARS_PER_TOKEN * heavy(u[U.OUTPUT], 0.35)
        output_tokens = np.where(failed, 0.0, np.rint(np.minimum(output, _TOKENS_MAX)))
        ttft = self._first_token_us[model] * draws.latency_factor * heavy(u[U.FIRST_TOKEN], 0.4)
        rest = output_tokens * self._token_us[model] + calls * _TOOL_US
        latency = ttft + rest * draws.latency_factor * heavy(u[U.SPEED], 0.3)
        cost = input_tokens * self._input_nano_usd[model] + output_tokens * self._output_nano_usd[model]
        return {
            "latency_us": np.rint(np.minimum(latency, _LATENCY_US_MAX)).astype(np.int64),
            "ttft_us": np.where(failed, -1, np.rint(np.minimum(ttft, _LATENCY_US_MAX))).astype(np.int64),
            "input_tokens": input_tokens.astype(np.int64),
            "output_tokens": np.where(failed, -1, output_tokens).astype(np.int64),
            "cost_nano_usd": np.where(failed, -1, cost).astype(np.int64),
        }


def heavy(u: Floats, log_sd: float, tail_index: float = 2.2) -> Floats:
    """Turn uniform numbers into factors with median 1: lognormal up to `_TAIL_FROM`, Pareto beyond.

    The tail P(X > x) = (1 - _TAIL_FROM) (x / x_tail)^-tail_index starts where the body ends; with an index of 2.2 the
    variance is finite and fourth moments are not, as is usual for service times.

    >>> heavy(np.array([0.5, 0.97, 0.9997]), log_sd=0.4).round(2).tolist()
    [1.0, 2.12, 17.21]
    """
    tail_start = float(np.exp(log_sd * ndtri(_TAIL_FROM)))
    body = np.exp(log_sd * ndtri(np.clip(u, 1e-12, _TAIL_FROM)))
    tail = ((1.0 - _TAIL_FROM) / (1.0 - np.maximum(u, _TAIL_FROM))) ** (1.0 / tail_index)
    return np.where(u < _TAIL_FROM, body, tail_start * tail)


def _pick(shares: tuple[tuple[str, float], ...], u: Floats) -> Ints:
    """Give the index that each number between 0 and 1 falls on when the shares, which add up to 1, are laid out."""
    return np.searchsorted(np.cumsum([share for _, share in shares])[:-1], u, side="right")
