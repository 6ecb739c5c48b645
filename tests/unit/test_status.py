"""`notifychannel status`: what is read of /metrics, what two looks say together, and how it is shown."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from notifychannel_cli.status import line, rates, sample
from notifychannel_cli.status.line import Group
from notifychannel_cli.status.looks import Looks
from notifychannel_cli.status.sample import Sample
from notifychannel_operator.kinds import CHANNELS
from notifychannel_sidecar import metrics

BUCKETS = {0.1: 0.0, 0.5: 50.0, 1.0: 100.0, math.inf: 100.0}


def scraped(*, listening=1, pending=3, queue=(), took=(0.02, 0.03)):
    """As a sidecar's /metrics: the names are those of docs/metrics.md, which a test compares with the sidecar's."""
    registry = CollectorRegistry()
    Gauge("notifychannel_listening", "-", registry=registry).set(listening)
    Gauge("notifychannel_pending_keys", "-", ["channel"], registry=registry).labels("orders").set(pending)
    rows = Gauge("notifychannel_queue_rows", "-", ["channel", "state"], registry=registry)
    for state, count in queue:
        rows.labels("orders", state).set(count)
    seconds = Histogram(
        "notifychannel_change_to_delivery_seconds", "-", ["channel"], registry=registry, buckets=metrics.BUCKETS_S
    )
    for each in took:
        seconds.labels("orders").observe(each)
    return generate_latest(registry).decode()


def test_a_scrape_is_read_by_channel():
    """Mutants: `listening` only of channels that come after it; a histogram's sum as a bucket."""
    found = sample.read(scraped(queue=[("pending", 4), ("claimed", 1), ("dead", 2)]))
    assert list(found) == ["orders"]
    it = found["orders"]
    assert (it.listening, it.pending, it.waiting, it.queue["dead"]) == (True, 3, 5, 2)
    assert it.buckets[math.inf] == 2
    with pytest.raises(ValueError, match=r".*"):
        sample.read("<html>")


@pytest.mark.parametrize(("share", "seconds"), [(0.25, 0.3), (0.5, 0.5), (0.75, 0.75), (0.99, 0.99), (1.0, 1.0)])
def test_a_quantile_is_spread_evenly_within_its_bucket(share, seconds):
    assert rates.quantile(BUCKETS, share) == pytest.approx(seconds)


def test_a_quantile_past_the_last_bound_is_that_bound_and_of_nothing_none():
    assert rates.quantile({0.1: 1.0, math.inf: 10.0}, 0.5) == 0.1
    assert rates.quantile({0.1: 0.0, math.inf: 0.0}, 0.5) is None
    assert rates.quantile({}, 0.5) is None


def test_rates_are_between_two_looks_and_a_pod_that_began_again_counts_from_now_on():
    """Mutants: the whole count of a new pod; a negative one of a pod that began again."""
    old = {0.1: 10.0, 1.0: 10.0, math.inf: 10.0}
    new = {0.1: 10.0, 1.0: 30.0, math.inf: 30.0}
    before = {"a": Sample(delivered=10, buckets=old), "b": Sample(delivered=500, buckets=BUCKETS)}
    after = {
        "a": Sample(delivered=30, buckets=new),
        "b": Sample(delivered=7, buckets=BUCKETS),
        "c": Sample(delivered=900, buckets=BUCKETS),
    }
    found = rates.between(before, after, 2.0)
    assert found.per_s == 10.0
    assert found.p50_s == pytest.approx(0.55)
    still = rates.between(after, after, 2.0)
    assert (still.per_s, still.p50_s) == (0.0, pytest.approx(0.55, abs=0.1))


def group(**changed):
    return Group(namespace="shop", channel="orders", group="api", ready="True", **{"pods": 2, **changed})


def test_what_waits_in_the_durable_queue_is_counted_once_though_each_pod_tells_it():
    """Mutant: the sum over pods."""
    durable = Sample(listening=True, pending=2, queue={"pending": 5, "dead": 1})
    found = group(samples={"a": durable, "b": durable})
    assert (found.backlog, found.dead, found.listening, found.is_well) == (5, 1, 2, False)
    apart = group(samples={"a": Sample(listening=True, pending=2), "b": Sample(pending=3)})
    assert (apart.backlog, apart.listening, apart.is_well) == (5, 1, True)


def test_a_line_says_what_is_known_and_a_dash_what_nobody_answered():
    assert line.cells(None, group(), 2.0)[2:5] == ("True", "-/2", None)
    assert line.cells(None, group(pods=0), 2.0)[3] == "0/0"
    some = group(pods=30, unasked=10, samples={"a": Sample(listening=True, buckets=BUCKETS)})
    assert line.cells(None, some, 2.0)[3:] == ("1/20 of 30", "0.0", "500 ms", "990 ms", 0, 0)


def test_ready_is_true_or_the_reason_why_not():
    def body(**condition):
        return {"status": {"conditions": [{"type": "Ready", **condition}]}, "spec": {"consumers": [{"group": "api"}]}}

    assert line.of_channel(body(status="True", reason="Ready")) == ("True", ["api"])
    assert line.of_channel(body(status="False", reason="NoPods"))[0] == "NoPods"
    assert line.of_channel({"spec": {"consumers": []}}) == ("Unknown", [])


class OneChannel:
    """The API of a cluster with the channel `orders`, which is Ready, and no pod."""

    async def list(self, kind, **_):
        ready = {"type": "Ready", "status": "True", "reason": "Ready"}
        body = {"spec": {"consumers": [{"group": "api"}]}, "status": {"conditions": [ready]}}
        return [body | {"metadata": {"namespace": "shop", "name": "orders"}}] if kind is CHANNELS else []


@pytest.mark.parametrize(
    ("names", "absent"),
    [
        ((), None),
        (("orders",), None),
        (("orders", "order"), "no NotifyChannel of the names order in the namespace shop; look in all by -A"),
    ],
)
async def test_a_name_that_no_channel_has_is_told_beside_those_that_are_there(names, absent):
    """Mutants: told only where none is there; told, and called well."""
    seen = Looks(SimpleNamespace(kube=OneChannel(), namespace="shop"), frozenset(names), all_namespaces=False)
    await seen.again()
    assert (seen.is_well, seen.lines()[2:]) == (absent is None, [absent] if absent else [])
    assert "orders" in seen.lines()[1]
