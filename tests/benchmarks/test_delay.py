"""The delay board: equal streams from equal seeds, thresholds at equal false alarms, and what the page makes of it."""

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import delay
from benchmarks.delay import ALARMED, DAY, QUICK, Bench, Plan, delays, main, measured_kind, quiet_run, threshold
from benchmarks.delay_page import CUSUM, OURS, SR, STRETCH, Cell, Result, cases, page
from benchmarks.delay_rivals import RIVALS, Rivals
from benchmarks.delay_streams import BACKGROUNDS, NOISE, TRAFFIC, Streams

TINY = Plan(series=2, burn_in_days=0, quiet_days=1, seed=3, tolerance=0.1, shifts=(10.0,))


def drawn(kind, minutes=400, series=20, shift=0.0):
    """Draw minutes of a kind: events and hits, or events and means [minutes x rows]."""
    streams = Streams(kind, series, 7)
    panels = [streams.draw(minute, np.full(len(streams.level), shift)) for minute in range(minutes)]
    return streams, np.array([p.n for p in panels]), np.array([p.mean_log if kind == "level" else p.x for p in panels])


def test_the_same_seed_draws_the_same_minutes():
    """A run can be repeated; another kind of the same seed is another stream."""
    assert drawn("count", 3)[2].tolist() == drawn("count", 3)[2].tolist()
    assert drawn("count", 3)[1].tolist() != drawn("rate", 3)[1].tolist()


def test_backgrounds_scatter_as_they_say():
    """A busy count scatters by 30 % if overdispersed, by 25 % in the long run if wandering, hardly if independent."""
    streams, n, x = drawn("count")
    relative = x / np.maximum(n, 1.0) / streams.value
    busy = [streams.rows(name)[-20:] for name in BACKGROUNDS]
    own, noisy, wandering = (relative[:, rows] for rows in busy)
    assert own.std() < 0.15
    assert noisy.std() == pytest.approx(NOISE, abs=0.05)
    assert noisy.mean() == pytest.approx(1.0, abs=0.02)
    assert wandering.std() == pytest.approx(0.26, abs=0.07)
    assert np.diff(relative, axis=0)[:, busy[1]].std() > 0.35
    assert np.diff(relative, axis=0)[:, busy[2]].std() < 0.2


def test_traffic_and_shift_are_what_they_say():
    """Cells have 2 to 2,000 events a minute, and a shift of log 3 triples a count."""
    _, n, x = drawn("count", 100)
    _, _, tripled = drawn("count", 100, shift=float(np.log(3.0)))
    by_cell = n.reshape(100, -1, 20).mean(axis=(0, 2))
    assert by_cell[: len(TRAFFIC)].tolist() == pytest.approx(list(TRAFFIC), rel=0.1)
    assert tripled.sum() / x.sum() == pytest.approx(3.0, rel=0.1)


def test_a_threshold_lets_a_tenth_of_the_stretches_alarm():
    """Of a hundred stretches ten alarm; where many are alike, fewer do rather than more."""
    assert threshold(np.arange(100.0)) == (90.0, ALARMED)
    assert threshold(np.array([0.0] * 80 + [1.0] * 20)) == (np.inf, 0.0)
    assert threshold(np.array([0.0] * 95 + [1.0] * 5)) == (1.0, 0.05)


def test_delays_count_from_the_first_minute_affected():
    """What is always over its threshold has a delay of 1, what never is has none; the copied bench has not moved."""
    bench = Bench("count", TINY)
    everywhere = np.zeros((len(BACKGROUNDS) * len(TRAFFIC), 1))
    found = delays(bench, 0, {OURS: everywhere + np.inf, "random": everywhere - 1.0})
    assert set(found["random"].tolist()) == {1.0}
    assert set(found[OURS].tolist()) == {0.0}
    assert bench.minute == 0


def test_quiet_stretches_keep_their_largest_values(monkeypatch):
    """A day has two stretches; every rule has one value a stretch, row and shift of its own."""
    monkeypatch.setattr(delay, "DAY", 40)
    monkeypatch.setattr(delay, "STRETCH", 20)
    found = quiet_run(Bench("level", TINY), 1)
    assert set(found) == {OURS, CUSUM, SR, *RIVALS}
    assert {most.shape for most in found.values()} == {(2, 24, 1)}
    assert (found["random"] > 0.5).all()


def test_a_kind_is_measured_in_all_its_cells(monkeypatch):
    """Twelve cells with every rule; ten times the events are seen at once by the oracle where they are many."""
    for name, minutes in (("DAY", 60), ("STRETCH", 10), ("ONSETS", 10)):
        monkeypatch.setattr(delay, name, minutes)
    cells = measured_kind("count", TINY)
    assert len(cells) == 12 * (3 + len(RIVALS))
    busy = {cell.background: cell.delay for cell in cells if cell.rule == SR and cell.traffic == 2_000}
    assert busy == dict.fromkeys(BACKGROUNDS, (1.0,))


def test_charts_see_a_jump_in_their_own_past():
    """After two days of even minutes a level ten times as high is far outside for every chart that looks."""
    streams, rivals = Streams("count", 1, 5), Rivals(12, 1)
    row, quiet = 2, np.zeros(12)  # independent, 200 a minute
    before = [rivals.step(streams.draw(minute, quiet)) for minute in range(2 * DAY)][-STRETCH:]
    after = [rivals.step(streams.draw(2 * DAY + minute, quiet + np.log(10.0))) for minute in range(20)]
    most = [[max(float(value[rule][row]) for value in some) for rule in RIVALS] for some in (before, after)]
    assert [now > 5.0 * usual for usual, now in zip(*most, strict=True)] == [True, True, True, False]


def test_the_command_names_no_place(tmp_path, monkeypatch):
    """The result says how to repeat it, not where it was written."""
    monkeypatch.setattr(delay, "QUICK", msgspec.structs.replace(QUICK, series=1, quiet_days=0, burn_in_days=0))
    monkeypatch.setattr(delay, "measured", lambda plan, command: made(command, plan.seed))
    answer = CliRunner().invoke(main, ["--quick", "--seed", "2", "--json", str(tmp_path / "d.json")])
    assert answer.exit_code == 0, answer.output
    result = msgspec.json.decode((tmp_path / "d.json").read_bytes(), type=Result)
    assert result.command == "python -m benchmarks.delay --quick --seed 2 --json benchmarks/results/delay.json"
    assert str(tmp_path) not in answer.output


def made(command="python -m x", seed=1):
    """Give a board of two cells: one met, one missed by less than a minute, one missed by far, one not seen at all."""

    def cell(background, rule, delay, missed=(0.0, 0.0)):
        return Cell("rate", background, 2, rule, (0.1, 0.1), delay, missed)

    cells = (
        cell("independent", OURS, (12.0, 1.9)), cell("independent", CUSUM, (10.0, 1.0)),
        cell("independent", SR, (10.0, 1.0)),
        cell("wandering", OURS, (600.0, 60.0), (0.5, 0.25)), cell("wandering", CUSUM, (400.0, 20.0)),
        cell("wandering", SR, (400.0, 10.0)),
    )  # fmt: skip
    return Result(command, seed, 48, 2, 4, 0.1, (1.25, 5.0), cells)


def test_the_page_says_by_how_much_and_where_it_misses():
    """Ratios go by the oracle of the background, and count only where the oracle itself is fast enough."""
    found = {(case.background, case.shift): case for case in cases(made())}
    assert found["wandering", 5.0].ratio == 6.0
    assert [case.counts for case in found.values()] == [True, True, False, True]
    text = page(made())
    for line in (
        "| no change, however large, is seen as fast | 2 | 3.38 |",
        "| wander | 0 | - |",
        "| independent | rate | 1.3 | 1.51 | 1.51 | 1 of 2 | 2 of 2 | 1.9 (x5, 2 a minute) |",
        "| wandering | rate | 2 | 6.00 | 3.00 | 0 of 1 | 0 of 1 | 6.0 (x5, 2 a minute) |",
        "| wandering | - | 6.00 |",
        "| limen | 1.51 | 6.00 | 8.3 |",
        "| rate | independent | 2 | 12.0 / 10.0 | 1.9 / 1.0 |",
        "| rate | wandering | 2 | - | >60.0 / 10.0 |",
    ):
        assert line in text.splitlines()
    assert "The target is missed in 2 of the 3 cases that count, 1 of them by a minute or less." in text
    assert "Of x1.25 a share of 43 % lies within the tolerance" in text.replace("\n", " ")
