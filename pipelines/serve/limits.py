"""The limits of a running Limen that its metrics show, each with how much of it is in use."""

from schemas.settings import Settings
from schemas.status import Status


def limits(settings: Settings) -> dict[str, int]:
    """Give each limit by the name of its setting."""
    return {
        "cohorts.series_max": settings.cohorts.series_max,
        "storage.checkpoint_bytes": settings.storage.checkpoint_bytes,
    }


def used(status: Status) -> dict[str, int]:
    """Give how much of each of these limits is in use."""
    return {
        "cohorts.series_max": len(status.series),
        "storage.checkpoint_bytes": status.source.staged_bytes,
    }
