"""What the watch has told of channels."""

from __future__ import annotations

from notifychannel_operator.watch.directory import Directory, key_of, lane_of
from notifychannel_operator.work.schedule import NO_LANE, Key
from tests.operating import resource


def channel(name="orders", *, groups=("app",), ready=None, generation=1, **metadata):
    body = resource(name, consumers=[{"group": group} for group in groups])
    body["metadata"] |= {"uid": f"uid-{name}", "generation": generation, **metadata}
    if ready:
        body["status"] = {"conditions": [{"type": "Accepted", "status": "True"}, {"type": "Ready", "status": ready}]}
    return body


def pod(group="app", namespace="shop"):
    return {"metadata": {"name": "p", "namespace": namespace, "labels": {"notifychannel.io/inject": group}}}


def test_only_what_is_not_the_status_is_news():
    """Mutant: leave `annotations` or `deletionTimestamp` out of the fingerprint; or put the status in."""
    some = Directory()
    assert some.see(channel())
    assert not some.see(channel())
    assert not some.see(channel(ready="True"))
    assert not some.see(channel(resourceVersion="7", managedFields=[{}]))
    assert some.see(channel(generation=2))
    assert some.see(channel(generation=2, deletionTimestamp="2026-01-01T00:00:00Z"))
    some.see(channel(generation=2))
    assert some.see(channel(generation=2, annotations={"notifychannel.io/take-over": "true"}))
    assert some.see(channel(generation=2, uid="another")), "made anew with the same name"


def test_a_pod_concerns_the_channels_of_its_group_in_its_namespace():
    some = Directory()
    some.see(channel("orders", groups=("app", "mail")))
    some.see(channel("bills", groups=("app",)))
    assert some.concerned(pod()) == {Key("shop", "orders"), Key("shop", "bills")}
    assert some.concerned(pod("mail")) == {Key("shop", "orders")}
    assert some.concerned(pod(namespace="other")) == frozenset()
    some.see(channel("orders", groups=("mail",), generation=2))
    assert some.concerned(pod()) == {Key("shop", "bills")}
    some.forget(Key("shop", "bills"))
    some.forget(Key("shop", "bills"))
    assert some.concerned(pod()) == frozenset()


def test_what_is_forgotten_leaves_nothing_behind():
    """Mutant: keep empty sets in `_of_group`: memory would grow with every group there ever was."""
    some = Directory()
    for number in range(100):
        some.see(channel(f"c{number}", groups=(f"g{number}",)))
    for number in range(100):
        some.forget(Key("shop", f"c{number}"))
    assert len(some) == 0
    assert (some._known, some._of_group) == ({}, {})


def test_channels_are_counted_by_their_condition_ready():
    some = Directory()
    some.see(channel("a", ready="True"))
    some.see(channel("b", ready="True"))
    some.see(channel("c", ready="False"))
    some.see(channel("d"))
    assert some.by_ready() == {"True": 2, "False": 1, "Unknown": 1}


def test_the_lane_is_the_secret_in_its_namespace():
    assert lane_of(channel()) == ("shop", "db")
    assert key_of(channel()) == ("shop", "orders")


def test_an_object_of_any_shape_is_taken():
    """An old CRD, a hand on etcd: what the watch brings must not stop it."""
    some = Directory()
    for spec in (
        None,
        [],
        {"consumers": "x", "database": 1},
        {"consumers": [1, {"group": 2}], "database": {"secretRef": []}},
    ):
        body = {"metadata": {"namespace": "shop", "name": "odd"}, "spec": spec, "status": {"conditions": "none"}}
        some.see(body)
        assert lane_of(body) == NO_LANE
    assert some.by_ready() == {"Unknown": 1}
    assert some.concerned({}) == frozenset()
