"""The page docs/metrics.md is written from the table of metric families."""

from pathlib import Path

import click

from pipelines.serve.metrics_families import FAMILIES, Family

_HEAD = """# Metrics

This page is generated from `pipelines/serve/metrics_families.py`; change it there, then run
`python -m pipelines.serve.metrics_page docs/metrics.md`.

Limen serves these families at `/metrics`, in the Prometheus text format or, by the `Accept` header, as OpenMetrics.
They are read from the engine's status and the store at each scrape. A value that is not known is absent. Events are
counted for as long as the store remembers; other counters, and histograms, begin at zero with the process. A histogram
has the names `_bucket` (with the label `le`), `_sum` and `_count`.

| name | kind | labels | meaning |
| --- | --- | --- | --- |
"""

_FOOT = """
## Labels

* `signal` is a name of the signal table; `cohort` is `all`, or pairs such as `region=eu,surface=chat`, in which a
  comma, an equals sign or a backslash inside a value is escaped by a backslash. `cohorts.metrics_max` caps the number
  of cohorts: all traffic first, then those with a firing alert, then those with the most traffic. The API has all.
* `result` is `sent`, `failed` or `held` for a heartbeat, and `sent`, `refused` or `dropped` for a dead letter.
* `outcome` is `aggregated`, `late`, `out_of_range`, `duplicate` or `rejected`; their sum is `limen_events_read_total`.
* `reason` is one of the reasons for which a record is not an event.
* `source` and `partition` name one ordered log: a Kafka partition, a file, or standard input.
* `severity` is `sev1` to `sev4`, `category` one of the [categories](signals.md#categories), and `clock` is
  `acknowledge`, `decide` (on containment), `mitigate` or `update`.
* `state` is `pending` or `firing` for an alert, and `waiting`, `held`, `sent`, `dead` or `collapsed` for
  a notification; of an incident that collapsed a later message said more, and a held one waits for the
  reason that its incident names.
* `process` is `main` for the process that writes the store.
* `cap` is `values` (of one dimension), `leaves` (full combinations), `names` (of a mix or of evaluations), `series`,
  `ids` or `changes`, and `dimension` the dimension or mix, or `all`. [Limits](limits.md) says what each means.
* `limit` is the name of a setting, such as `cohorts.series_max`, or of a sink's, such as `notifiers.log.waiting_max`.
* `file` is `database` or `wal`, the log of what is not in the database file yet.
* `step` is `read`, `decode`, `aggregate`, `detect`, `respond` or `commit`.

## Reading them

* A rare event: `limen_signal_log_return_period > 9.2` is a minute that chance alone shows once in a week.
* The chance model itself: `limen_audit_observed_total / limen_audit_expected_total` stays at or below 1.
* How soon an incident is seen: `histogram_quantile(0.99, rate(limen_detection_latency_seconds_bucket[1h]))`. It begins
  at `detection.lateness_seconds`, for which every minute is kept open. As OpenMetrics, each bucket carries its latest
  alert as an exemplar, with `alert_id` and `incident_id`.
* How late events come: `limen_event_delay_seconds_bucket{le="120.0"}` over `_count` is the share that is within the
  default lateness; `le="0.0"` are events from clocks that run ahead.
* Somebody has to act: `limen_incident_clock_breached{severity="sev1"} > 0`. Clocks and times count real incidents only.
* What is near its limit: `limen_limit_used / limen_limit > 0.8`.
* Limen is alive: `time() - limen_heartbeat_timestamp_seconds` stays below a minute.
* Nothing is lost: `limen_events_read_total - sum(limen_events_total)` is 0, and `limen_records_gone` and
  `limen_records_corrupt` are absent.
"""


def page() -> str:
    """Give the text of docs/metrics.md."""
    return _HEAD + "".join(_row(family) for family in FAMILIES) + _FOOT


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.exposed}` | {family.kind} | {labels} | {family.help} |\n"


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def main(path: Path) -> None:
    """Write the page to PATH."""
    path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
