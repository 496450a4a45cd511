"""The two scores of the Turing Change Point Dataset, from their publication (Van den Burg and Williams, 2020).

Several people marked the changes of each series. F1 asks whether the marks are met within five steps: precision
against the marks of all together, recall averaged over the people. Cover asks how well the segments overlap with each
person's segments. Index 0 counts as a change point for everyone.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

MARGIN = 5
"""A change point may be five steps off, as published."""


def matched(marks: Iterable[int], found: Iterable[int]) -> int:
    """Count the marks that are met; each change point found meets one mark at most.

    >>> matched([0, 10, 12], [0, 11])
    2
    """
    left = set(found)
    count = 0
    for mark in sorted(marks):
        near = [at for at in left if abs(at - mark) <= MARGIN]
        if near:
            count += 1
            left.remove(min(near, key=lambda at: (abs(at - mark), at)))
    return count


def f1(annotations: Mapping[str, Sequence[int]], found: Iterable[int]) -> float:
    """Give the F1 score of the change points found, 0 to 1.

    >>> f1({"6": [10], "7": []}, [12])
    1.0
    >>> round(f1({"6": [10], "7": []}, []), 4)
    0.8571
    """
    points = {0, *found}
    people = [{0, *marks} for marks in annotations.values()]
    precision = matched(set().union(*people), points) / len(points)
    recall = sum(matched(marks, points) / len(marks) for marks in people) / len(people)
    return 2.0 * precision * recall / (precision + recall)


def cover(annotations: Mapping[str, Sequence[int]], found: Iterable[int], size: int) -> float:
    """Give how well the segments found cover those of each person, averaged over people, 0 to 1.

    >>> cover({"6": [5]}, [5], 10)
    1.0
    >>> cover({"6": [5]}, [], 10)
    0.5
    """
    ours = _segments(found, size)
    people = [_segments(marks, size) for marks in annotations.values()]
    return sum(sum(len(each) * max(_overlap(each, own) for own in ours) for each in his) for his in people) / (
        size * len(people)
    )


def _segments(points: Iterable[int], size: int) -> list[range]:
    """Give the stretches between change points."""
    edges = sorted({0, size, *(point for point in points if 0 < point < size)})
    return [range(start, stop) for start, stop in pairwise(edges)]


def _overlap(one: range, other: range) -> float:
    """Give the shared steps over the steps of both (Jaccard)."""
    shared = max(0, min(one.stop, other.stop) - max(one.start, other.start))
    return shared / (len(one) + len(other) - shared)
