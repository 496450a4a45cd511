"""The words of an account: every sentence has its numbers, and what the test could not see is not ruled out."""

import msgspec
import pytest

from detectors import DETECTORS
from schemas.account import Account, Beside, Composition, Part, Rest
from schemas.account_words import detector_in_words, said_of
from schemas.signal import Signal

RATE = Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal")
TRAFFIC = Signal("traffic", "traffic", "events/min", "", "silence", "traffic")
ACME, GLOBEX = (Part({"tenant": name}, 0.3, 0.04, 200, share) for name, share in (("acme", 0.71), ("globex", 0.22)))
TRIPLED = Account({"region": "eu"}, "rate", 0, 900_000, 0.12, 0.04, 500, 40.0)


def said(direction="up", signal=RATE, **changes):
    """Say an account of a rate that tripled, with changes."""
    return said_of(msgspec.structs.replace(TRIPLED, **changes), signal, direction)


def test_parts_are_named_with_shares_and_figures():
    """The first sentence after the figures names what holds most of the change."""
    assert said(parts=(ACME, GLOBEX), cells=9).source == (
        "In region eu from 1970-01-01 00:00 to 1970-01-01 00:15 UTC it was 12 % where 4 % was expected, n = 500.",
        "Most of it is tenant acme (71 %; 30 % instead of 4 %) and tenant globex (22 %; 30 % instead of 4 %).",
    )
    assert said(cells=9).source[1] == "No slice of its 9 cells stands out by itself."
    assert said(parts=(GLOBEX,), cells=9).source[1].startswith("Of it stand out tenant globex (22 %")


@pytest.mark.parametrize(
    ("rest", "out"),
    [
        (Rest(1.01, 0.94, 1.08, 12_400), True),
        (Rest(1.01, 0.4, 2.4, 12), False),  # too few to tell
        (Rest(2.5, 2.2, 2.8, 12_400), False),  # it moved as well
    ],
)
def test_all_other_traffic_is_ruled_out_only_where_it_was_seen_to_stand_still(rest, out):
    """Of a rate that tripled, the rest must be shown to have moved half as far at most."""
    told = said(rest=rest)
    assert (len(told.ruled_out), len(told.not_ruled_out)) == ((1, 0) if out else (0, 1))
    sentence = (*told.ruled_out, *told.not_ruled_out)[0]
    assert sentence.startswith(f"All other traffic stands at x{rest.ratio} of its normal (95 %: {rest.lower} to ")


def test_a_fall_is_read_downwards():
    """A rate that fell to a third: a rest at 0.9 stands still, one that may be at 0.4 is not ruled out."""
    fell = {"observed": 0.04, "expected": 0.12, "direction": "down"}
    assert said(**fell, rest=Rest(0.95, 0.9, 1.4, 5_000)).not_ruled_out == ()
    assert said(**fell, rest=Rest(0.9, 0.4, 1.4, 50)).ruled_out == ()


def test_a_mix_that_explains_the_change_is_not_ruled_out():
    """What a change of mix amounts to is told in points, either way."""
    assert said(mix=Composition(0.04, 0.041)).ruled_out == ("A change of mix explains 0.1 of 8 points.",)
    moved = said(mix=Composition(0.04, 0.115), expected=0.115)
    assert moved.not_ruled_out == ("A change of mix explains 7.5 of 8 points.",)


def test_a_single_cell_is_named_as_such():
    """One cell that holds most of the change may be all there is to it."""
    told = said(cells=9, largest=ACME)
    assert told.not_ruled_out == ("The largest of its 9 cells, tenant acme, holds 71 % of the change.",)
    assert said(cells=9, largest=GLOBEX).not_ruled_out == ()


def test_what_was_not_tested_is_not_mentioned():
    """An account without tests rules nothing out."""
    assert (said().ruled_out, said().not_ruled_out) == ((), ())


def test_a_silence_is_held_against_all_other_traffic():
    """Others that speak rule out that nothing arrives at all; where nobody speaks, it is not ruled out."""
    silent = {"direction": "down", "signal": TRAFFIC, "observed": 0.0, "expected": 8.0, "n": 0}
    assert said(**silent, elsewhere=423).ruled_out == ("All other traffic had 423 events in the same minutes.",)
    assert said(**silent, elsewhere=0).not_ruled_out == ("All other traffic had 0 events in the same minutes.",)


def test_a_new_version_is_told_beside_the_rest_of_its_parent():
    """One sentence says what it was held against, and what differs by mix is told as a difference, not a change."""
    told = said(beside=Beside({"model": "orion"}, 0.03, 4_210), mix=Composition(0.03, 0.04))
    assert told.seen.endswith(
        "it was 12 % where 4 % was expected, n = 500. "
        "It was held against the 4,210 other events of model orion in the same minutes: 3 % there."
    )
    assert told.ruled_out == ("A difference of mix explains 1 of 9 points.",)


@pytest.mark.parametrize("name", [*DETECTORS, "canary"])
def test_every_detector_has_its_words(name):
    """No detector is named by its name alone."""
    assert detector_in_words(name).startswith(f"{name}: ")
