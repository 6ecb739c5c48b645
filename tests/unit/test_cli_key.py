"""Keys as people write them, and values as they are shown to people."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest

from notifychannel_cli import shown
from notifychannel_cli.key import KeyParameter
from notifychannel_cli.replay.way import MOST_BYTES, bodies


def key(text):
    return KeyParameter().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('{"b": "x", "a": 7}', '[7,"x"]'),
        ('[7, "x"]', '[7,"x"]'),
        ('[7, "\\u00e4 \\"\\\\ \\n"]', '[7,"ä \\"\\\\ \\n"]'),
        ('["9007199254740993", null]', '["9007199254740993",null]'),
        ("[1.50, true]", "[1.50,true]"),
        ("[1]", None),
        ('{"a": 1, "c": 2}', None),
    ],
)
def test_a_key_by_name_or_in_order_is_printed_as_payloads_have_it(text, printed):
    assert key(text).printed(["a", "b"]) == printed


def test_values_in_order_are_believed_where_nobody_knows_the_names_and_names_are_not():
    assert key("[1, 2]").printed(None) == "[1,2]"
    assert key('{"a": 1}').printed(None) is None


@pytest.mark.parametrize("text", ["42", "", "[]", "{}", "id=42", '[{"a": 1}]', "NaN", '"x"'])
def test_what_is_no_key_is_refused_with_what_to_write_instead(text):
    with pytest.raises(click.UsageError, match=r'\{"order_id": 42\}'):
        key(text)


def test_spans_show_their_two_largest_units():
    assert [shown.span(it) for it in (None, 0.4, 59, 60, 3700, 2 * 86400)] == [
        None, "0s", "59s", "1m 0s", "1h 1m", "2d 0h",
    ]  # fmt: skip


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    assert list(shown.columns(("key", "count", "error"), [("a", 7, ""), ("bcde", None, "500")])) == [
        "key   count  error",
        "a         7",
        "bcde      -  500",
    ]


def test_a_key_of_other_names_is_shown_as_it_is_and_a_resync_in_words():
    assert shown.key('[7,"ä"]', ["a", "b"]) == '{"a":7,"b":"ä"}'
    assert shown.key("[7]", ["a", "b"]) == "[7]"
    assert shown.key("", ["a"]) == "every key"


def test_times_are_in_utc():
    at = datetime.fromisoformat("2026-01-31T01:02:03.456789+01:00")
    assert shown.time(at) == "2026-01-31 00:02:03.456Z"
    assert shown.time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00.000Z"


def test_keys_are_packed_up_to_what_a_payload_holds_and_what_fits_in_none_is_one_resync():
    """Mutants in `bodies`: one more or less than MOST_BYTES; a size that counts characters."""
    half = "x" * (MOST_BYTES // 2 - 1)
    rest = "y" * (MOST_BYTES - len(half) - 2)
    assert list(bodies([half, rest])) == [f"\n{half}\n{rest}"]
    assert list(bodies([half, rest + "y"])) == [f"\n{half}", f"\n{rest}y"]
    keys = [f'["{n:04}ä"]' for n in range(2000)]
    made = list(bodies([*keys, None, "x" * MOST_BYTES, "y" * (MOST_BYTES - 1)]))
    assert made[-1] == ""
    assert made[-2] == "\n" + "y" * (MOST_BYTES - 1)
    assert [key for body in made[:-2] for key in body.split("\n")[1:]] == keys
    assert all(len(body.encode()) <= MOST_BYTES for body in made)
    assert all(len(body.encode()) > MOST_BYTES - 20 for body in made[:-3])
