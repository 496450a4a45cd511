"""What has been answered to an incident, in the one form that pages, API and commands show."""

from pipelines.respond.clocks import clocks
from pipelines.respond.hint import hint_of
from pipelines.respond.orders import open_decisions
from pipelines.respond.people import holders
from schemas.act import Heard, severity_of
from schemas.criteria import CRITERIA
from schemas.settings import Settings, Severities
from schemas.views import AsksShape, ResponseShape, response_shape


def answered(heard: Heard, settings: Settings, now_ms: int) -> ResponseShape:
    """Give what people and clocks did about an incident, with its clocks and roles as they stand at a time of day."""
    severities = settings.severities
    running = clocks(heard.incident, heard.response, severities.ladder, now_ms)
    roles = holders(heard.incident, heard.response, settings.owners)
    return response_shape(heard, running, roles, severities.names, _asks(heard, severities))


def _asks(heard: Heard, severities: Severities) -> AsksShape:
    """Give what the severity of an incident asks for, and what likelihood and reach speak for."""
    severity = severity_of(heard.incident, heard.response)
    rung, said = severities.ladder.rung(severity), CRITERIA[severity]
    hint = hint_of(heard.incident, heard.response, severities.matrix)
    return AsksShape(
        led_by=said.led_by,
        at_once=said.at_once,
        freeze_releases=rung.freeze_releases,
        tell_customers=rung.tell_customers,
        page_leadership=rung.page_leadership,
        decisions=open_decisions(heard),
        hint=hint.severity,
        hint_why=hint.why,
    )
