"""Pods → counts, and the command that makes them anew."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from notifychannel_operator.passes import restart, workload
from notifychannel_operator.passes.conditions import Reason, Status
from notifychannel_operator.passes.workload import Place
from tests.operating import SETTINGS, pod

PLACE = Place(
    namespace="shop",
    groups=frozenset({"app"}),
    settings=SETTINGS,
    injector="kubectl -n notifychannel get deployment notifychannel-injector",
    now=datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC),
)
OUTDATED = {"notifychannel.io/sidecar": "00000000"}


def look(*pods):
    return workload.look(pods, PLACE)


def owned(kind, name, **labels):
    made = pod(injected=False)
    made["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    made["metadata"]["labels"] = {"notifychannel.io/inject": "app", **labels}
    return made


def outdated():
    made = pod("app-9")
    made["metadata"]["annotations"] = OUTDATED
    return made


def test_pods_are_counted():
    found = look(pod("a"), pod("b"), outdated())
    assert (found.matched, found.injected, found.outdated, len(found.seats)) == (3, 3, 1, 3)
    assert (found.condition.status, found.condition.reason) == (Status.TRUE, Reason.OUTDATED)
    assert "kubectl -n shop rollout restart deployment/app" in found.condition.message
    assert look(pod("a")).condition.reason is Reason.INJECTED


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pods_are_none(phase):
    """A Job's pods stay for days. Mutant: `_counts` without the phase."""
    assert look(pod("a", phase=phase)).matched == 0


def test_a_pod_that_is_ending_is_none():
    """Mutant: `_counts` without deletionTimestamp: each rollout would look like a failure."""
    ending = pod("a")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert look(ending).condition.reason is Reason.NO_PODS


def test_a_pod_that_starts_is_counted_and_not_expected_to_listen():
    found = look(pod("a", phase="Pending"))
    assert (found.injected, found.seats) == (1, ())


@pytest.mark.parametrize("phase", ["Pending", "Running"])
@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff", "CreateContainerConfigError"])
def test_a_pod_whose_sidecar_can_not_run_should_be_listening_and_is_not_asked(phase, reason):
    """Mutants: `seats` of running pods only: nobody is said to be deaf; `stuck` 0; its address kept."""
    said = [{"name": "notifychannel", "state": {"waiting": {"reason": reason}}}]
    found = look(pod("a"), pod("b", phase=phase, initContainerStatuses=said))
    assert (found.injected, found.stuck) == (2, 1)
    assert [(seat.pod, seat.is_stuck, seat.address) for seat in found.seats] == [
        ("a", False, "10.0.0.7"), ("b", True, None),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", ["PodInitializing", "ContainerCreating", None])
def test_a_pod_whose_sidecar_is_about_to_start_is_not_stuck(reason):
    """Mutant: `why_not` without ON_ITS_WAY: each roll-out would be an alert."""
    said = [{"name": "notifychannel", "state": {"waiting": {"reason": reason}}}, {"name": "other", "state": {}}]
    found = look(pod("a", phase="Pending", initContainerStatuses=said))
    assert (found.injected, found.stuck, found.seats) == (1, 0, ())


def test_no_pods_is_said_with_the_label():
    found = look().condition
    assert (found.status, found.reason) == (Status.FALSE, Reason.NO_PODS)
    assert "notifychannel.io/inject: app" in found.message


def test_a_pod_that_the_injector_missed_is_its_fault_and_the_restart_is_told():
    """Mutant: `_why_not` answering a text for every decision."""
    found = look(pod("a"), pod("b", injected=False)).condition
    assert (found.status, found.reason) == (Status.FALSE, Reason.INJECTOR_DOWN)
    assert "kubectl -n notifychannel get deployment notifychannel-injector" in found.message
    assert "kubectl -n shop rollout restart deployment/app" in found.message


def test_a_pod_that_can_not_be_injected_says_why_and_no_restart():
    host = pod("a", injected=False)
    host["spec"]["hostNetwork"] = True
    found = look(host).condition
    assert (found.status, found.reason) == (Status.FALSE, Reason.NOT_INJECTED)
    assert "hostNetwork" in found.message
    assert "restart" not in found.message


@pytest.mark.parametrize(
    ("made", "command"),
    [
        (owned("ReplicaSet", "api-5d8f9", **{"pod-template-hash": "5d8f9"}), "rollout restart deployment/api"),
        (owned("ReplicaSet", "api"), "delete pod app-1"),
        (owned("StatefulSet", "db"), "rollout restart statefulset/db"),
        (owned("DaemonSet", "agent"), "rollout restart daemonset/agent"),
        (owned("Job", "report"), "delete job report, and create it again"),
        (owned("Rollout", "api"), "delete pod app-1"),
        (owned("StatefulSet", "$(reboot)"), "rollout restart statefulset/"),
    ],
)
def test_the_command_is_the_owners(made, command):
    """Mutant: `_safe` answering the name as it is."""
    assert restart.command(made, namespace="shop") == f"kubectl -n shop {command}"


def test_a_bare_pod_has_to_be_made_again_by_whoever_made_it():
    bare = pod(injected=False)
    del bare["metadata"]["ownerReferences"]
    assert "delete it and create it again" in restart.command(bare, namespace="shop")


@pytest.mark.parametrize("address", [None, "", "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "node"])
def test_an_address_that_no_pod_has_is_never_asked(address):
    """The metadata service, the operator's own loopback. Mutant: `_address` answering what it is given."""
    assert look(pod(podIP=address)).seats[0].address is None


@pytest.mark.parametrize("address", ["10.0.0.7", "fd00::7"])
def test_a_pods_address_is_asked_at_its_status_port(address):
    made = pod(podIP=address)
    made["metadata"]["annotations"]["notifychannel.io/status-port"] = "9999"
    (seat,) = look(made).seats
    assert (seat.address, seat.port, seat.group, seat.pod) == (address, 9999, "app", "app-1")


def ready(status, since):
    return [{"type": "Ready", "status": status}, {"type": "ContainersReady", "status": status, **since}]


@pytest.mark.parametrize(
    ("started", "status", "since", "is_starting"),
    [
        ("11:59:58", None, None, True),
        ("11:59:30", "False", "11:59:30", True),
        ("11:59:30", "True", "11:59:45", True),
        ("11:59:00", "True", "11:59:15", False),
        ("11:55:01", "False", "11:55:01", True),
        ("11:54:59", "False", "11:54:59", False),
        ("11:54:59", "False", "11:59:59", False),
        ("11:54:59", "True", "11:59:59", False),
    ],
)
def test_a_pod_is_starting_until_it_has_been_ready_for_a_while_or_takes_too_long(started, status, since, is_starting):
    """Mutants: `_is_starting` without STARTING_S (what never gets ready is never said), or without READY_S."""
    said = [] if status is None else ready(status, {"lastTransitionTime": f"2026-01-01T{since}Z"})
    (seat,) = look(pod(startTime=f"2026-01-01T{started}Z", conditions=said)).seats
    assert seat.is_starting is is_starting


@pytest.mark.parametrize("status", [{}, {"startTime": None}, {"startTime": "soon"}, {"startTime": 7}])
def test_a_pod_that_does_not_say_when_it_began_is_not_starting(status):
    assert not look(pod(**status)).seats[0].is_starting
