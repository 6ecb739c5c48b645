"""`when`: every operator on every event, either side of an UPDATE, and values of every kind."""

from __future__ import annotations

import itertools

import pytest

from notifychannel_operator.spec import Condition, Event, Operator, Row, Source
from tests.integration.hints.stage import key, rule

TYPES = {
    # column type → three values in ascending order, as literals
    "int": ("1", "2", "3"),
    "text": ("a", 'it\'s \\ $nch$ %{x} "b"', "z"),
    "varchar(3)": ("aaa", "bbb", "ccc"),
    "char(4)": ("a", "b", "c"),
    "numeric": ("1.0", "1.5", "2.0"),
    "float8": ("-Infinity", "0.1", "NaN"),
    "boolean": ("false", "true", None),
    "timestamptz": ("2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z", "2026-01-01T02:00:00+01:00"),
    "date": ("2026-01-01", "2026-01-02", "2026-01-03"),
    "interval": ("1 hour", "25 hours", "1 month"),
    "uuid": tuple(f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)),
    "bytea": ("\\x00", "\\x01", "\\xff"),
    "int[]": ("{1}", "{1,2}", "{3,NULL}"),
    "jsonb": ("1", "2", "3"),
    "mood": ("sad", "so so", "happy"),
    '"Odd Schema".age': ("1", "2", "3"),
    "int4range": ("[1,3)", "[1,4)", "[2,3)"),
}
UNEQUAL_TYPES = {
    "json": ('{"a": 1}', '{"a":1}'),
    "point": ("(1,2)", "(2,1)"),
}
MOODS = """
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy');
    CREATE SCHEMA "Odd Schema";
    CREATE DOMAIN "Odd Schema".age AS int CHECK (value < 100);
"""
OPERATORS = {
    # operator → (indexes of `values`, indexes of the column's values that match; None is NULL)
    Operator.EQUALS: ((1,), {1}),
    Operator.NOT_EQUALS: ((1,), {0, 2, None}),
    Operator.IN: ((0, 1), {0, 1}),
    Operator.NOT_IN: ((0, 1), {2, None}),
    Operator.IS_NULL: ((), {None}),
    Operator.IS_NOT_NULL: ((), {0, 1, 2}),
    Operator.GREATER_THAN: ((1,), {2}),
    Operator.LESS_THAN: ((1,), {0}),
}


def one(operator, *values, column="c", row=None):
    return (Condition(column=column, operator=operator, values=values, row=row),)


def things(*rules, table="things"):
    return Source(schema="public", table=table, key=key("id"), rules=rules)


async def test_every_operator_compares_as_every_type_does_on_every_event(stage):
    """Mutants in condition.py: NOT_IN without NOT; `coalesce(…, false)` left out (NULL differs from every value)."""
    await stage.tables(MOODS)
    for type_ in TYPES:
        await check_operators(stage, type_)
        await stage.tables("".join(f'DROP TABLE "{each.name}";' for each in OPERATORS))


async def check_operators(stage, type_):
    values = (*(value for value in TYPES[type_] if value is not None), None)
    await stage.tables("".join(f'CREATE TABLE "{each.name}" (id int, c {type_}, filler int);' for each in OPERATORS))
    events = (Event.INSERT, Event.UPDATE, Event.DELETE)
    sources = [
        things(rule(*events, when=one(operator, *(TYPES[type_][i] or "true" for i in given))), table=operator.name)
        for operator, (given, _) in OPERATORS.items()
    ]
    await stage.install(*sources)
    for operator, (_, matching) in OPERATORS.items():
        insert = f'INSERT INTO "{operator.name}" SELECT * FROM unnest($1::int[], $2::text[]::{type_.split("(")[0]}[])'
        if type_ == "int[]":
            insert = f'INSERT INTO "{operator.name}" SELECT i, v::int[] FROM unnest($1::int[], $2::text[]) AS u (i, v)'
        await stage.app.execute(insert, list(range(len(values))), list(values))
        heard = await stage.hear(f'UPDATE "{operator.name}" SET filler = 1', f'DELETE FROM "{operator.name}"')
        expected = [[number] for number, value in enumerate(values) if (value and number) in matching]
        assert [(event, sorted(keys)) for event, keys in heard] == [
            (event, expected) for event in ("insert", "update", "delete") if expected
        ], (type_, operator)


@pytest.mark.parametrize("type_", UNEQUAL_TYPES)
async def test_types_without_equality_compare_by_what_they_print(stage, type_):
    one_value, other = UNEQUAL_TYPES[type_]
    await stage.tables(f"CREATE TABLE a (id int, c {type_}); CREATE TABLE b (id int, c {type_})")
    await stage.install(
        things(rule(Event.INSERT, when=one(Operator.EQUALS, one_value)), table="a"),
        things(rule(Event.INSERT, when=one(Operator.NOT_IN, one_value)), table="b"),
    )
    rows = f"VALUES (1, '{one_value}'::{type_}), (2, '{other}'), (3, NULL)"
    assert await stage.hear(f"INSERT INTO a {rows}") == [("insert", [[1]])]
    assert await stage.hear(f"INSERT INTO b {rows}") == [("insert", [[2], [3]])]


async def test_all_conditions_of_a_rule_must_hold_and_any_rule_is_enough(stage):
    await stage.tables("CREATE TABLE things (id int, c int, d int)")
    both = one(Operator.EQUALS, "1") + one(Operator.EQUALS, "2", column="d")
    await stage.install(
        things(rule(Event.INSERT, when=both), rule(Event.INSERT, name="big", when=one(Operator.GREATER_THAN, "100")))
    )
    heard = await stage.hear("INSERT INTO things VALUES (1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 101, 1)")
    assert [(event, sorted(keys)) for event, keys in heard] == [("insert", [[2], [4]])]


ROWS = {
    # (row of the condition, …) → which of the moves no→no, no→yes, yes→no, yes→yes of an UPDATE are hinted
    (None,): {"ny", "yn", "yy"},
    (Row.NEW,): {"ny", "yy"},
    (Row.OLD,): {"yn", "yy"},
    (Row.OLD, Row.NEW): {"yy"},
}


@pytest.mark.parametrize("sides", ROWS, ids=lambda sides: "+".join(side.value if side else "Either" for side in sides))
async def test_a_condition_may_look_at_the_old_or_the_new_row_or_at_either(stage, sides):
    """Mutants: WHERE %{condition} only on notifychannel_new in difference.sql (yn is lost); `t.was AND` left out."""
    await stage.tables("CREATE TABLE things (id int PRIMARY KEY, c text, filler int)")
    await stage.install(
        things(rule(Event.UPDATE, when=tuple(one(Operator.EQUALS, "y", row=side)[0] for side in sides)))
    )
    moves = ["".join(move) for move in itertools.product("ny", repeat=2)]
    for number, (old, _) in enumerate(moves):
        await stage.app.execute("INSERT INTO things VALUES ($1, $2, 0)", number, old)
    heard = set()
    for number, (_, new) in enumerate(moves):
        await stage.app.execute("UPDATE things SET c = $2, filler = filler + 1 WHERE id = $1", number, new)
        heard |= {moves[number] for _ in await stage.until_marker()}
    assert heard == ROWS[sides]


async def test_from_one_value_to_another_is_old_and_new_together(stage):
    await stage.tables("CREATE TABLE things (id int PRIMARY KEY, c text)")
    when = one(Operator.EQUALS, "open", row=Row.OLD) + one(Operator.EQUALS, "paid", row=Row.NEW)
    await stage.install(things(rule(Event.UPDATE, when=when)))
    await stage.tables("INSERT INTO things VALUES (1, 'open'), (2, 'open'), (3, 'paid'), (4, 'new')")
    heard = await stage.hear(
        "UPDATE things SET c = 'paid' WHERE id IN (1, 3, 4)",
        "UPDATE things SET c = 'late' WHERE id = 2",
        "UPDATE things SET c = 'open'",
    )
    assert heard == [("update", [[1]])]
