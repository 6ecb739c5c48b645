"""What `triggers.wanted` makes of values alone: objects, problems, hashes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifychannel_operator import names
from notifychannel_operator.catalog import Column, Generated, Kind, Partition, PlanError, Relation, Table, Type
from notifychannel_operator.spec import (
    Audit,
    Capture,
    Channel,
    Condition,
    Consumer,
    Delivery,
    Endpoint,
    Event,
    KeyPart,
    Lookup,
    Operator,
    Rule,
    Source,
)
from notifychannel_operator.triggers import triggers

OWNER = names.Owner(installation="i", namespace="n", name="c")


def a_type(name="int4", **more):
    return Type(**{"oid": sum(name.encode()), "schema": "pg_catalog", "name": name, "sql": name, "kind": "b", **more})


def a_table(name="orders", oid=1, **more):
    columns = (
        Column(name="id", type=a_type(), not_null=True),
        Column(name="tenant", type=a_type()),
        Column(name="note", type=a_type("text"), collation=100),
        Column(name="doc", type=a_type("json", equality=False, ordering=False, exact=False)),
        Column(name="virtual", type=a_type(), generated=Generated.VIRTUAL),
        Column(name="pair", type=a_type("pair", schema="public", kind="c", equality=False, ordering=False)),
        Column(name="email", type=a_type("citext", schema="public", exact=False)),
    )
    facts = {
        "kind": Kind.TABLE,
        "columns": columns,
        "primary_key": ("id",),
        "unique_keys": (("id",), ("tenant", "note")),
        **more,
    }
    return Table(relation=Relation(oid=oid, schema="public", name=name), **facts)


def a_source(*rules, **more):
    facts = {"schema": "public", "table": "orders", "key": (KeyPart(name="id", column="id"),), **more}
    return Source(rules=rules or (Rule(name="r", events=(Event.INSERT,)),), **facts)


def plan(*sources, tables=(), owner=OWNER, **more):
    channel = Channel(**{"namespace": "n", "name": "c", "secret": "s", "sources": sources, "consumers": (), **more})
    found = {(table.relation.schema, table.relation.name): table for table in tables or (a_table(),)}
    return triggers.wanted(channel, owner=owner, tables=found)


def problems(*sources, **more):
    with pytest.raises(PlanError) as error:
        plan(*sources, **more)
    return list(error.value.problems)


def looking(column, *match, table="tenants"):
    lookup = Lookup(schema="public", table=table, column=column, match=match)
    return a_source(key=(KeyPart(name="looked", lookup=lookup),))


def test_every_problem_of_every_source_is_told_at_once():
    """Mutant: `sources[:1]` where triggers.wanted asks for problems."""
    when = (
        Condition(column="doc", operator=Operator.GREATER_THAN, values=("1",)),
        Condition(column="pair", operator=Operator.EQUALS, values=("1",)),
        Condition(column="virtual", operator=Operator.IS_NULL),
        Condition(column="missing", operator=Operator.IS_NULL),
    )
    rule = Rule(name="r", events=(Event.UPDATE,), columns=("nothing", "virtual"), when=when)
    key = (KeyPart(name="a", column="lost"), KeyPart(name="b", column="pair"), KeyPart(name="c", column="virtual"))
    lines = a_source(table="lines", key=(KeyPart(name="a", column="lost"),))
    virtual = "column virtual is a virtual generated column, which triggers see as NULL: make it STORED"
    composite = "is a composite: name its fields, as generated columns, instead"
    ordered = "GreaterThan needs an order, and the type json has none: use In or NotIn"
    compared = "the type pair can't be compared with a value: use IsNull or IsNotNull"
    assert problems(a_source(rule, key=key), lines, tables=(a_table(), a_table("lines"))) == [
        "public.orders: there is no column lost, which key a names: correct it there",
        f"public.orders: column pair can't stand in the key: its type pair {composite}",
        f"public.orders: {virtual} (key c)",
        "public.orders: there is no column nothing, which `columns` of rule r names: correct it there",
        f"public.orders: {virtual} (`columns` of rule r)",
        f"public.orders: `when` of rule r, column doc: {ordered}",
        f"public.orders: `when` of rule r, column pair: {compared}",
        f"public.orders: {virtual} (`when` of rule r)",
        "public.orders: there is no column missing, which `when` of rule r names: correct it there",
        "public.lines: there is no column lost, which key a names: correct it there",
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (looking("note", ("tenant", "id")), "`match` may find several rows of public.tenants"),
        (looking("none", ("id", "id")), "public.tenants has no column none"),
        (looking("note", ("id", "none")), "there is no column none, which the lookup of key looked names"),
        (looking("pair", ("id", "id")), "public.tenants.pair can't stand in a key: its type pair is a composite"),
        (looking("note", ("id", "note")), "public.tenants.id (int4) and note (text) can't be compared"),
        (looking("note", ("id", "id"), ("email", "email")), "public.tenants.email (citext) and email (citext) can't"),
        (looking("note", ("id", "virtual")), "column virtual is a virtual generated column"),
    ],
)
def test_a_lookup_that_could_fail_or_find_several_rows_is_refused(source, sentence):
    """Mutant: lookup.problems without the question about unique_keys."""
    [said] = problems(source, tables=(a_table(), a_table("tenants")))
    assert sentence in said


def test_a_lookup_over_two_collations_is_refused():
    """Mutant: `elif False` for the collations in lookup._incomparable."""
    other = a_table("tenants")
    columns = tuple(replace(column, collation=950) if column.name == "note" else column for column in other.columns)
    source = looking("id", ("tenant", "tenant"), ("note", "note"))
    assert plan(source, tables=(a_table(), other))
    [said] = problems(source, tables=(a_table(), replace(other, columns=columns)))
    assert "have different collations" in said


def test_integers_of_different_width_may_match():
    other = a_table("tenants")
    columns = tuple(replace(column, type=a_type("int8")) if column.name == "id" else column for column in other.columns)
    assert plan(looking("note", ("id", "id")), tables=(a_table(), replace(other, columns=columns)))


def test_a_source_whose_table_is_missing_gives_no_function_and_leaves_the_others():
    """Mutant: triggers.wanted without `if _named(...) <= tables.keys()`."""
    made = plan(a_source(), a_source(table="missing"), looking("note", ("id", "id"), table="missing"))
    assert [function.table for function in made] == ["orders"]


def test_two_channels_on_one_table_have_functions_and_triggers_of_their_own():
    """Mutant: `digest(schema, table)` in names.function."""
    [one] = plan(a_source())
    [other] = plan(a_source(), owner=replace(OWNER, namespace="m"))
    assert one.name != other.name
    assert one.triggers[0].name != other.triggers[0].name


DURABLE = Consumer(group="g", endpoint=Endpoint(port=1, path="/"), delivery=Delivery.AT_LEAST_ONCE)


@pytest.mark.parametrize("options", [{"consumers": (DURABLE,)}, {"audit": Audit(enabled=True)}])
def test_jobs_and_audit_go_through_the_logged_outbox_and_nothing_else_does(options):
    """Mutants: triggers.outbox that is always `outbox`, or always the logged one."""
    [logged] = plan(a_source(), capture=Capture.OUTBOX, **options)
    [plain] = plan(a_source(), capture=Capture.OUTBOX)
    assert "INSERT INTO notifychannel.outbox_logged " in logged.body
    assert "notifychannel.outbox " not in logged.body
    assert "INSERT INTO notifychannel.outbox " in plain.body
    assert "outbox_logged" not in plain.body


def test_the_way_through_the_logged_outbox_is_another_hash_and_no_other_channel_gets_one():
    """Mutant: names.rules without `is_logged`; or with it for all."""
    plain = Channel(namespace="n", name="c", secret="s", sources=(a_source(),), consumers=(), capture=Capture.OUTBOX)
    assert names.rules(plain) == names.digest(repr((plain.payload, plain.sources)), "Outbox")
    logged = {names.rules(replace(plain, consumers=(DURABLE,))), names.rules(replace(plain, audit=Audit(enabled=True)))}
    assert len(logged) == 1
    assert names.rules(plain) not in logged


def test_another_capture_is_another_hash_in_payload_and_configuration():
    """What an old body sent is one resync then. Mutant: names.rules without the capture."""
    by_notify = Channel(namespace="n", name="c", secret="s", sources=(a_source(),), consumers=())
    by_outbox = replace(by_notify, capture=Capture.OUTBOX)
    assert names.rules(by_notify) != names.rules(by_outbox)
    for channel in (by_notify, by_outbox):
        [function] = plan(a_source(), capture=channel.capture)
        assert f"'1{names.rules(channel)}'" in function.body


def test_the_hash_of_a_channel_that_notifies_is_as_it_was_before_there_was_another_capture():
    """An upgrade must not make every application look at everything. Mutant: the capture always in names.rules."""
    channel = Channel(namespace="n", name="c", secret="s", sources=(a_source(),), consumers=())
    assert names.rules(channel) == names.digest(repr((channel.payload, channel.sources)))


def test_only_a_body_that_appends_names_the_outbox():
    """Mutant: body.text with `_append` for every channel."""
    [by_notify], [by_outbox] = plan(a_source()), plan(a_source(), capture=Capture.OUTBOX)
    assert "outbox" not in by_notify.body
    assert by_outbox.body.count("INSERT INTO notifychannel.outbox ") == 1
    assert ("lock_timeout", "0") in by_outbox.settings
    assert ("lock_timeout", "0") not in by_notify.settings


def test_a_lookup_has_its_patience_and_the_append_has_none_of_it():
    """Mutant: outbox_patience.sql left out of body._append: a table of many writers fails a statement after 100 ms."""
    looks = looking("note", ("id", "id"))
    [made] = plan(looks, tables=(a_table(), a_table("tenants")), capture=Capture.OUTBOX)
    assert ("lock_timeout", "100ms") in made.settings
    assert made.body.index("SET LOCAL lock_timeout = 0;") < made.body.index("INSERT INTO notifychannel.outbox")


def test_there_is_one_trigger_per_event_and_no_trigger_names_a_column():
    """Mutant: `OF id` in statement_trigger.sql."""
    rule = Rule(
        name="r", events=tuple(Event), columns=("note",), when=(Condition(column="id", operator=Operator.IS_NULL),)
    )
    [function] = plan(a_source(replace(rule, events=tuple(Event))))
    assert [trigger.event for trigger in function.triggers] == list(Event)
    assert not any(column in trigger.sql for trigger in function.triggers for column in ('"id"', '"note"', "UPDATE OF"))
    assert not any(trigger.by_row for trigger in function.triggers)


def test_a_partitioned_table_gets_row_triggers_and_truncate_triggers_on_its_leaves():
    """Mutant: `if False` in triggers._relations."""

    def part(name, *, leaf):
        return Partition(relation=Relation(oid=9, schema="public", name=name), is_leaf=leaf, may_trigger=True)

    table = a_table(kind=Kind.PARTITIONED, partitions=(part("a", leaf=True), part("b", leaf=False)))
    [function] = plan(a_source(Rule(name="r", events=(Event.UPDATE, Event.TRUNCATE))), tables=(table,))
    assert [(trigger.relation.name, trigger.event, trigger.by_row) for trigger in function.triggers] == [
        ("orders", Event.INSERT, True),
        ("orders", Event.UPDATE, True),
        ("orders", Event.DELETE, True),
        ("a", Event.TRUNCATE, False),
    ]


def test_the_hash_follows_what_is_wanted_and_not_the_partitions():
    """Mutants in triggers._fingerprint: without `text`; with the table's partitions."""

    def part(name):
        return Partition(relation=Relation(oid=9, schema="public", name=name), is_leaf=True, may_trigger=True)

    def hash_of(*rules, partitions=(), **more):
        table = a_table(kind=Kind.PARTITIONED, partitions=partitions)
        return plan(a_source(*rules), tables=(table,), **more)[0].hash

    truncate = Rule(name="r", events=(Event.TRUNCATE,))
    assert hash_of(truncate, partitions=(part("a"),)) == hash_of(truncate, partitions=(part("b"),))
    assert len({hash_of(truncate), hash_of(), hash_of(suspend=True), hash_of(pg_channel="x")}) == 4


def test_a_function_is_closed_off_from_its_callers_settings():
    """Mutant: function.sql without its settings."""
    [function] = plan(a_source(key=(KeyPart(name="note", column="note"),)))
    assert function.settings == (("search_path", "pg_catalog, pg_temp"),)
    assert "SECURITY DEFINER\nSET search_path = pg_catalog, pg_temp\n" in function.sql


def test_settings_are_pinned_for_what_the_key_holds_and_a_lookup_waits_for_no_lock():
    """Mutants in body.settings: no pins of the types; no lock_timeout."""
    tables = (a_table(), a_table("tenants"))
    [function] = plan(looking("email", ("id", "id")), tables=tables)
    assert dict(function.settings) == {
        "search_path": "pg_catalog, pg_temp",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "bytea_output": "hex",
        "extra_float_digits": "1",
        "lc_monetary": "C",
        "xmloption": "content",
        "lock_timeout": "100ms",
        "row_security": "off",
    }


def test_the_literals_of_when_are_told_with_the_type_that_they_must_be():
    when = (Condition(column="id", operator=Operator.IN, values=("1", "x")),)
    source = a_source(Rule(name="r", events=(Event.INSERT,), when=when))
    found = list(triggers.literals(source, {("public", "orders"): a_table()}))
    where = "public.orders: `when` of rule r, column id"
    assert found == [(where, "int4", "1"), (where, "int4", "x")]


def test_every_table_of_sources_and_lookups_is_asked_for():
    """Mutant: triggers.table_names without the lookups."""
    channel = Channel(
        namespace="n", name="c", secret="s", consumers=(), sources=(a_source(), looking("note", ("id", "id")))
    )
    assert triggers.table_names(channel) == {("public", "orders"), ("public", "tenants")}


def test_a_value_is_never_read_where_a_domains_check_would_run():
    """Mutant: `_holds_domain` giving False: observing and writing call the CHECK with the installer's rights."""
    domain = a_type("happy", schema="public", kind="d", element=a_type())
    column = Column(name="many", type=a_type("_happy", schema="public", sql="happy[]", is_array=True, element=domain))
    table = replace(a_table(), columns=(*a_table().columns, column))
    rule = Rule(
        name="r", events=(Event.INSERT,), when=(Condition(column="many", operator=Operator.IN, values=("{}",)),)
    )
    [said] = problems(a_source(rule), tables=(table,))
    assert "happy[] is made of a domain" in said
    assert list(triggers.literals(a_source(rule), {("public", "orders"): table})) == []


def test_a_lookup_by_an_enum_is_refused():
    """Mutant: `_comparable` letting enums through: an implicit cast of the enum's owner runs as the installer."""
    mood = Column(name="mood", type=a_type("mood", schema="public", kind="e"))
    found = [replace(a_table(name), columns=(*a_table().columns, mood)) for name in ("orders", "tenants")]
    [said] = problems(looking("note", ("id", "id"), ("mood", "mood")), tables=found)
    assert "can't be compared: match columns of the same built-in type" in said
