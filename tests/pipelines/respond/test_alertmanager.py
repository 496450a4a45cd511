"""Alertmanager is kept told: all peers, every minute while it fires, a while once it is over, under stable labels."""

import json

import httpx2
import pytest

from pipelines.respond.notifiers.alertmanager import BATCH_MAX, Alertmanager
from schemas.incident import Outcome
from schemas.settings import Notifier
from tests.support.messages import NOW_MS, message, over
from tests.support.sinks import Stub, alertmanager

MINUTE_MS = 60_000
PEERS = ("https://a.example", "https://b.example")


class Cluster:
    """Two peers by name, each a stub that may be down."""

    def __init__(self):
        self.stubs = {name: Stub(alertmanager) for name in ("a.example", "b.example")}
        self.down = set()
        self.sizes = []

    def __call__(self, request):
        """Answer as the peer that was asked, told by the Host header."""
        if request.headers["host"] in self.down:
            raise httpx2.ConnectError("down", request=request)
        self.sizes.append(len(json.loads(request.content)))
        return self.stubs[request.headers["host"]](request)

    def alerts(self, name="a.example"):
        """Give the ends of the alerts of a peer by their labels."""
        return {tuple(sorted(json.loads(labels).items())): end for labels, end in self.stubs[name].alerts.items()}


@pytest.fixture
def cluster():
    """Give the peers and the notifier that sends to them."""
    made = Cluster()
    config = Notifier(name="am", kind="alertmanager", urls=PEERS)
    resolve = {"a.example": ["93.184.215.14"], "b.example": ["93.184.215.15"]}
    made.notifier = Alertmanager(config, httpx2.MockTransport(made), lambda host, *_: resolve[host])
    return made


def test_every_peer_gets_everything_and_one_is_enough(cluster):
    """One peer is down: the message is through, and the next refresh tells that peer too."""
    cluster.down.add("b.example")
    assert cluster.notifier.send(message(), NOW_MS) == Outcome("done")
    assert (len(cluster.alerts()), len(cluster.alerts("b.example"))) == (1, 0)
    cluster.down.clear()
    assert cluster.notifier.refresh([(message(), message())], NOW_MS + MINUTE_MS) == Outcome("done")
    assert cluster.alerts() == cluster.alerts("b.example")


def test_a_firing_alert_outlives_two_lost_sends(cluster):
    """Its end lies four resends ahead, and moves with every send."""
    cluster.notifier.send(message(), NOW_MS)
    assert set(cluster.alerts().values()) == {"2026-01-05T00:09:00Z"}
    cluster.down |= {"a.example", "b.example"}
    for minute in (1, 2):
        assert cluster.notifier.refresh([(message(), message())], NOW_MS + minute * MINUTE_MS).result == "retry"
    cluster.down.clear()
    cluster.notifier.refresh([(message(), message())], NOW_MS + 3 * MINUTE_MS)
    assert set(cluster.alerts().values()) == {"2026-01-05T00:12:00Z"}


def test_a_resolved_alert_is_sent_again_for_a_quarter_of_an_hour(cluster):
    """With its real end, and then no more."""
    standing = [(message(), over())]
    for minute in range(30):
        cluster.notifier.refresh(standing, NOW_MS + minute * MINUTE_MS)
    stub = cluster.stubs["a.example"]
    assert {alert["endsAt"] for body in stub.got for alert in body} == {"2026-01-05T00:04:00Z"}
    assert len(stub.got) == 14


@pytest.mark.parametrize("onset", ["2026-01-05T00:04:30Z", "2026-01-05T09:00:00Z"])
def test_no_alert_ends_before_it_begins(cluster, onset):
    """Clocks differ: an end before the beginning would be refused."""
    assert cluster.notifier.send(over(onset=onset), NOW_MS) == Outcome("done")
    ((alert,),) = cluster.stubs["a.example"].got
    assert alert["startsAt"] <= alert["endsAt"] <= "2026-01-05T00:05:00Z"


def test_the_labels_hold_nothing_that_changes(cluster):
    """New figures, another title, a scope that has grown: the same alert; a new severity is a new one, the old ends."""
    grown = message("incident.raised", 2, title="worse", scope={}, effect={"observed": 0.5}, severity="sev1")
    cluster.notifier.send(message(), NOW_MS)
    cluster.notifier.send(grown, NOW_MS + MINUTE_MS)
    assert len(cluster.alerts()) == 1, "sev1 and sev2 are both critical"
    softer = message("incident.graded", 3, severity="sev3")
    cluster.notifier.send(softer, NOW_MS + 2 * MINUTE_MS)
    cluster.notifier.refresh([(message(), softer)], NOW_MS + 3 * MINUTE_MS)
    ends = {dict(labels)["severity"]: end for labels, end in cluster.alerts().items()}
    assert ends == {"critical": "2026-01-05T00:07:00Z", "warning": "2026-01-05T00:12:00Z"}


def test_after_a_restart_the_labels_are_those_of_the_first_message(cluster):
    """What the first message was is read from the store."""
    cluster.notifier.send(message(), NOW_MS)
    grown = message("incident.updated", 2, scope={})
    fresh = Alertmanager(cluster.notifier._config, httpx2.MockTransport(cluster), lambda *_: ["93.184.215.14"])
    fresh.refresh([(message(), grown)], NOW_MS + MINUTE_MS)
    fresh.send(message("incident.acknowledged", 3, scope={}, state="acknowledged"), NOW_MS + MINUTE_MS)
    assert len(cluster.alerts()) == 1


def test_two_incidents_that_look_alike_resolve_when_both_are_over(cluster):
    """One of them is over: the alert fires on."""
    one, other = (message(id="i1"), over(id="i1")), (message(id="i2"), message(id="i2"))
    cluster.notifier.refresh([other, one], NOW_MS)
    assert set(cluster.alerts().values()) == {"2026-01-05T00:09:00Z"}


def test_many_alerts_go_in_batches_and_a_bad_one_loses_no_other(cluster):
    """Of 600 alerts one is refused; the 599 arrive, and nothing is tried again for ever."""
    many = [message(id=f"i{k}", lead_signal=f"signal_{k}") for k in range(600)]
    cluster.notifier.refresh([(each, each) for each in many], NOW_MS)
    assert max(cluster.sizes) == BATCH_MAX
    assert len(cluster.alerts()) == 600

    def refuse(stub, request, body):
        names = [alert["labels"]["signal"] for alert in body]
        if "signal_77" in names:
            return 400
        stub.alerts.update(dict.fromkeys(names, ""))
        return 200

    for stub in cluster.stubs.values():
        stub.judge = refuse
        stub.alerts.clear()
    assert cluster.notifier.refresh([(each, each) for each in many], NOW_MS) == Outcome("done")
    assert len(cluster.stubs["a.example"].alerts) == 599


def test_a_single_alert_that_is_refused_is_final(cluster):
    """400 for one alert is no reason to ask again."""
    for stub in cluster.stubs.values():
        stub.judge = lambda *_: 400
    assert cluster.notifier.send(message(), NOW_MS) == Outcome("give_up", "status 400")
