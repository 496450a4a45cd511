"""`limen store` copies, restores and checks what everything depends on, and never leaves half a store behind."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.store import Store
from pipelines.store_lease import Lease
from pipelines.store_tables import FORMAT
from schemas.effects import Commit, Position
from schemas.history import SeriesInfo
from schemas.partial import Counters
from schemas.record import Partition

P = Partition("kafka:events", 0)
MINUTE = 29_459_520  # 2026-01-05 00:00 UTC


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Give a configuration whose store has closed one minute, with some bulk."""
    file = tmp_path / "limen.yaml"
    file.write_text(f"storage: {{url: 'sqlite:///{tmp_path}/limen.db'}}\n", encoding="utf-8")
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    commit(store, 0)
    history = tuple((minute, bytes(9_000)) for minute in range(40))
    store.commit(Commit(positions=(), history=history, series=(SeriesInfo(0, "cost_usd", (), 1),)))
    store.close()
    return str(file)


def commit(store: Store, step: int) -> None:
    """Read ten records and close a minute."""
    read = 10 * (step + 1)
    position = Position(P, read, 60_000, Counters(read=read, aggregated=read))
    store.commit(Commit(positions=(position,), closed_minute=MINUTE + step))


def limen(*arguments: str):
    """Run a command of the store."""
    return CliRunner().invoke(main, ["store", *arguments])


def read_from(path: Path) -> int:
    """Give the offset at which a store goes on."""
    store = Store.open(f"sqlite:///{path}", create=False)
    offset = store.load().positions[0].offset
    store.close()
    return offset


def test_a_backup_is_one_whole_file_and_says_how_far_it_stands(config, tmp_path):
    """The line names size and minute, nothing but the file is left, and it can be read as a store."""
    copy = tmp_path / "copy.db"
    result = limen("backup", str(copy), "-c", config)
    assert (result.exit_code, result.stderr) == (0, "")
    size = f"{copy.stat().st_size:,}"
    said = f"{copy}: {size} bytes, judged up to 2026-01-05 00:01 UTC; checked and whole\n"
    assert result.stdout == said
    assert not [each.name for each in tmp_path.glob("copy.db?*")]
    assert read_from(copy) == 10


def test_a_backup_while_a_run_commits_is_the_state_of_one_moment(config, tmp_path):
    """A writer that holds the lease goes on meanwhile; offset and minute of every copy belong together."""
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    store.lease()
    done, steps = threading.Event(), 0

    def write() -> None:
        nonlocal steps
        while not done.is_set():
            steps += 1
            commit(store, steps)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        results = [limen("backup", str(tmp_path / f"{k}.db"), "-c", config) for k in range(5)]
    finally:
        done.set()
        writer.join()
        store.close()
    assert [result.exit_code for result in results] == [0] * 5
    for k in range(5):
        copied = Store.open(f"sqlite:///{tmp_path}/{k}.db", create=False)
        saved = copied.load()
        copied.close()
        assert saved.positions[0].offset == 10 * (saved.closed_minute - MINUTE + 1)
    assert steps > 5


def test_a_backup_never_takes_the_place_of_a_file(config, tmp_path):
    """Exit code 2, and the file is as it was."""
    (tmp_path / "mine.txt").write_text("mine")
    result = limen("backup", str(tmp_path / "mine.txt"), "-c", config)
    said = f"limen: {tmp_path}/mine.txt: is there already: name a new file, such as one with the date in its name\n"
    assert (result.exit_code, result.stderr) == (2, said)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("storage", "code", "said"),
    [
        ("sqlite://", 2, "keeps the store in memory: there is no file to work with"),
        ("sqlite:///gone.db", 3, "does not exist: `limen run` makes it, or name another in storage.url"),
    ],
)
def test_what_cannot_be_backed_up_is_told(tmp_path, monkeypatch, storage, code, said):
    """A store in memory is a matter of the configuration, one that is not there of the world."""
    monkeypatch.chdir(tmp_path)
    Path("limen.yaml").write_text(f"storage: {{url: '{storage}'}}\n")
    result = limen("backup", "copy.db")
    assert result.exit_code == code
    assert said in result.stderr
    assert not Path("copy.db").exists()


def test_a_folder_that_is_not_there_is_told(config, tmp_path):
    """Exit code 3 with the reason."""
    result = limen("backup", f"{tmp_path}/no/copy.db", "-c", config)
    assert result.exit_code == 3
    assert result.stderr.startswith("limen: ")
    assert "cannot be opened" in result.stderr


def test_a_restore_brings_the_backup_back_and_keeps_what_was_there(config, tmp_path):
    """The store stands where the backup was made; the other one lies beside it, whole."""
    limen("backup", f"{tmp_path}/copy.db", "-c", config)
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    commit(store, 5)
    store.close()
    result = limen("restore", f"{tmp_path}/copy.db", "-c", config)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == (
        f"{tmp_path}/limen.db.replaced: what was there before: remove it when it is no longer needed"
    )
    assert read_from(tmp_path / "limen.db") == 10
    assert read_from(tmp_path / "limen.db.replaced") == 60
    again = limen("restore", f"{tmp_path}/copy.db", "-c", config)
    assert again.exit_code == 3
    assert "is what an earlier restore replaced: move it away or remove it first" in again.stderr
    assert not list(tmp_path.glob("*.restored*"))


def test_a_restore_needs_no_store_to_replace(config, tmp_path):
    """A new machine gets its store from the backup alone."""
    limen("backup", f"{tmp_path}/copy.db", "-c", config)
    (tmp_path / "limen.db").unlink()
    result = limen("restore", f"{tmp_path}/copy.db", "-c", config)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert read_from(tmp_path / "limen.db") == 10


def test_a_restore_is_refused_while_a_run_holds_the_store(config, tmp_path):
    """Exit code 3, and nothing is changed."""
    limen("backup", f"{tmp_path}/copy.db", "-c", config)
    lease = Lease(f"{tmp_path}/limen.db")
    lease.take()
    result = limen("restore", f"{tmp_path}/copy.db", "-c", config)
    lease.give_back()
    assert result.exit_code == 3
    assert "another Limen is running on it: stop that one" in result.stderr
    assert not (tmp_path / "limen.db.replaced").exists()


def damaged(path: Path) -> None:
    """Overwrite the middle of a database."""
    body = bytearray(path.read_bytes())
    body[8_192 : len(body) // 2] = b"\xff" * (len(body) // 2 - 8_192)
    path.write_bytes(body)


def newer(path: Path) -> None:
    """Mark a database as one of a later version."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE limen_format SET version = 77")


def foreign(path: Path) -> None:
    """Put another program's database in its place."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "damaged"),
        (newer, f"has format 77, and this Limen knows {FORMAT}: use the Limen that wrote it, or a newer one"),
        (foreign, "is no store of Limen: name another file"),
    ],
)
def test_a_backup_that_cannot_be_used_is_refused_and_nothing_changes(config, tmp_path, spoil, said):
    """Exit code 1 with the reason; the store is as it was."""
    limen("backup", f"{tmp_path}/copy.db", "-c", config)
    spoil(tmp_path / "copy.db")
    result = limen("restore", f"{tmp_path}/copy.db", "-c", config)
    assert result.exit_code == 1
    assert said in result.stderr
    assert read_from(tmp_path / "limen.db") == 10
    assert not (tmp_path / "limen.db.replaced").exists()


def test_a_damaged_store_is_replaced_with_its_side_files(config, tmp_path):
    """What SQLite left beside a damaged database is moved away with it, and never mixed into the restored one."""
    limen("backup", f"{tmp_path}/copy.db", "-c", config)
    (tmp_path / "limen.db").write_bytes(b"\xff" * 50_000)
    (tmp_path / "limen.db-wal").write_bytes(b"left over")
    result = limen("restore", f"{tmp_path}/copy.db", "-c", config)
    assert result.exit_code == 0, result.stderr
    assert read_from(tmp_path / "limen.db") == 10
    assert (tmp_path / "limen.db.replaced-wal").read_bytes() == b"left over"


def test_a_store_that_is_well_is_told_with_a_mark_for_each_look(config):
    """Damage, format, records, how far it stands, and whether a start can go on."""
    result = limen("check", "-c", config)
    assert (result.exit_code, result.stderr) == (0, "")
    whats = [line for line in result.stdout.splitlines() if line.startswith("✓")]
    for said, line in zip(
        ["undamaged", "format", "each of 10 records", "judged up to 2026-01-05 00:01 UTC", "a start can go on"],
        whats, strict=True,
    ):  # fmt: skip
        assert said in line


def test_records_that_do_not_add_up_fail_the_check(config, tmp_path):
    """Conservation is looked at for each partition, and the partition is named."""
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    store.commit(Commit(positions=(Position(P, 11, 60_000, Counters(read=11, aggregated=10)),)))
    store.close()
    result = limen("check", "-c", config, "-o", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [each["state"] for each in found] == ["ok", "ok", "fail"]
    assert found[-1] == {
        "state": "fail",
        "what": "records were read that have no outcome, or more than one",
        "where": f"{tmp_path}/limen.db, kafka:events/0",
        "to_do": "restore a backup, keep this file, and report it as a bug",
    }


@pytest.mark.parametrize("spoil", [damaged, newer, foreign])
def test_a_store_that_cannot_be_used_fails_the_check(config, tmp_path, spoil):
    """The last row is the failure, with what to do."""
    spoil(tmp_path / "limen.db")
    result = limen("check", "-c", config, "-o", "jsonl")
    assert result.exit_code == 1
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["state"] == "fail"
    assert last["to_do"]


def test_what_a_start_could_not_read_fails_the_check_until_it_is_dropped(config, tmp_path):
    """A snapshot of another version is told with the way out; positions and counts stand, and a copy is kept."""
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    store.commit(Commit(positions=(), closed_minute=MINUTE, snapshot=(MINUTE, b"of another version")))
    store.close()
    result = limen("check", "-c", config)
    assert result.exit_code == 1
    assert "limen store relearn" in result.stdout
    dropped = limen("relearn", "-c", config)
    assert dropped.exit_code == 0, dropped.stderr
    assert limen("check", "-c", config).exit_code == 0
    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    saved = store.load()
    assert (saved.positions[0].offset, saved.closed_minute, saved.snapshot, saved.series) == (10, MINUTE, None, ())
    assert store.history(0, 99) == []
    assert [what for _, what in store.journal(1)] == [
        "what was learned is dropped by `limen store relearn`: baselines and charts begin anew"
    ]
    store.close()
    kept = Store.open(f"sqlite:///{tmp_path}/limen.db.before-relearn", create=False)
    assert kept.load().snapshot == (MINUTE, b"of another version")
    kept.close()


def pages(path: Path, name: str) -> int:
    """Count the pages of a database, all of them or the free ones."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_history_is_kept_up_to_its_bytes(tmp_path):
    """The oldest rows go first, free pages are given back to the disk, and the line says what happened."""
    from pipelines.store_terms import Retention

    store = Store.open(f"sqlite:///{tmp_path}/limen.db")
    store.commit(Commit(positions=(), history=tuple((minute, bytes(100_000)) for minute in range(100))))
    before = pages(tmp_path / "limen.db", "page_count")
    told = store.prune(Retention(history_from_minute=10, history_bytes_max=2_050_000))
    assert told == (
        "storage.history_bytes_max: 70 minutes of charts were dropped before their time: "
        "raise it, or lower storage.history_hours"
    )
    with closing(sqlite3.connect(tmp_path / "limen.db")) as connection:
        assert [minute for (minute,) in connection.execute("SELECT minute FROM history")] == list(range(80, 100))
    assert pages(tmp_path / "limen.db", "page_count") < before / 3
    assert pages(tmp_path / "limen.db", "freelist_count") == 0
    assert store.prune(Retention(history_from_minute=10, history_bytes_max=2_050_000)) == ""
    store.close()
