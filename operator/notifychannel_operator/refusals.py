"""Why a channel can't be installed in a database as it is: pure sentences, each with the remedy.

What is wrong with server, role, schema or listener stops the whole pass; what is wrong with a table stops only its
own trigger function. Types and columns are judged by `triggers.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from notifychannel_operator import grants, queue_statements
from notifychannel_operator.catalog import Kind
from notifychannel_operator.names import SCHEMA
from notifychannel_operator.quote import ident, qualified

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from notifychannel_operator.catalog import Table
    from notifychannel_operator.objects import Existing, Facts, Listener, Schema
    from notifychannel_operator.spec import Source

MIN_VERSION = 14
"""We read pg_type.typsubscript and pg_inherits.inhdetachpending, which 14 brought; tested on 16 and 18."""


OUTBOX = frozenset({"outbox", "outbox_logged", "relay_beats", "relay_rounds", "relay_position"})


def of_database(
    facts: Facts, *, has_sources: bool, allow_superuser: bool, by_outbox: bool = False, by_queue: bool = False
) -> Iterator[str]:
    """What stops the pass: version, standby, encoding, superuser, our schema, the listener's rights."""
    if facts.server.version < MIN_VERSION * 10000:
        yield (
            f"PostgreSQL {facts.server.version // 10000} is too old: NotifyChannel needs {MIN_VERSION}, for it reads "
            "catalog columns that came with it; upgrade the server"
        )
    if facts.server.is_standby:
        yield "this server is a standby, which accepts no triggers and no LISTEN: connect to the primary"
    if facts.server.encoding == "SQL_ASCII":
        yield (
            f"the database {facts.server.dbname} is in SQL_ASCII, where any bytes are text: one NOTIFY that isn't "
            "UTF-8 would end the listener's session; move it into one made with ENCODING 'UTF8' TEMPLATE template0"
        )
    if has_sources:
        yield from _superuser(facts, allowed=allow_superuser)
        yield from of_schema(facts)
    if by_outbox:
        yield from _taken(facts, OUTBOX)
    if by_queue:
        yield from _taken(facts, queue_statements.relations())
    if facts.listener is not None:
        yield from _listener(facts.listener, facts)


def of_table(source: Source, facts: Facts) -> Iterator[str]:
    """What stops one source: its table is missing, not ordinary, or the installer lacks a right on it."""
    table = facts.tables.get((source.schema, source.table))
    if table is None:
        yield _missing(source, facts)
        return
    kind = _kind(table)
    if kind is not None:
        yield f"{source.label} {kind}"
        return
    if not table.may_use_schema:
        yield _run(grants.use(source.schema, facts.installer), f"may not use the schema of {source.label}", facts)
    if not table.may_trigger:
        yield _run(
            grants.trigger(source.schema, source.table, facts.installer),
            f"may not create triggers on {source.label}",
            facts,
        )
    yield from _looked_up(source, facts)


def of_partitions(source: Source, facts: Facts) -> Iterator[str]:
    """Rights missing on partitions: on PostgreSQL a trigger on the parent needs them on each."""
    table = facts.tables.get((source.schema, source.table))
    for partition in table.partitions if table else ():
        relation = partition.relation
        if not partition.may_use_schema:
            yield _run(
                grants.use(relation.schema, facts.installer), f"may not use the schema of {relation.label}", facts
            )
        if not partition.may_trigger:
            yield _run(
                grants.trigger(relation.schema, relation.name, facts.installer),
                f"may not create triggers on {relation.label}, a partition of {source.label}",
                facts,
            )


def _superuser(facts: Facts, *, allowed: bool) -> Iterator[str]:
    owner = facts.schema.owner if facts.schema and facts.schema.owner_is_superuser else None
    superuser = facts.server.login if facts.server.login_is_superuser else owner
    if superuser is not None and not allowed:
        yield (
            f"{superuser} is a superuser: trigger functions run with the rights of their owner, so a plain role must "
            "own them; connect as one, or name it (`notifychannel sql --grants` prints the rights that it needs)"
        )


def of_schema(facts: Existing) -> Iterator[str]:
    """What keeps the installer from working in our schema."""
    if facts.schema is None:
        if not facts.server.may_create_schema:
            yield _run(grants.make_schema(facts.server.login), f"may not create the schema {SCHEMA}", facts)
    elif not facts.schema.may_become_owner:
        yield _belongs_to(facts.schema, facts.server.login)
    elif "skips" in facts.schema.others:
        yield f"{SCHEMA}.skips is not a sequence, so somebody else made it: rename or drop it"


def _taken(facts: Existing, ours: Collection[str]) -> Iterator[str]:
    """What has the name of one of our objects and is none."""
    for name in facts.schema.others if facts.schema else ():
        if name in ours:
            yield f"{SCHEMA}.{name} is not what NotifyChannel makes under that name: rename or drop it"


def _belongs_to(schema: Schema, login: str) -> str:
    """Another owner is nearly always the right installer; but what a superuser owns can't stay so."""
    belongs = f"the schema {SCHEMA} belongs to {schema.owner}, and {login} may not act as that role"
    give = grants.own_schema(login)
    if schema.owner_is_superuser:
        return f"{belongs}: give it to the installer; run: {give}"
    return (
        f"{belongs}: connect as {schema.owner} or as a member of it (with --installer: name it); only where "
        f"{schema.owner} is no longer to be the installer, run as a superuser: {give}"
    )


def _listener(listener: Listener, facts: Facts) -> Iterator[str]:
    if not listener.exists:
        yield f"there is no role {listener.role} for the listener; run: CREATE ROLE {ident(listener.role)} LOGIN;"
    elif not listener.may_connect:
        grant = grants.connect(facts.server.dbname, listener.role)
        yield f"the listener {listener.role} may not connect to the database; run: {grant}"


def _missing(source: Source, facts: Facts) -> str:
    now = sorted(
        {
            trigger.relation.label
            for function in facts.functions.values()
            for trigger in function.triggers
            if function.marker is not None
            and function.marker.owner == facts.owner
            and (function.marker.schema, function.marker.table) == (source.schema, source.table)
            and not trigger.is_clone
        }
    )
    if now:
        return (
            f"there is no table {source.label}, but its triggers are on {', '.join(now)}: if it was renamed, "
            "write the new name into the source"
        )
    return missing(source.label)


def missing(label: str) -> str:
    """Of a table that is not there."""
    return f"there is no table {label}: create it, or correct the source (names are case-sensitive)"


def _kind(table: Table) -> str | None:
    """Why triggers can't see every change of this relation, or None."""
    match table.kind:
        case Kind.VIEW | Kind.MATERIALIZED_VIEW:
            return "is a view, whose changes happen in its tables: name those as sources"
        case Kind.FOREIGN_TABLE:
            return "is a foreign table, whose changes happen on another server: install the channel there"
        case Kind.OTHER:
            return "is not a table"
        case Kind.TABLE | Kind.PARTITIONED:
            return _family(table)
        case _:
            assert_never(table.kind)


def _family(table: Table) -> str | None:
    if table.is_system:
        return "is a system or temporary table, or our own: name a table of the application"
    if table.inherits:
        return (
            "is a child in plain inheritance: statements on its parent change it unseen; partition the parent, or "
            "detach this table with ALTER TABLE … NO INHERIT …"
        )
    if table.inherited:
        return "has children in plain inheritance, whose changes its triggers don't see: use partitions"
    return None


def _looked_up(source: Source, facts: Facts) -> Iterator[str]:
    for (schema, name), columns in grants.looked_up([source]).items():
        table = facts.tables.get((schema, name))
        if table is None:
            yield f"there is no table {schema}.{name}, where the key of {source.label} looks up: correct the key"
            continue
        if not table.may_use_schema:
            yield _run(grants.use(schema, facts.installer), f"may not use the schema of {schema}.{name}", facts)
        if table.row_security:
            yield (
                f"{schema}.{name} has row level security, whose policies would run with the installer's rights when "
                f"the key of {source.label} looks up there: put the column into {source.label}, or run: "
                f"ALTER TABLE {qualified(schema, name)} DISABLE ROW LEVEL SECURITY;"
            )
        known = {column for column in columns if table.column(column) is not None}
        if known - table.selectable:
            yield _run(
                grants.select(schema, name, columns, facts.installer), f"may not look up in {schema}.{name}", facts
            )


def _run(statement: str, lacks: str, facts: Existing) -> str:
    return f"{facts.installer} {lacks}; run: {statement}"
