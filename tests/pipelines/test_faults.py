"""Faults of the disk, of other processes and of the file itself: cases 21 to 23 of the fault table, with case 24.

What is counted is told at the end of the run; `-m soak` runs the cases as often as the table says.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import msgspec
import pytest
from click.testing import CliRunner

from pipelines import store_open
from pipelines.cli import main
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.store import Store, StoreError
from schemas.effects import Commit, Position
from schemas.history import SeriesInfo
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.record import Partition
from schemas.settings import Settings
from tests.pipelines.engine_fakes import engine, line
from tests.pipelines.run_fakes import FakeClock, ScriptedSource

P = Partition("kafka:t", 0)
START = 1_000  # minute of the first event
EVENTS = 600


class Struck(FakeClock):
    """A clock that lets a fault begin and end at its seconds."""

    def __init__(self, start_ms: int) -> None:
        super().__init__(start_ms)
        self.events: list[tuple[float, object]] = []

    def sleep(self, seconds: float) -> None:
        """Let time pass, and do what is due."""
        super().sleep(seconds)
        while self.events and self.events[0][0] <= self.seconds:
            self.events.pop(0)[1]()


def one_run(store: Store, clock: Struck):
    """Read one event a second for ten minutes into a store; gives the statuses, and what was said."""
    statuses, said = [], []
    script = {P: [(float(k), line(f"e{k}", START * MINUTE_MS + 1_000 * k)) for k in range(EVENTS)]}
    source = ScriptedSource(clock, script)
    hooks = Hooks(say=said.append, status=statuses.append)
    ended = Loop(source, Line(engine(store.load()), store, clock, Random(1), hooks), Settings(), clock, Random(1)).run()
    assert ended.failures == ()
    return statuses, said


def outcome(store: Store):
    """Give what a run leaves: where it stands, what it judged, and what it told."""
    saved = store.load()
    return saved.positions, saved.closed_minute, store.history(0, START + 99), store.incidents(None, 99)


@pytest.fixture
def calm():
    """Give what an undisturbed run leaves."""
    store = Store.open("sqlite://")
    one_run(store, Struck(START * MINUTE_MS))
    found = outcome(store)
    store.close()
    return found


class Bulky:
    """A store whose every commit needs pages of its own: a line of the journal is longer than one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def commit(self, commit: Commit) -> int:
        """Write it, with the long line."""
        return self._store.commit(msgspec.structs.replace(commit, journal=(*commit.journal, (0, "x" * 9_000))))

    def __getattr__(self, name):
        """Do all else as the store does."""
        return getattr(self._store, name)


def limit(store: Store, pages: int | None) -> None:
    """Let the database have no more pages than it has and so many, or as many as it likes (None)."""
    with store._engine.connect() as connection:
        have = connection.exec_driver_sql("PRAGMA page_count").scalar()
        most = 1_000_000 if pages is None else have + pages
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")


def full_disk(folder: Path, seed: int, calm) -> None:
    """Fill the disk at some second of a run, for some time, and find nothing missing afterwards."""
    random = Random(seed)
    begins, lasts = random.uniform(5, 500), random.uniform(5, 300)
    clock = Struck(START * MINUTE_MS)
    store = Store.open(f"sqlite:///{folder}/{seed}.db")
    clock.events = [(begins, lambda: limit(store, random.randrange(2))), (begins + lasts, lambda: limit(store, None))]
    statuses, said = one_run(Bulky(store), clock)
    assert any("the disk is full: free some space" in text for text in said)
    ill = [status for status in statuses if status.store_failure]
    assert ill
    assert not any(status.ready for status in ill)
    assert (statuses[-1].ready, statuses[-1].store_failure) == (True, "")
    assert outcome(store) == calm
    store.close()


def test_a_disk_that_is_full_for_a_while_costs_nothing_but_time(tmp_path, calm, soak_count):
    """Case 21: nothing is read on, the status says why, and afterwards all is as if it had never happened."""
    for seed in range(3):
        full_disk(tmp_path, seed, calm)
    soak_count(21, 3, "full disks")


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_many_full_disks(tmp_path, calm, soak_count):
    """Case 21, at twenty moments."""
    for seed in range(100, 120):
        full_disk(tmp_path, seed, calm)
    soak_count(21, 20, "full disks")


def locked(folder: Path, seed: int, calm) -> None:
    """Let another process hold the right to write for 30 seconds of a run, and find nothing missing afterwards."""
    begins = Random(seed).uniform(5, 500)
    clock = Struck(START * MINUTE_MS)
    store = Store.open(f"sqlite:///{folder}/{seed}.db")
    with closing(sqlite3.connect(f"{folder}/{seed}.db", isolation_level=None)) as other:
        clock.events = [
            (begins, lambda: other.execute("BEGIN IMMEDIATE")),
            (begins + 30.0, lambda: other.execute("ROLLBACK")),
        ]
        statuses, said = one_run(store, clock)
    assert any("another process is writing to it" in text for text in said)
    assert not any(status.ready for status in statuses if status.store_failure)
    assert outcome(store) == calm
    store.close()


@pytest.fixture
def impatient(monkeypatch):
    """Wait a moment only for another writer, so that the loop's own waiting is what is tried."""
    monkeypatch.setitem(store_open._POOL, "connect_args", {"timeout": 0.01})


@pytest.mark.usefixtures("impatient")
def test_a_lock_held_for_half_a_minute_costs_nothing_but_time(tmp_path, calm, soak_count):
    """Case 22: commits are tried again, nothing is read meanwhile, and nothing is lost or counted twice."""
    for seed in range(3):
        locked(tmp_path, seed, calm)
    soak_count(22, 3, "locks of 30 s")


@pytest.mark.soak
@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("impatient")
def test_many_locks(tmp_path, calm, soak_count):
    """Case 22, at twenty moments."""
    for seed in range(100, 120):
        locked(tmp_path, seed, calm)
    soak_count(22, 20, "locks of 30 s")


def filled(path: Path) -> list[int]:
    """Make a store with commits of which each belongs together, and give the offset after each."""
    store = Store.open(f"sqlite:///{path}")
    for step in range(20):
        position = Position(P, 10 * step, 0, Counters())
        series = tuple(SeriesInfo(100 * step + k, f"signal_{k}", (("tenant", f"t{step}"),), step) for k in range(100))
        store.commit(Commit(positions=(position,), closed_minute=step, history=((step, bytes(500)),), series=series))
    store.close()
    return [10 * step for step in range(20)]


def header_flipped(random: Random, path: Path) -> None:
    """Change one byte of the words by which SQLite knows its files."""
    body = bytearray(path.read_bytes())
    place = random.randrange(16)
    body[place] ^= 1 << random.randrange(8)
    path.write_bytes(body)


def page_overwritten(random: Random, path: Path) -> None:
    """Write noise over one page."""
    body = bytearray(path.read_bytes())
    page = random.randrange(len(body) // store_open.PAGE_BYTES)
    start = page * store_open.PAGE_BYTES
    body[start : start + store_open.PAGE_BYTES] = random.randbytes(store_open.PAGE_BYTES)
    path.write_bytes(body)


def bit_flipped(random: Random, path: Path) -> None:
    """Change one bit anywhere."""
    body = bytearray(path.read_bytes())
    body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    path.write_bytes(body)


def damaged(folder: Path, spoil, seed: int) -> int:
    """Damage a store; gives 1 if it is refused in words and left as it is, 0 if it is taken."""
    path = folder / f"{spoil.__name__}{seed}.db"
    shutil.copy(folder / "whole.db", path)
    spoil(Random(seed), path)
    spoiled = path.read_bytes()
    store = None
    try:
        store = Store.open(f"sqlite:///{path}")
        store.load()
    except StoreError as error:
        said = str(error)
    else:
        return 0
    finally:
        if store:
            store.close()
    assert "\n" not in said
    assert str(path) in said
    assert store or path.read_bytes() == spoiled, "a store that is refused stays as it is, for whoever can mend it"
    return 1


@pytest.mark.parametrize("spoil", [header_flipped, page_overwritten])
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path, spoil, soak_count):
    """Case 23: a flipped header and an overwritten page end the start in words, and never begin an empty store."""
    filled(tmp_path / "whole.db")
    refused = sum(damaged(tmp_path, spoil, seed) for seed in range(20))
    assert refused == 20
    soak_count(23, 20, f"damaged files ({spoil.__name__})")


def test_a_flipped_bit_never_ends_in_a_traceback(tmp_path, soak_count):
    """Case 23: SQLite has no checksums, so a bit inside a value goes unseen; what is seen is told in words."""
    filled(tmp_path / "whole.db")
    for seed in range(30):
        damaged(tmp_path, bit_flipped, seed)
    soak_count(23, 30, "flipped bits")


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_many_flipped_bits(tmp_path, soak_count):
    """Case 23, a thousand times."""
    filled(tmp_path / "whole.db")
    soak_count(23, sum(damaged(tmp_path, bit_flipped, seed) for seed in range(1_000)), "flipped bits that were seen")
    soak_count(23, 1_000, "flipped bits")


@pytest.mark.soak
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("spoil", [header_flipped, page_overwritten])
def test_many_damaged_files(tmp_path, spoil, soak_count):
    """Case 23, two hundred times."""
    filled(tmp_path / "whole.db")
    assert sum(damaged(tmp_path, spoil, seed) for seed in range(100, 300)) == 200
    soak_count(23, 200, f"damaged files ({spoil.__name__})")


def truncated(folder: Path, seed: int) -> None:
    """Cut the write-ahead log of a store that was not closed, and find one of its commits, whole."""
    path = folder / f"cut{seed}.db"
    store = Store.open(f"sqlite:///{folder}/live{seed}.db")
    offsets = [-1]
    for step in range(20):
        position = Position(P, 10 * step, 0, Counters())
        store.commit(Commit(positions=(position,), closed_minute=step))
        offsets.append(10 * step)
    shutil.copy(f"{folder}/live{seed}.db", path)
    log = Path(f"{folder}/live{seed}.db-wal").read_bytes()
    store.close()
    Path(f"{path}-wal").write_bytes(log[: Random(seed).randrange(len(log) // 4, len(log))])
    again = Store.open(f"sqlite:///{path}")
    saved = again.load()
    found = saved.positions[0].offset if saved.positions else -1
    assert found in offsets
    assert saved.closed_minute == (found // 10 if found >= 0 else -1)
    again.close()


def test_a_log_that_was_cut_off_is_a_crash_a_little_earlier(tmp_path, soak_count):
    """Case 23: the last commits are gone as a whole, and offsets with them, so their records are read again."""
    for seed in range(5):
        truncated(tmp_path, seed)
    soak_count(23, 5, "cut logs")


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_many_cut_logs(tmp_path, soak_count):
    """Case 23, a hundred times."""
    for seed in range(100, 200):
        truncated(tmp_path, seed)
    soak_count(23, 100, "cut logs")


WRONG = {
    "syntax": "source: {kind: files\n",
    "unknown key": "sauce: {kind: files}\n",
    "threshold": "detection: {false_pages_per_week: -1}\n",
    "pattern": "signals: {custom: [{name: 'Not A Name (a+)+$', field: confidence}]}\n",
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_start_with_a_wrong_configuration_ends_before_anything_is_opened(tmp_path, monkeypatch, kind, soak_count):
    """Case 24: exit code 2 with file and line, and no store is made."""
    monkeypatch.chdir(tmp_path)
    Path("limen.yaml").write_text(WRONG[kind])
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert result.stderr.startswith("limen: limen.yaml:1: ") or result.stderr.startswith("limen: limen.yaml:2: ")
    assert [each.name for each in tmp_path.iterdir()] == ["limen.yaml"]
    soak_count(24, 1, "wrong configurations")
