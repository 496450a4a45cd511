"""A store that cannot be used says so in one line: what, where, what to do."""

import sqlite3
from contextlib import closing

import pytest

from pipelines.store import Store, StoreError
from pipelines.store_tables import FORMAT
from schemas.effects import Commit, Position
from schemas.partial import Counters
from schemas.record import Partition

P = Partition("file:a.jsonl")


def filled(path, minutes: int = 40) -> str:
    """Make a store with some content and give its address."""
    url = f"sqlite:///{path}"
    store = Store.open(url)
    rows = tuple((minute, bytes(5_000)) for minute in range(minutes))
    store.commit(Commit(positions=(Position(P, 5, 0, Counters()),), minutes=rows))
    store.close()
    return url


def said(url: str, **options: bool) -> str:
    """Give what opening says."""
    with pytest.raises(StoreError) as caught:
        Store.open(url, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


ADDRESSES = [
    ("nonsense", "storage.url: is not the address of a database: write sqlite:///limen.db"),
    ("postgresql://limen:secret@host/limen", "storage.url: postgresql is not supported: write sqlite:///limen.db"),
]


@pytest.mark.parametrize(("url", "line"), ADDRESSES)
def test_an_address_that_names_no_store_is_refused_without_its_secrets(url, line):
    """An address that is none, or of a database that is not supported, is told apart."""
    assert said(url) == line


def test_a_directory_is_refused(tmp_path):
    """A folder is no database."""
    assert said(f"sqlite:///{tmp_path}") == f"{tmp_path}: is a directory: name a file in storage.url"


def test_a_missing_folder_is_told(tmp_path):
    """A file in a folder that is not there cannot be made."""
    path = tmp_path / "gone" / "limen.db"
    assert said(f"sqlite:///{path}") == (
        f"{path}: its folder does not exist: make the folder, or name another in storage.url"
    )


def test_a_reader_does_not_make_a_store(tmp_path):
    """Who only wants to read is told that there is nothing, and makes nothing."""
    path = tmp_path / "limen.db"
    line = f"{path}: does not exist: `limen run` makes it, or name another in storage.url"
    assert said(f"sqlite:///{path}", create=False) == line
    assert not path.exists()


def test_a_reader_does_not_fill_an_empty_file(tmp_path):
    """Who only wants to read leaves an empty file as it is."""
    path = tmp_path / "limen.db"
    path.touch()
    assert said(f"sqlite:///{path}", create=False) == (
        f"{path}: is empty: `limen run` fills it, or name another in storage.url"
    )
    Store.open(f"sqlite:///{path}").close()
    Store.open(f"sqlite:///{path}", create=False).close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    """Any other file stays as it is."""
    path = tmp_path / "limen.db"
    path.write_bytes(b"minutes of the last meeting\n" * 100)
    assert said(f"sqlite:///{path}") == f"{path}: is not a database: name another file in storage.url"
    assert path.read_bytes() == b"minutes of the last meeting\n" * 100


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path):
    """A database with tables that are not ours gets none of ours."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    body = path.read_bytes()
    assert said(f"sqlite:///{path}") == f"{path}: is the database of another program: name another file in storage.url"
    assert path.read_bytes() == body


def test_a_newer_format_is_refused(tmp_path):
    """An older Limen never reads what a newer one wrote."""
    url = filled(tmp_path / "limen.db")
    with closing(sqlite3.connect(tmp_path / "limen.db")) as connection, connection:
        connection.execute("UPDATE limen_format SET version = 99")
    assert said(url) == (
        f"{tmp_path / 'limen.db'}: has format 99, and this Limen knows {FORMAT}: "
        "use the Limen that wrote it, or a newer one"
    )


def test_damage_is_found_at_the_start(tmp_path):
    """A file with damaged pages is refused, never read half."""
    url = filled(tmp_path / "limen.db")
    path = tmp_path / "limen.db"
    body = bytearray(path.read_bytes())
    body[8_192:120_000] = b"\xff" * (120_000 - 8_192)
    path.write_bytes(body)
    assert (
        said(url)
        == f"{path}: is damaged: put a backup in its place with `limen store restore`, or move it away to begin anew"
    )


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    """Half a file is damage too."""
    url = filled(tmp_path / "limen.db")
    path = tmp_path / "limen.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert (
        said(url)
        == f"{path}: is damaged: put a backup in its place with `limen store restore`, or move it away to begin anew"
    )


def test_a_file_that_may_only_be_read_is_told(tmp_path):
    """A store on a read-only place cannot be opened for work."""
    url = filled(tmp_path / "limen.db")
    line = "may only be read: give the user that runs this the right to write to it"
    assert said(url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true").endswith(line)


def test_a_full_disk_fails_the_commit_and_keeps_the_state(tmp_path):
    """When no page can be added, the commit says so, writes nothing, and works again once there is room."""
    store = Store.open(filled(tmp_path / "limen.db"))
    big = Commit(positions=(Position(P, 9, 0, Counters()),), minutes=((99, bytes(1_000_000)),))
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError) as caught:
        store.commit(big)
    assert str(caught.value) == (
        f"{tmp_path / 'limen.db'}: the disk is full: free some space and start again; nothing that was written is lost"
    )
    assert store.load().positions[0].offset == 5
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    store.commit(big)
    assert store.load().positions[0].offset == 9
    store.close()


def test_a_lock_held_by_another_process_is_told(tmp_path, monkeypatch):
    """A writer that never lets go is named as the reason, after a limited wait."""
    monkeypatch.setitem(__import__("pipelines.store_open").store_open._POOL, "connect_args", {"timeout": 0.05})
    store = Store.open(filled(tmp_path / "limen.db"))
    with closing(sqlite3.connect(tmp_path / "limen.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            store.commit(Commit(positions=(Position(P, 9, 0, Counters()),)))
        assert str(caught.value) == (
            f"{tmp_path / 'limen.db'}: another process is writing to it: "
            "stop that one, or give each Limen its own storage.url"
        )
        assert store.load().positions[0].offset == 5  # readers go on
    store.commit(Commit(positions=(Position(P, 9, 0, Counters()),)))
    store.close()


def test_a_store_survives_being_opened_again(tmp_path):
    """What one process wrote, the next one finds."""
    url = filled(tmp_path / "limen.db")
    store = Store.open(url, create=False)
    assert len(store.load().minutes) == 40
    with store._engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    store.close()
