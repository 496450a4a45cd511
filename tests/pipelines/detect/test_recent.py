"""The last hour of panels: what is kept is given back, and nothing else."""

import msgspec
import numpy as np

from pipelines.detect.recent import Recent
from schemas.panel import Panel


def panel(minute, n, mean, kind="level"):
    """Make a panel with a mix of its own, a mean for every row, and a variance within only where there are events."""
    size = len(n)
    n, mean = np.array(n, dtype=float), np.array(mean)
    return Panel(
        kind=kind, minute=minute, n=n, x=100.0 * n, mean_log=mean, var_log=np.zeros(size), parent=np.full(size, -1),
        signal=np.zeros(size, dtype=np.int64), mix=np.full(size, 0.25), within=np.where(n > 0, 0.5, np.nan),
    )  # fmt: skip


def asked(recent, minutes, where=None):
    """Ask for each row's minute."""
    size = len(minutes)
    now = panel(999, [0] * size, [0.0] * size)
    return recent.older(now, np.array(minutes), np.full(size, True) if where is None else np.array(where))


def test_each_row_gets_its_own_minute():
    """Two rows ask for different minutes, and each gets what it showed then, a mean to single precision."""
    recent = Recent(3)
    recent.keep(panel(10, [4, 300], [2.5, 1.5], "count"))
    recent.keep(panel(11, [7, 70_000], [3.5, 0.1], "count"))
    old = asked(recent, [10, 11])
    assert old.n.tolist() == [4.0, 70_000.0]
    assert old.x.tolist() == [400.0, 7_000_000.0]
    assert old.mean_log.tolist() == [2.5, float(np.float32(0.1))]
    assert (old.mix.tolist(), old.within.tolist(), old.var_log.tolist()) == ([0.25] * 2, [0.5] * 2, [0.0] * 2)


def test_estimates_are_kept_to_three_digits_and_the_sums_of_levels_not_at_all():
    """Variances and shifts come back to a part in two thousand; of a level's values only the mean of logs does."""
    recent = Recent(3)
    made = panel(10, [4, 3], [2.1, 1.5])
    recent.keep(msgspec.structs.replace(made, var_log=np.array([0.3, 7.1]), mix=np.array([-1e-3, 7.9])))
    old = asked(recent, [10, 10])
    assert np.allclose(old.var_log, [0.3, 7.1], rtol=5e-4, atol=0.0)
    assert np.allclose(old.mix, [-1e-3, 7.9], rtol=5e-4, atol=0.0)
    assert old.mean_log.tolist() == [float(np.float32(2.1)), 1.5]
    assert (old.n.tolist(), old.x.tolist()) == ([4.0, 3.0], [0.0, 0.0])


def test_rows_without_events_or_not_asked_for_are_empty():
    """No events, a row that came later, and a row that must not be learned are all a minute without events."""
    recent = Recent(3)
    recent.keep(panel(10, [4, 0, 5], [2.5, 0.0, 1.5]))
    old = asked(recent, [10, 10, 10, 10], [True, True, False, True])
    assert old.n.tolist() == [4.0, 0.0, 0.0, 0.0]
    assert np.isnan(old.within[1:]).all()


def test_old_and_skipped_minutes_are_gone():
    """Only the last minutes are kept, and a minute that was passed over is one without events."""
    recent = Recent(3)
    for minute in range(10, 13):
        recent.keep(panel(minute, [minute], [1.0]))
    recent.skip(13)
    assert [asked(recent, [minute]).n.tolist() for minute in (10, 11, 12, 13)] == [[0.0], [11.0], [12.0], [0.0]]


def test_a_restart_goes_on_with_the_same_minutes():
    """What was saved and read back gives the same panels bit for bit."""
    recent, restarted = Recent(3), Recent(3)
    recent.keep(panel(10, [4, 0], [2.1, 0.0]))
    restarted.load(msgspec.msgpack.decode(msgspec.msgpack.encode(recent.dump())))
    for name in ("n", "x", "mean_log", "mix", "within"):
        assert getattr(asked(recent, [10, 10]), name).tobytes() == getattr(asked(restarted, [10, 10]), name).tobytes()
