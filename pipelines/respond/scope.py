"""The scope is the highest cohort that explains an incident; cohorts are related if one cause can move both.

Which node of the lattice explains the alerts of one signal is decided in five steps:

1. A cohort that holds a version seen for the first time near the onset says *what* changed, not *where*. It is left
   out if another one has at least half its evidence.
2. Ancestors are the cohorts that hold a node's events: they name less, or what they name is all that the node ever
   uses. A node explains an ancestor that alerts too if its excess (observed minus expected since the onset) is at least
   80 % of the ancestor's; else there is more outside it. Ancestors with less than half of its evidence do not count:
   their excess is mostly noise.
3. Of the nodes that explain all their ancestors the one with the most evidence (log return period) wins, since
   trials that did not change dilute it. A node of which a finer one, with at least half of its evidence, holds nearly
   all of the excess though a third or more of the trials are outside it, is out: where something happens for the first
   time, the larger node has the longer past without it, and so the more evidence.
4. Nodes that contain it, or lie in it, and have at least 90 % of its evidence are as good; the coarsest is preferred
   whose remainder moved too. The remainder of a node outside a finer one moved if it is small (below a tenth of the
   trials) and the node names less, or holds at least half of the excess that would be its share. Where there is no
   further trial at all, the finer one names where the signal lives: tool calls of a region may all be those of its
   agents. A change that was seen near the onset settles it: just the node that it covers is the scope, if that
   contains the best one, has at least half of its evidence, and its remainder moved by at least a quarter of what
   would be its share.
5. If a sibling (one dimension differs) alerts alike, with at least half of the evidence in fleet terms, the cause is
   wider than either: the scope climbs to their parent. Silence climbs only to a parent that alerts too: rates need
   trials to move visibly, but a parent that still has traffic is not silent, and small tenants often go home together.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import msgspec

from schemas.alert import Alert
from schemas.score import Candidate, Finding, Reason
from schemas.signal import Cohort

EXPLAINED = 0.8
"""Share of an ancestor's excess that a node must hold to explain it."""
AS_STRONG = 0.9
"""A coarser node with this share of the evidence is as good, and says less."""
REMAINDER_LARGE = 0.3
"""A remainder with this share of the trials would have shown it, had it moved."""
REMAINDER_SMALL = 0.1
"""A remainder with less than this share of the trials cannot say whether it moved."""
TRIALS_ENOUGH = 50
"""With so many trials and none outside, at most 6 % of them are elsewhere (95 %)."""
SAME_PAST = 1e-4
"""Evidence this close comes from the same trials ever since; only the prior from the parent differs."""
HALF, QUARTER = 0.5, 0.25
"""A remainder moved with this share of what it would have with the same effect: half by itself; where a change covers
it, a quarter, since effects of one change differ."""
COMPARABLE = 0.5
"""Evidence below this share of another's is too weak to be set against it."""
WITHIN = {"model_version": "model"}
"""A dimension whose values each lie within one value of another."""
SILENCE = "silence"
"""The detector of cohorts without any traffic."""
LIMIT_STRENGTH = 1.0
"""A broken limit has no odds; all breaches of one signal count alike."""


class Node(msgspec.Struct, frozen=True):
    """One cohort that alerts: evidence on its own ruler and on the fleet's, the size of its excess, and trials.

    `inside` are the cohorts that hold its events under other names.
    """

    cohort: Cohort
    strength: float
    fleet: float
    excess: float
    trials: float
    inside: tuple[Cohort, ...] = ()


def overlap(a: Cohort, b: Cohort) -> bool:
    """Say whether one event can be in both cohorts: no dimension has two different values.

    >>> eu, us, gpt = (("region", "eu"),), (("region", "us"),), (("model", "gpt-4"),)
    >>> overlap(eu, ()), overlap(eu, gpt), overlap(eu, us)
    (True, True, False)
    """
    return conflicts(a, b) == 0


def conflicts(a: Cohort, b: Cohort) -> int:
    """Count the dimensions in which two cohorts name different values."""
    named = dict(a)
    return sum(named.get(dimension, value) != value for dimension, value in b)


def common(cohorts: Sequence[Cohort]) -> Cohort:
    """Give what some cohorts have in common; at least one is given.

    >>> common([(("region", "eu"), ("tenant", "a")), (("region", "eu"), ("surface", "chat"))])
    (('region', 'eu'),)
    """
    shared = set(cohorts[0]).intersection(*cohorts[1:])
    return tuple(pair for pair in cohorts[0] if pair in shared)


def explaining(alerts: Iterable[Alert], changes: Sequence[Candidate]) -> Cohort:
    """Give the cohort that explains these alerts, which are of one signal and direction; at least one is given.

    `changes` are those near the onset.
    """
    alerts = list(alerts)
    # Sorted by evidence: where a limit and the budget watch the same cohort, the stronger stands for it below.
    nodes = sorted(_placed([node_of(alert) for alert in alerts], changes), key=lambda node: node.strength)
    by_cohort = {node.cohort: node for node in nodes}
    able = [node for node in nodes if _explains(node, by_cohort)]
    able = [node for node in able if not any(_diluted(node, finer) for finer in able)] or able
    best = max(able, key=lambda node: (node.strength, _coarseness(node.cohort)))
    as_good = [node for node in able if _nested(node, best) and node.strength >= AS_STRONG * best.strength]
    covered = [tuple(sorted(change.cohort.items())) for change in changes]
    changed = [node for node in able if node.cohort in covered and _is_of_change(node, best)]
    whole = [node for node in as_good if all(_moved_outside(node, finer) for finer in as_good)] or [best]
    whole = changed if len(changed) == 1 else whole
    best = max(whole, key=lambda node: (_contained(node, whole), _coarseness(node.cohort), node.strength))
    climbed = _climbed(best, nodes)
    if any(alert.peak.detector == SILENCE for alert in alerts) and climbed not in {alert.cohort for alert in alerts}:
        return best.cohort
    return climbed


def node_of(alert: Alert) -> Node:
    """Give the node of an alert at its peak."""
    peak: Finding = alert.peak
    limit = peak.reason == Reason.LIMIT
    return Node(
        cohort=alert.cohort,
        strength=LIMIT_STRENGTH if limit else peak.log_return_period,
        fleet=LIMIT_STRENGTH if limit else peak.log_fleet,
        excess=abs(peak.excess),
        trials=float(peak.n),
        inside=peak.inside,
    )


def _placed(nodes: list[Node], changes: Sequence[Candidate]) -> list[Node]:
    """Leave out the cohorts that a change made, where others say nearly as well where it was."""
    made = {(change.what, change.to) for change in changes}
    placed = [node for node in nodes if not made.intersection(node.cohort)]
    most = max(node.strength for node in nodes)
    return placed if any(node.strength >= COMPARABLE * most for node in placed) else nodes


def _explains(node: Node, by_cohort: dict[Cohort, Node]) -> bool:
    """Say whether the node holds most of the excess of its ancestors that alert."""
    named = (pairs for size in range(len(node.cohort)) for pairs in combinations(node.cohort, size))
    ancestors = (by_cohort.get(cohort) for cohort in (*named, *node.inside))
    return all(
        node.excess >= EXPLAINED * ancestor.excess
        for ancestor in ancestors
        if ancestor is not None and ancestor.strength >= COMPARABLE * node.strength
    )


def _nested(a: Node, b: Node) -> bool:
    """Say whether one of two nodes contains the other; each contains itself."""
    return a.cohort == b.cohort or _is_coarser(a, b) or _is_coarser(b, a)


def _diluted(node: Node, finer: Node) -> bool:
    """Say whether what happened in a node happened in a finer one of much fewer trials."""
    able = _is_coarser(node, finer) and finer.strength >= COMPARABLE * node.strength
    much = node.trials > 0 and 1 - finer.trials / node.trials >= REMAINDER_LARGE
    return able and much and not _moved_outside(node, finer, QUARTER)


def _is_of_change(node: Node, best: Node) -> bool:
    """Say whether a node that a change covers holds the best one, and moved outside it as well."""
    coarser = _is_coarser(node, best) and node.strength >= COMPARABLE * best.strength
    return node.cohort == best.cohort or (coarser and _moved_outside(node, best, QUARTER))


def _moved_outside(node: Node, finer: Node, least: float = HALF) -> bool:
    """Say whether what is in the node but outside a finer one moved too; true where there is nothing finer."""
    if not _is_coarser(node, finer) or not node.trials or not node.excess:
        return True
    same_past = math.isclose(finer.strength, node.strength, rel_tol=SAME_PAST)
    if finer.trials == node.trials and (same_past or node.trials >= TRIALS_ENOUGH):
        return False
    remainder = 1 - finer.trials / node.trials
    excess = 1 - finer.excess / node.excess
    if remainder < REMAINDER_SMALL:
        return _names_less(node.cohort, finer.cohort) or len(node.cohort) < len(finer.cohort)
    return excess >= least * remainder


def _is_coarser(a: Node, b: Node) -> bool:
    """Say whether a contains b: by its name, or because it holds b's events."""
    return _names_less(a.cohort, b.cohort) or a.cohort in b.inside


def _names_less(a: Cohort, b: Cohort) -> bool:
    """Say whether a names less than b, or the model where b names a version of it."""
    if set(a) < set(b):
        return True
    kept = {(dimension, value) for dimension, value in b if dimension not in WITHIN}
    named = dict(a).keys()
    return named != dict(b).keys() and named == {WITHIN.get(d, d) for d, _ in b} and kept <= set(a)


def _contained(node: Node, nodes: list[Node]) -> int:
    """Count the nodes that this one contains."""
    return sum(_is_coarser(node, other) for other in nodes)


def _coarseness(cohort: Cohort) -> tuple[int, Cohort]:
    """Order cohorts, the coarsest highest; of equally coarse ones the last by name, so that the order is total."""
    return (-len(cohort), cohort)


def _climbed(best: Node, nodes: list[Node]) -> Cohort:
    """Drop every dimension in which a sibling alerts alike."""
    dimensions = [dimension for dimension, _ in best.cohort]
    differing: set[str] = set()
    for node in nodes:
        if [dimension for dimension, _ in node.cohort] != dimensions or node.fleet < COMPARABLE * best.fleet:
            continue
        differs = [name for (name, value), (_, other) in zip(best.cohort, node.cohort, strict=True) if value != other]
        if len(differs) == 1:
            differing.update(differs)
    return tuple(pair for pair in best.cohort if pair[0] not in differing)
