"""The checker's judgement: what it calls lost, doubled, out of order or never written."""

from __future__ import annotations

import pytest

from tests.checker.ledger import AFTERMATH_S, Ledger

TABLE = {1: 5, 2: 0}


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def reader(ledger):
    """Who has been told everything."""
    made = ledger.reader()
    made.acknowledge({1: "a-0123456789ab", 2: "b-0123456789ab"}, TABLE, after_kill=False)
    return made


def test_who_knows_every_row_has_lost_nothing(ledger, reader):
    verdict = ledger.verdict(TABLE)
    assert verdict.is_clean
    assert verdict.acknowledged == 2


@pytest.mark.parametrize("table", [{1: 6, 2: 0}, {1: 5}, {1: 5, 2: 0, 3: 0}], ids=["changed", "deleted", "inserted"])
def test_a_row_that_one_reader_knows_otherwise_is_lost(ledger, reader, table):
    other = ledger.reader()
    other.resync("start", table, other.begin_resync())
    verdict = ledger.verdict(table)
    assert len(verdict.lost) == 1
    assert not verdict.is_clean


def test_a_row_that_was_read_as_gone_is_known(ledger, reader):
    reader.acknowledge({2: "c-x"}, {}, after_kill=False)
    assert ledger.verdict({1: 5}).is_clean


def test_the_same_hint_again_is_a_duplicate_which_only_a_kill_explains(ledger, reader):
    reader.acknowledge({1: "a-0123456789ab"}, TABLE, after_kill=True)
    verdict = ledger.verdict(TABLE)
    assert (verdict.duplicates, verdict.unexplained, verdict.is_clean) == (1, 0, True)
    reader.acknowledge({1: "a-0123456789ab"}, TABLE, after_kill=False)
    assert not ledger.verdict(TABLE).is_clean


def test_a_kill_explains_what_comes_within_its_aftermath(ledger):
    ledger.disturbed(100.0)
    assert ledger.after_kill(100.0 + AFTERMATH_S - 1)
    assert not ledger.after_kill(100.0 + AFTERMATH_S + 1)


def test_an_older_hint_after_a_newer_one_is_out_of_order(ledger, reader):
    reader.acknowledge({1: "9-0123456789ab"}, TABLE, after_kill=True)
    assert ledger.verdict(TABLE).backwards == 1


def test_an_older_row_after_a_newer_one_is_out_of_order(ledger, reader):
    reader.acknowledge({1: "k9-x"}, {1: 4}, after_kill=True)
    assert ledger.verdict({1: 4, 2: 0}).backwards == 1


def test_a_key_in_two_requests_at_once_is_seen(ledger, reader):
    reader.begin([1, 2])
    reader.begin([2])
    assert ledger.verdict(TABLE).overlaps == 1
    reader.give_up([1, 2])
    reader.begin([1, 2])
    assert ledger.verdict(TABLE).overlaps == 1


def test_a_key_of_what_was_rolled_back_is_never_hinted_and_never_in_the_table(ledger, reader):
    ledger.took_back([7, 8])
    ledger.hinted([1, 7])
    assert ledger.verdict(TABLE).phantoms == {7}
    assert ledger.verdict({**TABLE, 8: 0}).phantoms == {7, 8}


def test_a_resync_knows_every_row_but_what_others_were_told_while_it_read(ledger, reader):
    """Mutant: `resync` takes the whole table."""
    meanwhile = reader.begin_resync()
    reader.acknowledge({1: "c-x", 2: "d-x"}, {1: 6}, after_kill=False)
    reader.resync("rules", {1: 5, 2: 0, 3: 7}, meanwhile)
    assert ledger.verdict({1: 6, 3: 7}).is_clean
    assert ledger.verdict({1: 6, 3: 7}).resyncs == {"rules": 1}


def test_a_session_that_a_sidecar_gave_up_explains_as_a_kill_does_and_is_counted(ledger):
    ledger.gave_up(0, 100.0)
    assert not ledger.after_kill(100.0)
    ledger.gave_up(1, 100.0)
    assert ledger.after_kill(100.0)
    ledger.gave_up(1, 500.0)
    assert not ledger.after_kill(500.0)
    assert sum(ledger.verdict({}).kills.values()) == 1
