"""How much every container inside an object holds, by the way there: what grows without end can be seen."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

OURS = frozenset({"pipelines", "schemas", "detectors", "tests"})
_PLAIN = (str, bytes, int, float, bool, type(None), type)


def sizes(root: object) -> dict[str, int]:
    """Give the number of entries by path, summed over the entries of a container.

    Attributes and short dictionaries of names are followed by name; entries of all else share the path "[]". An
    object that can be reached in two ways counts where it is met first.
    """
    found: dict[str, int] = {}
    met: set[int] = set()
    waiting: deque[tuple[str, Any]] = deque([("", root)])
    kept_alive = []  # an id is only good for as long as its object lives
    while waiting:
        path, one = waiting.popleft()
        if isinstance(one, _PLAIN) or id(one) in met:
            continue
        met.add(id(one))
        kept_alive.append(one)
        if isinstance(one, np.ndarray):
            found[path] = found.get(path, 0) + (one.base.size if isinstance(one.base, np.ndarray) else one.size)
        elif isinstance(one, Mapping | list | tuple | set | frozenset | deque):
            found[path] = found.get(path, 0) + len(one)
            values = one.values() if isinstance(one, Mapping) else one
            waiting.extend((f"{path}[]", value) for value in values)
            if isinstance(one, Mapping):
                waiting.extend((f"{path}<key>", key) for key in one)
        else:
            waiting.extend((f"{path}.{name}", value) for name, value in _parts(one))
    return found


def _parts(one: object) -> Iterator[tuple[str, Any]]:
    """Give the attributes of an object of ours, and what a function holds on to."""
    if type(one).__module__.split(".")[0] in OURS:
        for name in (*getattr(one, "__struct_fields__", ()), *getattr(one, "__dict__", {})):
            yield name, getattr(one, name)
    owner = getattr(one, "__self__", None)
    if owner is not None:
        yield "<self>", owner
    for cell in getattr(one, "__closure__", None) or ():
        yield "<closure>", cell.cell_contents
