"""The limits: everything in Limen that could grow with its input, how far it may, and what becomes of the rest.

Most limits are settings; those that nobody should have to choose are constants of the code, named by file.
"""

from operator import attrgetter
from typing import NamedTuple

from schemas.settings import Settings
from schemas.status import Status


class Limit(NamedTuple):
    """One limit: the setting, or the file and constant, that holds it; what it bounds, and what becomes of more."""

    name: str
    bounds: str
    over: str

    @property
    def is_setting(self) -> bool:
        """Say whether the settings hold it, all in one place."""
        return ".py " not in self.name and not self.name.startswith("notifiers.")


_NAMES = 'counted in `__other__`, totals exact; `limen_cap_hits_total{cap="names"}`'
_ANEW = "the memory begins anew; nothing is lost, it is worked out again"
LIMITS = (
    Limit("source.record_bytes_max", "bytes of one record", "rejected before it is parsed, as `too_large`"),
    Limit("source.kafka.poll_records_max", "records of one poll", "the next poll brings them"),
    Limit("source.kafka.fetch_bytes_max", "bytes fetched ahead from one broker", "they wait at the broker"),
    Limit("source.staged_bytes_max", "bytes that wait from worker processes", "the workers wait"),
    Limit("storage.checkpoint_events", "records taken in between two commits", "the commit comes earlier"),
    Limit("storage.checkpoint_bytes", "bytes of records between two commits", "the commit comes earlier"),
    Limit("detection.open_minutes_max", "minutes open at once", "partitions ahead wait for the last one, and are told"),
    Limit("detection.ids_max", "event ids compared of a minute and partition", 'counted, perhaps twice; `{cap="ids"}`'),
    Limit("detection.changes_max", "changes announced in a minute", 'the earliest are told; `{cap="changes"}`'),
    Limit(
        "cohorts.values_max",
        "values of a dimension in a minute and partition",
        'counted in `__other__`, totals exact; `{cap="values"}`',
    ),
    Limit(
        "cohorts.leaves_max",
        "full combinations in a minute and partition",
        'counted in `__other__`, totals exact; `{cap="leaves"}`',
    ),
    Limit("cohorts.series_max", "series, and cohorts that have one", 'not watched apart; `{cap="series"}`'),
    Limit("cohorts.metrics_max", "cohorts in /metrics", "`limen_cohorts_left_out`; the API has them"),
    Limit("severities.alerts_per_incident_max", "alerts and series named by an incident", "`alerts_total` counts them"),
    Limit("severities.quiet_hours", "hours that an incident without evidence stays open", "resolved, and told so"),
    Limit("severities.close_hours", "hours that a resolved incident waits for people", "closed; why may still be said"),
    Limit("notifiers.waiting_max", "messages waiting for one sink", '`limen_notifications{state="dead"}`, and logged'),
    Limit("storage.history_hours", "hours of history", "dropped, the oldest first"),
    Limit("storage.history_bytes_max", "bytes of history", "dropped, the oldest first, and told"),
    Limit("storage.incidents_days", "days that finished incidents and alerts are kept", "dropped, the oldest first"),
    Limit(
        "storage.rejects_max",
        "rejected records kept for a look, and waiting for their topic",
        '`limen_rejects_total` counts all, `limen_dead_letters_total{result="dropped"}` those not sent',
    ),
    Limit("aggregate/caps.py NAMES_MAX", "names of a mix or of evaluations in a minute and partition", _NAMES),
    Limit("aggregate/signals.py NAMED_MAX", "guardrail categories, and evaluations, with an own signal", _NAMES),
    Limit("aggregate/windows.py TABLES_MAX", "partials of an open minute kept apart", "they are merged, exactly"),
    Limit(
        "aggregate/windows.py REPORTS_MAX", "reports of people a minute looked at each", 'counted; `{cap="reports"}`'
    ),
    Limit("aggregate/windows.py EMPTY_MINUTES_MAX", "empty minutes closed in a row", "skipped until an event comes"),
    Limit("aggregate/rollup.py LEAVES_KEPT_MAX", "leaves whose cohorts are remembered", _ANEW),
    Limit("aggregate/text.py CACHED_TEXTS_MAX", "texts whose measures are remembered", _ANEW),
    Limit("detect/mix.py LEAVES_MAX", "leaves whose place in the cohorts is remembered", _ANEW),
    Limit("detect/contrast.py LEAVES_MAX", "leaves whose strata are remembered", _ANEW),
    Limit("detect/contrast.py CONTRASTS_MAX", "series held against their siblings", "judged by their own past alone"),
    Limit("detect/canary.py CANARIES_MAX", "new versions held against the rest", "judged by their own past alone"),
    Limit(
        "detect/changes.py CONTEXTS_MAX", "contexts whose versions are remembered", "new versions there are not told"
    ),
    Limit("detect/changes.py VALUES_MAX", "versions of one context", "one unseen for a day makes room, else not told"),
    Limit("detect/changes.py CANDIDATES_MAX", "changes of the last day", "the oldest are no longer told as causes"),
    Limit("detect/burns.py SERIES_MAX", "series watched by one rule over an error budget", "not watched by this rule"),
    Limit("detect/gaps.py CELLS_MAX", "cells of a gap between groups", "not compared by this rule"),
    Limit("detect/slow.py ROWS_MAX", "series of a kind with a slow reference", "judged without one"),
    Limit("detect/detect.py FINDINGS_MAX", "findings of one minute", "the strongest; the next minute finds the rest"),
    Limit("detect/limits.py FINDINGS_MAX", "findings of one rule in one minute", "the next minute finds the rest"),
    Limit("respond/endings.py AGAIN_MAX", "times of coming back that an incident keeps", "the latest are kept"),
    Limit("respond/fold.py OPEN_MAX", "incidents with evidence at once", "an alert joins the one nearest in time"),
    Limit("respond/endings.py QUIET_MAX", "incidents open without evidence", "the oldest resolve, and are told so"),
    Limit("respond/intake.py OPEN_MAX", "open incidents beside which a report opens one", "refused, and told why"),
    Limit("respond/declared.py OPEN_MAX", "incidents that reports in the stream keep open", "told of the latest one"),
    Limit("respond/duty.py LOOKED_MAX", "incidents whose clocks are looked at at once", "the newest; then the others"),
    Limit("respond/acts.py TOLD_MAX", "told states of clocks that are remembered", "the latest are"),
    Limit("respond/incidents.py TIMELINE_MAX", "lines of an incident's timeline", "the first and the latest are kept"),
    Limit("respond/incidents.py SIGNALS_MAX", "signals named by an incident", "its alerts name the others"),
    Limit("respond/incidents.py CHANGES_MAX", "changes named by an incident", "the closest to the onset are named"),
    Limit("respond/inbox.py KEPT_MAX", "alerts of Prometheus remembered for incidents to come", "the oldest are not"),
    Limit("respond/inbox.py JOINED_MAX", "alerts of Prometheus noted on one incident", "further ones are not noted"),
    Limit("respond/inbox.py OPEN_MAX", "open incidents that such alerts are held against", "the newest are"),
    Limit("engine.py COMMIT_MINUTES_MAX", "minutes closed by one commit", "the next commit follows at once"),
    Limit("run_letters.py LETTERS_MAX", "rejects sent to their topic in one second", "the next second sends more"),
    Limit("store_prune.py JOURNAL_LINES_MAX", "lines of the journal", "dropped, the oldest first"),
    Limit("store_audit.py AUDIT_LINES_MAX", "lines of the audit log", "dropped, the oldest first"),
    Limit("serve/sessions.py SESSIONS_MAX", "browsers signed in", "the oldest has to sign in again"),
    Limit("serve/audited.py REFUSALS_MAX", "refusals a minute that have a line of their own", "counted in one line"),
    Limit("serve/http.py CONNECTIONS_MAX", "requests served at once", "answered 503"),
)
"""Every limit with its reason stands where it is held; tests hold this table complete."""


def limits(settings: Settings) -> dict[str, int]:
    """Give each limit of the settings by its name; of a sink's by the name of the sink."""
    found: dict[str, int] = {each.name: attrgetter(each.name)(settings) for each in LIMITS if each.is_setting}
    return found | {f"notifiers.{each.name}.waiting_max": each.waiting_max for each in settings.notifiers}


def used(status: Status) -> dict[str, int]:
    """Give how much is in use of those limits of which the engine knows it."""
    return {
        **status.uses,
        "cohorts.series_max": len(status.series),
        "source.staged_bytes_max": status.workers.staged_bytes,
        "storage.checkpoint_events": status.source.staged_records,
        "storage.checkpoint_bytes": status.source.staged_bytes,
    }
