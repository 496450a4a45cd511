"""The attribution board: its cases keep the facts of the published settings, its rivals do what they are known for."""

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import attribution
from benchmarks.attribution import Result, Row, judged, ours, page
from benchmarks.attribution_cases import ANY, Case, H, L, S, Setting, case, codes
from benchmarks.attribution_rivals import adtributor, riskloc

CLEAR = Setting("clear", (6, 5, 4), (0.05, 0.05), (0.6, 0.9), (0.0, 0.0), (1, 2), (1, 2), leaves_only=False, seed=1)


def planted(*slices, factor=0.4, seed=3):
    """Make a case of 6 x 5 x 4 leaves with errors of two per cent, in which some slices lost most of their amount."""
    sizes = (6, 5, 4)
    rng = np.random.default_rng(seed)
    forecast = rng.uniform(50.0, 150.0, 120)
    actual = forecast * rng.normal(1.0, 0.02, 120)
    places = codes(sizes)
    for each in slices:
        inside = np.logical_and.reduce([places[d] == value for d, value in enumerate(each) if value != ANY])
        actual[inside] = forecast[inside] * factor
    return Case(sizes, places, actual, forecast, frozenset(slices))


def test_the_published_settings_are_kept():
    """Leaves, layers and numbers of causes are those of the published generator."""
    assert [int(np.prod(setting.sizes)) for setting in (S, L, H)] == [48_000, 36_000, 24_000_000]
    assert [setting.seed for setting in (S, L, H)] == [121, 122, 123]
    made = [case(L, 5, number) for number in range(10)]
    assert all(1 <= len(each.truth) <= 5 for each in made)
    assert all(ANY not in slice_ for each in made for slice_ in each.truth)


def test_a_case_is_a_function_of_seed_and_number():
    """The same seed and number give the same case, others give another."""
    again, other = case(S, 5, 0), case(S, 5, 1)
    first = case(S, 5, 0)
    assert first.truth == again.truth
    assert (first.actual == again.actual).all()
    assert first.truth != other.truth


def test_causes_of_a_case_share_no_element():
    """Two slices of different sets of dimensions never meet in an element of a dimension they share."""
    for number in range(20):
        truth = sorted(case(CLEAR, 7, number).truth)
        for one in truth:
            for other in truth:
                dims = [{d for d, value in enumerate(each) if value != ANY} for each in (one, other)]
                if dims[0] != dims[1]:
                    assert all(one[d] != other[d] for d in dims[0] & dims[1])


@pytest.mark.parametrize(
    "truth", [[(2, ANY, ANY)], [(ANY, 1, 3)], [(2, ANY, ANY), (ANY, 1, 3)], [(0, 0, ANY), (5, ANY, 1)]]
)
def test_riskloc_and_ours_name_clear_causes(truth):
    """With small errors and large changes both are exactly right, for one and for several causes."""
    made = planted(*truth)
    assert riskloc(made) == made.truth
    assert ours(made, ways=None) == made.truth


def test_adtributor_names_the_elements_of_one_dimension_at_a_time():
    """It is right about one element of one dimension, and cannot name a slice of two."""
    assert adtributor(planted((2, ANY, ANY)), dimensions_max=1) == {(2, ANY, ANY)}
    assert (ANY, 1, 3) not in adtributor(planted((ANY, 1, 3)))


def test_ours_beats_both_rivals_on_small_noisy_cases():
    """The board's order holds on a setting made for this test, and the dummies find nothing."""
    rows = {row.method: row for row in judged(msgspec.structs.replace(S, sizes=(6, 5, 4, 5)), 22, 40, str)}
    best = rows["ours, all dimensions"].f1
    assert best > rows["RiskLoc"].f1
    assert best > rows["Adtributor"].f1
    assert rows["never"].f1 == 0.0
    assert rows["random"].f1 < 0.1


def test_figures_and_page_come_from_counts():
    """Three hits, one false and two missed slices make an F1 of two thirds, and the page is a table of such rows."""
    row = Row("S", "ours", 2, 3, 1, 2, 0.5)
    assert (row.precision, row.recall, round(row.f1, 3)) == (0.75, 0.6, 0.667)
    result = Result("python -m benchmarks.attribution", {"S": 121}, (row, Row("S", "never", 2, 0, 0, 5, 0.0)))
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result
    lines = page(result).splitlines()
    assert "| S | ours | 2 | 0.667 | 0.750 | 0.600 | 0.500 |" in lines
    assert "| S | never | 2 | 0.000 | 0.000 | 0.000 | 0.000 |" in lines


def test_the_command_writes_what_it_prints(tmp_path, monkeypatch):
    """Every method has a row in the file, and the command that made it stands there."""
    monkeypatch.setattr(attribution, "QUICK_CASES", {"L": 1})
    file = tmp_path / "attribution.json"
    done = CliRunner().invoke(attribution.main, ["--quick", "--seed", "21", "--json", str(file)])
    assert done.exit_code == 0, done.output
    result = msgspec.json.decode(file.read_bytes(), type=Result)
    assert result.command == f"python -m benchmarks.attribution --quick --seed 21 --json {file}"
    assert result.seeds == {"L": 21}
    assert [row.method for row in result.rows] == list(attribution.methods(21))
    assert "ours, all dimensions" in done.output
