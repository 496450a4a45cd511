"""The silences of a store: people make and end them while Limen runs, and each is in the audit log with its making."""

from typing import Any

import msgspec
from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.sqlite import insert

from pipelines.store_audit import note
from pipelines.store_part import Part
from pipelines.store_tables import SILENCES
from schemas.audit import AuditLine
from schemas.quiet import SILENCES_MAX, Silence

_silence = msgspec.msgpack.Decoder(Silence).decode
_encode = msgspec.msgpack.Encoder().encode


class Silences(Part):
    """The silences of one store."""

    def add(self, silence: Silence, line: AuditLine) -> bool:
        """Write a silence with its line of the audit log; False, and nothing is written, where there are too many."""
        columns = SILENCES.c
        with self._writing() as connection:
            held = select(func.count()).select_from(SILENCES).where(columns.ends_ms > silence.made_ms)
            if (connection.execute(held).scalar() or 0) >= SILENCES_MAX:
                return False
            connection.execute(
                insert(SILENCES), [{"id": silence.id, "ends_ms": silence.ends_ms, "body": _encode(silence)}]
            )
            note(connection, line)
        return True

    def end(self, silence_id: str, by: str, line: AuditLine) -> Silence | None:
        """End a silence at the time of its line; None, and nothing is written, where none of this id is in force."""
        known = SILENCES.c.id == silence_id
        with self._writing() as connection:
            body = connection.execute(select(SILENCES.c.body).where(known)).scalar()
            if body is None or not _silence(body).holds(line.at_ms):
                return None
            ended = msgspec.structs.replace(_silence(body), ends_ms=line.at_ms, ended_by=by)
            connection.execute(update(SILENCES).where(known).values(ends_ms=ended.ends_ms, body=_encode(ended)))
            note(connection, line)
        return ended

    def held(self, now_ms: int) -> list[Silence]:
        """Give the silences in force at a time, the one that ends last first."""
        found = self._read(select(SILENCES.c.body).where(SILENCES.c.ends_ms > now_ms), SILENCES_MAX)
        return [each for each in found if each.holds(now_ms)]

    def latest(self, limit: int) -> list[Silence]:
        """Give silences, ended ones too, the one that ends last first."""
        return self._read(select(SILENCES.c.body), limit)

    def _read(self, query: Select[Any], limit: int) -> list[Silence]:
        ordered = query.order_by(SILENCES.c.ends_ms.desc(), SILENCES.c.id).limit(limit)
        with self._reading() as connection:
            return [_silence(body) for body in connection.execute(ordered).scalars()]
