"""Changes in the stream: which version is new, where, since when; and how long that is remembered."""

import numpy as np

from pipelines.detect import changes as module
from pipelines.detect.changes import Changes
from schemas.score import Candidate
from tests.pipelines.detect.by_hand import EU, US, Story, announced, cohort, minute_of, settings

SETTLED = 30
OLD = {"region": "eu", "tenant": "a", "prompt_version": "p1"}


def seen(at, *dims, changes=()):
    """Give a minute in which some leaves had ten turns each."""
    return minute_of(at, {cohort(**each): (10, 0) for each in dims}, changes=changes)


def test_a_version_seen_for_the_first_time_is_a_change_of_its_context():
    """A new prompt version is told with the one before it, the minute, and the cohort that shows it."""
    changes = Changes()
    for at in range(SETTLED):
        assert changes.step(seen(at, OLD)) == ()
    new = OLD | {"prompt_version": "p2"}
    assert changes.step(seen(SETTLED, OLD, new)) == (
        Candidate("prompt_version", "p1", "p2", SETTLED * 60_000, {"region": "eu", "tenant": "a"}),
    )


def test_the_same_version_elsewhere_widens_the_change_to_what_they_share():
    """Rolled out to both tenants of a region, the change belongs to the region, and keeps its first minute."""
    changes = Changes()
    other = OLD | {"tenant": "b"}
    for at in range(SETTLED):
        changes.step(seen(at, OLD, other))
    changes.step(seen(SETTLED, OLD | {"prompt_version": "p2"}, other))
    told = changes.step(seen(SETTLED + 5, OLD, other | {"prompt_version": "p2"}))
    assert told == (Candidate("prompt_version", "p1", "p2", SETTLED * 60_000, {"region": "eu"}),)


def test_what_a_young_context_shows_is_not_new():
    """In a context's first half hour, and in a context that nobody has seen, no version is news."""
    changes = Changes()
    for at in range(SETTLED):
        changes.step(seen(at, OLD | {"prompt_version": f"p{at % 3}"}))
    assert changes.step(seen(SETTLED, OLD, {"region": "us", "tenant": "z", "prompt_version": "p9"})) == ()


def test_an_announced_change_replaces_what_was_seen_of_it():
    """Who announces a version says more than its first appearance: only the announcement is told."""
    changes = Changes()
    for at in range(SETTLED):
        changes.step(seen(at, OLD))
    told = changes.step(
        seen(SETTLED, OLD | {"prompt_version": "p2"}, changes=(announced("prompt_version", "p2", SETTLED),))
    )
    assert [(each.what, each.to, each.seen) for each in told] == [("prompt_version", "p2", "announced")]


def test_a_change_is_forgotten_after_a_day():
    """A day later a change is no cause of anything that begins then."""
    changes = Changes()
    for at in range(SETTLED):
        changes.step(seen(at, OLD))
    new = OLD | {"prompt_version": "p2"}
    changes.step(seen(SETTLED, new))
    assert len(changes.step(seen(SETTLED + 1_440, new))) == 1
    assert changes.step(seen(SETTLED + 1_441, new)) == ()


def test_ids_are_no_versions_but_old_versions_make_way(monkeypatch):
    """Over the cap no value is news, until one has not been seen for a day: a service may change for ever."""
    monkeypatch.setattr(module, "VALUES_MAX", 3)
    changes = Changes()
    for at in range(SETTLED):
        changes.step(seen(at, *[OLD | {"prompt_version": f"p{k}"} for k in range(3)]))
    assert changes.step(seen(SETTLED, OLD | {"prompt_version": "p7"})) == ()
    later = SETTLED + 1_440
    assert [each.to for each in changes.step(seen(later, OLD | {"prompt_version": "p8"}))] == ["p8"]


def test_the_memory_survives_a_restart():
    """A dumped and loaded memory tells the same changes and goes on knowing the old versions."""
    changes, again = Changes(), Changes()
    for at in range(SETTLED):
        changes.step(seen(at, OLD))
    new = OLD | {"prompt_version": "p2"}
    changes.step(seen(SETTLED, new))
    again.load(changes.dump())
    after = seen(SETTLED + 1, new, OLD)
    assert again.step(after) == changes.step(after) != ()


def test_a_fresh_change_gives_its_cohort_a_larger_share_for_half_a_day():
    """The region that has just seen a new version needs less evidence than the other, until it is old news."""
    story = Story(settings(((), ("region",), ("region", "model_version"))))
    old = {cohort(region=region, model_version="v1"): (40, 0.03) for region in ("eu", "us")}
    story.run(120, old)

    def weight(place):
        kind = story.detect.roster.kinds["rate"]
        row = kind.rows_of(story.detect.roster.signal_index("refusal_rate"), story.detect.roster.place_of(place))
        return float(np.exp(story.detect._weights.of("rate")[int(row)]))

    assert 0.9 < weight(EU) / weight(US) < 1.1
    moved = old | {cohort(region="eu", model_version="v2"): (40, 0.03)}
    story.run(1, moved)
    assert weight(EU) / weight(US) > 1.4
    story.run(12 * 60 - 1, moved)
    assert weight(EU) / weight(US) > 1.8
    # Then only its traffic counts, which has doubled.
    story.run(2, moved)
    assert 1.2 < weight(EU) / weight(US) < 1.45
