"""What a pass would do, decided from facts alone: refusals, backoff, names, and whose objects are whose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifychannel_operator import comparison, names, plan, refusals, removal, statements
from notifychannel_operator.catalog import Column, Kind, Partition, Relation, Table, Type
from notifychannel_operator.marker import Marker
from notifychannel_operator.objects import Facts, Firing, Function, Schema, Server, Shape, Trigger
from notifychannel_operator.objects import shape as shape_in_catalog
from notifychannel_operator.spec import Event, KeyPart
from notifychannel_operator.triggers import triggers
from tests.premises import OTHER, OWNER, channel, source

BIGINT = Type(oid=20, schema="pg_catalog", name="int8", sql="bigint", kind="b")
SERVER = Server(
    version=180000,
    is_standby=False,
    dbname="app",
    login="installer",
    login_is_superuser=False,
    may_create_schema=True,
)
SCHEMA = Schema(
    owner="installer",
    owner_is_superuser=False,
    may_become_owner=True,
    is_made_by_us=True,
    is_granted=False,
    has_counter=True,
)


def table(name="orders", oid=100, **options):
    return Table(
        relation=Relation(oid=oid, schema="public", name=name),
        columns=(Column(name="id", type=BIGINT),),
        **{"kind": Kind.TABLE, **options},
    )


def facts(*tables, **options):
    found = {(it.relation.schema, it.relation.name): it for it in tables or (table(),)}
    usual = {"owner": OWNER, "pg_channel": "c", "take_over": False, "server": SERVER, "schema": None}
    return Facts(**{**usual, "tables": found, **options})


def installed(*tables, owner=OWNER, **options):
    """Facts in which everything of `channel(source())` is there."""
    there = facts(*tables)
    wanted = triggers.wanted(channel(source()), owner=owner, tables=there.tables)
    functions = {"skipped": counter(), **{it.name: found(it, owner) for it in wanted}}
    return replace(there, schema=SCHEMA, functions=functions, **options)


def counter():
    body = statements.shared().split("$skipped$")[1]
    path = frozenset({"search_path=pg_catalog, pg_temp"})
    return Function(oid=1, name="skipped", owner="installer", marker=None, body=body, settings=path, is_shaped=True,
                    is_public=False)  # fmt: skip


def found(wanted, owner=OWNER):
    calling = tuple(
        Trigger(oid=number, name=it.name, relation=it.relation, shape=comparison.shape_of(it))
        for number, it in enumerate(wanted.triggers)
    )
    return Function(
        oid=2,
        name=wanted.name,
        owner="installer",
        marker=Marker(owner=owner, schema=wanted.schema, table=wanted.table, hash=wanted.hash),
        body=wanted.body,
        settings=frozenset(f"{name}={value}" for name, value in wanted.settings),
        is_shaped=True,
        is_public=True,
        triggers=calling,
    )


def test_waiting_for_a_lock_is_patient_and_ends_at_ten_minutes():
    waits = [plan.next_try(attempt) for attempt in range(1, 12)]
    assert waits[0] == 5
    assert waits == sorted(waits)
    assert waits[-1] == plan.next_try(10**9) == 600


def test_a_database_that_is_as_wanted_gives_no_step():
    assert plan.of(channel(source()), installed()).steps == ()


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (replace(SERVER, version=130010), "PostgreSQL 13 is too old: NotifyChannel needs 14"),
        (replace(SERVER, is_standby=True), "this server is a standby"),
        (replace(SERVER, login_is_superuser=True), "installer is a superuser"),
        (
            replace(SERVER, may_create_schema=False),
            'CREATE SCHEMA IF NOT EXISTS notifychannel AUTHORIZATION "installer";',
        ),
    ],
)
def test_what_is_wrong_with_the_server_stops_the_pass(server, said):
    made = plan.of(channel(source()), facts(server=server))
    assert made.steps == ()
    assert said in made.problems[0]


def test_the_oldest_version_that_is_accepted_is_14():
    assert plan.of(channel(source()), facts(server=replace(SERVER, version=140000))).problems == ()
    assert refusals.MIN_VERSION == 14


def test_a_superuser_may_be_accepted_for_a_database_of_ones_own():
    made = plan.of(channel(source()), facts(server=replace(SERVER, login_is_superuser=True)), allow_superuser=True)
    assert made.problems == ()
    assert [step.kind.value for step in made.steps] == ["schema", "install"]


def test_all_problems_are_said_at_once():
    bad = channel(source(), source("nowhere"), source("elsewhere"))
    made = plan.of(bad, facts(table(may_trigger=False), server=replace(SERVER, is_standby=True)))
    assert len(made.problems) == 4


TYPO = source("lines", key=(KeyPart(name="id", column="idd"),))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "public.lines: there is no column idd"),
        ({"uncastable": {("public", "lines"): ("public.lines: the value",)}}, "public.lines: the value"),
    ],
)
def test_a_source_with_a_typo_keeps_what_it_has_and_leaves_the_others_to_be_repaired(options, said):
    """Mutants in plan.of: `unfit=()`, so that nothing is planned; `refused=frozenset()`, so that the function is
    dropped; `_of_source` without `uncastable`.
    """
    there = installed(table(), table("lines", oid=101))
    drifted, lines = names.function(OWNER, "public", "orders"), names.function(OWNER, "public", "lines")
    of_lines = replace(
        there.functions[drifted], name=lines, marker=Marker(owner=OWNER, schema="public", table="lines", hash="")
    )
    functions = {**there.functions, drifted: replace(there.functions[drifted], body=""), lines: of_lines}
    bad = TYPO if not options else source("lines")
    made = plan.of(channel(source(), bad), replace(there, functions=functions, **options))
    assert [step.function for step in made.steps] == [drifted]
    assert len(made.problems) == 1
    assert made.problems[0].startswith(said)


def test_a_mistyped_table_takes_no_trigger_from_the_one_that_was_meant():
    """Mutant in plan.plan: drop what is not wanted although a source is refused."""
    there = installed()
    made = plan.of(channel(replace(source(), table="ordres")), there)
    assert made.steps == ()
    assert "public.ordres" in made.problems[0]
    assert [step.function for step in plan.of(channel(), there).steps] == [names.function(OWNER, "public", "orders")]


def test_a_channel_without_sources_asks_nothing_of_server_and_schema():
    assert plan.of(channel(), facts(server=replace(SERVER, login_is_superuser=True))).problems == ()


def test_drift_is_told_from_a_change_of_the_resource():
    """Mutant: `_kind` comparing bodies instead of hashes."""
    there = installed()
    name = names.function(OWNER, "public", "orders")
    drifted = replace(there.functions[name], body="BEGIN RETURN NULL; END")
    drift = plan.of(channel(source()), replace(there, functions={**there.functions, name: drifted}))
    change = plan.of(channel(source(max_keys=7)), there)
    assert (drift.repaired, change.repaired) == (True, False)
    assert "its body differs" in drift.steps[0].sentence


def test_a_function_of_another_owner_is_in_no_step():
    """Mutant: `ours` without comparing names."""
    there = installed(owner=OTHER)
    assert [step.function for step in plan.of(channel(source()), there).steps] == [
        names.function(OWNER, "public", "orders")
    ]
    assert removal.of(there, [OWNER]).steps == ()


def test_the_last_owners_removal_takes_what_is_shared_and_another_owners_does_not():
    there = installed()
    assert [step.is_last for step in removal.of(there, [OWNER]).steps] == [False, True]
    stranger = replace(there.functions[names.function(OWNER, "public", "orders")], name="other", marker=None)
    shared = replace(there, functions={**there.functions, "other": stranger})
    assert [step.is_last for step in removal.of(shared, [OWNER]).steps] == [False]


def test_a_removal_by_a_role_that_owns_nothing_here_is_a_problem():
    foreign = replace(SCHEMA, owner="somebody", may_become_owner=False)
    made = removal.of(replace(installed(), schema=foreign), [OWNER])
    assert "the schema notifychannel belongs to somebody" in made.problems[0]


def test_another_role_than_the_installer_is_first_told_to_connect_as_it():
    """Mutant: `_belongs_to` that begins with ALTER SCHEMA: the channels of the right installer would break."""
    foreign = replace(SCHEMA, owner="somebody", may_become_owner=False)
    [said] = plan.of(channel(source()), replace(installed(), schema=foreign)).problems
    assert "connect as somebody or as a member of it" in said
    assert said.index("connect as somebody") < said.index("only where somebody") < said.index("ALTER SCHEMA")


def test_a_schema_that_a_superuser_owns_is_to_be_given_to_the_installer():
    """Mutant: `_belongs_to` without the question about the superuser: connecting as one is refused."""
    foreign = replace(SCHEMA, owner="postgres", may_become_owner=False, owner_is_superuser=True)
    _, said = plan.of(channel(source()), replace(installed(), schema=foreign)).problems
    assert "connect as" not in said
    assert said.endswith('run: ALTER SCHEMA notifychannel OWNER TO "installer";')


def test_what_somebody_granted_rights_on_stays_and_is_named():
    there = installed()
    made = removal.of(replace(there, schema=replace(SCHEMA, is_granted=True)), [OWNER])
    assert [step.is_last for step in made.steps] == [False]
    assert "DROP SCHEMA notifychannel CASCADE;" in made.notes[0]


def test_a_schema_with_somebody_elses_table_is_not_dropped():
    made = removal.of(replace(installed(), schema=replace(SCHEMA, others=("mine",))), [OWNER])
    assert not any("DROP SCHEMA" in statement for step in made.steps for statement in step.statements)


def test_a_disabled_trigger_keeps_the_function_from_being_made_anew():
    """Mutant: `_function` ignoring `held`."""
    there = installed()
    name = names.function(OWNER, "public", "orders")
    function = there.functions[name]
    disabled = replace(function.triggers[0], firing=Firing.DISABLED)
    other = Trigger(oid=9, name="x", relation=table().relation, shape=Shape(event=None, by_row=False))
    function = replace(function, triggers=(disabled, *function.triggers[1:], other))
    made = plan.of(channel(source()), replace(there, functions={**there.functions, name: function}))
    assert made.steps == ()
    assert len(made.notes) == 2


def test_a_row_trigger_locks_and_names_every_partition_too():
    part = Relation(oid=101, schema="public", name="orders_1")
    parted = table(kind=Kind.PARTITIONED, partitions=(Partition(relation=part, is_leaf=True, may_trigger=True),))
    tail = names.function(OWNER, "public", "orders")[-8:]
    made = plan.of(channel(source()), facts(parted, taken={101: frozenset({(f"nch_{tail}_insert", 7)})}))
    step = made.steps[-1]
    assert set(step.relations) == {100, 101}
    assert any(f'CREATE TRIGGER "nch_{tail}_insert_2"' in it for it in step.statements)
    assert any(f'CREATE TRIGGER "nch_{tail}_update"' in it for it in step.statements)


@pytest.mark.parametrize(
    ("bits", "event", "by_row"),
    [
        (4, Event.INSERT, False),
        (1 | 8, Event.DELETE, True),
        (16, Event.UPDATE, False),
        (32, Event.TRUNCATE, False),
        (4 | 8, None, False),
        (2 | 4, None, False),
        (1 | 64 | 4, None, True),
    ],
)
def test_the_catalogs_bits_say_event_and_level(bits, event, by_row):
    shape = shape_in_catalog(bits, old_table=None, new_table=None, when=comparison.When.NONE, is_plain=True)
    assert (shape.event, shape.by_row) == (event, by_row)


def test_a_name_that_is_taken_gets_a_number_within_63_bytes():
    (wanted,) = triggers.wanted(channel(source()), owner=OWNER, tables=facts().tables)
    long = replace(wanted.triggers[0], name="ü" * 31, sql='CREATE TRIGGER "' + "ü" * 31 + '" AFTER …')
    (sql,) = statements.create([long], function="f", names={100: frozenset({"ü" * 31})})
    assert 'CREATE TRIGGER "' + "ü" * 30 + '_2" AFTER …' in sql
