"""The page of triggers: the shipped rule pack as a table."""  # noqa: INP001 - a script of the documentation, no package

from docs.generate_words import generated, table
from pipelines.config import parse
from schemas.rule import Rule

_HEAD = """# Triggers

{source}
These are the rules of the pack `triggers`, in force with `rule_packs: [triggers]`. [rules.md](rules.md) says how rules
work, how to change one, and how to test them. The limits are there to begin with: put what you have agreed on in their
place.

*Half* says that the rule is made a second time for `cohorts.sensitive_surfaces`, at half the limit and after half the
time. The owner is whoever holds the role in `owners.roles`, else the owner of the category. All follow the path of
their owner, and their runbook is the key of their category.

Not everything can be seen in signals. Settings that were tampered with show as guardrails that fall silent, and as
changes near the onset of an incident. That a request was harmless is known to who reads it. Somebody who gives up shows
where a turn is handed to a person. Evaluations are taken to score from 0 to 1.

"""


def triggers_page() -> str:
    """Give the page of triggers."""
    head = (
        *("trigger", "watches for", "signal", "holds", "minutes", "least n", "for", "severity"),
        *("category", "role", "decide", "half"),
    )
    rules = parse(b"rule_packs: [triggers]", "limen.yaml", {}).rules
    return _HEAD.format(source=generated("`config/rules/triggers.yaml`")) + table(head, map(_line, rules))


def _line(rule: Rule) -> tuple[str, ...]:
    return (
        *(f"`{rule.name}`", rule.summary, f"`{rule.signal}`", _condition(rule), str(rule.window_minutes)),
        *(str(rule.minimum_n), f"{rule.for_minutes} min", rule.severity or "", f"`{rule.category}`", rule.role or ""),
        *(f"{rule.decide_minutes} min", "yes" if rule.halved_on_sensitive else "no"),
    )


def _condition(rule: Rule) -> str:
    """Say when a rule holds."""
    if rule.gap is not None:
        return f"one {rule.gap} x{rule.above:g} of the others"
    parts = (
        ("above", rule.above, "{:g}"),
        ("below", rule.below, "{:g}"),
        ("up", rule.rise, "{:.0%}"),
        ("down", rule.drop, "{:.0%}"),
    )
    return ", ".join(f"{word} {form.format(value)}" for word, value, form in parts if value is not None)
