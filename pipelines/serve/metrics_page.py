"""The page docs/metrics.md is written from the table of metric families."""

from pathlib import Path

import click

from pipelines.serve.metrics import FAMILIES, Family

_HEAD = """# Metrics

This page is generated from `pipelines/serve/metrics.py`; change it there, then run
`python -m pipelines.serve.metrics_page docs/metrics.md`.

Limen serves these families at `/metrics`, in the Prometheus text format or, by the `Accept` header, as OpenMetrics.
They are read from the engine's status and the store at each scrape. A value that is not known is absent.

| name | kind | labels | meaning |
| --- | --- | --- | --- |
"""

_FOOT = """
## Labels

* `signal` is a name of the signal table; `cohort` is `all`, or pairs such as `region=eu,surface=chat`, in which a
  comma, an equals sign or a backslash inside a value is escaped by a backslash. `cohorts.metrics_max` caps the number
  of cohorts: all traffic first, then those with a firing alert, then those with the most traffic. The API has all.
* `outcome` is `aggregated`, `late`, `out_of_range`, `duplicate` or `rejected`; their sum is `limen_events_read_total`.
* `reason` is one of the reasons for which a record is not an event.
* `source` and `partition` name one ordered log: a Kafka partition, a file, or standard input.
* `severity` is `sev1` to `sev4`.
* `state` is `pending` or `firing` for an alert, and `waiting`, `sent` or `dead` for a notification.
* `step` is `read`, `decode`, `aggregate`, `detect`, `respond` or `commit`.

## Reading them

* A rare event: `limen_signal_log_return_period > 9.2` is a minute that chance alone shows once in a week.
* The chance model itself: `limen_audit_observed_total / limen_audit_expected_total` stays at or below 1.
* Limen is alive: `time() - limen_heartbeat_timestamp_seconds` stays below a minute.
* Nothing is lost: `limen_events_read_total - sum(limen_events_total)` is 0, and `limen_records_gone` is absent.
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
