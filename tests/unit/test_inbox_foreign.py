"""What others NOTIFY (`Text`, `Json`), and what nobody should."""

from __future__ import annotations

import json

import pytest

from notifychannel_sidecar.clock import Clock
from notifychannel_sidecar.hints import Reason
from notifychannel_sidecar.inbox.inbox import Inbox
from tests.notification import MIDNIGHT_US, RULES, channel, inbox_with, payload

TEXT = channel(format="Text", key=("payload",), rules="", sources=False)
JSON = channel(format="Json", key=("project_id", "session_id"), rules="", sources=False)


def first_key(inbox: Inbox, now: float = 10.0):
    (hint,) = inbox.take("orders", now).hints
    return json.loads(hint.key)


def test_text_is_a_key_and_says_notify():
    inbox = inbox_with(TEXT)
    inbox.set_clock(0.0, MIDNIGHT_US)
    for _ in range(2):
        inbox.put("orders", 'order 42\n"é"', 1.0)
    (hint,) = inbox.take("orders", 2.0).hints
    assert json.loads(hint.key) == {"payload": 'order 42\n"é"'}
    assert (hint.events, hint.count, hint.first_at_us) == (("notify",), 2, MIDNIGHT_US + 1_000_000)


def test_an_empty_text_is_a_bulk_resync_and_not_malformed():
    inbox = inbox_with(TEXT)
    inbox.put("orders", "", 0.0)
    work = inbox.take("orders", 1.0)
    assert (work.reason, work.since_us) == (Reason.BULK, None)
    assert inbox.counts("orders").malformed == 0


def test_before_the_clock_of_the_database_is_known_what_carries_no_time_has_this_machines():
    inbox = Inbox(budget=10, on_due=lambda _: None, clock=Clock(wall_us=lambda: 5))
    inbox.configure([TEXT], 0.0)
    inbox.put("orders", "x", 0.0)
    assert inbox.take("orders", 1.0).hints[0].first_at_us == 5


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ('{"session_id": "a", "project_id": 7, "more": [1]}', {"project_id": 7, "session_id": "a"}),
        ('{"project_id": null, "session_id": true}', {"project_id": None, "session_id": True}),
        (
            '{"project_id": 9007199254740993, "session_id": -9007199254740992}',
            {"project_id": "9007199254740993", "session_id": -(2**53)},
        ),
        ('{"project_id": 1e999, "session_id": 1.5}', {"project_id": "1e999", "session_id": 1.5}),
        ('{"project_id": ' + "9" * 6000 + ', "session_id": 1}', {"project_id": "9" * 6000, "session_id": 1}),
        ('{"project_id": "\\u00e9\\ud800", "session_id": 1}', {"project_id": "é\ud800", "session_id": 1}),
    ],
)
def test_json_is_keyed_by_its_fields_and_numbers_that_are_not_exact_become_strings(document, key):
    inbox = inbox_with(JSON)
    inbox.put("orders", document, 0.0)
    assert first_key(inbox) == key


def test_the_same_fields_merge_whatever_stands_beside_them():
    inbox = inbox_with(JSON)
    inbox.put("orders", '{"project_id": 7, "session_id": 1, "at": 1}', 0.0)
    inbox.put("orders", '{"session_id":1,"project_id":7,"at":2}', 0.0)
    assert inbox.take("orders", 1.0).hints[0].count == 2


@pytest.mark.parametrize(
    "document",
    [
        "",
        "x",
        "[7]",
        "7",
        '{"project_id": 7}',
        '{"project_id": {"a": 1}, "session_id": 1}',
        '{"project_id": [1], "session_id": 1}',
        '{"project_id": NaN, "session_id": 1}',
        "[" * 7000,
        '{"project_id": ' + "[" * 7000,
    ],
)
def test_json_without_the_fields_is_a_bulk_resync_and_counted(document):
    inbox = inbox_with(JSON)
    inbox.put("orders", document, 0.0)
    assert inbox.take("orders", 1.0).reason is Reason.BULK
    assert inbox.counts("orders").malformed == 1


GOOD = payload(42)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "\x00",
        "2" + GOOD[1:],
        GOOD[:20],
        GOOD[:26] + "[7,42]",
        GOOD[:9] + "X" + GOOD[10:],
        GOOD[:10] + "16 digits they'r" + GOOD[26:],
        GOOD[:10] + "١٧٦٧٢٢٥٦٠٠٠٠٠٠٠٠" + GOOD[26:],
        GOOD[:10] + "1_67225600000000" + GOOD[26:],
        GOOD + "\n",
        GOOD + "\nnot json",
        GOOD + "\n[7]",
        GOOD + "\n[7,42,1]",
        GOOD + "\n[7,[42]]",
        GOOD + '\n[7,{"a":1}]',
        GOOD + "\n[7,42]]",
        GOOD + "\n[7 42]",
        GOOD + "\n[7,NaN]",
        GOOD + "\n" + "[" * 7000,
        "1" + RULES + "N" + GOOD[10:],
    ],
)
def test_a_malformed_payload_of_ours_is_a_bulk_resync_and_counted_and_never_a_crash(text):
    """Mutant: no `except MalformedKeyError` in Box._hint; or `int(at)` without microseconds()' questions."""
    inbox = inbox_with()
    inbox.put("orders", text, 0.0)
    works = []
    while (work := inbox.take("orders", 10.0)) is not None:
        inbox.acknowledge(work, 10.0)
        works.append(work)
    assert works[-1].reason is Reason.BULK
    assert works[-1].since_us is None
    assert inbox.counts("orders").malformed == 1
    assert inbox.counts("orders").pending_keys == 0


def test_values_of_a_key_go_through_as_they_were_written():
    inbox = inbox_with()
    written = '[ 1.10000000000000000001 , "a\\u00e9, [x]" ]'
    inbox.put("orders", f"{GOOD[:26]}\n{written}", 0.0)
    (hint,) = inbox.take("orders", 1.0).hints
    assert hint.key == '{"tenant_id": 1.10000000000000000001, "order_id": "a\\u00e9, [x]"}'
