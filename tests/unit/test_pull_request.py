"""What may be asked at /v1/claim and /v1/ack, and every sentence for what may not."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_sidecar.pull import request
from notifychannel_sidecar.pull.request import Acknowledging, BadRequestError, Claiming
from notifychannel_sidecar.pull.silence import silence

NO_CHANNEL = f"channel: is missing or no text; write the channel's name, as in {request.CLAIM_EXAMPLE}"
BAD_CLAIMS = [
    (b"", 'the body: is not JSON; write it as {"channel": "jobs", "max": 10, "wait": 20}'),
    (b"[" * 100_000, 'the body: is not JSON; write it as {"channel": "jobs", "max": 10, "wait": 20}'),
    (b"[]", 'the body: has to be an object; write it as {"channel": "jobs", "max": 10, "wait": 20}'),
    (b"{}", NO_CHANNEL),
    ({"channel": 1}, NO_CHANNEL),
    ({"channel": "jobs", "most": 1}, "most: is no field here; there are channel, max, wait"),
    *[
        ({"channel": "jobs", "max": most}, "max: has to be a whole number from 1 to 1000: how many hints at most")
        for most in (0, 1001, -1, 1.0, "1", True, None)
    ],
    *[
        ({"channel": "jobs", "wait": wait}, "wait: has to be a number of seconds from 0 to 60; then ask again")
        for wait in (-1, 60.5, "1", False, None, float("nan"), float("inf"))
    ],
]  # fmt: skip
BAD_ACKS = [
    (b"nonsense", 'the body: is not JSON; write it as {"done": ["<claim>"], "retry": [], "release": [], "extend": []}'),
    (b"1", f"the body: has to be an object; write it as {request.ACK_EXAMPLE}"),
    ({"error": "x"}, f"the body: names none of done, retry, release and extend; write it as {request.ACK_EXAMPLE}"),
    ({"claims": []}, "claims: is no field here; there are done, retry, release, extend, error"),
    ({"done": "x"}, "done: has to be a list of texts: the `claim` of each"),
    ({"retry": [1]}, "retry: has to be a list of texts: the `claim` of each"),
    ({"extend": {}}, "extend: has to be a list of texts: the `claim` of each"),
    (
        {"done": ["a"], "extend": ["a"]},
        "the body: has a claim in two of done, retry, release and extend; leave it in one",
    ),
    ({"done": [str(it) for it in range(10_001)]}, "the body: has more than 10000 claims; send several"),
    ({"retry": [], "error": 1}, "error: has to be a short text; it is recorded for those in retry"),
]  # fmt: skip


def written(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(("body", "sentence"), BAD_CLAIMS)
def test_a_claim_that_can_not_be_understood_is_told_what_to_write(body, sentence):
    with pytest.raises(BadRequestError) as raised:
        request.claiming(written(body))
    assert str(raised.value) == sentence


@pytest.mark.parametrize(("body", "sentence"), BAD_ACKS)
def test_an_acknowledgement_that_can_not_be_understood_is_told_what_to_write(body, sentence):
    with pytest.raises(BadRequestError) as raised:
        request.acknowledging(written(body))
    assert str(raised.value) == sentence


def test_a_field_that_is_not_known_is_named_without_what_would_move_a_cursor():
    with pytest.raises(BadRequestError) as raised:
        request.claiming(json.dumps({"\x1b[2Jx" + "y" * 1000: 1}).encode())
    assert str(raised.value) == f"[2Jx{'y' * 196}: is no field here; there are channel, max, wait"


def test_a_claim_has_defaults():
    assert request.claiming(b'{"channel": "jobs"}') == Claiming(channel="jobs", most=1, wait_s=0.0)
    assert request.claiming(b'{"channel": "jobs", "max": 1000, "wait": 60}') == Claiming(
        channel="jobs", most=1000, wait_s=60.0
    )


def test_a_claim_that_is_named_twice_in_one_list_is_one():
    assert request.acknowledging(b'{"done": ["a", "a", "b"]}') == Acknowledging(done=("a", "b"))


@pytest.mark.parametrize(
    ("error", "kept"),
    [("no stock", "application: no stock"), (" a\x00\n b\u202e ", "application: a b"), ("\x1b", None), ("", None)],
)
def test_an_error_is_kept_short_and_without_control_characters(error, kept):
    """Mutant: the text as it is: PostgreSQL takes no NUL, a terminal takes the rest."""
    assert request.acknowledging(written({"retry": [], "error": error})).error == kept
    assert len(request.acknowledging(written({"retry": [], "error": "x" * 5000})).error) == 213


@given(st.binary() | st.recursive(st.none() | st.floats() | st.text() | st.integers(), st.lists).map(written))
def test_any_body_is_understood_or_refused_with_a_sentence(body):
    for parse in (request.claiming, request.acknowledging):
        with suppress(BadRequestError):
            parse(body)


@pytest.mark.parametrize(
    ("silent_s", "said"),
    [
        (60.0, None), (61.0, "nobody has claimed for more than a minute"),
        (75.0, "nobody has claimed for more than a minute"),
        (1000.0, "nobody has claimed for more than 15 minutes"), (1e6, "nobody has claimed for more than a day"),
    ],
)  # fmt: skip
def test_silence_is_told_in_words_that_change_seldom(silent_s, said):
    assert silence(silent_s) == said
