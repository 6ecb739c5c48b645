"""Whatever is NOTIFYed: hints, a resync, or nothing; never an error, and what the application is sent is JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifychannel_cli.tail import heard
from notifychannel_sidecar import hints
from notifychannel_sidecar.inbox import relayed
from tests.notification import MIDNIGHT_US, RULES, channel, inbox_with

FUZZ = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
KINDS = {
    "Keys": channel(),
    "Text": channel(format="Text", key=("payload",), rules="", sources=False),
    "Json": channel(format="Json", key=("project_id", "session_id"), rules="", sources=False),
}
JSON_WORDS = st.sampled_from(
    ["[", "]", "{", "}", ",", ":", '"', "\\", "\\ud800", "1e999", "NaN", "-0", "null", "7", "9" * 30, "\x9b", "\n", " "]
)
LINES = st.one_of(
    st.sampled_from(
        [
            "[7,42]",
            "3[7,42]",
            "x[7,42]",
            "[",
            "1[[",
            "[7]",
            "[7,[42]]",
            '["\\u0000","é"]',
            "",
            "0[7,42]",
            "1000000001[7,42]",
        ]
    ),
    st.text(max_size=12),
    st.lists(JSON_WORDS, max_size=9).map("".join),
)
TIMES = st.sampled_from(["0" * 16, "1" * 16, "9" * 16, "1_67225600000000", "\u0661" * 16, "1" * 15, ""])
OURS = st.builds(
    "{}{}{}{}{}{}{}".format,
    st.sampled_from("123"),
    st.sampled_from([RULES, "00000000", "ffffffff", "zzzzzzzz", ""]),
    st.sampled_from("IUDTNX"),
    TIMES,
    TIMES,
    st.sampled_from(["\n", "", "\r\n", "\0"]),
    st.lists(LINES, max_size=4).map("\n".join),
)
NEARLY_OURS = st.builds(
    "{}\n{}".format,
    st.sampled_from([f"1{RULES}I{'1' * 16}", f"2{RULES}U{'1' * 32}", f"2{RULES}T{'1' * 31}x"]),
    st.lists(LINES, min_size=1, max_size=4).map("\n".join),
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["project_id", "session_id", "x"]), inner)
    ),
    max_leaves=6,
).map(json.dumps)
PAYLOADS = st.one_of(st.text(), OURS, NEARLY_OURS, DOCUMENTS, st.lists(JSON_WORDS).map("".join))


@pytest.mark.parametrize("kind", KINDS)
@FUZZ
@given(payloads=st.lists(PAYLOADS, max_size=4))
def test_any_payload_is_a_hint_a_resync_or_nothing_and_never_an_error(kind, payloads):
    """Mutant: `relayed.read` without its question for digits."""
    inbox = inbox_with(KINDS[kind])
    inbox.set_clock(0.0, MIDNIGHT_US)
    for payload in payloads:
        inbox.put("orders", payload, 0.0)
    while (work := inbox.take("orders", 100.0)) is not None:
        for hint in work.hints:
            assert tuple(json.loads(hint.key)) == KINDS[kind].key
            assert hint.count >= 1
            assert hints.timestamp(hint.first_at_us)
        inbox.acknowledge(work, 100.0)
    assert inbox.counts("orders").pending_keys == 0


@pytest.mark.parametrize("kind", KINDS)
@FUZZ
@given(payload=PAYLOADS)
def test_any_payload_is_shown_to_a_person(kind, payload):
    """Mutant: `heard.read` without MalformedKeyError."""
    for each in heard.read(KINDS[kind], payload):
        assert str(each).isprintable()
        assert json.dumps(each.as_json())


@FUZZ
@given(payload=PAYLOADS)
def test_what_is_read_of_a_first_line_is_a_time_and_rules_or_none(payload):
    found, many = hints.header(payload), relayed.read(payload)
    assert found is None or hints.timestamp(found.at_us)
    assert many is None or all(0 < count <= relayed.MOST for count, _ in many.keys)
