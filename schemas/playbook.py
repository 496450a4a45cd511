"""A row of the playbook is one thing that the people on call must be able to do, with the tests that show it."""

import msgspec


class PlaybookRow(msgspec.Struct, frozen=True):
    """One row: its id, the section it stands in, what in a few words, and the tests that show it, none where open.

    `missing` says what the tests do not show because it is not there yet, "" where nothing is.
    """

    id: str
    section: str
    what: str
    tests: tuple[str, ...] = ()
    missing: str = ""

    @property
    def state(self) -> str:
        """Give how far the row has come.

        >>> PlaybookRow("T3", "Telemetry", "a fall is loud").state, PlaybookRow("T3", "", "", ("tests/a.py::b",)).state
        ('open', 'shown')
        """
        return "open" if not self.tests else "in part" if self.missing else "shown"
