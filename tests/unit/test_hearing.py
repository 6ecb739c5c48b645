"""Listening and Delivering out of what sidecars and sessions say."""

from __future__ import annotations

import pytest

from notifychannel_operator.passes import hearing
from notifychannel_operator.passes.conditions import Reason, Status
from notifychannel_operator.passes.hearing import REMEDIES
from notifychannel_operator.passes.sidecar import WHY, Sidecar
from notifychannel_operator.passes.workload import Seat
from notifychannel_sidecar.config import Config
from notifychannel_sidecar.listener.target import Target

PREFIX = Config(installation="test", namespace="shop", group="app").session_prefix
GOOD = Sidecar(is_listening=True, deliveries={"orders": (True, "the application answers 200")})
BAD = Sidecar(is_listening=True, deliveries={"orders": (False, "connection refused on 127.0.0.1:8080")})


def waits(why):
    return Sidecar(is_listening=False, why=why)


def judge(*statuses, sessions=(), matched=None, injected=None, unconfigured=(), starting=(), stuck=()):
    seats = [
        Seat(
            group="app", pod=f"app-{number}", address="10.0.0.7", port=1, is_starting=number in starting,
            is_stuck=number in stuck,
        )
        for number in range(len(statuses))
    ]  # fmt: skip
    return hearing.judge(
        channel="orders",
        namespace="shop",
        seats=seats,
        matched=len(seats) if matched is None else matched,
        injected=(matched or len(seats)) if injected is None else injected,
        statuses={seat.pod: status for seat, status in zip(seats, statuses, strict=True) if status is not None},
        sessions=None if sessions is None else {hearing.session_name(PREFIX, f"app-{number}") for number in sessions},
        prefixes={"app": PREFIX},
        unconfigured=unconfigured,
    )


def listening(*args, **options):
    found = judge(*args, **options).conditions[0]
    return found.status, found.reason


def delivering(*args, **options):
    found = judge(*args, **options).conditions[1]
    return found.status, found.reason


@pytest.mark.parametrize("pod", ["app-1", "x" * 253, "ä" * 40])
def test_a_session_is_looked_for_by_the_name_that_the_sidecar_gives_it(pod):
    """Mutant: the head of the pod's name."""
    config = Config(installation="test", namespace="shop", group="app")
    target = Target(config=config, pod=pod, fingerprint="", arguments={})
    assert hearing.session_name(config.session_prefix, pod) == target.session_name


def test_all_listen():
    assert listening(GOOD, GOOD) == (Status.TRUE, Reason.LISTENING)
    assert delivering(GOOD, GOOD) == (Status.TRUE, Reason.DELIVERING)
    assert (judge(GOOD, GOOD).listening, judge(GOOD, GOOD).delivering) == (2, 2)


def test_where_status_is_out_of_reach_the_sessions_count_and_delivering_is_unknown():
    """A network policy. Mutant: `_listens` without sessions."""
    assert listening(None, None, sessions=(0, 1)) == (Status.TRUE, Reason.LISTENING)
    assert delivering(None, None, sessions=(0, 1)) == (Status.UNKNOWN, Reason.UNKNOWN)
    assert listening(None, None, sessions=(0,)) == (Status.FALSE, Reason.PARTLY)
    assert listening(None, sessions=()) == (Status.FALSE, Reason.UNKNOWN)


def test_how_many_can_not_be_asked_is_said_with_what_may_be_the_cause():
    """Mutant: `_delivering` without `unread` in its last line."""
    assert "of 2 of 2 pods /status can't be reached: a NetworkPolicy" in judge(None, None).conditions[1].message
    found = judge(GOOD, None, None, sessions=(1, 2)).conditions[1]
    assert (found.status, found.reason) == (Status.TRUE, Reason.DELIVERING)
    assert found.message.startswith("1 of 3 pods say so\nof 2 of 3 pods /status can't be reached: a NetworkPolicy")
    assert "NetworkPolicy" in judge(None, sessions=()).conditions[0].message


def test_where_neither_can_be_asked_nothing_is_known():
    assert listening(None, sessions=None) == (Status.UNKNOWN, Reason.UNKNOWN)


def test_what_a_sidecar_says_counts_before_its_session_which_it_may_have_lost():
    assert listening(waits(Reason.HALF_OPEN), sessions=(0,)) == (Status.FALSE, Reason.HALF_OPEN)


@pytest.mark.parametrize("why", WHY.values())
def test_every_reason_of_the_sidecar_is_told_with_a_remedy(why):
    found = judge(waits(why), waits(why)).conditions[0]
    assert (found.status, found.reason) == (Status.FALSE, why)
    assert REMEDIES[why].format(namespace="shop", group="app") in found.message


def test_the_most_frequent_reason_stands_in_front_and_all_are_named():
    found = judge(waits(Reason.NO_SECRET), waits(Reason.UNREACHABLE), waits(Reason.UNREACHABLE)).conditions[0]
    assert found.reason is Reason.UNREACHABLE
    assert "NoSecret" in found.message
    assert listening(GOOD, waits(Reason.NO_SECRET)) == (Status.FALSE, Reason.PARTLY)


def test_a_group_without_its_config_map_is_not_configured_whatever_its_pods_say():
    assert listening(GOOD, unconfigured=["not ours"]) == (Status.FALSE, Reason.NOT_CONFIGURED)


def test_without_running_pods_nothing_is_claimed():
    assert listening() == (Status.UNKNOWN, Reason.NO_PODS)
    assert delivering() == (Status.UNKNOWN, Reason.NO_PODS)


def test_that_pods_are_there_and_run_nobody_yet_is_not_called_no_pods():
    """Mutant: `_nobody` answering NO_PODS for all."""
    found = judge(matched=3, injected=2)
    assert [(it.status, it.reason) for it in found.conditions] == [(Status.UNKNOWN, Reason.PENDING)] * 2
    assert "none of 2 pods with the sidecar runs it yet" in found.conditions[0].message
    assert "kubectl -n shop describe pods -l 'notifychannel.io/inject in (app)'" in found.conditions[1].message
    assert listening(matched=2, injected=0) == (Status.UNKNOWN, Reason.NOT_INJECTED)


def test_a_sidecar_that_does_not_run_is_said_so_and_neither_its_old_session_nor_a_policy_is_blamed():
    """Mutants: `_listens` without `seat.is_stuck`, `_why` without it; `_delivering` asked of all seats."""
    assert listening(None, stuck=(0,), sessions=(0,)) == (Status.FALSE, Reason.NOT_RUNNING)
    assert listening(None, stuck=(0,), sessions=None) == (Status.FALSE, Reason.NOT_RUNNING)
    assert delivering(None, stuck=(0,)) == (Status.UNKNOWN, Reason.PENDING)
    found = judge(GOOD, None, stuck=(1,), starting=(1,))
    assert (found.conditions[0].reason, found.listening) == (Reason.PARTLY, 1)
    assert "NotRunning: " in found.conditions[0].message
    assert "kubectl -n shop describe pods -l notifychannel.io/inject=app" in found.conditions[0].message
    assert (found.conditions[1].status, found.conditions[1].message) == (Status.TRUE, "1 of 1 pods say so")


def test_an_application_that_does_not_take_its_hints_is_said_with_its_answer():
    bad = Sidecar(is_listening=True, deliveries={"orders": (False, "the application answers 503")})
    found = judge(GOOD, bad).conditions[1]
    assert (found.status, found.reason) == (Status.FALSE, Reason.FAILING)
    assert "1: the application answers 503" in found.message


def test_a_channel_that_the_sidecars_do_not_know_yet_is_pending():
    assert delivering(Sidecar(is_listening=True)) == (Status.UNKNOWN, Reason.PENDING)


def test_that_a_pod_which_is_starting_does_not_listen_yet_is_no_event_unless_it_says_why():
    """Each rollout would be a Warning. Mutants: `_why` without is_starting; `_listening` without its {PENDING}."""
    connecting = Sidecar(is_listening=False)
    assert listening(GOOD, connecting) == (Status.FALSE, Reason.PENDING)
    assert listening(GOOD, None, starting=(1,)) == (Status.FALSE, Reason.PENDING)
    assert listening(GOOD, None) == (Status.FALSE, Reason.PARTLY)
    assert listening(GOOD, waits(Reason.NO_SECRET), starting=(1,)) == (Status.FALSE, Reason.PARTLY)
    assert listening(connecting, waits(Reason.NO_SECRET), GOOD) == (Status.FALSE, Reason.PARTLY)


def test_that_a_pod_which_is_starting_does_not_deliver_yet_is_no_failure():
    """The sidecar runs before its application. Mutant: `_delivering` without `not it.seat.is_starting`."""
    found = judge(BAD, starting=(0,))
    assert (found.conditions[1].status, found.conditions[1].reason) == (Status.UNKNOWN, Reason.PENDING)
    assert "1 of 1 pods is starting\n1: connection refused on 127.0.0.1:8080" in found.conditions[1].message
    assert found.delivering == 0
    assert delivering(GOOD, BAD, starting=(1,)) == (Status.TRUE, Reason.DELIVERING)
    assert delivering(GOOD, BAD, starting=(0,)) == (Status.FALSE, Reason.FAILING)
    assert delivering(BAD, BAD, starting=(1,)) == (Status.FALSE, Reason.FAILING)
