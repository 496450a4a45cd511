"""Why nobody is told of an incident just now: what explains what."""

import msgspec
import pytest

from pipelines.respond.quiet import mute_of
from schemas.quiet import Inhibition, Matcher, Quiet
from tests.pipelines.respond.test_orders import INCIDENT

SLOW = msgspec.structs.replace(INCIDENT, id="slow", category="performance", severity="sev2", detected_ms=10)
FAILS = msgspec.structs.replace(INCIDENT, id="fails", category="capability_loss", severity="sev2", detected_ms=20)
ONE_WAY = Inhibition("slow fails", Matcher(categories=("performance",)), Matcher(categories=("capability_loss",)))
BACK = Inhibition("failing is slow", ONE_WAY.target, ONE_WAY.source)


@pytest.mark.parametrize(
    ("inhibit", "told"),
    [((), ["slow", "fails"]), ((ONE_WAY,), ["slow"]), ((BACK,), ["fails"]), ((ONE_WAY, BACK), ["slow"])],
)
def test_of_two_that_explain_each_other_one_is_told(inhibit, told):
    """Also where two inhibitions say so, one for each direction: the earlier one is told, and never neither."""
    both, quiet = (SLOW, FAILS), Quiet(inhibit=inhibit)
    assert [each.id for each in both if mute_of(each, (), quiet, both, 0) is None] == told
