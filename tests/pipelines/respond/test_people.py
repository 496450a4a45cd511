"""An incident asks for the roles that its severity and what it touches demand, and says who holds them."""

import msgspec
import pytest

from pipelines.respond.people import chain_of, holders, may_declare, roles_needed, switches_of
from schemas.act import Heard, Response
from schemas.incident import Incident
from schemas.people import Chain, May, Owners, Roles, Step
from tests.pipelines.respond.test_orders import INCIDENT, done

LEADING = ("commander", "model_owner", "safety_lead", "product_owner")
SEEN = ("communications", "legal")


def needed(owners: Owners = Owners(), **changes) -> tuple[str, ...]:  # noqa: B008 - frozen
    """Give the roles that an incident of sev2 in the EU asks for, with these changes."""
    return roles_needed(msgspec.structs.replace(INCIDENT, **changes), None, owners)


def incident(**changes) -> Incident:
    """Give an incident of sev2 in the EU with these changes."""
    return msgspec.structs.replace(INCIDENT, **changes)


@pytest.mark.playbook("C3")
def test_what_pages_asks_for_those_who_lead():
    """A ticket asks for nobody but its owner."""
    assert needed(severity="sev3") == ()
    assert needed(category="cost") == LEADING


@pytest.mark.playbook("C3")
def test_what_users_may_see_asks_for_words_and_law():
    """Unless it is of a kind that nobody sees, or on a surface that is said to be internal."""
    assert needed() == (*LEADING, *SEEN)
    inside = Owners(internal_surfaces=("backoffice",))
    assert needed(inside, scope={"surface": "backoffice"}) == LEADING
    assert needed(inside, scope={"surface": "chat"}) == (*LEADING, *SEEN)


@pytest.mark.playbook("C3")
def test_personal_data_and_a_customer_ask_for_more():
    """Privacy where data may have leaked, support where one tenant is hit."""
    assert needed(category="data_leak", scope={"tenant": "acme"}) == (*LEADING, *SEEN, "privacy", "support")


@pytest.mark.playbook("C3")
def test_who_was_named_on_an_incident_comes_before_the_settings():
    """A role that nobody holds is shown as such, and voices and tasks stand beside the roles."""
    owners = Owners(roles=Roles(commander="lead", safety_lead="Eva"))
    heard = done(Heard(INCIDENT), ("Ana", "named", "Ana", "commander"), ("Ana", "named", "Ben", "public"))
    found = holders(heard.incident, heard.response, owners)
    assert (found["commander"], found["safety_lead"], found["legal"], found["public"]) == ("Ana", "Eva", "", "Ben")


@pytest.mark.playbook("C7")
def test_who_is_on_call_may_declare_whoever_else_is_named():
    """Where nobody is named everybody may; a team stands for its people."""
    owners = Owners(teams={"on-call": ("Ana",), "leads": ("Ben",)}, may=May(declare=("leads",)))
    assert [may_declare(who, owners) for who in ("Ana", "Ben", "Eve")] == [True, True, False]
    assert may_declare("Eve", Owners())


@pytest.mark.playbook("C7")
def test_everybody_has_a_list_of_switches():
    """By name or by team."""
    switches = {"fallback": ("on-call",), "tools-off": ("Ana",), "all-off": ("lead",)}
    owners = Owners(teams={"on-call": ("Ana", "Ben")}, may=May(switches=switches))
    assert switches_of("Ana", owners) == ("fallback", "tools-off")
    assert switches_of("Ben", owners) == ("fallback",)


def test_an_owner_without_a_chain_has_that_of_the_default_owner():
    """Nobody's incidents are left without one by oversight."""
    owners = Owners(chains=(Chain("on-call", (Step("Ben"),)), Chain("privacy", (Step("Eva"),))))
    assert chain_of(incident(owner="privacy"), None, owners).steps[0].name == "Eva"
    assert chain_of(incident(owner="model-team"), None, owners).steps[0].name == "Ben"
    assert chain_of(incident(owner="model-team"), None, Owners()) is None


@pytest.mark.playbook("S2")
def test_the_path_of_a_rule_is_called_until_a_person_names_another_owner():
    """A rule's path comes before its owner's, and the chain of whom a person named before both."""
    owners = Owners(chains=tuple(Chain(name, (Step(f"{name} 1"),)) for name in ("on-call", "privacy", "safety")))
    leak = incident(owner="privacy", path="safety")
    assert chain_of(leak, None, owners).owner == "safety"
    assert chain_of(leak, Response("i", owner="on-call"), owners).owner == "on-call"
    assert chain_of(leak, Response("i", owner="Ana"), owners).owner == "safety"
