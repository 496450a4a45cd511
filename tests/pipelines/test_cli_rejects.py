"""`rejects` lists and exports what is kept of records that were no events, for people and for programs."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli_rejects import rejects
from pipelines.ingest.decode import Decoder
from pipelines.store import Store
from schemas.effects import Commit
from schemas.record import Partition
from schemas.reject import Rejected

RUNNER = CliRunner()
AT_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z
VALUE = b'{"event_id":"a","ts":"yesterday","prompt":"my secret"}'


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Give a configuration whose store holds three rejects of two partitions."""
    url = f"sqlite:///{tmp_path / 'limen.db'}"
    store = Store.open(url)
    bad = Decoder("native", 1_000).decode(VALUE)
    first = Rejected(7, str(bad.reason), bad.detail, bad.size_bytes, bad.sha256, bad.sample, AT_MS)
    last = Rejected(8, "empty", at_ms=AT_MS + 60_000)
    kept = ((Partition("kafka:t", 0), (first, last)), (Partition("kafka:t", 1), (Rejected(3, "empty"),)))
    store.commit(Commit(positions=(), rejects=kept, rejects_max=10))
    store.close()
    file = tmp_path / "limen.yaml"
    file.write_text(f"storage: {{url: '{url}'}}\n", encoding="utf-8")
    return str(file)


def test_rejects_are_listed_for_people(config):
    """Place, event time, why, how long, and the shape."""
    result = RUNNER.invoke(rejects, ["list", "-c", config, "--partition", "0", "--reason", "invalid_field"])
    title, row = result.stdout.splitlines()
    assert title.split() == ["partition", "offset", "event", "time", "reason", "detail", "bytes", "sample"]
    assert [text.strip() for text in row.split("   ") if text.strip()] == [
        *("kafka:t/0", "7", "2026-01-05 00:00", "invalid_field"),
        *("Invalid RFC3339 encoded datetime - at `$.ts`", "54"),
        '{"event_id":*,"ts":*,"prompt":*}',
    ]


def test_rejects_are_exported_for_programs(config):
    """Each is one object, the whole hash with it; before the first event there was no event time."""
    result = RUNNER.invoke(rejects, ["export", "-c", config])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["partition"], row["offset"], row["at"]) for row in found] == [
        (0, 8, "2026-01-05T00:01:00Z"),
        (0, 7, "2026-01-05T00:00:00Z"),
        (1, 3, None),
    ]
    assert found[1] == {
        "source": "kafka:t", "partition": 0, "offset": 7, "at": "2026-01-05T00:00:00Z", "reason": "invalid_field",
        "detail": "Invalid RFC3339 encoded datetime - at `$.ts`", "size_bytes": 54,
        "sha256": sha256(VALUE).hexdigest(), "sample": '{"event_id":*,"ts":*,"prompt":*}',
    }  # fmt: skip
    as_one = RUNNER.invoke(rejects, ["export", "-c", config, "-o", "json"])
    assert json.loads(as_one.stdout) == found


@pytest.mark.parametrize(
    ("options", "offsets"),
    [
        (["--reason", "empty"], [8, 3]),
        (["--reason", "empty", "--reason", "invalid_field"], [8, 7, 3]),
        (["--since", "2026-01-05T00:00:30Z"], [8]),
        (["--until", "2026-01-05T01:00:30+01:00"], [7]),
        (["--source", "kafka:t", "--partition", "1"], [3]),
        (["--limit", "1"], [8]),
    ],
)
def test_filters_choose(config, options, offsets):
    """By reason, event time, source and partition; a limit takes the latest."""
    result = RUNNER.invoke(rejects, ["list", "-o", "json", "-c", config, *options])
    assert [row["offset"] for row in json.loads(result.stdout)] == offsets


def test_none_and_wrong_words_are_said(config):
    """An empty list says so, and a time that is none is a misuse with an example."""
    result = RUNNER.invoke(rejects, ["list", "-c", config, "--source", "kafka:other"])
    assert (result.exit_code, result.stdout) == (0, "no rejects\n")
    result = RUNNER.invoke(rejects, ["list", "-c", config, "--since", "yesterday"])
    assert result.exit_code == 2
    assert "'yesterday' is no time: write one like 2026-01-05T10:42:00Z" in result.stderr
