"""The page of notifiers holds an example of every kind, and each is a configuration that is accepted."""

import re
from pathlib import Path

import pytest

from pipelines.config import parse
from pipelines.config_sinks import FORMS
from pipelines.respond.notifiers import NOTIFIERS
from pipelines.respond.rates import RATES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notifiers.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_every_kind_has_its_example_and_its_checks():
    """A new kind is in the table of notifiers, in that of settings, and on the page."""
    kinds = {kind for example in EXAMPLES for kind in re.findall(r"kind: (\w+)", example)}
    assert kinds == set(FORMS) == {*NOTIFIERS, "kafka"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted(example):
    """Nothing in it is wrong, missing or too much."""
    assert parse(example.encode(), "notifiers.md", {}).notifiers


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_the_page_tells_the_rate_of_each_kind(kind):
    """The table says how many messages a minute go out at most."""
    (said,) = re.findall(rf"^\| `{kind}` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    rate = RATES.get(kind)
    assert said == ("not limited" if rate is None else f"{round(rate.per_second * 60)} a minute")
