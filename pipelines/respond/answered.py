"""What has been answered to an incident, in the one form that pages, API and commands show."""

from pipelines.respond.clocks import clocks
from pipelines.respond.people import holders
from schemas.act import Heard
from schemas.settings import Settings
from schemas.views import ResponseShape, response_shape


def answered(heard: Heard, settings: Settings, now_ms: int) -> ResponseShape:
    """Give what people and clocks did about an incident, with its clocks and roles as they stand at a time of day."""
    severities = settings.severities
    running = clocks(heard.incident, heard.response, severities.ladder, now_ms)
    roles = holders(heard.incident, heard.response, settings.owners)
    return response_shape(heard, running, roles, severities.names)
