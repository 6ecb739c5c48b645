"""The marker in a function's comment: read back as written, and never mistaken for somebody else's words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_operator import marker
from notifychannel_operator.names import Owner

OWNER = Owner(installation="dev", namespace="shop", name="orders")


@given(st.tuples(*[st.text()] * 6))
def test_a_marker_reads_back_as_it_was_written(words):
    installation, namespace, name, schema, table, wanted = words
    owner = Owner(installation=installation, namespace=namespace, name=name)
    written = marker.text(owner, schema, table, wanted)
    assert written.isascii()
    assert marker.parse(written) == marker.Marker(owner=owner, schema=schema, table=table, hash=wanted)


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "refreshes the search index",
        "[]",
        "{}",
        "1",
        '{"notifychannel": 1}',
        marker.text(OWNER, "public", "orders", "h").replace('"notifychannel": 1', '"notifychannel": 2'),
        marker.text(OWNER, "public", "orders", "h").replace('["public", "orders"]', '["public"]'),
        marker.text(OWNER, "public", "orders", "h").replace('["public", "orders"]', '"public"'),
        json.dumps(json.loads(marker.text(OWNER, "public", "orders", "h")) | {"installation": 7}),
        marker.text(OWNER, "public", "orders", "h")[:-1],
    ],
)
def test_a_comment_that_is_not_ours_is_no_marker(comment):
    assert marker.parse(comment) is None
