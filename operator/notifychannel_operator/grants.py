"""The rights that installer and listener need, as statements: all of them for `notifychannel sql --grants`, and one by
one for the sentence that says which is missing. Pure; run by whoever may grant them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from notifychannel_operator import queue_statements, sqlfile, statements
from notifychannel_operator.names import SCHEMA
from notifychannel_operator.quote import ident, qualified
from notifychannel_operator.spec import Capture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from notifychannel_operator.catalog import Table
    from notifychannel_operator.spec import Channel, Lookup, Source


def connect(dbname: str, role: str) -> str:
    """To log in to the database."""
    return f"GRANT CONNECT ON DATABASE {ident(dbname)} TO {ident(role)};"


def make_schema(role: str) -> str:
    """Our schema, made for the installer by a DBA: it needs no CREATE on the database then."""
    return f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {ident(role)};"


def own_schema(role: str) -> str:
    """Our schema, given to the installer."""
    return f"ALTER SCHEMA {SCHEMA} OWNER TO {ident(role)};"


def use(schema: str, role: str) -> str:
    """To name what is in a schema."""
    return f"GRANT USAGE ON SCHEMA {_schema(schema)} TO {ident(role)};"


def trigger(schema: str, table: str, role: str) -> str:
    """To put triggers on a table; each partition that exists needs its own."""
    return f"GRANT TRIGGER ON TABLE {qualified(schema, table)} TO {ident(role)};"


def select(schema: str, table: str, columns: Iterable[str], role: str) -> str:
    """To look up in a table."""
    return (
        f"GRANT SELECT ({', '.join(map(ident, sorted(columns)))}) ON TABLE {qualified(schema, table)} TO {ident(role)};"
    )


def execute(functions: Iterable[str], role: str) -> str:
    """To call functions: `schema.name(types)`, or without the types where the name is there once."""
    return f"GRANT EXECUTE ON FUNCTION {', '.join(functions)} TO {ident(role)};"


def call(role: str) -> str:
    """To read how many NOTIFYs were skipped."""
    return execute((f"{SCHEMA}.skipped()",), role)


def relay(role: str) -> str:
    """To drain the outbox, as any listener may have to."""
    functions = (
        "drain(xid8, xid8[], integer)", "collapse(bigint, xid8, integer)", "relay_look()", "relay_waiting()",
        "relay_drained(xid8)",
    )  # fmt: skip
    return execute((f"{SCHEMA}.{it}" for it in functions), role)


def claim(role: str) -> str:
    """To deliver from the queue."""
    return execute((f"{SCHEMA}.{name}" for name in queue_statements.claiming()), role)


def called() -> tuple[str, ...]:
    """Names of all functions that a listener calls, whatever its channels need; without schema."""
    return tuple(re.findall(rf"\b{SCHEMA}\.(\w+)", " ".join(grant("role") for grant in (call, relay, claim))))


def looked_up(sources: Iterable[Source]) -> dict[tuple[str, str], frozenset[str]]:
    """Table → columns that the lookups of these sources read."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for lookup in lookups(sources):
        columns = {lookup.column, *(column for column, _ in lookup.match)}
        found[lookup.schema, lookup.table] = found.get((lookup.schema, lookup.table), frozenset()) | columns
    return found


def lookups(sources: Iterable[Source]) -> Iterator[Lookup]:
    """Every lookup in the keys of these sources."""
    return (part.lookup for source in sources for part in source.key if part.lookup is not None)


def script(
    channels: Sequence[Channel],
    *,
    installer: str,
    listener: str,
    dbname: str,
    tables: Mapping[tuple[str, str], Table],
) -> str:
    """All rights that these channels need in this database, for `psql -f`; idempotent.

    `tables` holds the sources' tables (for their partitions); one that is missing there gets its GRANT all the same.
    """
    sources = [source for channel in channels for source in channel.sources]
    by_outbox = any(channel.capture is Capture.OUTBOX for channel in channels)
    by_queue = any(channel.is_logged for channel in channels)
    rights = _installer(sources, role=installer, dbname=dbname, tables=tables)
    parts = [sqlfile.read("grants/head.sql"), *_unique(rights)]
    if sources:
        shared = _shared(with_outbox=by_outbox, with_queue=by_queue)
        parts.append(sqlfile.fill("grants/objects.sql", role=ident(installer), schema=shared))
    if listener != installer:
        parts += ["", "-- The listener: the role of the sidecars.", connect(dbname, listener)]
        parts += [use(SCHEMA, listener), call(listener)] if sources else []
        parts += [relay(listener)] if by_outbox else []
        parts += [claim(listener)] if by_queue else []
    return "\n".join([*parts, "", "COMMIT;", ""])


def _installer(
    sources: Sequence[Source], *, role: str, dbname: str, tables: Mapping[tuple[str, str], Table]
) -> Iterator[str]:
    yield connect(dbname, role)
    if sources:
        yield make_schema(role)
    for source in sources:
        yield use(source.schema, role)
        yield trigger(source.schema, source.table, role)
        table = tables.get((source.schema, source.table))
        for partition in table.partitions if table else ():
            yield use(partition.relation.schema, role)
            yield trigger(partition.relation.schema, partition.relation.name, role)
    for (schema, table_name), columns in looked_up(sources).items():
        yield use(schema, role)
        yield select(schema, table_name, columns, role)


def _shared(*, with_outbox: bool, with_queue: bool) -> str:
    """Without the making of the schema, which `make_schema` does as a role that may."""
    shared = sqlfile.body("010_schema.sql").partition("END $schema$;")[2].strip()
    more = (*(statements.outbox() if with_outbox else ()), *(queue_statements.make() if with_queue else ()))
    return "\n\n".join([shared, *(f"{it};" for it in more)])


def _schema(name: str) -> str:
    return SCHEMA if name == SCHEMA else ident(name)


def _unique(statements: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(statements))
