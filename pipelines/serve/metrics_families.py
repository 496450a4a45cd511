"""The table of metric families: every name, kind, label and help that Limen shows to Prometheus, and nothing else.

Labels avoid names that targets often carry (service, environment, region, zone, stage, owner) and `type`.
"""

from typing import Literal, NamedTuple


class Family(NamedTuple):
    """One metric family: its name without the suffix of its kind, and its help as Prometheus shows it."""

    name: str
    kind: Literal["gauge", "counter", "histogram", "info"]
    labels: tuple[str, ...]
    help: str

    @property
    def exposed(self) -> str:
        """Give the name under which samples are found.

        >>> Family("limen_rejects", "counter", (), "").exposed
        'limen_rejects_total'
        """
        return self.name + {"gauge": "", "counter": "_total", "histogram": "", "info": "_info"}[self.kind]

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Give the names that queries may use: a histogram has three.

        >>> Family("limen_checkpoint_seconds", "histogram", (), "").sample_names[0]
        'limen_checkpoint_seconds_bucket'
        """
        if self.kind != "histogram":
            return (self.exposed,)
        return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")


_SERIES = ("signal", "cohort")
_PARTITION = ("source", "partition")
_CLOCK = ("clock", "severity")
FAMILIES = (
    Family("limen_build", "info", ("version", "python"), "Version of Limen and of the Python that runs it."),
    Family("limen_config", "info", ("hash",), "Hash of the configuration in use."),
    Family("limen_config_last_reload_successful", "gauge", (), "0 after a reload that was refused, until one is not."),
    Family(
        "limen_config_last_reload_success_timestamp_seconds", "gauge", (), "When the configuration in use was taken up."
    ),
    Family("limen_ready", "gauge", (), "1 when the engine has restored its state and is reading."),
    Family("limen_standby", "gauge", (), "1 while another Limen runs on the store and this one waits to take over."),
    Family("limen_start_timestamp_seconds", "gauge", (), "When the engine started."),
    Family("limen_heartbeat_timestamp_seconds", "gauge", (), "When the engine last finished a step."),
    Family("limen_process_resident_bytes", "gauge", ("process",), "Memory that a process of Limen holds."),
    Family("limen_process_cpu_seconds", "counter", ("process",), "Processor time that a process of Limen has used."),
    Family("limen_process_open_files", "gauge", ("process",), "Files, sockets and pipes that it has open."),
    Family("limen_heartbeats", "counter", ("result",), "Calls of the dead-man's switch: sent, failed, or held back."),
    Family("limen_source_failing", "gauge", (), "1 while the source cannot be read."),
    Family("limen_store_failing", "gauge", (), "1 while the store cannot be written, or could not be read."),
    Family("limen_source_polls", "counter", (), "Times the source was asked for records."),
    Family("limen_source_opens", "counter", (), "Times the source was opened; the first is the start."),
    Family(
        "limen_source_failures", "counter", (), "Times opening or polling failed; Kafka's client is made anew then."
    ),
    Family(
        "limen_source_stalls", "counter", (), "Times records were there, none came, and the source was opened anew."
    ),
    Family("limen_staged_bytes", "gauge", (), "Bytes of the records that the latest checkpoint took in."),
    Family("limen_events_read", "counter", (), "Records read; the sum of limen_events_total over its outcomes."),
    Family("limen_events", "counter", ("outcome",), "Records by what became of them, each counted once."),
    Family("limen_rejects", "counter", ("reason",), "Records that are not an event, by reason."),
    Family("limen_consumer_lag_records", "gauge", _PARTITION, "Records not read yet; absent where unknown."),
    Family("limen_records_gone", "gauge", _PARTITION, "Records gone before they were read; -1: an unknown number."),
    Family("limen_records_corrupt", "gauge", _PARTITION, "Records in broken batches that were passed over."),
    Family("limen_partition_position", "gauge", _PARTITION, "Offset of the next record to read."),
    Family("limen_partition_idle", "gauge", _PARTITION, "1 while the partition is read up and quiet."),
    Family("limen_watermark_timestamp_seconds", "gauge", _PARTITION, "Event time that the partition has reached."),
    Family("limen_watermark_delay_seconds", "gauge", _PARTITION, "How far the watermark is behind the time of day."),
    Family(
        "limen_closed_delay_seconds", "gauge", (), "How far the last closed minute's end is behind the time of day."
    ),
    Family("limen_event_delay_seconds", "histogram", (), "From an event's own time until it is read."),
    Family(
        "limen_detection_latency_seconds",
        "histogram",
        (),
        "From the end of the minute that makes an alert fire until the alert is stored; exemplars name the alert.",
    ),
    Family("limen_closed_timestamp_seconds", "gauge", (), "End of the last closed minute in event time."),
    Family("limen_minute_closes", "counter", (), "Minutes of event time closed and judged."),
    Family("limen_signal_value", "gauge", _SERIES, "Observed value of the last closed minute, in the signal's unit."),
    Family("limen_signal_expected", "gauge", _SERIES, "Value expected in the last closed minute."),
    Family("limen_signal_lower", "gauge", _SERIES, "Lower edge of the band around the expected value."),
    Family("limen_signal_upper", "gauge", _SERIES, "Upper edge of the band around the expected value."),
    Family("limen_signal_log_return_period", "gauge", _SERIES, "Natural log of the return period counted in minutes."),
    Family("limen_series", "gauge", (), "Series watched."),
    Family("limen_series_learning", "gauge", (), "Series not judged yet, because too little is known of them."),
    Family("limen_cohorts", "gauge", (), "Cohorts watched."),
    Family("limen_cohorts_exposed", "gauge", (), "Cohorts with limen_signal metrics in this scrape."),
    Family("limen_cohorts_left_out", "gauge", (), "Cohorts without them, because of cohorts.metrics_max."),
    Family("limen_cap_hits", "counter", ("cap", "dimension"), "What a cap kept from being counted under its own name."),
    Family("limen_limit", "gauge", ("limit",), "A limit of this Limen, by the name of its setting."),
    Family("limen_limit_used", "gauge", ("limit",), "How much of that limit is in use."),
    Family("limen_incidents_open", "gauge", ("severity",), "Incidents in triage, acknowledged or mitigated."),
    Family("limen_incidents_flapping", "gauge", (), "Open incidents that came back again and again."),
    Family(
        "limen_incidents_muted",
        "gauge",
        ("reason",),
        "Open incidents of which nobody is told for now: silenced, in_a_window or explained by another.",
    ),
    Family("limen_silences", "gauge", (), "Silences in force."),
    Family(
        "limen_incidents_found", "gauge", ("by",), "The latest real incidents of sev3 and graver, by what found them."
    ),
    Family(
        "limen_incident_clock_due_timestamp_seconds",
        "gauge",
        _CLOCK,
        "When the next clock of an open incident is due.",
    ),
    Family("limen_incident_clock_at_risk", "gauge", _CLOCK, "Clocks of open incidents past three quarters."),
    Family("limen_incident_clock_breached", "gauge", _CLOCK, "Clocks of open incidents that were not met in time."),
    *(
        Family(f"limen_incident_time_to_{what}_seconds", "histogram", ("severity", "category"), said)
        for what, said in (
            ("detect", "From the onset of an incident until it was detected, in event time."),
            ("acknowledge", "From when nobody had an incident until somebody did."),
            ("mitigate", "From the opening of an incident until users were no longer harmed."),
            ("resolve", "From the opening of an incident until it was resolved."),
        )
    ),
    Family(
        "limen_rule_incidents",
        "gauge",
        ("rule", "signal", "reason"),
        "Real incidents (sev1 to sev3) that are over, by rule, signal that led, and reason of closing or unanswered.",
    ),
    Family("limen_rule_precision", "gauge", ("rule", "signal"), "Share of true incidents among true and false ones."),
    Family("limen_alerts", "gauge", ("state",), "Alerts that are pending or firing."),
    Family(
        "limen_notifications",
        "gauge",
        ("sink", "state"),
        "Notifications in the outbox: waiting, held, sent, dead or collapsed.",
    ),
    Family(
        "limen_notifications_oldest_seconds",
        "gauge",
        ("sink",),
        "How long ago the oldest waiting notification was written; 0 where none waits.",
    ),
    Family("limen_dead_letters_waiting", "gauge", (), "Rejects that wait to be sent to the dead-letter topic."),
    Family(
        "limen_dead_letters",
        "counter",
        ("result",),
        "Rejects for that topic: sent, refused by it for good, or dropped before they were sent.",
    ),
    Family("limen_stage_seconds", "counter", ("step",), "Seconds of work by step of the line."),
    Family("limen_commits", "counter", (), "Transactions written to the store."),
    Family("limen_commit_bytes", "counter", (), "Bytes written to the store."),
    Family("limen_checkpoint_seconds", "histogram", (), "From the decision of a checkpoint until it is durable."),
    Family("limen_snapshot_bytes", "gauge", (), "Size of the latest snapshot of the detectors."),
    Family("limen_snapshot_age_seconds", "gauge", (), "Event time closed since then, which a restart judges again."),
    Family("limen_store_bytes", "gauge", ("file",), "Size of the store's files: database and wal."),
    Family("limen_workers", "gauge", (), "Processes that read and decode beside this one; 0 when this one does."),
    Family("limen_worker_restarts", "counter", (), "Worker processes that ended or hung and were started anew."),
    Family("limen_workers_staged_bytes", "gauge", (), "Bytes that workers have handed over and nobody took yet."),
    Family("limen_audit_expected", "counter", (), "Exceedances of a low threshold that chance should have given."),
    Family("limen_audit_observed", "counter", (), "Exceedances of that threshold that were seen."),
)
