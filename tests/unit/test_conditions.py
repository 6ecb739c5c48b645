"""Conditions: bounded messages, times that stand still, and a page that lists every reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notifychannel_operator.passes import conditions
from notifychannel_operator.passes.conditions import Condition, Reason, Status, Type

PAGE = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text()
NOW = "2026-01-01T00:00:00Z"


def said(type_, status, reason=Reason.PENDING, message=""):
    return Condition(type=type_, status=status, reason=reason, message=message)


def all_true():
    return [said(type_, Status.TRUE, Reason.ACCEPTED) for type_ in Type if type_ is not Type.READY]


def test_the_page_lists_every_condition_and_every_reason_and_no_other():
    """A table per condition: | reason | status | … |."""
    for type_ in Type:
        assert f"## {type_.value}\n" in PAGE
    reasons = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", PAGE, re.MULTILINE))
    assert reasons == {reason.value for reason in Reason}


def test_a_message_holds_each_sentence_once_one_a_line():
    assert conditions.bounded(["a", "b", "a", ""]) == "a\nb"


def test_a_name_with_a_line_break_makes_no_line_of_its_own():
    """Mutant: `_line` without isprintable."""
    assert conditions.bounded(["there is no table a\nReady: True\x1b[2J"]) == "there is no table a Ready: True [2J"


@pytest.mark.parametrize("count", [1, 20, 21, 500])
def test_however_much_is_wrong_the_api_takes_the_message_and_a_person_can_read_it(count):
    """Mutant: `bounded` without MAX_SENTENCES, or MAX_SENTENCE."""
    message = conditions.bounded(f"{number} " + "x" * 100_000 for number in range(count))
    assert len(message) <= 32_768
    assert len(message.splitlines()) <= 21
    assert message.endswith(f"and {count - 20} more") == (count > 20)


def test_the_time_stands_still_while_the_status_does():
    """Mutant: `at` always."""
    first = conditions.merged([], [said(Type.READY, Status.FALSE)], generation=1, at=NOW)
    other = said(Type.READY, Status.FALSE, Reason.CONFLICT, "another message")
    again = conditions.merged(first, [other], generation=2, at="2026-01-01T09:00:00Z")
    assert (again[0]["lastTransitionTime"], again[0]["reason"], again[0]["observedGeneration"]) == (NOW, "Conflict", 2)
    true = conditions.merged(again, [said(Type.READY, Status.TRUE)], generation=2, at="2026-01-01T09:00:00Z")
    assert true[0]["lastTransitionTime"] == "2026-01-01T09:00:00Z"


def test_ready_names_the_first_that_stands_in_the_way():
    found = all_true()
    found[2] = said(Type.TRIGGERS_INSTALLED, Status.FALSE, Reason.LOCKED_OUT, "by pid 7")
    found[4] = said(Type.LISTENING, Status.FALSE, Reason.PARTLY)
    made = conditions.ready(found, is_suspended=False)
    assert (made.status, made.reason, made.message) == (
        Status.FALSE, Reason.LOCKED_OUT, "TriggersInstalled: by pid 7",
    )  # fmt: skip


@pytest.mark.parametrize("type_", [type_ for type_ in Type if type_ is not Type.READY])
def test_ready_needs_every_condition_but_an_unknown_delivering(type_):
    """Where /status is out of reach the sessions tell that it listens. Mutant: Delivering=False passing too."""
    for status in (Status.FALSE, Status.UNKNOWN):
        found = [said(type_, status) if it.type is type_ else it for it in all_true()]
        passes = type_ is Type.DELIVERING and status is Status.UNKNOWN
        assert (conditions.ready(found, is_suspended=False).status is Status.TRUE) == passes


def test_events_tell_what_is_new_and_neither_ready_nor_a_first_unknown():
    before = conditions.merged([], [said(Type.ACCEPTED, Status.TRUE, Reason.ACCEPTED)], generation=1, at=NOW)
    now = [
        said(Type.ACCEPTED, Status.TRUE, Reason.ACCEPTED, "other words"),
        said(Type.LISTENING, Status.UNKNOWN, Reason.NO_PODS),
        said(Type.TRIGGERS_INSTALLED, Status.FALSE, Reason.LOCKED_OUT),
        said(Type.READY, Status.FALSE, Reason.LOCKED_OUT),
    ]
    assert [it.type for it in conditions.changed(before, now)] == [Type.TRIGGERS_INSTALLED]
