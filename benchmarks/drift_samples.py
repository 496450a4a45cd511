"""The samples of the drift board: quiet and changed windows of latencies, text lengths and categories.

Only numpy is imported, so that a rival's environment draws the very same samples from the same seeds.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

SEED = 41
"""The board's seed; constants were chosen on seeds from 900."""
SIZES = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
WINDOWS = 20
"""Windows of the past that a reference is made of, each as large as the window judged."""
REFERENCES, QUICK_REFERENCES = 10, 4
"""Independent pasts in every cell."""
NULL_TRIALS, TRIALS = 40, 20
"""Windows judged against each past: quiet ones, and of every change."""
SESSION = 5
"""Turns of a session, in the families by session."""
SESSION_SHARE = 0.5
"""This much of the variance of a latency lies between sessions."""
SESSION_STAYS = 0.7
"""A turn is of its session's own category this often."""
SHARES = np.array([0.34, 0.2, 0.14, 0.1, 0.08, 0.07, 0.05, 0.02])
"""A mix of eight categories, from common to rare."""
NONE = "none"
LEVEL_CHANGES = ("scale x1.1", "scale x1.25", "scale x1.5", "spread x1.25", "5 % at x10")
MIX_CHANGES = ("share 8 % to 12 %", "share 2 % to 4 %")
LEVELS, MIXES = ("latency", "lengths", "latency by session"), ("categories", "categories by session")
FAMILIES = (*LEVELS, *MIXES)


def changes_of(family: str) -> tuple[str, ...]:
    """Give the changes that a family can show."""
    return MIX_CHANGES if family in MIXES else LEVEL_CHANGES


def trials_of(change: str) -> int:
    """Give how many windows of a kind are judged against each past."""
    return NULL_TRIALS if change == NONE else TRIALS


def rng_of(seed: int, family: str, n: int, reference: int, change: str) -> np.random.Generator:
    """Give the source of chance of one past (change "past") or of the windows judged against it."""
    changes = ("past", NONE, *LEVEL_CHANGES, *MIX_CHANGES)
    return np.random.default_rng([seed, FAMILIES.index(family), n, reference, changes.index(change)])


def real_lengths(data: str) -> Any:
    """Read the lengths (characters) of all real answers of the data folder; an empty array where there are none."""
    lengths = []
    for file in sorted((Path(data) / "outputs").glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            lengths += [len(json.loads(line)["response"]) for line in lines]
    return np.array([each for each in lengths if each > 0], dtype=np.float64)


def families(lengths: Any) -> tuple[str, ...]:
    """Give the families that can be drawn: without real answers there are no lengths."""
    return tuple(family for family in FAMILIES if family != "lengths" or len(lengths))


def draw(family: str, change: str, windows: int, n: int, rng: np.random.Generator, lengths: Any) -> Any:
    """Draw `windows` windows of n values each [windows x n]: latencies in ms, characters, or category numbers."""
    if family in MIXES:
        return _categories(change, windows, n, rng, by_session=family != "categories")
    if family == "lengths":
        log = np.log(rng.choice(lengths, (windows, n)))
        centre = float(np.mean(np.log(lengths)))
    else:
        centre = float(np.log(800.0))
        between = SESSION_SHARE if family != "latency" else 0.0
        shared = rng.normal(0.0, np.sqrt(between), (windows, -(-n // SESSION)))
        log = centre + np.repeat(shared, SESSION, axis=1)[:, :n] + rng.normal(0.0, np.sqrt(1 - between), (windows, n))
    if change.startswith("scale"):
        log += np.log(float(change.rpartition("x")[2]))
    elif change.startswith("spread"):
        log = centre + (log - centre) * float(change.rpartition("x")[2])
    elif change != NONE:
        log += np.log(10.0) * (rng.random((windows, n)) < 0.05)
    return np.exp(log) if family != "lengths" else np.maximum(np.rint(np.exp(log)), 1.0)


def _categories(change: str, windows: int, n: int, rng: np.random.Generator, *, by_session: bool) -> Any:
    """Draw category numbers; a share that grows takes evenly from the others."""
    shares = SHARES.copy()
    for name, at, share in ((MIX_CHANGES[0], 4, 0.12), (MIX_CHANGES[1], 7, 0.04)):
        if change == name:
            shares *= (1.0 - share) / (1.0 - shares[at])
            shares[at] = share
    edges = np.cumsum(shares)[:-1]
    own = np.searchsorted(edges, rng.random((windows, n)), side="right")
    if not by_session:
        return own
    sessions = np.searchsorted(edges, rng.random((windows, -(-n // SESSION))), side="right")
    stays = rng.random((windows, n)) < SESSION_STAYS
    return np.where(stays, np.repeat(sessions, SESSION, axis=1)[:, :n], own)


def histogram(values: Any, per_octave: int, bins: int) -> Any:
    """Count each window's values [W x n] in fixed logarithmic bins [W x bins], or categories if per_octave is 0."""
    at = values.astype(np.int64) if per_octave == 0 else np.floor(per_octave * np.log2(np.maximum(values, 1.0)))
    at = np.minimum(at.astype(np.int64), bins - 1)
    rows = len(values)
    flat = (at + bins * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * bins).reshape(rows, bins).astype(np.float64)
