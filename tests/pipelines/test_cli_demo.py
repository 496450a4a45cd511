"""The demo knows the incident that it waits for, tells it once and in full, and ends as it says."""

import socket
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from pipelines import build, cli_demo
from pipelines.cli import main
from pipelines.cli_demo_watch import Goal, Watch
from pipelines.cli_export import standalone
from pipelines.cli_print import Unreachable
from pipelines.cli_traffic import CHANGE_REGION, CHANGE_SIGNAL, CHANGE_VERSION
from pipelines.run_end import Stopper
from schemas.effects import Commit, Effects
from schemas.incident import Effect, Incident
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.score import Candidate
from schemas.settings import Serve, Settings, Storage
from schemas.status import StageSeconds, Status

CHANGE = 1_000


def incident(**changes) -> Incident:
    """Give the incident that a demo waits for, with something changed."""
    right = Incident(
        id="i1", kind="real", state="triage", level="page", severity="sev2", category="capability_loss",
        family="functional", owner="on-call", title="Refusal rate up x3 in region eu", signals=(CHANGE_SIGNAL,),
        lead_signal=CHANGE_SIGNAL, direction="up", scope={"region": CHANGE_REGION}, onset_ms=(CHANGE + 1) * MINUTE_MS,
        detected_ms=(CHANGE + 15) * MINUTE_MS, updated_ms=0, resolved_ms=-1,
        effect=Effect(0.1, 0.03, 0.02, 0.05, "share", 3.0, 100), log_return_period=20.0, log_fleet=15.0,
        changes=(Candidate("model_version", "a", CHANGE_VERSION, CHANGE * MINUTE_MS),), alert_ids=("a1",),
        alerts_total=1, runbook="", timeline=(),
    )  # fmt: skip
    return msgspec.structs.replace(right, **changes)


def status(closed_minute: int) -> Status:
    """Give a status after this minute has closed."""
    return Status(
        started_ms=0, heartbeat_ms=0, ready=True, counters=Counters(), partitions=(), closed_minute=closed_minute,
        minutes_closed=0, series=(), latest=None, learning=0, cohorts_total=0, overflow={}, audit_expected=0.0,
        audit_observed=0.0, stages=StageSeconds(), commits=0, commit_bytes=0,
    )  # fmt: skip


@pytest.fixture
def limen(tmp_path: Path):
    """Give a Limen with an empty store."""
    storage = Storage(url=f"sqlite:///{tmp_path}/limen.db")
    made = build.live(msgspec.structs.replace(Settings(), storage=storage, serve=Serve(port=8400)))
    yield made
    made.store.close()


def watching(limen, goal: Goal, folder: Path) -> tuple[Watch, Stopper]:
    """Give a watch and what it can stop."""
    stopper = Stopper()
    return Watch(limen, goal, stopper, folder), stopper


def seen(limen, watch: Watch, minute: int, *incidents: Incident) -> None:
    """Let the watch see what the line tells: a commit's effects, then the status."""
    effects = Effects(incidents=incidents)
    limen.store.commit(Commit(positions=(), effects=effects))
    watch.effects(effects)
    watch.status(status(minute))


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({}, True),
        ({"severity": "sev1"}, True),
        ({"severity": "sev3"}, False),
        ({"scope": {"region": "us"}}, False),
        ({"scope": {}}, False),
        ({"signals": ("latency_ms",)}, False),
        ({"changes": ()}, False),
        ({"onset_ms": (CHANGE - 60) * MINUTE_MS}, False),
    ],
)
def test_the_goal_is_an_incident_that_pages_and_names_region_signal_and_version(changes, reached):
    """Nothing less will do, and nothing that began long before the change."""
    assert Goal(CHANGE, CHANGE + 120, ends=True).reached_by(incident(**changes)) is reached


def test_the_incident_is_told_once_in_full_exported_and_ends_the_demo(limen, tmp_path, capsys):
    """It is told, its facts are in a file, and the demo stops; another that pages is one line.

    No link leads to pages that are about to go.
    """
    watch, stopper = watching(limen, Goal(CHANGE, CHANGE + 120, ends=True), tmp_path)
    seen(limen, watch, CHANGE + 10, incident(id="i0", severity="sev3", title="Something small"))
    seen(limen, watch, CHANGE + 11, incident(id="i2", severity="sev2", title="Something else", scope={}))
    assert not stopper()
    seen(limen, watch, CHANGE + 17, incident())
    assert (stopper(), stopper.reason) == (True, "")
    seen(limen, watch, CHANGE + 18, incident(version=2))
    told = capsys.readouterr().out
    assert "Something small" not in told
    assert "sev2  Something else  (incident i2)" in told
    assert told.count("Refusal rate up x3 in region eu") == 1
    for words in ("region eu", "refusal_rate is 10 %, and 3 % was expected", f"model_version a -> {CHANGE_VERSION}"):
        assert words in told
    assert "http://" not in told
    assert (tmp_path / "incident-i1.json").exists()


def test_after_the_limit_the_demo_ends_with_a_failure(limen, tmp_path):
    """The limit is counted in simulated minutes after the change; the reason names what was waited for."""
    watch, stopper = watching(limen, Goal(CHANGE, CHANGE + 120, ends=True), tmp_path)
    seen(limen, watch, CHANGE + 119, incident(scope={}))
    assert not stopper()
    seen(limen, watch, CHANGE + 120)
    assert stopper.reason.startswith("no incident named region eu, refusal_rate and orion-2026-09 within 120 simulated")


def test_without_exit_on_incident_the_demo_goes_on(limen, tmp_path, capsys):
    """Neither the incident nor the limit ends it, and the incident is told with its page."""
    watch, stopper = watching(limen, Goal(CHANGE, CHANGE + 120, ends=False), tmp_path)
    seen(limen, watch, CHANGE + 17, incident())
    seen(limen, watch, CHANGE + 500)
    assert not stopper()
    assert "http://127.0.0.1:8400/incidents/i1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("severity", "reason"), [("sev3", ""), ("sev2", "1 incidents paged, though nothing had changed")]
)
def test_without_a_change_only_a_page_is_a_failure(limen, tmp_path, severity, reason):
    """With nothing changed the demo ends at the limit, well if nobody was paged."""
    watch, stopper = watching(limen, Goal(None, CHANGE + 120, ends=True), tmp_path)
    seen(limen, watch, CHANGE, incident(severity=severity))
    assert not stopper()
    seen(limen, watch, CHANGE + 120)
    assert stopper()
    assert stopper.reason.startswith(reason)
    assert bool(stopper.reason) == bool(reason)


def test_a_demo_that_runs_keeps_its_folder(tmp_path, monkeypatch):
    """A second demo in the same folder is refused, and takes nothing away; after the first it starts afresh."""
    monkeypatch.chdir(tmp_path)
    settings = cli_demo._settings(0)
    first = cli_demo._made(settings)
    (tmp_path / ".limen-demo" / "kept").touch()
    with pytest.raises(Unreachable, match="another demo runs here"):
        cli_demo._made(settings)
    assert (tmp_path / ".limen-demo" / "kept").exists()
    first.store.close()
    cli_demo._made(settings).store.close()
    assert not (tmp_path / ".limen-demo" / "kept").exists()


def test_a_port_in_use_gives_the_next_free_one(capsys):
    """The port that is taken is named, and the one that is used instead."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        chosen = cli_demo._free_port(port)
    assert port < chosen < port + cli_demo.PORTS
    assert capsys.readouterr().out == f"Port {port} is in use; the pages are on port {chosen}.\n"


def test_what_the_demo_leaves_is_no_part_of_the_project():
    """Git does not see its folder, and `make clean` takes it away."""
    root = Path(__file__).resolve().parents[2]
    assert f"{cli_demo.FOLDER}/" in (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f" {cli_demo.FOLDER} " in (root / "Makefile").read_text(encoding="utf-8").partition("\nclean:")[2]


def test_ctrl_c_ends_the_demo_with_one_line(tmp_path, monkeypatch, capsys):
    """It says what is left, with exit code 0, even while the days pass."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Stopper, "listen", Stopper.stop)
    cli_demo.demo.main(["--days", "1"], standalone_mode=False)
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "The demo has ended; what it kept is in .limen-demo/, until the next one begins."
    assert not any(line.startswith("Pages: ") for line in told)


def test_an_exported_page_needs_nothing_else():
    """Styles and scripts are inside, links to the server are gone, and data cannot end a script."""
    page = (
        '<head><link rel="icon" href="/static/limen.svg"><link rel="stylesheet" id="s" href="/static/limen.css">'
        '<script src="/static/plotly.min.js" defer></script><script src="/static/chart.js" defer></script></head>'
        '<body><header class="bar">x</header><p><a href="/series/1">wider</a></p></body>'
    )
    whole = standalone(page)
    assert "/static/" not in whole.partition("<script>")[0]
    assert "<header" not in whole
    assert "<p>wider</p>" in whole
    assert '<style id="s">' in whole
    assert whole.count("<script>") == whole.count("</script>") == 2
    assert whole.index("Plotly") < whole.rindex("<script>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--days", "0"], "--days"), (["--speed", "0.5"], "--speed"), (["--port", "70000"], "--port")],
)
def test_options_that_make_no_sense_are_misuse(arguments, said):
    """Exit code 2, and the option is named."""
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
