"""What makes an incident as grave as it is, and what each severity asks for at once; any one criterion is enough.

In doubt during the first fifteen minutes the stricter holds. Narrative incidents are graded like all others, by what is
behind them, and never by how loud they are.
"""

import msgspec

from schemas.incident import Severity


class Criteria(msgspec.Struct, frozen=True):
    """One severity in words: its criteria, what is done at once, and who leads."""

    criteria: tuple[str, ...]
    at_once: tuple[str, ...]
    led_by: str


CRITERIA: dict[Severity, Criteria] = {
    "sev1": Criteria(
        (
            "somebody is hurt or loses much money, or is likely to",
            "data is exposed",
            "an action was taken without authority, or a door is open to one",
            "abuse, fraud, illegal or hateful content at large",
            "the law is broken",
            "nothing works any more",
        ),
        ("contain", "keep the evidence", "roll back", "tell who must know"),
        "commander and SRE",
    ),
    "sev2": Criteria(
        (
            "ordinary prompts make it break a policy, again and again",
            "vulnerable people are exposed to it",
            "behaviour drifts again and again in production",
            "biased, medical, legal or financial advice is wrong",
            "a core feature is broken",
            "errors are up by 30 % or more",
            "press, an analyst or a regulator speaks of it",
        ),
        ("freeze the rollout", "risky tools off", "keep the evidence"),
        "model platform and feature owner",
    ),
    "sev3": Criteria(
        (
            "a bypass that is hard to trigger",
            "a narrow topic, or bias with low stakes",
            "quality is down by 10 % or more for some",
            "latency is odd",
            "a canary or an evaluation fails, and no user feels it",
            "a story that nobody has checked",
        ),
        ("gate the release", "look into what changed"),
        "model engineer",
    ),
    "sev4": Criteria(
        ("one odd output that nobody has confirmed", "one complaint", "a small fault of form"),
        ("write it down", "watch"),
        "on call",
    ),
}
"""Severity -> what it means (RUNBOOKS 1)."""
