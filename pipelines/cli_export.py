"""An incident as files that need nothing else: its facts as JSON, and its chart as one page with everything inside."""

import re
from html import escape
from pathlib import Path

from pipelines.cli_print import json_text
from pipelines.serve.http import STATIC
from pipelines.serve.pages import Pages
from pipelines.serve.plotly_script import script_path
from pipelines.serve.reading import Sources, find
from pipelines.serve.views import series_detail
from schemas.incident import Incident
from schemas.views import incident_json

POINTS_MAX = 2_000
"""Most steps of the chart: more than a screen has columns."""


def export(sources: Sources, incident: Incident, folder: Path) -> list[Path]:
    """Write the incident, and the chart of its lead signal in its scope, into a folder; gives the files written."""
    facts = folder / f"incident-{incident.id}.json"
    facts.write_text(json_text(incident_json(incident)) + "\n", encoding="utf-8")
    number = series_of(sources, incident)
    view = None if number is None else series_detail(sources, number, "24h", None, POINTS_MAX)
    if view is None:
        return [facts]
    chart = folder / f"incident-{incident.id}.html"
    chart.write_text(titled(standalone(Pages(sources).series(view)), incident.title), encoding="utf-8")
    return [facts, chart]


def series_of(sources: Sources, incident: Incident) -> int | None:
    """Give the number of the series that shows an incident best: its lead signal in its scope, else over everything."""
    wanted = tuple(sorted(incident.scope.items()))
    series = sources.status().series
    for cohort in (wanted, ()):
        for info in series:
            if info.signal == incident.lead_signal and info.cohort == cohort:
                return info.number if find(series, info.number) else None
    return None


def titled(page: str, title: str) -> str:
    """Put the title of an incident over a page, and into the name of its tab.

    >>> titled("<title>s</title><main id=m><h1>s</h1></main>", "a<b")
    '<title>a&lt;b</title><main id=m><h1>a&lt;b</h1><h1>s</h1></main>'
    """
    shown = escape(title)
    page = re.sub(r"<title>.*?</title>", lambda _: f"<title>{shown}</title>", page, count=1, flags=re.DOTALL)
    return re.sub(r"<main[^>]*>", lambda match: f"{match.group()}<h1>{shown}</h1>", page, count=1)


def standalone(page: str) -> str:
    """Put styles and scripts of a page into it, and take out what leads to a server that will not be there."""
    scripts: list[str] = []

    def script(match: re.Match[str]) -> str:
        # A script of a file waits for the page; one inside a page does not, so it goes to its end.
        scripts.append(_static(match.group(1)).replace("</script", r"<\/script"))
        return ""

    page = re.sub(r'<script src="/static/([\w.]+)"[^>]*></script>', script, page)
    page = re.sub(
        r'<link rel="stylesheet"([^>]*) href="/static/([\w.]+)">',
        lambda match: f"<style{match.group(1)}>{_static(match.group(2))}</style>",
        page,
    )
    page = re.sub(
        r'<link rel="icon"[^>]*>|<header.*?</header>|<nav.*?</nav>|<aside>.*?</aside>', "", page, flags=re.DOTALL
    )
    page = re.sub(r'<a [^>]*href="/[^"]*"[^>]*>(.*?)</a>', r"\1", page, flags=re.DOTALL)
    inside = "".join(f"<script>{text}</script>\n" for text in scripts)
    return page.replace("</body>", f"{inside}</body>")


def _static(name: str) -> str:
    if name == "plotly.min.js":
        return script_path().read_text(encoding="utf-8")
    return (STATIC / name).read_text(encoding="utf-8")
