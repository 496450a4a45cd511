"""The board's file: a part that is measured anew replaces the old one and leaves the other alone."""

import msgspec

from benchmarks.scenarios import Board, Result, save


def board(summary, *, looked_at):
    """Make a board without streams."""
    return Board(looked_at, {"make_streams.py": 7 if looked_at else 8}, (), {}, {}, summary)


def test_a_board_is_replaced_and_the_other_is_kept(tmp_path):
    """The seeds of development stand first, whichever board was measured last."""
    file = tmp_path / "scenarios.json"
    save(file, [board("other", looked_at=False)], quick=False, only=())
    save(file, [board("old", looked_at=True)], quick=False, only=())
    save(file, [board("new", looked_at=True)], quick=False, only=())
    result = msgspec.json.decode(file.read_bytes(), type=Result)
    assert [each.summary for each in result.boards] == ["new", "other"]
    assert result.command == f"python -m benchmarks.scenarios --json {file}"
