"""Matchers select by values in which `*` stands for any characters, in bounded time whatever anybody writes."""

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import parse
from pipelines.config_yaml import ConfigError
from schemas.rule import fits

EVIL = ("(a+)+$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){25}", "a{1,100}{1,100}", "(?:a?){30}a{30}", "[a-")
"""Expressions that take a backtracking engine exponential time on a value of a few dozen letters, and a broken one."""


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_star_stands_for_any_characters_and_all_else_for_itself(pattern, value):
    """It agrees with the regular expression that says the same."""
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert fits(pattern, value) == bool(re.fullmatch(expression, value, re.DOTALL))


@pytest.mark.playbook("S2")
def test_an_expression_that_would_never_end_is_refused_where_it_stands(soak_count):
    """Case 29: it is a load error with file and line; many stars cost no more than the lengths."""
    for number, evil in enumerate(EVIL):
        text = f"rules:\n  - name: a\n    signal: error_rate\n    above: 0.5\n    match:\n      surface: '{evil}'\n"
        with pytest.raises(ConfigError) as caught:
            parse(text.encode(), "limen.yaml", {})
        (problem,) = caught.value.problems
        assert (problem.file, problem.line) == ("limen.yaml", 6), number
        assert "regular expressions are not read: write a list of values" in problem.message
        soak_count(29, 1, "hostile expressions refused")
    began = process_time()
    assert not fits("*a" * 30_000 + "*b", "a" * 60_000)
    soak_count.most(29, process_time() - began, "s for 30,000 stars on 60,000 letters")
