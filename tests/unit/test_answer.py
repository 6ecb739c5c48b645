"""Reading an answer: pure."""

from __future__ import annotations

import pytest

from notifychannel_sidecar.deliverer.answer import (
    MAX_BODY_BYTES,
    Fault,
    Outcome,
    Reply,
    judge,
    retry_after_s,
    retry_ids,
    sentence,
)


@pytest.mark.parametrize("hints", [0, 1, 2])
def test_every_status_has_its_line_in_the_table(hints):
    """Mutants in answer.py: `<= 399` for `<= 299`; TROUBLE_STATUSES without 429."""
    for status in range(200, 600):
        outcome = judge(Reply(status=status), hints=hints, retried=0)
        if status < 300:
            assert outcome is Outcome.ACKNOWLEDGED
        elif status in (429, 502, 503, 504):
            assert outcome is Outcome.TROUBLE
        else:
            assert outcome is (Outcome.ONE_BY_ONE if hints == 2 else Outcome.FAILED)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.REFUSED, Outcome.TROUBLE),
        (Fault.RESET, Outcome.TROUBLE),
        (Fault.TIMEOUT, Outcome.FAILED),
        (Fault.NOT_HTTP, Outcome.FAILED),
    ],
)
def test_every_fault_has_its_line_in_the_table(fault, outcome):
    """Mutant: `judge` without Fault.RESET."""
    assert judge(Reply(fault=fault), hints=1, retried=0) is outcome


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (b'{"retry": ["a", "b", 7, null]}', {"a", "b"}),
        (b'{"retry": "a"}', set()),
        (b'{"retry": {"a": 1}}', set()),
        (b'["retry"]', set()),
        (b"", set()),
        (b"OK", set()),
        (b"\xff\xfe\x00", set()),
        (b'{"retry": ' + b"[" * 60000, set()),
        (b'{"retry": ["a"', set()),
    ],
)
def test_only_a_list_of_ids_is_read_from_a_body(body, ids):
    """Mutants in retry_ids: RecursionError not caught; no `isinstance(wanted, list)`."""
    assert retry_ids(body) == ids


@pytest.mark.parametrize(
    ("body", "hints", "outcome"),
    [
        (b'\n{"retry": [', 2, Outcome.ONE_BY_ONE),
        (b'{"retry": [', 1, Outcome.ACKNOWLEDGED),
        (b'{"retry": [', 0, Outcome.ACKNOWLEDGED),
        (b"<html>", 2, Outcome.ACKNOWLEDGED),
    ],
)
def test_a_cut_body_acknowledges_no_batch_that_it_may_have_named(body, hints, outcome):
    """Mutant: `judge` without `is_cut_object`."""
    cut = body.ljust(MAX_BODY_BYTES + 1)
    assert judge(Reply(status=200, body=cut), hints=hints, retried=0) is outcome
    assert judge(Reply(status=200, body=cut[:-1]), hints=hints, retried=0) is Outcome.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("86400", 30.0),
        ("9" * 400, 30.0),
        ("-3", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:50 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:00:50 GMT", 0.0),
        ("Thu, 01 Jan 2099 00:00:50 GMT", 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_up_to_the_poll_interval(value, seconds):
    """Mutants in retry_after_s: no `min` with the longest; ValueError not caught."""
    assert retry_after_s(value, unix_time=100.0, poll_interval=30.0) == seconds


def test_where_polls_are_off_retry_after_is_bounded_all_the_same():
    """Mutant: `longest_s = poll_interval`."""
    assert retry_after_s("600", unix_time=0.0, poll_interval=0.0) == 30.0
    assert retry_after_s("600", unix_time=0.0, poll_interval=120.0) == 120.0


def test_the_sentence_names_status_or_address_and_never_the_body():
    """Mutant: `{reply.body!r}` in sentence."""
    replies = [Reply(status=500, body=b"secret"), *(Reply(fault=fault, body=b"secret") for fault in Fault)]
    sentences = [sentence(reply, address="127.0.0.1:8080", timeout_s=2.0) for reply in replies]
    assert sentences[0] == "the application answers 500"
    assert "connection refused on 127.0.0.1:8080" in sentences
    assert "no answer on 127.0.0.1:8080 within 2 s" in sentences
    assert len(set(sentences)) == 5
    assert not any("secret" in text for text in sentences)
