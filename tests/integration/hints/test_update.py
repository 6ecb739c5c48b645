"""UPDATE on plain tables: a difference of what was and what is, per rule, so that no change is missed."""

from __future__ import annotations

import random

import pytest

from notifychannel_operator.spec import Condition, Event, Operator, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

TABLE = """
    CREATE TABLE t (id int PRIMARY KEY, k int, a text, b text, j json, n numeric, v interval, p point, f float8);
    INSERT INTO t SELECT i, i / 10, 'a' || i, 'b', '{"a": 1}', 1.0, '1 day', '(1,2)', 0.0
    FROM generate_series(10, 29) AS i;
"""

SEEN_BY_READERS = (
    "j = '{\"a\":1}'",
    "n = 1.00",
    "v = '24 hours'",
    "p = '(2,1)'",
    "f = '-0'",
    "f = 1e-300",
    "a = NULL",
)


def source(*rules, keys=("k",), **more):
    return Source(schema="public", table="t", key=key(*keys), rules=rules, **more)


def keys_of(heard):
    return [(event, keys if keys == "resync" else sorted(keys, key=str)) for event, keys in heard]


@pytest.fixture
async def stage_t(stage):
    await stage.tables(TABLE)
    return stage


async def test_a_changed_key_hints_both_the_old_and_the_new_key(stage_t):
    """Mutant: `sum(t.surplus) < 0` in difference.sql."""
    await stage_t.install(source(rule(Event.UPDATE)))
    assert keys_of(await stage_t.hear("UPDATE t SET k = 7 WHERE id = 10")) == [("update", [[1], [7]])]


async def test_only_keys_with_a_change_are_hinted(stage_t):
    await stage_t.install(source(rule(Event.UPDATE), keys=("id",)))
    heard = await stage_t.hear("UPDATE t SET b = CASE WHEN id IN (12, 25) THEN 'new' ELSE b END")
    assert keys_of(heard) == [("update", [[12], [25]])]


@pytest.mark.parametrize("columns", [(), ("a", "j", "n", "v", "p", "f")], ids=["any column", "columns"])
async def test_a_change_that_only_a_reader_could_see_is_hinted(stage_t, columns):
    """Values that are equal to `=`, or have no `=`. Mutant: `not column.type.equality` in difference.py."""
    await stage_t.app.execute("SET extra_float_digits = -15")
    await stage_t.install(source(rule(Event.UPDATE, columns=columns), keys=("id",)))
    for change in SEEN_BY_READERS:
        assert await stage_t.hear(f"UPDATE t SET {change} WHERE id = 11") == [("update", [[11]])], change


async def test_two_rows_of_one_key_that_swap_their_values_are_hinted(stage_t):
    """Mutant: `dict.fromkeys(rule.columns)` without the identity in difference.py."""
    await stage_t.install(source(rule(Event.UPDATE, columns=("a",))))
    swap = "UPDATE t SET a = CASE id WHEN 10 THEN 'a11' ELSE 'a10' END WHERE id IN (10, 11)"
    assert await stage_t.hear(swap) == [("update", [[1]])]


async def test_a_swap_is_hinted_where_nothing_identifies_a_row(stage_t):
    await stage_t.tables("ALTER TABLE t DROP CONSTRAINT t_pkey")
    await stage_t.install(source(rule(Event.UPDATE, columns=("a",))))
    swap = "UPDATE t SET a = CASE id WHEN 10 THEN 'a11' ELSE 'a10' END WHERE id IN (10, 11)"
    assert await stage_t.hear(swap) == [("update", [[1]])]


async def test_with_columns_only_a_change_of_these_is_hinted(stage_t):
    await stage_t.install(source(rule(Event.UPDATE, columns=("a", "n"))))
    heard = await stage_t.hear(
        "UPDATE t SET b = 'other', j = NULL",
        "UPDATE t SET a = a, n = n",
        "UPDATE t SET n = n + 1 WHERE id = 20",
        "UPDATE t SET a = NULL WHERE id = 10",
    )
    assert heard == [("update", [[2]]), ("update", [[1]])]


async def test_each_rule_has_its_own_columns_and_conditions(stage_t):
    big = (Condition(column="id", operator=Operator.GREATER_THAN, values=("19",)),)
    await stage_t.install(
        source(rule(Event.UPDATE, columns=("a",)), rule(Event.UPDATE, name="big", columns=("b",), when=big))
    )
    heard = await stage_t.hear("UPDATE t SET b = 'x'", "UPDATE t SET a = 'x', b = 'y' WHERE id IN (10, 20)")
    assert keys_of(heard) == [("update", [[2]]), ("update", [[1], [2]])]


async def test_a_column_added_after_the_installation_counts_as_any_column(stage_t):
    """Mutant: listing `subject.table.columns` instead of `r.*` in difference.py."""
    await stage_t.install(source(rule(Event.UPDATE), keys=("id",)))
    await stage_t.hear("UPDATE t SET b = 'x' WHERE id = 10")
    await stage_t.tables("ALTER TABLE t ADD COLUMN later json; ALTER TABLE t DROP COLUMN a")
    assert await stage_t.hear("UPDATE t SET later = '1' WHERE id = 11") == [("update", [[11]])]
    assert await stage_t.hear("UPDATE t SET later = '1' WHERE id = 11") == []


async def test_a_change_at_the_end_of_a_wide_row_is_hinted(stage_t):
    """Wide rows are compared by a hash of all of them."""
    await stage_t.install(source(rule(Event.UPDATE), rule(Event.UPDATE, name="j", columns=("j",)), keys=("id",)))
    wide = "UPDATE t SET a = repeat('x', 100000), j = to_json(repeat('y', 100000)), f = {} WHERE id = 11"
    assert await stage_t.hear(wide.format(1), wide.format(2), wide.format(2)) == [("update", [[11]])] * 2
    assert await stage_t.hear("UPDATE t SET j = to_json(repeat('y', 99999) || 'z') WHERE id = 11") == [
        ("update", [[11]])
    ]


async def test_more_changed_keys_than_max_keys_are_one_resync(stage_t):
    await stage_t.install(source(rule(Event.UPDATE), keys=("id",), max_keys=19))
    assert await stage_t.hear("UPDATE t SET b = 'x'") == [("update", "resync")]
    assert len((await stage_t.hear("UPDATE t SET b = 'y' WHERE id > 10"))[0][1]) == 19


async def test_a_row_without_a_key_gives_a_resync_only_when_it_changed(stage_t):
    await stage_t.install(source(rule(Event.UPDATE), keys=()))
    assert await stage_t.hear("UPDATE t SET b = b", "UPDATE t SET b = 'x'") == [("update", "resync")]


async def test_many_updates_at_random_never_miss_a_change(stage_t):
    """An oracle in Python reads the table before and after each UPDATE; hints may be too many, never too few."""
    await stage_t.tables("CREATE TABLE u (id int, k int, a int, c int, PRIMARY KEY (id) DEFERRABLE)")
    when = (Condition(column="c", operator=Operator.EQUALS, values=("1",)),)
    u = Source(schema="public", table="u", key=key("k"), rules=(rule(Event.UPDATE, columns=("a",), when=when),))
    await stage_t.install(u)
    await stage_t.app.execute("INSERT INTO u SELECT n, n % 4, n % 3, n % 2 FROM generate_series(0, 19) AS n")
    dice = random.Random(20260101)  # noqa: S311
    exact = 0
    for _ in range(150):
        before = {row["id"]: row for row in await stage_t.app.fetch("SELECT * FROM u")}
        sets = dice.choice(["a = {}", "k = {}", "c = {}", "a = {}, k = {}", "a = {}, c = {}"])
        sets = sets.format(*(dice.choice(["1 - c", "(id + k) % 3", "a", "k", "2", "c"]) for _ in range(2)))
        heard = await stage_t.hear(f"UPDATE u SET {sets} WHERE id % {dice.randint(1, 5)} = 0")
        after = {row["id"]: row for row in await stage_t.app.fetch("SELECT * FROM u")}
        must = set()
        for old, new in ((before[i], after[i]) for i in before):
            sides = {old["c"] == 1, new["c"] == 1}
            if True in sides and ((old["k"], old["a"]) != (new["k"], new["a"]) or len(sides) == 2):
                must |= {row["k"] for row in (old, new) if row["c"] == 1}
        hinted = {key for _, keys in heard for [key] in keys}
        assert must <= hinted
        exact += must == hinted
    assert exact == 150  # nothing was hinted in vain either
