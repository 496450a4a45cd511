"""Decoding checks the size of a record and hands it to its format."""

from pipelines.ingest.redact import with_evidence
from schemas.event import Event, Reject, RejectReason
from schemas.formats import FORMATS, Format


class Decoder:
    """Decodes records of one format, or with "auto" of whichever format makes an event of them.

    A format that is not in `FORMATS` is a mistake of the caller and raises KeyError: the settings were checked.
    """

    def __init__(self, format: str, record_bytes_max: int) -> None:  # noqa: A002 - the name in the settings
        self._formats: tuple[Format, ...] = tuple(FORMATS.values()) if format == "auto" else (FORMATS[format],)
        self._record_bytes_max = record_bytes_max
        self._too_large = Reject(RejectReason.TOO_LARGE, f"more than {record_bytes_max} bytes")

    def decode(self, value: bytes) -> Event | Reject:
        """Give the event in these bytes, or the reason why they are none with what may be kept of them; never raises.

        Size and emptiness are judged before anything is parsed. When no format fits, the first one says why.
        """
        why: Reject | None = None
        if not value:
            why = Reject(RejectReason.EMPTY)
        elif len(value) > self._record_bytes_max:
            why = self._too_large
        else:
            for read in self._formats:
                found = read(value)
                if isinstance(found, Event):
                    return found
                why = why or found
        assert why is not None, "there is a format"
        return with_evidence(why, value)
