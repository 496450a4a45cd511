"""Pages are the same answers as the API's, drawn as HTML by the templates; what is data is text there."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.serve.charts import PICTURE_HEIGHT, PICTURE_WIDTH, Picture, picture
from pipelines.serve.incident_view import IncidentDetail
from pipelines.serve.plotly_script import style_ids
from pipelines.serve.reading import Sources
from pipelines.serve.rejected import RejectList
from pipelines.serve.shapes import (
    Band,
    EffectShape,
    IncidentShape,
    Overview,
    SeriesDetail,
    SeriesShape,
    UnusualShape,
)
from pipelines.serve.views import RANGE_MINUTES, worst_first
from schemas.account_words import Said, percent, said_of
from schemas.breach_words import breach_in_words
from schemas.incident import Severity
from schemas.ladder import SEVERITIES, shown
from schemas.score import SHAPE
from schemas.signal import Signal
from schemas.words import SHAPE_UNIT, between, is_share, moment, number, odds, quantity, span, unsteered, where

TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """Draws each page from its struct."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            finalize=_unsteered,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._style_ids = style_ids()
        self._templates.filters.update(
            between=self._between,
            breached=self._breached,
            data=as_data,
            house=self._house,
            lasting=lambda seconds: span(max(1.0, seconds / 60)),
            moment=moment,
            number=number,
            odds=odds,
            percent=percent,
            quantity=self._quantity,
            said=self._said,
            spark=_spark,
            where=where,
        )

    def overview(self, view: Overview, search: str) -> str:
        """Draw the overview."""
        return self.draw("overview.html", view=view, search=search, groups=worst_first(view.incidents))

    def series(self, view: SeriesDetail, *, pinned: str = "") -> str:
        """Draw one series, `pinned` to a time that was asked for; without JavaScript a still picture is the chart."""
        points = view.points
        still = picture(points.observed, points.lower, points.upper, points.expected, PICTURE_WIDTH, PICTURE_HEIGHT)
        share = is_share(self._sources.signal(view.series.signal))
        names = {severity: self._house(severity) for severity in SEVERITIES}
        chart = {
            "names": names,
            "share": share,
            "unit": view.series.unit,
            "points": points,
            "incidents": view.incidents,
        }
        return self.draw(
            "series.html",
            view=view,
            pinned=pinned,
            still=still,
            chart=chart,
            ranges=tuple(RANGE_MINUTES),
            style_ids=self._style_ids,
        )

    def incident(self, view: IncidentDetail, desk: msgspec.Struct) -> str:
        """Draw one incident; `desk` is the `acting.DeskView` of whoever looks."""
        return self.draw("incident.html", view=view, desk=desk)

    def sign_in(self, name: str, csrf: str, onward: str, why_not: str) -> str:
        """Draw the form to sign in by, or who is signed in; `onward` is where it leads."""
        return self.draw("sign_in.html", name=name, csrf=csrf, onward=onward, why_not=why_not)

    def rejects(self, view: RejectList, asked: dict[str, str]) -> str:
        """Draw rejects; links to the API and to older ones keep the parameters that were `asked`."""
        older = asked | {"offset": str(view.next_offset)}
        return self.draw(
            "rejects.html",
            view=view,
            asked=asked.get("reason", "").split(","),
            filtered=bool(asked.keys() - {"limit", "offset"}),
            here=f"?{urlencode(asked)}" if asked else "",
            older=f"/rejects?{urlencode(older)}",
        )

    def problem(self, status_code: int, message: str, onward: str = "") -> str:
        """Draw why there is no page; `onward` is the page that signing in would open."""
        return self.draw("problem.html", status_code=status_code, message=message, onward=onward)

    def draw(self, template: str, **values: Any) -> str:
        """Draw a template with its values."""
        return self._templates.get_template(template).render(values)

    def _house(self, severity: Severity) -> str:
        """Give a severity in the words of the house."""
        return shown(severity, self._sources.settings().severities.names)

    def _quantity(self, value: float | None, signal: str, effect: EffectShape | None = None, detector: str = "") -> str:
        shown = self._signal(signal, effect)
        return quantity(value, msgspec.structs.replace(shown, unit=SHAPE_UNIT) if detector == SHAPE else shown)

    def _between(self, row: SeriesShape | EffectShape | Band, signal: str, effect: EffectShape | None = None) -> str:
        return between(row.lower, row.upper, self._signal(signal, effect))

    def _breached(self, incident: IncidentShape) -> str:
        if incident.breach is None:
            return ""
        return breach_in_words(incident.breach, self._signal(incident.lead_signal, incident.effect))

    def _said(self, incident: IncidentShape) -> Said | None:
        if incident.account is None:
            return None
        return said_of(incident.account, self._signal(incident.lead_signal, incident.effect), incident.direction)

    def _signal(self, name: str, effect: EffectShape | None) -> Signal:
        """Give the signal of this name; an incident brings its unit along, for its signal may be gone."""
        signal = self._sources.signal(name)
        own = effect is None or (signal.unit and effect.unit != SHAPE_UNIT)
        return signal if own or effect is None else msgspec.structs.replace(signal, unit=effect.unit)


def as_data(value: Any) -> Markup:
    r"""Give a value as JSON inside a script element of data, where no text can end the element.

    >>> as_data({"tenant": "</script>"})
    Markup('{"tenant":"\\u003c/script\\u003e"}')
    """
    text = unsteered(msgspec.json.encode(value).decode())
    for sign, escape in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(sign, escape)
    return Markup(text)  # noqa: S704 - the three signs that HTML reads are gone


def _unsteered(value: object) -> object:
    """Give what a template shows: no text from data steers the browser or turns the direction of what follows it."""
    return unsteered(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _spark(row: UnusualShape) -> Picture:
    return picture(row.observed, row.lower, row.upper)
