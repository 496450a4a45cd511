"""Peers say what the other signals of a category showed of the same cohort when a finding was told of."""

import msgspec
import numpy as np
import pytest

from pipelines.detect.detect import Detect
from schemas.peer import Peer
from schemas.score import Level
from tests.pipelines.detect.by_hand import DAY, EU, KNOWN, US, Story, cells, settings

REGIONS = settings(((), ("region",)))
BEFORE, AFTER = {EU: (60, 0.03), US: (60, 0.03)}, {EU: (60, 0.3), US: (60, 0.03)}


class Richer(Story):
    """A story of errors: answers are never empty, and of tasks nobody has spoken for hours."""

    def draw(self, rates):
        """Take refusals for errors, and add signals of the same category."""
        minute = super().draw(rates)
        refused = minute.signals["refusal_rate"]
        never = np.zeros_like(refused.n)
        asked = refused.n if self.at <= 60 else never
        tasks = cells(asked, asked)
        return msgspec.structs.replace(
            minute,
            leaf_rates={},
            signals={"error_rate": refused, "empty_response_rate": cells(refused.n, never), "task_success_rate": tasks},
        )


@pytest.mark.playbook("S6")
def test_a_finding_names_the_signals_of_its_category_that_did_not_speak():
    """The first finding that is told has its own signal, one that stayed normal, and one without events for hours."""
    story = Richer(REGIONS)
    story.run(DAY // 2, BEFORE)
    told = [f for judged in story.run(15, AFTER) for f in judged.findings if f.cohort == EU and f.peers]
    assert [(f.signal, f.level >= Level.NOTE) for f in told[:1]] == [("error_rate", True)]
    by_name = {peer.signal: peer for peer in told[0].peers}
    assert next(iter(by_name)) == "error_rate"
    assert {name: peer.state for name, peer in by_name.items()} == {
        "error_rate": "crossed",
        "empty_response_rate": "below",
        "task_success_rate": "no_data",
    }
    assert by_name["error_rate"].log_return_period >= by_name["error_rate"].needed > 0
    assert by_name["empty_response_rate"].log_return_period < by_name["empty_response_rate"].needed
    assert by_name["task_success_rate"].heard_ms == 59 * 60_000


def test_peers_are_told_once_and_survive_a_restart():
    """A finding that goes on tells them once; a wing restored in between says the same."""
    story = Richer(REGIONS)
    story.run(DAY // 2, BEFORE)
    other = Detect(REGIONS, KNOWN.signal)
    other.restore(story.detect.snapshot())
    ours, theirs = [], []
    for _ in range(15):
        minute = story.draw(AFTER)
        ours.append(story.detect.step(minute).findings)
        theirs.append(other.step(minute).findings)
    assert ours == theirs
    assert sum(bool(f.peers) for each in ours for f in each if (f.signal, f.cohort) == ("error_rate", EU)) == 1


def test_a_peer_is_small():
    """Peers are kept as plain arrays: a category of ten comes to some 400 bytes."""
    peer = Peer("empty_response_rate", "below", 3.5, 9.25, 1_767_571_200_000)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(peer), type=Peer) == peer
    assert len(msgspec.msgpack.encode((peer,) * 10)) < 600
