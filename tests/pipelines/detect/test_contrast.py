"""A cohort beside its siblings of the same minute: what moves them alike cancels, what moves one alone is seen."""

import numpy as np

from pipelines.detect.contrast import Contrasts
from schemas.score import Level
from schemas.signal import Cohort
from tests.pipelines.detect.by_hand import Story, cohort, levels, settings

SETS = ((), ("region",), ("tenant",), ("region", "tenant"), ("model_version",))
PLACES = tuple((tenant, region) for tenant in ("acme", "globex", "hooli") for region in ("eu", "us"))


def leaf(tenant: str, region: str, version: str = "v1") -> Cohort:
    """Give a leaf with a version."""
    return cohort(tenant=tenant, region=region, model_version=version)


def swinging(story: Story, factor: float, eu: float = 1.0) -> dict[Cohort, tuple[int, float]]:
    """Give six leaves whose rate follows a swing of the whole fleet, those of eu by one more factor."""
    return {leaf(t, r): (12, 0.05 * factor * (eu if r == "eu" else 1.0)) for t, r in PLACES}


def contrast_rows(contrasts: Contrasts) -> int:
    """Give how many series are held against siblings."""
    return len(contrasts._rate_row)


def test_a_swing_of_all_is_no_contrast_and_a_rise_of_one_is():
    """When the fleet swings by a half over an hour nobody differs; when eu alone doubles, eu is told from us."""
    story = Story(settings(SETS))
    for k in range(1500):
        story.detect.step(story.draw(swinging(story, float(np.exp(0.4 * np.sin(k / 60.0))))))
    quiet = [story.detect.step(story.draw(swinging(story, float(np.exp(0.4 * np.sin(k / 60.0)))))) for k in range(240)]
    assert levels(quiet, Level.TICKET) == []
    after = [
        story.detect.step(story.draw(swinging(story, float(np.exp(0.4 * np.sin(k / 60.0))), 2.0))) for k in range(240)
    ]
    first = levels(after, Level.PAGE)[0]
    assert (first[1], first[2], first[3]) == ("refusal_rate", cohort(region="eu"), "up")


def test_a_version_is_held_against_the_others_in_the_same_cells():
    """Two versions share every cell, and when the second refuses more, it is the version that is named."""
    story = Story(settings(((), ("region",), ("tenant",), ("model_version",))))
    both = {leaf(t, "eu", v): (15, 0.05) for t in ("acme", "hooli") for v in ("v1", "v2")}
    story.run(900, both)
    worse = {place: (n, 0.13 if ("model_version", "v2") in place else rate) for place, (n, rate) in both.items()}
    told = levels(story.run(60, worse), Level.PAGE)
    assert (cohort(model_version="v2"), "up") in {(place, direction) for _, _, place, direction in told}


def test_a_cohort_without_siblings_has_no_contrast():
    """One tenant in one region with one version has nobody to be held against."""
    story = Story(settings(SETS))
    story.run(30, {leaf("acme", "eu"): (40, 0.2)})
    assert contrast_rows(story.detect._contrasts) == 0


def test_contrasts_are_capped(monkeypatch):
    """Over the cap a series is judged by its own past alone."""
    monkeypatch.setattr("pipelines.detect.contrast.CONTRASTS_MAX", 2)
    story = Story(settings(SETS))
    story.run(30, {leaf(t, r): (12, 0.3) for t, r in PLACES})
    assert contrast_rows(story.detect._contrasts) == 2


def test_the_rise_of_one_is_not_the_fall_of_its_siblings():
    """While eu refuses four times as much, us, which dips by a quarter, has a smaller share; no ticket says it fell."""
    story = Story(settings(SETS))
    story.run(1200, swinging(story, 1.0))
    dipped = {
        place: (n, 0.2 if ("region", "eu") in place else 0.0375) for place, (n, _) in swinging(story, 1.0).items()
    }
    told = levels(story.run(90, dipped), Level.TICKET)
    assert (cohort(region="eu"), "up") in {(place, direction) for _, _, place, direction in told}
    assert [place for _, _, place, direction in told if direction == "down"] == []


def test_many_quiet_siblings_do_not_keep_each_other_from_learning():
    """Among thirty tenants some always stray by chance; contrasts have learned most of four hours all the same."""
    story = Story(settings(((), ("tenant",), ("region", "tenant"))))
    story.run(240, {leaf(f"t{k}", "eu"): (8, 0.1) for k in range(30)})
    watch = story.detect._contrasts._watch
    assert watch is not None
    assert watch.baselines[0].rows["minutes"].min() > 120.0
