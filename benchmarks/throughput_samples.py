"""Where the time of a running Limen goes: sampled stacks of its reading thread, by stage, by function and as an SVG."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from types import FrameType

from benchmarks.throughput_page import Share

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.002
"""Time between two samples; Python switches threads every 5 ms, so in the midst of work they come at that pace."""
FUNCTIONS = 14
"""Functions listed."""
WIDTH, ROW, LEAST = 1_200, 17, 0.002
"""Pixels of the drawing and of a row in it, and the least share that is drawn."""

Stack = tuple[tuple[str, str], ...]
"""File and function of each frame, the outermost first."""

STAGES: tuple[tuple[str, str, str], ...] = (
    ("pipelines/aggregate/many_texts.py", "", "texts"),
    ("pipelines/aggregate/text.py", "", "texts"),
    ("pipelines/aggregate/columns.py", "", "columns"),
    ("pipelines/aggregate/reader.py", "add", "cells"),
    ("pipelines/aggregate/reader.py", "cut", "partials"),
    ("pipelines/aggregate/windows.py", "", "closing minutes"),
    ("pipelines/ingest/decode.py", "", "decode"),
    ("pipelines/ingest/kafka.py", "", "read"),
    ("pipelines/detect/detect.py", "", "detect"),
    ("pipelines/respond/respond.py", "", "respond"),
    ("pipelines/store.py", "", "store"),
    ("pipelines/engine.py", "_commit", "encode"),
)
"""File, function ("" for any) and stage: the first row that a stack holds says where a sample was taken."""
OTHER = "the loop itself"


@contextmanager
def sampled(stacks: Counter[Stack]) -> Iterator[None]:
    """Count the stacks of the calling thread as long as the block lasts."""
    watched, over = threading.get_ident(), threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_SECONDS):
            frame = sys._current_frames().get(watched)  # noqa: SLF001 - the one way to see another thread's stack
            stacks[stack_of(frame)] += 1

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def stack_of(frame: FrameType | None) -> Stack:
    """Give a stack from a frame outwards."""
    found: list[tuple[str, str]] = []
    while frame is not None:
        found.append((_short(frame.f_code.co_filename), frame.f_code.co_name))
        frame = frame.f_back
    return tuple(reversed(found))


def _short(file: str) -> str:
    """Give a path below the project, or below the libraries."""
    if file.startswith(f"{ROOT}/"):
        return file[len(str(ROOT)) + 1 :]
    return file.rpartition("site-packages/")[2] if "site-packages/" in file else Path(file).name


def stage_of(stack: Stack) -> str:
    """Give the stage that a sample was taken in.

    >>> stage_of((("pipelines/engine.py", "feed"), ("pipelines/aggregate/columns.py", "batch"), ("json.py", "loads")))
    'columns'
    """
    for file, function, stage in STAGES:
        if any(one == file and function in ("", name) for one, name in stack):
            return stage
    return OTHER


def by_stage(stacks: Counter[Stack]) -> tuple[Share, ...]:
    """Give the share of each stage, the largest first."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stage_of(stack)] += count
    return tuple(Share(name, count / stacks.total()) for name, count in found.most_common())


def by_function(stacks: Counter[Stack]) -> tuple[Share, ...]:
    """Give the functions that were running themselves in most samples, with their share."""
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        if stack:
            found[f"`{stack[-1][0]}` {stack[-1][1].strip('<>')}"] += count
    return tuple(Share(name, count / stacks.total()) for name, count in found.most_common(FUNCTIONS))


def drawing(stacks: Counter[Stack]) -> str:
    """Draw the stacks as a flame graph: a frame is as wide as its share of samples, and stands on its caller."""
    boxes: list[str] = []
    depth = max((len(stack) for stack in stacks), default=0)
    _draw(list(stacks.items()), 0, 0.0, stacks.total(), depth, boxes)
    height = ROW * (depth + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="11">\n' + "\n".join(boxes) + "\n</svg>\n"
    )


def _draw(
    stacks: Sequence[tuple[Stack, int]], level: int, left: float, total: int, depth: int, boxes: list[str]
) -> None:
    """Draw the frames of one level beside each other, and what stands on each."""
    groups: dict[tuple[str, str], list[tuple[Stack, int]]] = {}
    for stack, count in stacks:
        if len(stack) > level:
            groups.setdefault(stack[level], []).append((stack, count))
    for (file, name), mine in sorted(groups.items()):
        share = sum(count for _, count in mine) / total
        if share >= LEAST:
            top, width = ROW * (depth - level), WIDTH * share
            label = escape(f"{name} {share:.1%}")[: int(width / 7)]
            boxes.append(
                f'<g><title>{escape(file)} {escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{top}" '
                f'width="{width:.1f}" height="{ROW - 1}" fill="hsl({20 + hash_of(name) % 40} 80% 65%)"/>'
                f'<text x="{left + 2:.1f}" y="{top + 12}">{label}</text></g>'
            )
            _draw(mine, level + 1, left, total, depth, boxes)
        left += WIDTH * share


def hash_of(name: str) -> int:
    """Give a number by which a function always has the same colour."""
    return sum(map(ord, name))
