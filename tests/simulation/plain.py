"""A plain engine for the simulation's settings: one life, no clock and no troubles; event time alone decides."""

from pipelines.build import parts
from pipelines.engine import Engine
from pipelines.engine_parts import Parts
from pipelines.store import Store
from schemas.record import Record
from schemas.situation import Situation
from tests.simulation.log import Log
from tests.simulation.settings import KNOWN, SETTINGS
from tests.simulation.witness import Witness
from tests.simulation.world import Outcome, outcome

PIECE = 50  # records between two checkpoints


def plain_parts() -> Parts:
    """Give fresh parts without a past."""
    return parts(SETTINGS, KNOWN, "real")


def undisturbed(log: Log) -> Outcome:
    """Read the log in even pieces, the partition furthest behind first, with a checkpoint after each."""
    store, witness = Store.open("sqlite://"), Witness(log)
    engine = Engine(witness.watch(plain_parts()), store.load())
    left, ended = dict.fromkeys(log.entries, 0), set()
    while left or engine.pending:
        if left:
            partition = min(left, key=left.__getitem__)
            first, entries = left[partition], log.entries[partition]
            piece = entries[first : first + PIECE]
            engine.feed([Record(entry.value, partition, offset) for offset, entry in enumerate(piece, first)])
            left[partition] += len(piece)
            if left[partition] == len(entries):
                del left[partition]
                ended.add(partition)
        commit = engine.checkpoint(Situation(ended=ended, expected=tuple(log.entries), final=not left))
        store.commit(commit)
        witness.committed(store, commit)
    found = outcome(store, witness)
    store.close()
    return found
