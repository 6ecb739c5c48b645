"""Whatever a name holds, it stays inside its quotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_operator.quote import ident, literal, qualified

without_nul = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))


@given(without_nul)
def test_an_identifier_has_no_quote_inside_that_is_not_doubled(name):
    quoted = ident(name)
    assert (quoted[0], quoted[-1]) == ('"', '"')
    assert '"' not in quoted[1:-1].replace('""', "")
    assert quoted[1:-1].replace('""', '"') == name


@given(without_nul)
def test_a_literal_has_no_quote_or_backslash_inside_that_is_not_doubled(text):
    quoted = literal(text)
    inside = quoted.removeprefix("E")[1:-1]
    assert "'" not in inside.replace("''", "")
    assert "\\" not in inside.replace("\\\\", "")
    assert quoted.startswith("E") == ("\\" in text)


def test_a_qualified_name_is_two_identifiers():
    assert qualified('My "schema"', "ta.ble") == '"My ""schema"""."ta.ble"'


@pytest.mark.parametrize("quote", [ident, literal])
def test_a_nul_byte_is_refused(quote):
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")
