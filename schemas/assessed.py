"""What people answer about an incident that no signal knows, and the decisions that a narrative one asks for.

An answer is an act `assessed`: `role` says about what, `subject` is the answer. The latest holds.
"""

from typing import Literal, get_args

Extent = Literal["one", "cohort", "wide"]
"""How far it reaches: one case, one cohort, several or all."""
Authentic = Literal["genuine", "edited", "fabricated", "unknown"]
"""Whether what was shown to us happened so."""

CAUSES = (
    "prompt_conflict",
    "prompt_regression",
    "retrieval_contamination",
    "tool_schema_mismatch",
    "permission_scoping",
    "model_regression",
    "provider_change",
    "safety_classifier_failure",
    "moderation_gap",
    "moderation_over_reach",
    "filter_not_applied",
    "policy",
    "stale_memory",
    "routing",
    "reward_or_training_gap",
    "evaluation_gap",
    "data",
    "human_input",
    "infrastructure",
    "architectural_assumption",
)
"""What an incident comes from, as it is known at its end; `routing` has wrong weights among it."""
CHOICES: dict[str, tuple[str, ...]] = {
    "effort": ("ordinary_use", "some_skill", "elaborate_attack"),
    "extent": get_args(Extent),
    "broke": ("written_instruction", "tool_policy", "permission", "changed_state", "none_of_these"),
    "authentic": get_args(Authentic),
    "reproduced": ("yes", "no"),
    "version": ("current", "older"),
    "cause": CAUSES,
    "recurrence": ("deterministic", "probabilistic"),
    "infrastructure": ("ruled_out", "involved"),
}
"""What is asked -> the answers: how easily it is triggered, how far it reaches, what it broke or changed, whether a
report of it is genuine, whether it was seen again (the note says how), in which version, what caused it, whether the
same input always shows it or load, phrasing and chance have a part, and whether the machines are part of it."""
FACTORS = "factors"
"""Asked for as names from `CAUSES` with commas between: what contributed besides the cause."""
FREQUENCY = "frequency"
"""Asked for as a number: how often it shows in 10,000 turns."""
TURNS = 10_000
QUESTIONS = (*CHOICES, FREQUENCY, FACTORS)
"""Everything that may be answered."""
ODDITY = "none_of_these"
"""What broke no instruction, policy or permission and changed nothing is an oddity, and so a note about quality."""
DECISIONS = ("narrow_mitigation", "warning", "explain_limits")
"""What is decided about every narrative incident, yes or no, below sev2 too: a narrow mitigation, a warning or a line
in the documentation, and whether to say more about limits."""


def answer_problem(about: str, answer: str) -> str:
    """Say what is wrong with an answer, "" if nothing.

    >>> answer_problem("effort", "some_skill"), answer_problem("frequency", "2.5")
    ('', '')
    >>> answer_problem("frequency", "often")
    "'often' is no number from 0 to 10,000: how often it shows in 10,000 turns"
    >>> answer_problem("factors", "evaluation_gap,data")
    ''
    """
    if about == FACTORS:
        wrong = [each for each in answer.split(",") if each not in CAUSES]
        return f"{wrong[0]!a} is not one of {', '.join(CAUSES)}" if wrong else ""
    if about == FREQUENCY:
        ok = answer.isascii() and answer.replace(".", "", 1).isdigit() and float(answer) <= TURNS
        return "" if ok else f"{answer!a} is no number from 0 to {TURNS:,}: how often it shows in {TURNS:,} turns"
    if about not in CHOICES:
        return f"{about!a} is not one of {', '.join(QUESTIONS)}"
    return "" if answer in CHOICES[about] else f"{answer!a} is not one of {', '.join(CHOICES[about])}"
