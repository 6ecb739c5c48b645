"""Who stands in whose way: decided by age and database, in whatever order it becomes known."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifychannel_operator.passes.databases import Databases, Standing
from notifychannel_operator.passes.whereabouts import Identity, Ref
from notifychannel_operator.spec import Consumer, Endpoint, Payload, PayloadFormat
from tests.premises import channel, source

ONE, TWO = Identity("7", "shop"), Identity("7", "bank")
SAME_NAME = Identity("8", "shop")


def claim(name, *, namespace="shop", groups=("app",), pg_channel=None, sources=True, secret=None):
    consumers = tuple(Consumer(group=group, endpoint=Endpoint(port=1, path="/")) for group in groups)
    options = {"namespace": namespace, "name": name, "secret": secret or f"of-{name}", "pg_channel": pg_channel}
    if not sources:
        options["payload"] = Payload(format=PayloadFormat.TEXT)
    return channel(*([source()] if sources else []), **options, consumers=consumers)


def put(databases, made, *, age, uid=None, **options):
    created = f"2026-01-01T00:00:{age:02d}Z"
    return databases.put(made, uid=uid or made.name, created=created, installation="test", **options)


def losers(databases):
    return {ref.name for ref in databases.claims if databases.conflict(ref) is not None}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_oldest_wins_in_whatever_order_they_come(order):
    """Mutant: `_contenders` without `it.age < claim.age`."""
    databases = Databases()
    for number in order:
        put(databases, claim(f"c{number}", pg_channel="same"), age=number, database=ONE)
    assert losers(databases) == {"c1", "c2"}


def test_of_one_second_the_lesser_uid_is_the_older():
    databases = Databases()
    put(databases, claim("a", pg_channel="same"), age=1, uid="2", database=ONE)
    put(databases, claim("b", pg_channel="same"), age=1, uid="1", database=ONE)
    assert losers(databases) == {"a"}


@pytest.mark.parametrize("order", list(itertools.permutations(Standing)))
def test_of_one_second_who_is_installed_is_the_older_whatever_the_uids_say(order):
    """And whoever is met first. Mutant: `age` without the standing."""
    databases = Databases()
    for standing in order:
        made = claim(f"c{standing.value}", pg_channel="same")
        put(databases, made, age=1, uid=str(9 - standing.value), database=ONE, standing=standing)
    assert losers(databases) == {f"c{standing.value}" for standing in Standing} - {"c0"}


def test_who_is_installed_is_younger_all_the_same_than_what_was_made_a_second_before():
    """Mutant: the standing before the time."""
    databases = Databases()
    put(databases, claim("a", pg_channel="same"), age=2, database=ONE, standing=Standing.IN_FORCE)
    put(databases, claim("b", pg_channel="same"), age=1, database=ONE)
    assert losers(databases) == {"a"}


def test_a_loser_stands_in_nobodys_way():
    """Mutant: `_conflict` without asking whether the older one is accepted."""
    databases = Databases()
    put(databases, claim("a", groups=("x",)), age=1, database=ONE)
    put(databases, claim("b", groups=("x", "y"), pg_channel="p"), age=2, database=TWO)
    put(databases, claim("c", groups=("z",), pg_channel="p"), age=3, database=TWO)
    assert losers(databases) == {"b"}


def test_who_is_freed_by_a_loser_is_told_though_it_never_met_the_winner():
    """Mutant: `_judge` without going on from a changed verdict."""
    databases = Databases()
    put(databases, claim("b", groups=("x", "y"), pg_channel="p"), age=2, database=TWO)
    put(databases, claim("c", groups=("z",), pg_channel="p"), age=3, database=TWO)
    assert losers(databases) == {"c"}
    assert put(databases, claim("a", groups=("x",)), age=1, database=ONE) == {Ref("shop", "b"), Ref("shop", "c")}
    assert losers(databases) == {"b"}


@pytest.mark.parametrize(("first", "second"), [(ONE, TWO), (ONE, SAME_NAME)])
def test_a_group_is_in_one_database_and_both_halves_of_the_identity_count(first, second):
    databases = Databases()
    put(databases, claim("a"), age=1, database=first)
    put(databases, claim("b"), age=2, database=second)
    assert losers(databases) == {"b"}
    assert str(first) in databases.conflict(Ref("shop", "b"))
    assert databases.database_of("shop", "app") == first


def test_one_group_name_in_two_namespaces_is_two_groups():
    databases = Databases()
    put(databases, claim("a"), age=1, database=ONE)
    put(databases, claim("b", namespace="bank"), age=2, database=TWO)
    assert losers(databases) == set()


def test_nobody_is_refused_for_a_database_that_is_not_known():
    databases = Databases()
    put(databases, claim("a", pg_channel="same"), age=1)
    put(databases, claim("b", pg_channel="same"), age=2, database=ONE)
    assert losers(databases) == set()
    assert put(databases, claim("a", pg_channel="same"), age=1, database=ONE) == {Ref("shop", "b")}
    assert losers(databases) == {"b"}


def test_channels_of_one_secret_that_moves_are_never_in_conflict_for_being_looked_at_one_by_one():
    """A restored cluster: each pass sees the new one in its turn. Mutant: `elsewhere` without the Secret."""
    databases = Databases()
    for number, name in enumerate("abc"):
        put(databases, claim(name, secret="db"), age=number, database=ONE)
    put(databases, claim("c", secret="db"), age=2, database=TWO)
    assert losers(databases) == set()
    assert databases.database_of("shop", "app") == TWO  # who looked last


def test_a_database_is_remembered_while_it_can_not_be_asked_and_forgotten_with_the_object():
    databases = Databases()
    put(databases, claim("a"), age=1, database=ONE)
    put(databases, claim("a"), age=1)
    assert databases.claims[Ref("shop", "a")].database == ONE
    put(databases, claim("a"), age=2, uid="another")
    assert databases.claims[Ref("shop", "a")].database is None


def test_whose_verdict_changes_is_told_when_the_winner_goes_or_says_something_else():
    databases = Databases()
    put(databases, claim("a", pg_channel="p"), age=1, database=ONE)
    put(databases, claim("b", pg_channel="p"), age=2, database=ONE)
    put(databases, claim("c", pg_channel="p"), age=3, database=ONE)
    assert put(databases, claim("a", pg_channel="q"), age=1) == {Ref("shop", "b"), Ref("shop", "c")}
    assert losers(databases) == {"c"}
    assert put(databases, claim("a", pg_channel="q"), age=1) == set()
    assert databases.remove(Ref("shop", "b")) == {Ref("shop", "c")}
    assert losers(databases) == set()
    assert databases.remove(Ref("shop", "never")) == set()


CHANNELS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 3), st.sampled_from([None, ONE, TWO]), st.sampled_from(["p", "q", None]),
        st.sets(st.sampled_from("xy"), min_size=1), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(CHANNELS)
def test_after_any_history_no_two_accepted_channels_are_in_each_others_way_and_a_fresh_look_agrees(history):
    """The order in which channels came, changed and went decides nothing; whoever is woken is enough."""
    databases = Databases()
    latest = {}
    verdicts = {}
    for number, age, database, pg_channel, groups, goes in history:
        name = f"c{number}"
        if goes:
            wake = databases.remove(Ref("shop", name))
            latest.pop(name, None)
        else:
            made = claim(name, groups=tuple(sorted(groups)), pg_channel=pg_channel)
            known = latest.get(name, (None, age, None))
            latest[name] = (made, known[1], database or known[2])
            wake = put(databases, made, age=known[1], database=database)
        for ref in {*wake, Ref("shop", name)}:
            verdicts[ref.name] = databases.conflict(ref)
    assert {name: verdicts[name] for name in latest} == {
        name: databases.conflict(Ref("shop", name)) for name in latest
    }  # nobody who was not woken has changed
    fresh = Databases()
    for made, age, database in latest.values():
        put(fresh, made, age=age, database=database)
    assert losers(fresh) == losers(databases)
    accepted = [it for ref, it in databases.claims.items() if databases.conflict(ref) is None]
    for one, other in itertools.combinations(accepted, 2):
        assert not (one.groups & other.groups and one.elsewhere(other))
        assert not (one.pg_channel == other.pg_channel and one.together(other))
