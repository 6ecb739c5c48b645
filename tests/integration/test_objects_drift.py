"""Drift: what somebody changed by hand is found by the next pass, and repaired or reported; a second pass does nothing.

Every repair is `step`: one pass that has to succeed, and a second one that finds nothing to do.
"""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_operator import database as edge
from notifychannel_operator import marker, names, plan
from notifychannel_operator.spec import Condition, Event, Operator, Rule
from notifychannel_operator.step import Kind
from tests.premises import OTHER, OWNER, build, channel, source

FUNCTION = names.function(OWNER, "public", "orders")
INSERTED = Rule(name="created", events=(Event.INSERT,))


@pytest.fixture
async def site(database):
    return await build(database)


async def trigger_names(site, table="orders"):
    rows = await site.admin.fetch(
        "SELECT tgname::text FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal ORDER BY 1",
        f"public.{table}",
    )
    return [row[0] for row in rows]


async def test_a_second_pass_changes_nothing(site):
    """Mutant: `_settings` without the search_path; `is_counter` comparing with the whole file."""
    wanted = channel(source(), source("events"))
    before = await site.install(wanted)
    assert [step.kind for step in before.done] == [Kind.INSTALL, Kind.INSTALL]
    written = (
        "SELECT max(xmin::text::bigint) FROM (SELECT xmin FROM pg_proc UNION ALL SELECT xmin FROM pg_trigger) AS x"
    )
    last = await site.admin.fetchval(written)
    made = await site.plan(wanted)
    assert (made.steps, made.notes, made.problems) == ((), (), ())
    assert (await edge.apply(await site.session(), made)).done == ()
    assert await site.admin.fetchval(written) == last


@pytest.mark.parametrize("event", ["insert", "update", "delete", "truncate"])
async def test_a_dropped_trigger_is_made_again(site, event):
    await site.install(channel(source()))
    before = await trigger_names(site)
    victim = next(name for name in before if name.endswith(event))
    await site.app.execute(f'DROP TRIGGER "{victim}" ON public.orders')
    made = await site.plan(channel(source()))
    assert made.repaired
    assert f"trigger {victim} on public.orders is missing" in made.steps[0].sentence
    await site.step(channel(source()))
    assert await trigger_names(site) == before


async def test_a_dropped_function_is_made_again_with_its_triggers(site):
    await site.install(channel(source()))
    before = await trigger_names(site)
    await site.admin.execute(f'DROP FUNCTION notifychannel."{FUNCTION}"() CASCADE')
    assert await trigger_names(site) == []
    await site.step(channel(source()))
    assert await trigger_names(site) == before


BY_HAND = (
    (
        "CREATE OR REPLACE FUNCTION {f} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'"
    ),
    "ALTER FUNCTION {f} SECURITY INVOKER",
    "ALTER FUNCTION {f} RESET search_path",
    "ALTER FUNCTION {f} SET work_mem = '1MB'",
    "REVOKE EXECUTE ON FUNCTION {f} FROM PUBLIC",
    "COMMENT ON FUNCTION {f} IS NULL",
    "COMMENT ON FUNCTION {f} IS 'do not touch'",
)


async def test_a_function_changed_by_hand_is_put_right_without_touching_the_table(site):
    """Mutants: each `yield` of `_altered` taken out lets one of these pass for as wanted."""
    await site.install(channel(source()))
    before = await site.admin.fetch("SELECT * FROM pg_trigger ORDER BY oid")
    dump = site.dump()
    for by_hand in BY_HAND:
        await (await site.session()).execute(by_hand.format(f=f'notifychannel."{FUNCTION}"()'))
        made = await site.plan(channel(source()))
        assert made.repaired, by_hand
        assert not made.steps[0].relations, by_hand
        await site.step(channel(source()))
        assert await site.admin.fetch("SELECT * FROM pg_trigger ORDER BY oid") == before, by_hand
        assert site.dump() == dump, by_hand


async def test_a_function_that_somebody_else_owns_is_made_anew_by_the_installer(site):
    """SECURITY DEFINER runs as the owner: a function that changed hands would run as somebody else."""
    await site.install(channel(source()))
    await site.admin.execute(f'ALTER FUNCTION notifychannel."{FUNCTION}"() OWNER TO "{site.app_role}"')
    assert f"the function belongs to {site.app_role}" in (await site.plan(channel(source()))).steps[0].sentence
    await site.step(channel(source()))
    owner = f"SELECT proowner::regrole::text FROM pg_proc WHERE proname = '{FUNCTION}'"
    assert await site.admin.fetchval(owner) == site.installer


async def test_a_renamed_trigger_is_accepted(site):
    await site.install(channel(source()))
    first = (await trigger_names(site))[0]
    await site.app.execute(f'ALTER TRIGGER "{first}" ON public.orders RENAME TO "my own ""name"""')
    made = await site.plan(channel(source()))
    assert (made.steps, made.notes) == ((), ())


OTHERS = (
    "AFTER INSERT ON public.orders REFERENCING NEW TABLE AS notifychannel_new FOR EACH ROW EXECUTE FUNCTION {f}",
    "AFTER INSERT ON public.orders REFERENCING NEW TABLE AS another FOR EACH STATEMENT EXECUTE FUNCTION {f}",
    "BEFORE INSERT ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION {f}",
    "AFTER INSERT OR DELETE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION {f}",
    "AFTER UPDATE OF status ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION {f}",
    "AFTER INSERT ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION {f}",
    (
        "AFTER INSERT ON public.orders REFERENCING NEW TABLE AS notifychannel_new"
        " FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION {f}"
    ),
    (
        "AFTER INSERT ON public.orders REFERENCING NEW TABLE AS notifychannel_new"
        " FOR EACH STATEMENT EXECUTE FUNCTION {f}"
    ),
)


async def test_a_trigger_of_another_shape_on_our_function_goes_away(site):
    """The last is one of ours twice. Mutant: `_match` answering no surplus."""
    await site.install(channel(source()))
    before = await site.triggers()
    for other in OTHERS:
        await site.admin.execute("CREATE TRIGGER another " + other.format(f=f'notifychannel."{FUNCTION}"()'))
        made = await site.plan(channel(source()))
        assert "trigger another on public.orders is not wanted" in made.steps[0].sentence, other
        await site.step(channel(source()))
        assert await site.triggers() == before, other
        assert "another" not in await trigger_names(site), other


async def test_an_altered_trigger_is_made_as_it_was(site):
    """Mutant: `_match` comparing event and table only."""
    await site.install(channel(source()))
    name = next(it for it in await trigger_names(site) if it.endswith("insert"))
    await (await site.session()).execute(
        f'CREATE OR REPLACE TRIGGER "{name}" AFTER INSERT ON public.orders REFERENCING NEW TABLE AS notifychannel_new'
        f' FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION notifychannel."{FUNCTION}"()'
    )
    assert (await site.plan(channel(source()))).repaired
    await site.step(channel(source()))


async def test_a_disabled_trigger_is_reported_with_the_command_and_left_alone(site):
    """Mutants: `comparison.silent` skipping DISABLED; `enable` without the resync: what was missed stays unheard."""
    await site.install(channel(source()))
    name = (await trigger_names(site))[0]
    await site.app.execute(f'ALTER TABLE public.orders DISABLE TRIGGER "{name}"')
    made = await site.plan(channel(source()))
    assert made.steps == ()
    [note] = made.notes
    told, _, command = note.partition(" enable it with: ")
    assert told == f"trigger {name} on public.orders is disabled: changes are not heard;"
    assert command.startswith(f'ALTER TABLE "public"."orders" ENABLE TRIGGER "{name}"; SELECT ')
    listening, heard = await site.session(site.listener), asyncio.Queue()
    await listening.add_listener(names.pg_channel(OWNER), lambda *args: heard.put_nowait(args[3]))
    await site.app.execute(command)
    payload = await asyncio.wait_for(heard.get(), 30)
    assert payload.startswith("100000000T")
    assert len(payload) == 26
    assert (await site.plan(channel(source()))).notes == ()


async def test_while_a_trigger_is_disabled_others_are_made_but_none_is_made_anew(site):
    """Mutant: `plan` without `differs.held`: the rebuild enables the trigger."""
    await site.install(channel(source()))
    disabled, missing, *_ = await trigger_names(site)
    await site.app.execute(
        f'ALTER TABLE public.orders DISABLE TRIGGER "{disabled}"; DROP TRIGGER "{missing}" ON orders'
    )
    await site.admin.execute(
        f'CREATE TRIGGER another AFTER TRUNCATE ON public.orders EXECUTE FUNCTION notifychannel."{FUNCTION}"()'
    )
    made = await site.plan(channel(source()))
    assert any("first run: ALTER TABLE" in note for note in made.notes)
    await edge.apply(await site.session(), made)
    assert missing in await trigger_names(site)
    state = f"SELECT tgenabled FROM pg_trigger WHERE tgname = '{disabled}'"
    assert await site.admin.fetchval(state) == b"D"
    await site.app.execute(f'ALTER TABLE public.orders ENABLE TRIGGER "{disabled}"')
    await site.step(channel(source()))
    assert "another" not in await trigger_names(site)


async def test_a_changed_rule_changes_the_body_even_while_a_trigger_is_disabled(site):
    await site.install(channel(source()))
    await site.app.execute(f'ALTER TABLE public.orders DISABLE TRIGGER "{(await trigger_names(site))[0]}"')
    changed = channel(source(max_keys=7))
    result = await edge.apply(await site.session(), await site.plan(changed))
    assert [step.kind for step in result.done] == [Kind.CHANGE]
    assert await site.admin.fetchval("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'") == 1


async def test_a_trigger_disabled_on_one_partition_is_reported(site):
    await site.install(channel(source("events")))
    name = next(it for it in await trigger_names(site, "events_1") if it.endswith("insert"))
    await site.app.execute(f'ALTER TABLE public.events_1 DISABLE TRIGGER "{name}"')
    made = await site.plan(channel(source("events")))
    assert len(made.notes) == 1
    assert f'ALTER TABLE "public"."events_1" ENABLE TRIGGER "{name}";' in made.notes[0]


async def test_a_table_made_again_gets_its_triggers_and_the_old_one_loses_them(site):
    await site.install(channel(source()))
    await site.app.execute("ALTER TABLE orders RENAME TO orders_old; CREATE TABLE orders (id bigint, status text)")
    await site.grant(channel(source()))
    made = await site.plan(channel(source()))
    assert made.repaired
    await site.step(channel(source()))
    assert {table for table, _ in await site.triggers()} == {"orders"}


async def test_a_dropped_and_recreated_table_gets_its_triggers_again(site):
    await site.install(channel(source()))
    before = await trigger_names(site)
    await site.app.execute("DROP TABLE orders; CREATE TABLE orders (id bigint, status text)")
    made = await site.plan(channel(source()))
    assert made.steps == ()
    assert f'GRANT TRIGGER ON TABLE "public"."orders" TO "{site.installer}";' in made.problems[0]
    await site.grant(channel(source()))
    await site.step(channel(source()))
    assert await trigger_names(site) == before


async def test_a_renamed_table_is_named_where_its_triggers_are_and_the_others_are_still_kept(site):
    """Mutant: `refused` not passed to `plan`: the function of the renamed table is dropped."""
    wanted = channel(source(), source("events"))
    await site.install(wanted)
    await site.app.execute("ALTER TABLE orders RENAME TO orders_old")
    lost = next(it for it in await trigger_names(site, "events") if it.endswith("insert"))
    await site.app.execute(f'DROP TRIGGER "{lost}" ON events')
    made = await site.plan(wanted)
    assert any("its triggers are on public.orders_old: if it was renamed" in it for it in made.problems)
    result = await edge.apply(await site.session(), made)
    assert [step.kind for step in result.done] == [Kind.REPAIR]
    assert lost in await trigger_names(site, "events")
    assert len(await trigger_names(site, "orders_old")) == 4


async def test_an_attached_partition_gets_its_truncate_trigger(site):
    wanted = channel(source("events"))
    await site.install(wanted)
    await site.app.execute("CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')")
    lacking = await site.plan(wanted)
    assert lacking.steps == ()
    assert f'GRANT TRIGGER ON TABLE "public"."events_3" TO "{site.installer}";' in lacking.problems[0]
    await site.grant(wanted)
    made = await site.plan(wanted)
    assert made.repaired
    assert not made.steps[0].is_exclusive
    await site.step(wanted)
    assert await trigger_names(site, "events_3") == await trigger_names(site, "events_1")


async def test_a_partition_without_rights_does_not_keep_the_others_from_being_repaired(site):
    wanted = channel(source("events"))
    await site.install(wanted)
    truncate = next(it for it in await trigger_names(site, "events_1") if it.endswith("truncate"))
    await site.app.execute(
        "CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');"
        f'DROP TRIGGER "{truncate}" ON events_1'
    )
    made = await site.plan(wanted)
    assert len(made.problems) == 1
    assert (await edge.apply(await site.session(), made)).is_complete
    assert truncate in await trigger_names(site, "events_1")


async def test_a_detached_partition_loses_its_trigger(site):
    wanted = channel(source("events"))
    await site.install(wanted)
    await site.app.execute("ALTER TABLE events DETACH PARTITION events_1")
    assert await trigger_names(site, "events_1") != []
    await site.step(wanted)
    assert await trigger_names(site, "events_1") == []
    assert len(await trigger_names(site, "events_2")) == 4


async def test_a_table_that_becomes_a_partition_gets_row_triggers(site):
    await site.app.execute("CREATE TABLE events_4 (id bigint NOT NULL, at date NOT NULL)")
    wanted = channel(source("events_4"))
    await site.install(wanted)
    await site.app.execute(
        "ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')"
    )
    await site.step(wanted)
    by_row = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'events_4'::regclass AND tgtype & 1 = 1"
    assert await site.admin.fetchval(by_row) == 3


async def test_a_rule_that_went_away_takes_its_triggers_along(site):
    await site.install(channel(source()))
    await site.step(channel(source("orders", INSERTED)))
    assert await trigger_names(site) == [f"nch_{FUNCTION[-8:]}_insert"]


async def test_a_source_that_went_away_takes_its_function_along(site):
    await site.install(channel(source(), source("events")))
    result = await site.step(channel(source()))
    assert [step.kind for step in result.done if step.function != FUNCTION] == [Kind.REMOVE]
    assert {table for table, _ in await site.triggers()} == {"orders"}


async def test_a_suspended_channel_keeps_its_triggers(site):
    await site.install(channel(source()))
    result = await site.step(channel(source(), suspend=True))
    assert [step.kind for step in result.done] == [Kind.CHANGE]
    assert not any(step.relations for step in result.done)


async def test_the_counter_is_put_right_too(site):
    await site.install(channel(source()))
    for by_hand in (
        "DROP SEQUENCE notifychannel.skips",
        "DROP FUNCTION notifychannel.skipped()",
        "ALTER FUNCTION notifychannel.skipped() SECURITY INVOKER",
        "GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO PUBLIC",
    ):
        await site.admin.execute(by_hand)
        assert [step.kind for step in (await site.step(channel(source()))).done] == [Kind.SCHEMA], by_hand


async def test_every_change_of_a_function_is_followed_by_one_resync_at_its_commit(site):
    """A payload without keys and with the hash of no rules. Mutant: `_step` without `statements.resync`."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    await site.admin.add_listener(names.pg_channel(OWNER), lambda *args: queue.put_nowait(args[3]))
    await site.install(channel(source()))
    payload = await asyncio.wait_for(queue.get(), 30)
    assert payload.startswith("100000000T")
    assert len(payload) == 26
    assert payload[10:].isdigit()
    assert queue.empty()


async def test_a_name_that_somebody_took_is_left_to_them(site):
    """Mutant: `_free` returning the name as it is."""
    await site.app.execute("CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    tail = FUNCTION[-8:]
    await site.app.execute(
        f'CREATE TRIGGER "nch_{tail}_insert" AFTER INSERT ON orders EXECUTE FUNCTION audit();'
        f'CREATE TRIGGER "nch_{tail}_insert_2" AFTER INSERT ON orders EXECUTE FUNCTION audit()'
    )
    await site.install(channel(source()))
    assert f"nch_{tail}_insert_3" in await trigger_names(site)
    assert len(await trigger_names(site)) == 6


async def test_a_name_that_another_of_our_triggers_was_given_is_left_to_it(site):
    """Mutant: `_names` leaving out our own: the trigger is taken for made, in each pass anew."""
    await site.install(channel(source()))
    tail = FUNCTION[-8:]
    await site.app.execute(
        f'DROP TRIGGER "nch_{tail}_delete" ON orders;'
        f'ALTER TRIGGER "nch_{tail}_insert" ON orders RENAME TO "nch_{tail}_delete"'
    )
    await site.step(channel(source()))
    assert f"nch_{tail}_delete_2" in await trigger_names(site)


async def test_a_name_taken_on_a_partition_is_left_to_them_too(site):
    tail = names.function(OWNER, "public", "events")[-8:]
    await site.app.execute(
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f'CREATE TRIGGER "nch_{tail}_insert" AFTER INSERT ON events_2 EXECUTE FUNCTION audit()'
    )
    await site.install(channel(source("events")))
    assert f"nch_{tail}_insert_2" in await trigger_names(site, "events_2")


@pytest.mark.parametrize("comment", [None, "mine", "other's marker"])
async def test_a_function_with_our_name_that_is_not_ours_is_a_problem_and_never_touched(site, comment):
    """Mutant: `_function` going on without `_is_ours`."""
    wanted = channel(source())
    await site.grant(wanted)
    session = await site.session()
    name = f'"notifychannel"."{FUNCTION}"()'
    await session.execute(f"CREATE FUNCTION {name} RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    if comment is not None:
        text = marker.text(OTHER, "public", "orders", "hash")
        await session.execute(f"COMMENT ON FUNCTION {name} IS '{comment if comment == 'mine' else text}'")
    before = site.dump()
    made = await site.plan(wanted)
    assert made.steps == ()
    assert f"DROP FUNCTION {name} CASCADE" in made.problems[0]
    await edge.remove(session, OWNER)
    assert "DROP" not in str(await edge.observe_removal(session, [OWNER]))
    assert site.dump() == before


async def test_another_owners_objects_on_the_same_table_are_never_touched(site):
    """Mutant: `_is_ours` comparing namespaces only."""
    mine, other = channel(source()), channel(source(), name="billing")
    await site.install(mine)
    before = site.dump()
    await site.install(other, OTHER)
    assert len(await site.triggers()) == 8
    await site.step(channel(source("orders", INSERTED)))
    await site.step(mine)
    assert (await site.plan(other, OTHER)).steps == ()
    assert (await edge.remove(await site.session(), OTHER)).is_complete
    assert site.dump() == before


async def test_orphans_are_claimed_only_when_that_is_asked_for(site):
    """After a restore, or when Helm made a new installation id."""
    restored = names.Owner(installation="before the restore", namespace="shop", name="orders")
    stranger = names.Owner(installation="before the restore", namespace="shop", name="billing")
    wanted = channel(source())
    await site.install(wanted, restored)
    await site.install(channel(source(), name="billing"), stranger)
    await site.step(wanted)
    assert len({function for _, function in await site.triggers()}) == 3
    await site.step(channel(source(), take_over=True))
    left = {function for _, function in await site.triggers()}
    assert left == {f"notifychannel.{names.function(owner, 'public', 'orders')}" for owner in (OWNER, stranger)}


async def test_what_changed_since_the_plan_was_made_is_not_run_over(site):
    """Mutant: `_is_stale` returning False: the trigger that was disabled meanwhile is made anew, enabled."""
    await site.install(channel(source()))
    made = await site.plan(channel(source("orders", INSERTED)))
    name = (await trigger_names(site))[0]
    await site.app.execute(f'ALTER TABLE public.orders DISABLE TRIGGER "{name}"')
    result = await edge.apply(await site.session(), made)
    assert (len(result.stale), result.done) == (1, ())
    assert await site.admin.fetchval("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'") == 1


@pytest.mark.parametrize(
    ("ddl", "said"),
    [
        ("CREATE VIEW v AS SELECT 1 AS id", "is a view"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1 AS id", "is a view"),
        ("CREATE TABLE v (id int); CREATE TABLE c () INHERITS (v)", "has children in plain inheritance"),
        ("CREATE TABLE p (id int); CREATE TABLE v () INHERITS (p)", "is a child in plain inheritance"),
        (("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
         " CREATE FOREIGN TABLE v (id int) SERVER s"), "is a foreign table"),
        ("SELECT 1", "there is no table public.v"),
    ],
)  # fmt: skip
async def test_what_triggers_cannot_watch_is_refused_with_a_sentence(site, ddl, said):
    await site.grant(channel(source()))
    await site.admin.execute(ddl)
    made = plan.of(channel(source("v")), await edge.observe(await site.session(), channel(source("v")), OWNER))
    assert not [step for step in made.steps if step.kind is Kind.INSTALL]
    assert any(said in problem for problem in made.problems)


async def test_a_value_that_its_column_cannot_hold_is_refused(site):
    rule = Rule(
        name="r", events=(Event.INSERT,), when=(Condition(column="id", operator=Operator.EQUALS, values=("seven",)),)
    )
    await site.grant(channel(source()))
    made = await site.plan(channel(source("orders", rule)))
    assert made.steps == ()
    assert "rule r, column id: the value can't be read as bigint (invalid input syntax" in made.problems[0]


async def test_what_somebody_else_keeps_in_our_schema_survives_the_last_channel(site):
    wanted = channel(source())
    await site.admin.execute(f"""
        GRANT CONNECT, CREATE ON DATABASE "{site.database.name}" TO "{site.installer}";
        GRANT USAGE ON SCHEMA public TO "{site.installer}";
        GRANT TRIGGER ON orders TO "{site.installer}";
    """)
    await site.step(wanted)
    await site.admin.execute("CREATE FUNCTION notifychannel.mine(int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert (await edge.remove(await site.session(), OWNER)).is_complete
    assert await site.admin.fetchval("SELECT notifychannel.mine(1)") == 1
    await site.admin.execute("DROP FUNCTION notifychannel.mine(int)")
    await site.step(wanted)
    assert (await edge.remove(await site.session(), OWNER)).is_complete
    assert await site.admin.fetchval("SELECT to_regnamespace('notifychannel')") is None
