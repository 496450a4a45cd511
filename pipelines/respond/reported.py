"""What people report or declare becomes an incident, or is told of one that is open: pure functions of values.

How grave a report is goes by the triage matrix like everything else: by its category and by how far it is said to
reach, and where that is not said, by who speaks. A user tells of one case, staff and partners of a cohort, whoever
speaks from outside (`schemas.report.OUTSIDE`) to all. Loudness counts nowhere.
"""

from collections.abc import Iterable, Mapping

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.incidents import Kind, scope_of, shortened
from pipelines.respond.scope import overlap
from pipelines.respond.severity import Overrides, severity_in, stricter
from schemas.act import MACHINE, Act, Heard, Response, severity_of, state_of
from schemas.assessed import Extent
from schemas.incident import OPEN, Effect, Entry, Found, Incident, Severity
from schemas.minutes import MINUTE_MS
from schemas.people import Owners
from schemas.report import OUTSIDE, PEOPLE, Declaration, Reported
from schemas.signal import CATEGORIES, Cohort
from schemas.words import where

NARRATIVE = "narrative"
CLUSTER = 5
"""So many reports of users about one thing are no longer one case (ours): fewer come by chance in a busy week."""
_UNSAID: dict[str, tuple[str, Extent]] = {
    "user": ("quality_degradation", "one"),
    "staff": ("quality_degradation", "cohort"),
    "partner": ("quality_degradation", "cohort"),
}
"""Reporter -> the category and extent of what they leave unsaid; of whoever speaks from outside narrative, and wide."""
_NOTHING = Effect(observed=0.0, expected=0.0, lower=0.0, upper=0.0, unit=PEOPLE.unit, ratio=1.0)


def category_of(report: Reported) -> str:
    """Give the category of a report; what is shown to be made up tells nothing but a story.

    >>> category_of(Reported("press")), category_of(Reported("user")), category_of(Reported("staff", "bias"))
    ('narrative', 'quality_degradation', 'bias')
    >>> category_of(Reported("user", "data_leak", authentic="fabricated"))
    'narrative'
    """
    if report.authentic == "fabricated":
        return NARRATIVE
    return report.category or _UNSAID.get(report.reporter, (NARRATIVE, "wide"))[0]


def extent_of_report(report: Reported) -> Extent:
    """Give how far a report is said to reach, or, where nobody said, by who speaks."""
    return report.extent or _UNSAID.get(report.reporter, (NARRATIVE, "wide"))[1]


def severity_of_report(report: Reported, overrides: Overrides) -> Severity:
    """Give how grave a report is; one from outside pages, whatever it says.

    >>> severity_of_report(Reported("user"), {}), severity_of_report(Reported("staff", "data_leak"), {})
    ('sev4', 'sev1')
    >>> severity_of_report(Reported("press"), {}), severity_of_report(Reported("press", "harmful_output"), {})
    ('sev2', 'sev1')
    >>> severity_of_report(Reported("analyst", authentic="fabricated", extent="one"), {})
    'sev2'
    """
    severity = severity_in(category_of(report), extent_of_report(report), overrides)
    return stricter(severity, "sev2") if report.reporter in OUTSIDE else severity


def incident_of(
    report: Reported, identity: str, kind: Kind, at_ms: int, owners: Owners, overrides: Overrides
) -> Incident:
    """Give the incident that a report opens, of this id."""
    category = category_of(report)
    title = f"Report by {_who(report)}: {category.replace('_', ' ')} in {where(scope_of(_cohort(report.cohort)))}"
    severity, extent = severity_of_report(report, overrides), extent_of_report(report)
    said = f"opened at {severity}: {said_of_report(report)}"
    made = _incident(identity, kind, "report", category, severity, extent, report.cohort, title, at_ms, owners)
    return msgspec.structs.replace(made, timeline=(Entry(at_ms, report.reporter, said),))


def incident_declared(asked: Declaration, who: str, at_ms: int, owners: Owners, overrides: Overrides) -> Incident:
    """Give the incident that a person declares; how far it reaches is the widest until somebody knows."""
    extent: Extent = asked.extent or "wide"
    severity: Severity = asked.severity or severity_in(asked.category, extent, overrides)
    identity = short_hash("declared", who, at_ms, asked.what)
    return _incident(
        identity, "real", "declared", asked.category, severity, extent, asked.cohort, asked.what, at_ms, owners
    )


def _incident(
    identity: str, kind: Kind, found: Found, category: str, severity: Severity, extent: Extent,
    cohort: Mapping[str, str], title: str, at_ms: int, owners: Owners,
) -> Incident:  # fmt: skip
    """Make an incident without alerts or figures; when it began nobody knows."""
    return Incident(
        id=identity,
        kind=kind,
        state="triage",
        level="declared",
        severity=severity,
        category=category,
        family=CATEGORIES[category],
        owner=owners.by_category.get(category, owners.default),
        title=title,
        signals=(),
        lead_signal=PEOPLE.name,
        direction="up",
        scope=scope_of(_cohort(cohort)),
        onset_ms=-1,
        detected_ms=at_ms,
        updated_ms=at_ms,
        resolved_ms=-1,
        effect=_NOTHING,
        log_return_period=0.0,
        log_fleet=0.0,
        changes=(),
        alert_ids=(),
        alerts_total=0,
        runbook=f"runbook:{category}",
        timeline=(),
        found=found,
        extent=extent,
    )


def about(report: Reported, known: Iterable[Heard]) -> Heard | None:
    """Give the open incident that a report tells of, the gravest; None where it is news.

    It is of the same category, and one event can be in the cohort of both. Two stories are one only if they name the
    same cohort: which of them a third one means nobody can tell.
    """
    category, cohort = category_of(report), _cohort(report.cohort)
    found = [
        each
        for each in known
        if state_of(each.incident, each.response) in OPEN
        and each.incident.category == category
        and _concerns(category, cohort, _cohort(each.incident.scope))
    ]
    return min(found, key=lambda each: (severity_of(each.incident, each.response), each.incident.id), default=None)


def _concerns(category: str, cohort: Cohort, scope: Cohort) -> bool:
    return cohort == scope if category == NARRATIVE else overlap(cohort, scope)


def raised_by(report: Reported, heard: Heard, reports: int, overrides: Overrides) -> tuple[Severity, str] | None:
    """Give how grave a report makes an open incident, and why; None where it does not.

    What a person has graded stays as it was graded. With this one there are so many `reports`.
    """
    response = heard.response or Response(heard.incident.id)
    if response.graded_by not in ("", MACHINE):
        return None
    severity, why = severity_of_report(report, overrides), f"reported by {_who(report)}"
    if reports >= CLUSTER:
        severity = stricter(severity, severity_in(heard.incident.category, "cohort", overrides))
        why = f"{reports} reports: no longer one case"
    return (severity, why) if severity < severity_of(heard.incident, heard.response) else None


def joined(report: Reported, incident: Incident, severity: Severity, at_ms: int) -> Incident:
    """Give the machine's incident with what was reported of it in the stream."""
    said = [said_of_report(report)]
    if severity < incident.severity:
        said.append(f"raised from {incident.severity} to {severity} (declared): {incident.title}")
    entries = shortened((*incident.timeline, *(Entry(at_ms, report.reporter, each) for each in said)))
    return msgspec.structs.replace(
        incident, timeline=entries, severity=severity, updated_ms=at_ms, version=incident.version + 1
    )


def identity_of(report: Reported, at_ms: int, tries: int) -> str:
    """Give the id of the incident that a report opens: two who report the same in one minute open one."""
    return short_hash("report", category_of(report), where(report.cohort), at_ms // MINUTE_MS, tries)


def said_of_report(report: Reported) -> str:
    """Say what was reported, in words of our own.

    >>> said_of_report(Reported("press", channel="a daily", reproduced="yes", how="twice, same prompt"))
    'reported by the press through a daily; whether it is genuine is not known; reproduced: twice, same prompt'
    """
    said = [f"reported by {_who(report)}" + (f" through {report.channel}" if report.channel else "")]
    known = report.authentic != "unknown"
    said.append(f"said to be {report.authentic}" if known else "whether it is genuine is not known")
    if report.reproduced != "not_tried":
        again = "reproduced" if report.reproduced == "yes" else "not reproduced"
        said.append(again + (f": {report.how}" if report.how else ""))
    if report.version != "unknown":
        said.append(f"of {'the' if report.version == 'current' else 'an'} {report.version} version")
    return "; ".join(said)


def answers_of(report: Reported) -> dict[str, str]:
    """Give what a report answers about an incident: whether it is genuine, reproduced, and of which version."""
    given = {"authentic": report.authentic, "reproduced": report.reproduced, "version": report.version}
    return {about: answer for about, answer in given.items() if answer not in ("unknown", "not_tried")}


def acts_of(report: Reported, incident_id: str, number: int, who: str, via: str, at_ms: int) -> list[Act]:
    """Give the acts of who brings a report: that it came, with its words, and what it answers."""
    first = Act(incident_id, number, at_ms, who, "reported", report.reporter, report.channel, note=report.what, via=via)
    acts = [first]
    for about_what, answer in answers_of(report).items():
        note = report.how if about_what == "reproduced" else ""
        number += 1
        acts.append(Act(incident_id, number, at_ms, who, "assessed", answer, about_what, note, via))
    return acts


def _who(report: Reported) -> str:
    named = {"press": "the press", "staff": "the staff", "analyst": "an analyst"}
    return named.get(report.reporter, f"a {report.reporter}")


def _cohort(names: Mapping[str, str]) -> Cohort:
    return tuple(sorted(names.items()))
