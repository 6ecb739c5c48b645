"""When the database is called for a durable channel, on the number line of a clock."""

from __future__ import annotations

import itertools
import math

from notifychannel_sidecar.durable.agenda import (
    ASK_AGAIN_S,
    BEAT_S,
    COUNT_S,
    ENTER_AGAIN_S,
    ESCALATE_S,
    IN_VAIN_S,
    LOOK_S,
    NOT_NOW_AT_MOST_S,
    Agenda,
)
from notifychannel_sidecar.durable.hold import Hold
from notifychannel_sidecar.hints import Reason
from tests.notification import channel, payload
from tests.unit.test_durable_hold import claim


def entered(now=100.0, **settings):
    """An agenda that has looked for what is due and counted, and found nothing."""
    agenda = Agenda(Hold(channel(**settings), epochs=itertools.count()))
    agenda.entered(1, now)
    agenda.begin_claim(now)
    agenda.exchanged([], [], 200, now)
    agenda.called(now, None, now, in_vain=True, timeout_s=agenda.hold.config.timeout)
    agenda.counted(None, now, now)
    return agenda


def test_it_enters_at_once_and_again_when_the_queue_does_not_know_it_yet():
    agenda = Agenda(Hold(channel(), epochs=itertools.count()))
    assert agenda.next_at == -math.inf
    agenda.entered(None, 100.0)
    assert agenda.next_at == 100.0 + ENTER_AGAIN_S
    agenda.entered(1, 101.0)
    assert agenda.next_at <= 101.0


def test_with_nothing_to_do_it_looks_every_few_seconds():
    """Rows that another pod has let go of are nobody's news. Mutant: LOOK_S is infinite."""
    assert entered().next_at == 100.0 + LOOK_S


def test_what_is_heard_is_claimed_when_it_has_rested():
    agenda = entered(window=0.25)
    assert agenda.heard(payload(1), 101.0)
    assert not agenda.heard(payload(1), 101.1), "the first is earlier"
    assert agenda.next_at == 101.25
    assert agenda.begin_claim(101.2) == 0
    assert agenda.begin_claim(101.25) > 0


def test_what_is_heard_during_a_call_is_a_reason_for_the_next():
    """The call may have looked before it was committed. Mutant: no `claim_at = inf` in `begin_claim`."""
    agenda = entered(window=0.25)
    agenda.heard(payload(1), 101.0)
    agenda.begin_claim(101.25)
    assert agenda.heard(payload(2), 101.26)
    agenda.called(101.25, None, 101.3, in_vain=False)
    assert agenda.claim_at == 101.51


def test_the_queue_says_when_the_next_is_due_and_a_call_in_vain_is_not_repeated_at_once():
    agenda = entered()
    agenda.begin_claim(105.0)
    agenda.called(105.0, 1.5, 105.1, in_vain=False)
    assert agenda.claim_at == 106.6
    agenda.begin_claim(106.6)
    agenda.called(106.6, 0.0, 106.6, in_vain=True)
    assert agenda.claim_at == 106.6 + IN_VAIN_S
    agenda.begin_claim(107.0)
    agenda.called(107.0, 0.0, 107.0, in_vain=True)
    assert agenda.claim_at == 107.0 + 2 * IN_VAIN_S
    agenda.begin_claim(108.0)
    agenda.called(108.0, 0.0, 108.0, in_vain=False)
    agenda.begin_claim(108.0)
    agenda.called(108.0, 0.0, 108.0, in_vain=True)
    assert agenda.claim_at == 108.0 + IN_VAIN_S
    agenda.begin_claim(109.0)
    agenda.called(109.0, 1e6, 109.0, in_vain=False)
    assert agenda.claim_at == 109.0 + LOOK_S


def test_a_claimer_says_by_its_first_call_how_long_its_posts_may_take():
    """The one before it may have said so, of itself. Mutant: told_timeout_s that `lose` keeps."""
    agenda = entered(timeout=5.0)
    agenda.hold.configure(channel(timeout=60.0))
    assert agenda.next_at == -math.inf
    agenda.called(101.0, None, 101.0, in_vain=False, timeout_s=60.0)
    assert agenda.next_at > 101.0
    agenda.lose()
    agenda.entered(2, 102.0)
    agenda.hold.proven_s = 102.0
    assert agenda.beat_at == -math.inf
    agenda.called(102.0, None, 102.0, in_vain=False, timeout_s=60.0)
    assert agenda.beat_at == 102.0 + LOOK_S


def test_claims_are_beaten_for():
    agenda = entered()
    agenda.hold.claimed([claim(1)], 1, 100.0)
    assert agenda.next_at == 100.0 + BEAT_S


def test_what_became_of_claims_is_told_at_once():
    agenda = entered()
    agenda.hold.claimed([claim(1)], 1, 100.0)
    agenda.hold.acknowledge(agenda.hold.take(100.0), frozenset())
    assert agenda.next_at == -math.inf


def test_nothing_is_claimed_while_the_endpoint_is_in_trouble():
    agenda = entered(window=0.0)
    agenda.hold.quiet_until = 103.0
    agenda.heard(payload(1), 101.0)
    assert (agenda.next_at, agenda.begin_claim(102.0)) == (103.0, 0)
    assert agenda.begin_claim(103.0) > 0


def test_strange_payloads_ask_for_one_resync_at_a_time():
    agenda = entered()
    for _ in range(3):
        assert agenda.heard(payload(1, rules="00000000"), 101.0)
    assert agenda.next_at <= 101.0
    assert agenda.asking(101.0) is Reason.RULES
    agenda.asked()
    assert agenda.asking(101.0) is None
    agenda.heard("nonsense", 102.0)
    assert (agenda.asking(102.0), agenda.next_at) == (None, min(101.0 + ASK_AGAIN_S, 100.0 + LOOK_S))
    assert agenda.asking(101.0 + ASK_AGAIN_S) is Reason.RULES


def test_a_key_that_nobody_can_read_is_asked_for_without_delay():
    """Its claim is about to be settled: if the resync came later, an end between the two would lose it."""
    agenda = entered()
    agenda.ask(Reason.SKIPPED)
    assert agenda.asking(101.0) is Reason.SKIPPED
    agenda.asked()
    agenda.hold.asks = Reason.RULES
    assert agenda.next_at == -math.inf
    assert agenda.asking(101.1) is Reason.RULES


def test_a_resync_is_asked_for_again_where_the_session_failed_before_the_queue_had_it():
    """Mutant: `asking` that forgets it."""
    agenda = entered()
    agenda.ask(Reason.SKIPPED)
    agenda.hold.asks = Reason.RULES
    wanted = agenda.asking(101.0)
    assert agenda.next_at == -math.inf
    agenda.lose()
    agenda.entered(2, 102.0)
    assert agenda.asking(102.0) is wanted
    agenda.asked()
    assert agenda.asking(102.0) is None


def test_what_is_asked_for_while_the_queue_is_being_asked_is_asked_for_after_it():
    """Mutant: `asked` that forgets what the hold asks for."""
    agenda = entered()
    agenda.hold.asks = Reason.RULES
    agenda.asking(101.0)
    agenda.hold.asks = Reason.RULES
    agenda.asked()
    assert agenda.asking(101.1) is Reason.RULES
    agenda.asked()
    assert agenda.next_at > 101.1


def test_it_leaves_when_all_is_answered_and_told():
    agenda = entered()
    agenda.hold.claimed([claim(1)], 1, 100.0)
    work = agenda.hold.take(100.0)
    agenda.close()
    assert (agenda.may_leave, agenda.has_left) == (False, False)
    agenda.hold.acknowledge(work, frozenset())
    assert not agenda.may_leave
    agenda.hold.settlements.take(100.0)
    assert (agenda.may_leave, agenda.next_at) == (True, -math.inf)


def test_one_that_never_entered_or_lost_its_session_has_left():
    agenda = Agenda(Hold(channel(), epochs=itertools.count()))
    agenda.close()
    assert agenda.has_left
    other = entered()
    other.hold.claimed([claim(1)], 1, 100.0)
    other.close()
    other.lose()
    assert other.has_left


def test_a_queue_that_takes_long_to_count_is_counted_seldom():
    agenda = entered()
    agenda.counted(None, 100.0, 100.1)
    assert agenda.count_at == 100.1 + COUNT_S
    agenda.counted(None, 100.0, 102.0)
    assert agenda.count_at > 300.0


def test_somebody_to_tell_of_what_waits_too_long_is_asked_for_every_few_seconds():
    agenda = entered(escalation_path="/escalations")
    assert agenda.next_at <= 100.0
    agenda.escalate_at = 103.0
    assert agenda.next_at == 103.0
    agenda.told.append("[1]")
    assert agenda.next_at == 100.0


def test_what_the_server_would_not_mark_as_told_is_said_later_each_time_and_not_forgotten():
    """Mutants: next_at without mark_at; no doubling; `marked` that forgets all, or keeps the wait."""
    agenda = entered(escalation_path="/escalations")
    agenda.escalate_at = 1000.0
    agenda.told += ["[1]", "[2]"]
    for wait_s in (ESCALATE_S, 2 * ESCALATE_S):
        agenda.not_marked(100.0)
        assert agenda.mark_at == 100.0 + wait_s
    assert agenda.next_at == 100.0 + LOOK_S
    agenda.lose()
    agenda.entered(2, 102.0)
    assert (agenda.told, agenda.next_at <= 102.0) == (["[1]", "[2]"], True)
    agenda.marked(1)
    assert (agenda.told, agenda.escalated) == (["[2]"], 1)
    agenda.not_marked(100.0)
    assert agenda.mark_at == 100.0 + ESCALATE_S


def test_what_the_server_would_not_count_is_counted_later_each_time_and_soon_again_after_a_success():
    """Mutant: no doubling; no bound; `counted` that keeps the wait."""
    agenda, waits = entered(), []
    for _ in range(6):
        agenda.not_counted(200.0)
        waits.append(agenda.count_at - 200.0)
    assert waits == [COUNT_S, 2 * COUNT_S, 4 * COUNT_S, 8 * COUNT_S, 16 * COUNT_S, NOT_NOW_AT_MOST_S]
    agenda.counted(None, 200.0, 200.0)
    agenda.not_counted(200.0)
    assert agenda.count_at == 200.0 + COUNT_S


def test_what_the_server_would_not_name_is_asked_for_later_each_time():
    agenda = entered(escalation_path="/escalations")
    for wait_s in (ESCALATE_S, 2 * ESCALATE_S):
        agenda.not_named(200.0)
        assert agenda.escalate_at == 200.0 + wait_s
    agenda.named()
    agenda.not_named(200.0)
    assert agenda.escalate_at == 200.0 + ESCALATE_S


def test_what_can_wait_is_put_off_and_never_put_forward():
    agenda = entered(escalation_path="/escalations")
    agenda.spare(110.0)
    assert (agenda.escalate_at, agenda.mark_at, agenda.count_at) == (110.0, 110.0, 100.0 + COUNT_S)
