"""The command `explain`: why a series did, or did not, alarm."""

import click
import msgspec

from pipelines.aggregate.signals import catalogue
from pipelines.build import parts
from pipelines.cli_incidents import reading
from pipelines.cli_moment import moment_ms
from pipelines.cli_print import JSON, TABLE, Misuse, Unreachable, json_text, output_option, say
from pipelines.cli_settings import config_option, settings_of
from pipelines.detect.detect import Detect
from pipelines.explain import Asked, Explanation, explain
from pipelines.serve.reading import signal_or_gone
from pipelines.store import Store
from schemas.history import SeriesInfo
from schemas.minutes import MINUTE_MS
from schemas.words import moment, where

NAMED_MAX = 10
"""Most series named where a name fits several."""


@click.command("explain")
@config_option
@output_option(TABLE, JSON)
@click.argument("series")
@click.argument("time", callback=moment_ms, metavar="TIME")
def explain_series(config: str | None, form: str, series: str, time: int) -> None:
    """Say why SERIES did, or did not, alarm in the minute of TIME (event time).

    SERIES is its number, or its signal and cohort, such as "refusal_rate region=eu"; TIME is such as
    2026-01-05T10:42:00Z. The minutes since the latest snapshot are judged again; of older ones the charts give the
    figures, and what is no longer known is said.
    """
    settings = settings_of(config)
    known = catalogue(settings.signals, settings.cohorts)
    with reading(settings) as store:
        info = _found(store, series)
        asked = Asked(info, time // MINUTE_MS, signal_or_gone(known.signal, info.signal), settings)
        made = parts(settings, known, "replay")
        assert isinstance(made.detect, Detect)
        try:
            found = explain(store, made.detect, made.codec.decode_minute, asked)
        except ValueError as error:
            raise Unreachable(f"{store.where}: the snapshot cannot be read: {error}") from None
    if form == JSON:
        click.echo(json_text(msgspec.to_builtins(found)))
        return
    _tell(found)


def _tell(found: Explanation) -> None:
    """Write an explanation, a fact a line."""
    say(f"{found.signal} of {where(found.cohort)} at {moment(found.at)} UTC")
    say(f"  {found.verdict}")
    for name, fact in found.facts.items():
        say(f"  {name:<10}{fact}")
    for each in found.unknown:
        say(f"  {'unknown':<10}{each}")


def _found(store: Store, wanted: str) -> SeriesInfo:
    """Give the series of a number or a name; none or several end the command with code 2."""
    every = store.series()
    signal, *pairs = wanted.split() or [""]
    cohort = dict(pair.partition("=")[::2] for pair in pairs)
    fit = [each for each in every if each.signal == signal and dict(each.cohort) == cohort]
    if wanted.isascii() and wanted.isdigit():
        fit = [each for each in every if str(each.number) == wanted]
    if fit:
        return fit[0]
    near = [each for each in every if each.signal == signal and cohort.items() <= dict(each.cohort).items()]
    named = "; ".join(f"{each.signal} {' '.join(f'{k}={v}' for k, v in each.cohort)}" for each in near[:NAMED_MAX])
    raise Misuse(f"there is no series {wanted!r}: " + (f"did you mean {named}" if near else "the pages list them"))
