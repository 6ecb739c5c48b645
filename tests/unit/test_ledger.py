"""The checker's judgement: what it calls lost, doubled, out of order, never written or never asked for."""

from __future__ import annotations

import pytest

from tests.checker.kills import DUPLICATE_S, FLIGHT_S, NOTICE_S, RESYNC_S, Kill
from tests.checker.ledger import Ledger

TABLE = {1: 5, 2: 0}
ONE = {1: "a-0123456789ab"}
KILLED_S = 100.0


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def reader(ledger):
    """Who has been told everything."""
    made = ledger.reader()
    tell(made, {**ONE, 2: "b-0123456789ab"}, TABLE)
    return made


def tell(reader, hints, read, *, pod="a", posted_s=0.0, now_s=0.0):
    reader.acknowledge(hints, read, pod=pod, posted_s=posted_s, now_s=now_s)


def look(reader, table, *, reason="reconnect", pod="a", posted_s):
    reader.resync(reason, table, reader.begin_resync(), pod=pod, posted_s=posted_s)


def kill(ledger, **what):
    return ledger.kills.add(Kill(**{"began_s": KILLED_S, "ended_s": KILLED_S, **what}), "thing")


def test_who_knows_every_row_has_lost_nothing(ledger, reader):
    verdict = ledger.judge(TABLE)
    assert verdict.is_clean
    assert verdict.acknowledged == 2


@pytest.mark.parametrize("table", [{1: 6, 2: 0}, {1: 5}, {1: 5, 2: 0, 3: 0}], ids=["changed", "deleted", "inserted"])
def test_a_row_that_one_reader_knows_otherwise_is_lost_whatever_it_is_told_later(ledger, reader, table):
    tell(ledger.reader(), dict.fromkeys(table, "c-x"), table)
    assert len(ledger.judge(table).lost) == 1
    look(reader, table, posted_s=0.0)
    verdict = ledger.judge(table)
    assert len(verdict.lost) == 1
    assert not verdict.is_clean


def test_a_row_that_was_read_as_gone_is_known(ledger, reader):
    tell(reader, {2: "c-x"}, {})
    assert ledger.judge({1: 5}).is_clean


def test_a_change_that_only_a_resync_told_is_lost_where_no_kill_explains_the_resync(ledger, reader):
    """Mutant: `Look.excuses` is always true."""
    ledger.changed([1], sent_s=10.0, now_s=11.0)
    look(reader, {**TABLE, 1: 6}, posted_s=12.0)
    verdict = ledger.judge({**TABLE, 1: 6})
    assert verdict.hidden == {1}
    assert verdict.unasked == {"reconnect": 1}


@pytest.mark.parametrize(
    ("sent_s", "known_s", "is_excused"),
    [
        (KILLED_S + 1, KILLED_S + 2, True),
        (KILLED_S - FLIGHT_S, KILLED_S - FLIGHT_S, True),
        (KILLED_S - FLIGHT_S - 2, KILLED_S - FLIGHT_S - 1, False),
        (KILLED_S + 4, KILLED_S + 5, False),
    ],
    ids=["while it was away", "on its way then", "long before", "after the resync was POSTed"],
)
def test_a_kill_excuses_only_what_was_changed_in_its_gap(ledger, reader, sent_s, known_s, is_excused):
    """Mutants: no `FLIGHT_S`; `excuses` without the time of the POST."""
    kill(ledger, pod="a", resync="reconnect")
    ledger.changed([2], sent_s=KILLED_S, now_s=KILLED_S)
    tell(reader, {2: "c-x"}, TABLE, now_s=KILLED_S - 0.1)
    ledger.changed([1], sent_s=sent_s, now_s=known_s)
    look(reader, {**TABLE, 1: 6}, posted_s=KILLED_S + 3)
    verdict = ledger.judge({**TABLE, 1: 6})
    assert not verdict.unasked
    assert (not verdict.hidden, verdict.looked) == (is_excused, is_excused)


def test_what_was_changed_before_a_kill_may_be_on_its_way_for_as_long_as_nothing_later_was_hinted(ledger, reader):
    """Mutants: `_front` of now, not of the kill; FLIGHT_S before the kill."""
    for key in (1, 2):
        ledger.changed([key], sent_s=10.0 * key, now_s=10.0 * key)
    tell(reader, {2: "c-x"}, {2: 1}, now_s=KILLED_S - 1)
    kill(ledger, pod="a", resync="reconnect")
    ledger.changed([3], sent_s=KILLED_S + 1, now_s=KILLED_S + 1)
    tell(reader, {3: "d-x"}, {3: 0}, now_s=KILLED_S + 2)
    table = {1: 6, 2: 1, 3: 0}
    look(reader, table, posted_s=KILLED_S + 3)
    assert ledger.judge(table).is_clean


def test_a_change_that_a_resync_saw_by_chance_is_excused_by_a_later_one_that_was_due_for_it(ledger, reader):
    """It was committed between POST and look, and its hint was killed with the sidecar. Mutant: only news count."""
    kill(ledger, pod="a", resync="reconnect")
    kill(ledger, pod="a", resync="start", began_s=KILLED_S + 4, ended_s=KILLED_S + 5)
    ledger.changed([1], sent_s=KILLED_S + 2, now_s=KILLED_S + 3)
    look(reader, {**TABLE, 1: 6}, posted_s=KILLED_S + 1)
    look(reader, {**TABLE, 1: 6}, reason="start", posted_s=KILLED_S + 6)
    assert ledger.judge({**TABLE, 1: 6}).is_clean


def test_what_a_resync_told_is_known_by_its_own_hint_too(ledger, reader):
    look(reader, {**TABLE, 1: 6}, posted_s=12.0)
    tell(reader, {1: "c-x"}, {1: 6})
    assert ledger.judge({**TABLE, 1: 6}).hidden == set()


def test_of_a_change_of_which_nobody_knows_whether_it_was_made_the_kinder_time_counts(ledger, reader):
    """Mutant: the time of its COMMIT is the later one."""
    kill(ledger, resync="reconnect")
    ledger.changed([1], sent_s=KILLED_S, now_s=KILLED_S)
    look(reader, {**TABLE, 1: 6}, posted_s=KILLED_S + 1)
    ledger.may_have_changed([1], sent_s=KILLED_S + 2, now_s=KILLED_S + 3)
    assert ledger.judge({**TABLE, 1: 6}).is_clean


def test_each_kill_explains_one_resync_of_each_of_its_pods_and_of_its_reason_within_its_time(ledger):
    """Mutants: `resync` without what was answered; without the reason; without the pod; without RESYNC_S."""
    kill(ledger, pod="a", resync="start")
    server = kill(ledger, resync="reconnect")
    kill(ledger)
    answers = [
        ledger.kills.resync("a", "reconnect", KILLED_S - 1),
        ledger.kills.resync("a", "reconnect", KILLED_S + RESYNC_S + 1),
        ledger.kills.resync("a", "rules", KILLED_S),
        ledger.kills.resync("b", "start", KILLED_S),
    ]
    assert answers == [None] * 4
    assert [ledger.kills.resync(pod, "reconnect", KILLED_S + 1) for pod in "abab"] == [server, server, None, None]


def test_only_whole_stretches_without_a_kill_are_calm(ledger, reader):
    for killed in (False, True, False):
        if killed:
            kill(ledger)
        ledger.changed([1, 2], sent_s=0.0, now_s=0.0)
        ledger.judge(TABLE)
    assert (ledger.verdict().changes, ledger.verdict().calm) == (6, 4)


def test_a_stretch_owes_nothing_to_the_kills_before_it(ledger, reader):
    kill(ledger, resync="reconnect")
    ledger.judge(TABLE)
    look(reader, TABLE, posted_s=KILLED_S + 1)
    assert ledger.judge(TABLE).unasked == {"reconnect": 1}


def test_the_same_hint_again_is_a_duplicate_which_only_a_kill_of_its_claims_explains(ledger, reader):
    kill(ledger, pod="b", claims=True)
    kill(ledger, pod="a", resync="reconnect")
    tell(reader, ONE, TABLE, pod="b", now_s=KILLED_S + 1)
    assert (ledger.verdict().duplicates, ledger.verdict().unexplained) == (1, 1)
    kill(ledger, pod="a", claims=True)
    tell(reader, ONE, TABLE, pod="b", now_s=KILLED_S + 1)
    assert (ledger.verdict().duplicates, ledger.verdict().unexplained) == (2, 1)


@pytest.mark.parametrize(
    ("posted_s", "again_s", "is_explained"),
    [
        (KILLED_S + NOTICE_S, KILLED_S + 5, True),
        (KILLED_S + NOTICE_S + 1, KILLED_S + 5, False),
        (KILLED_S - 2, KILLED_S - 1, False),
        (KILLED_S - 2, KILLED_S + DUPLICATE_S, True),
        (KILLED_S - 2, KILLED_S + DUPLICATE_S + 1, False),
    ],
    ids=["it had not noticed", "first POSTed after the kill", "again before it", "late", "too late"],
)
def test_a_kill_explains_a_duplicate_only_between_its_two_deliveries(ledger, posted_s, again_s, is_explained):
    """Mutants: `explain_duplicate` without one of its three times."""
    kill(ledger, pod="a", claims=True)
    reader = ledger.reader()
    tell(reader, ONE, TABLE, posted_s=posted_s)
    tell(reader, ONE, TABLE, posted_s=again_s, now_s=again_s)
    assert ledger.verdict().duplicates == 1
    assert ledger.verdict().unexplained == (not is_explained)


def test_the_same_hint_in_a_later_stretch_is_out_of_order(ledger, reader):
    """Mutant: only older ones are."""
    ledger.judge(TABLE)
    tell(reader, ONE, TABLE)
    assert ledger.judge(TABLE).backwards == 1


def test_an_older_hint_after_a_newer_one_is_out_of_order(ledger, reader):
    tell(reader, {1: "9-0123456789ab"}, TABLE)
    assert ledger.judge(TABLE).backwards == 1


def test_an_older_row_after_a_newer_one_is_out_of_order(ledger, reader):
    tell(reader, {1: "k9-x"}, {1: 4})
    assert ledger.judge({1: 4, 2: 0}).backwards == 1


def test_a_key_in_two_requests_at_once_is_seen(ledger, reader):
    reader.begin([1, 2])
    reader.begin([2])
    assert ledger.verdict().overlaps == 1
    reader.give_up([1, 2])
    reader.begin([1, 2])
    assert ledger.verdict().overlaps == 1


def test_a_key_of_what_was_rolled_back_is_never_hinted_and_never_in_the_table(ledger, reader):
    ledger.took_back([7, 8])
    ledger.hinted([1, 7])
    assert ledger.judge({**TABLE, 8: 0}).phantoms == {7, 8}


def test_a_resync_knows_every_row_but_what_others_were_told_while_it_read(ledger, reader):
    """Mutant: `resync` takes the whole table."""
    kill(ledger, resync="reconnect")
    ledger.changed([3], sent_s=KILLED_S, now_s=KILLED_S)
    meanwhile = reader.begin_resync()
    tell(reader, {1: "c-x", 2: "d-x"}, {1: 6})
    reader.resync("reconnect", {1: 5, 2: 0, 3: 7}, meanwhile, pod="a", posted_s=KILLED_S + 1)
    verdict = ledger.judge({1: 6, 3: 7})
    assert verdict.is_clean
    assert (verdict.looked, verdict.resyncs) == (1, {"reconnect": 1})


def test_a_key_was_hinted_only_where_no_resync_told_it_or_is_to_come(ledger, reader):
    assert reader.was_hinted(1, 5)
    assert not reader.was_hinted(1, 6)
    meanwhile = reader.begin_resync()
    assert not reader.was_hinted(1, 5)
    reader.refuse_resync(meanwhile)
    assert not reader.was_hinted(1, 5)
    look(reader, {**TABLE, 2: 1}, posted_s=0.0)
    assert reader.was_hinted(1, 5)
    assert not reader.was_hinted(2, 1)
