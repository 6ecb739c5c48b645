"""Keys as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_sidecar.inbox.keys import MalformedKeyError, array_of_fields, elements, from_array

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(values=st.lists(SCALARS, min_size=1, max_size=8), indent=st.sampled_from([None, 1]))
def test_every_array_of_scalars_comes_apart_into_the_texts_of_its_elements(values, indent):
    assert [json.loads(text) for text in elements(json.dumps(values, indent=indent))] == values


@given(text=st.text() | st.text(alphabet='[],{}"1 e-'))
def test_any_other_text_is_refused_as_malformed_and_nothing_else(text):
    try:
        found = elements(text)
    except MalformedKeyError:
        return
    assert len(found) == len(json.loads(text))


@given(document=st.dictionaries(st.text(), SCALARS), field=st.text())
def test_what_a_foreign_document_is_keyed_by_is_a_key(document, field):
    document[field] = 7
    assert json.loads(from_array((field,), array_of_fields((field,), json.dumps(document)))) == {field: 7}


def test_an_empty_array_is_no_key():
    with pytest.raises(MalformedKeyError):
        elements("[]")
