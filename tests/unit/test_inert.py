"""A key on a terminal: whoever NOTIFYs it moves no cursor and writes no title."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_cli import shown
from notifychannel_cli.tail import heard
from notifychannel_sidecar.config import ChannelConfig

CHANNEL = ChannelConfig(name="orders", pg_channel="orders", key=("id",), rules="abababab", port=1, path="/")
TRICKS = ["\x9b31m", "\x9d0;title\x9c", "\x7f", "\u202e", "\u2028", "\x1b[2J"]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_key_that_somebody_notifies_is_no_command_to_a_terminal(trick):
    """Mutant: `shown.inert` left out of one of the two."""
    row = json.dumps([f"a{trick}b"], ensure_ascii=False)
    (found,) = heard.read(CHANNEL, "1ababababI0000000000000001\n" + row)
    assert found.key is not None
    assert str(found).isprintable()
    assert json.loads(found.key) == {"id": f"a{trick}b"}
    assert shown.key(row, ("id",)).isprintable()


@given(st.text().map(json.dumps) | st.text().map(lambda text: json.dumps(text, ensure_ascii=False)))
def test_what_is_inert_is_the_same_json_and_printable(text):
    assert shown.inert(text).isprintable()
    assert json.loads(shown.inert(text)) == json.loads(text)
