"""What the relay NOTIFYs, taken apart and merged: the counts and times of many statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_sidecar import hints
from notifychannel_sidecar.inbox import relayed
from notifychannel_sidecar.inbox.entry import Entry

SINCE, TILL = "1767225600000000", "1767225600250000"
HEAD = "2abababab" + "U" + SINCE + TILL

lines = st.lists(
    st.tuples(
        st.integers(1, relayed.MOST), st.text(st.characters(exclude_characters="\n"), max_size=9).map("[{}]".format)
    ),
    min_size=1,
)


@given(keys=lines)
def test_every_key_comes_out_with_how_often_it_was_named(keys):
    """Mutant: partition at "]" instead of "[", or drop the bracket."""
    payload = "\n".join([HEAD, *(f"{times}{key}" for times, key in keys)])
    found = relayed.read(payload)
    assert found is not None
    assert (found.since, found.till) == (SINCE, TILL)
    assert list(found.keys) == keys


@pytest.mark.parametrize(
    "payload",
    [
        HEAD,
        HEAD + "\n",
        HEAD + "\n[1]",
        HEAD + "\n0[1]",
        HEAD + "\n-1[1]",
        HEAD + "\n\u0663[1]",
        HEAD + "\n1000000001[1]",
        HEAD + "\n3[1]\n{}",
        HEAD + "x\n3[1]",
        HEAD[:-1] + "\n3[1]",
        HEAD.replace("1", "x") + "\n3[1]",
    ],
)
def test_what_the_relay_does_not_write_is_none(payload):
    """Mutant: any one of the checks in `read` left out."""
    assert relayed.read(payload) is None


def test_the_header_of_a_relayed_payload_is_known_with_any_rules():
    """So one with other rules is a resync because of them, with the time of its first statement.

    Mutant: `_HEADER` knows version 1 only.
    """
    found = hints.header(HEAD + "\n3[1]")
    assert found == hints.Header(rules="abababab", at_us=int(SINCE))
    assert hints.header(HEAD[:-1] + "\n3[1]") is None


@pytest.mark.parametrize("times", [1, 2, 57])
def test_many_changes_at_once_are_the_same_as_one_after_the_other(times):
    """Mutant: `times - 1` in touch_often."""
    entry = Entry("[1]", "I", "1767225600100000", 5.0, 0.0)
    entry.touch_often("U", times, since=SINCE, till=TILL, now=6.0)
    assert (entry.count, entry.events, entry.first_at, entry.last_at) == (1 + times, "IU", SINCE, TILL)
    assert (entry.first, entry.changed) == (5.0, 6.0)
