"""What is not told for now, as metrics: incidents that flap, those of which nobody is told, and silences."""

from collections.abc import Iterator, Sequence
from typing import get_args

from pipelines.respond.quiet import Cause
from schemas.act import Heard


def quiet_samples(heard: Sequence[Heard], silences: int) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield how many open incidents flap, of how many nobody is told by reason, and how many silences are in force."""
    yield "limen_incidents_flapping", (), sum(each.incident.flapping_ms >= 0 for each in heard)
    muted = [each.response.muted for each in heard if each.response is not None]
    for cause in get_args(Cause):
        yield "limen_incidents_muted", (cause.replace(" ", "_"),), sum(why.startswith(cause) for why in muted)
    yield "limen_silences", (), silences
