"""How soon a channel is looked at again whose pods run and do not listen yet."""

from __future__ import annotations

import pytest

from notifychannel_operator.passes import conditions
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.settling import SOONEST_S, Settling, unsettled
from notifychannel_operator.passes.status import Pods
from notifychannel_operator.passes.whereabouts import Ref

REF, OTHER = Ref("shop", "orders"), Ref("shop", "visits")
LISTENING = conditions.true(Type.LISTENING, Reason.LISTENING)
CONNECTING = conditions.false(Type.LISTENING, Reason.PENDING)
DELIVERING = conditions.true(Type.DELIVERING, Reason.DELIVERING)
UNASKED = conditions.unknown(Type.DELIVERING, Reason.UNKNOWN)


def found(*said, seats=1, generation=1, **pods):
    return unsettled(said, Pods(**pods), seats=seats, generation=generation)


def test_pods_that_have_just_begun_are_looked_at_soon_and_then_ever_more_seldom():
    """Mutant: `max(SOONEST_S, now_s - since_s)` as SOONEST_S alone: a pass each two seconds, for ever."""
    settling, now_s, pauses = Settling(), 100.0, []
    for _ in range(7):
        pauses.append(settling.next_in_s(REF, found(CONNECTING, DELIVERING), now_s))
        now_s += pauses[-1]
    assert pauses == [2, 2, 4, 8, 16, 32, 64]


def test_another_state_of_affairs_begins_anew_and_a_settled_one_ends_it():
    """Mutant: `before != found` as False."""
    settling = Settling()
    settling.next_in_s(REF, found(CONNECTING, DELIVERING), 0.0)
    assert settling.next_in_s(REF, found(CONNECTING, DELIVERING), 40.0) == 40
    assert settling.next_in_s(OTHER, found(CONNECTING, DELIVERING), 40.0) == SOONEST_S
    assert settling.next_in_s(REF, found(CONNECTING, DELIVERING, listening=1), 41.0) == SOONEST_S
    assert settling.next_in_s(REF, None, 42.0) is None
    assert settling.next_in_s(REF, found(CONNECTING, DELIVERING, listening=1), 80.0) == SOONEST_S


@pytest.mark.parametrize(
    ("said", "seats", "is_settled"),
    [
        ((LISTENING, DELIVERING), 1, True),
        ((LISTENING, DELIVERING), 2, False),
        ((LISTENING, UNASKED), 1, False),
        ((CONNECTING, DELIVERING), 1, False),
        ((CONNECTING, UNASKED), 0, True),
    ],
)
def test_only_pods_that_run_are_waited_for(said, seats, is_settled):
    """Mutants: without `not seats`, a channel that has no pods is passed over again and again; without
    `pods.delivering >= seats`, one pod that has just begun is counted a minute later.
    """
    assert (found(*said, seats=seats, delivering=1) is None) is is_settled


def test_a_changed_resource_begins_anew():
    assert found(CONNECTING, generation=1) != found(CONNECTING, generation=2)


def test_a_database_that_is_away_is_asked_again_soon_and_then_ever_more_seldom():
    """A Service of a moment ago refuses for a second. Mutant: only WANTED is looked at."""
    away = conditions.false(Type.TRIGGERS_INSTALLED, Reason.UNREACHABLE)
    settling, now_s, pauses = Settling(), 0.0, []
    for listening in range(6):  # whatever its pods do meanwhile
        pauses.append(settling.next_in_s(REF, found(away, UNASKED, seats=0, listening=listening), now_s))
        now_s += pauses[-1]
    assert pauses == [2, 2, 4, 8, 16, 32]
    assert found(conditions.false(Type.TRIGGERS_INSTALLED, Reason.MISSING_TABLE), seats=0) is None
