"""Names of our objects: they fit into an identifier, tell owners apart, and never change between versions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notifychannel_operator import names
from tests.premises import channel, source

words = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=80)
owners = st.builds(names.Owner, installation=words, namespace=words, name=words)
OWNER = names.Owner(installation="dev", namespace="shop", name="orders")


@given(owners, words, words)
def test_every_name_fits_into_an_identifier(owner, schema, table):
    for name in (names.pg_channel(owner), names.function(owner, schema, table)):
        assert 0 < len(name.encode()) <= names.MAX_IDENTIFIER_BYTES


@given(owners, owners)
def test_two_owners_have_two_channels_and_two_functions(one, other):
    same = one == other
    assert (names.pg_channel(one) == names.pg_channel(other)) == same
    assert (names.function(one, "s", "t") == names.function(other, "s", "t")) == same


@given(st.lists(words), st.lists(words))
def test_parts_never_run_into_each_other(one, other):
    assert (names.digest(*one) == names.digest(*other)) == (one == other)


def test_names_stay_as_they_are_for_what_is_installed_already():
    assert names.pg_channel(OWNER) == "nch_orders_d4db734a"
    assert names.function(OWNER, "public", "orders") == "orders_orders_1094c886"


def test_a_long_name_of_many_bytes_is_cut_between_characters():
    owner = names.Owner(installation="dev", namespace="shop", name="ü" * 100)
    assert names.pg_channel(owner).startswith("nch_" + "ü" * 23 + "_")


def test_the_hash_of_the_rules_follows_the_sources_and_nothing_else():
    plain = names.rules(channel(source()))
    assert plain == names.rules(channel(source(), name="other", secret="x", suspend=True))
    assert plain != names.rules(channel(source(max_keys=7)))
    assert plain != names.rules(channel(source("events")))
