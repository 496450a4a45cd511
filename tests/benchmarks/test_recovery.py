"""The board of recovery times real starts on a store that is as a kill leaves it."""

import msgspec

from benchmarks.recovery import Recovery, Result, filled, page
from pipelines.store import Store


def test_the_store_has_a_snapshot_and_the_minutes_since(tmp_path):
    """A small state with two minutes after its snapshot: they lie beside it, to be judged again."""
    found = filled(tmp_path / "limen.db", 300, 2)
    store = Store.open(f"sqlite:///{tmp_path / 'limen.db'}")
    saved = store.load()
    store.close()
    assert found == len(saved.series) > 200
    assert saved.snapshot is not None
    assert [minute for minute, _ in saved.minutes] == [saved.snapshot[0] + 1, saved.snapshot[0] + 2]


def test_the_page_is_made_from_the_saved_result():
    """One line for each state."""
    result = Result("python -m benchmarks.recovery", (Recovery(99_950, 9, 123_400_000, 4.5, 5.25),))
    found = page(msgspec.json.decode(msgspec.json.encode(result), type=Result))
    assert "| 99,950 | 9 | 123.4 | 4.50 | 5.25 |" in found
