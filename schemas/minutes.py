"""Minutes are what events are counted in; everything else counts milliseconds."""

MINUTE_MS = 60_000
"""Milliseconds of a minute: `ms // MINUTE_MS` is the minute since the epoch that a time of an event lies in."""
