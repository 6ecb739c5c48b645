"""The edge to a database: asks everything that its checks want to know. Refuses to judge, and to show a text of the
server's, which may hold a key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli import registry
from notifychannel_cli.doctor import proof
from notifychannel_cli.doctor.backlog import Outbox, Waiting
from notifychannel_cli.doctor.bloat import Bloat, Holder, Kind, Table
from notifychannel_cli.doctor.commit_lock import LONG_S, CommitLook
from notifychannel_cli.doctor.connections import Connections
from notifychannel_cli.doctor.finding import Unseen
from notifychannel_cli.doctor.listeners import Listener
from notifychannel_cli.doctor.notify_queue import FULL, Held, Look, NotifyQueue
from notifychannel_cli.doctor.question import NO_RIGHT, asking, one, seen
from notifychannel_cli.doctor.replication import Replication
from notifychannel_cli.doctor.server import Proof, Server, is_too_old
from notifychannel_cli.doctor.triggers import DEV, Installed
from notifychannel_operator import database, grants, inventory, sqlfile
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.names import Owner
from notifychannel_operator.passes.whereabouts import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from notifychannel_cli.doctor.question import Connection
    from notifychannel_operator.spec import Channel

LOOKS, APART_S = 5, LONG_S / 4
"""At the commit lock; between the first and the last who waits all along has waited for LONG_S."""
WARNS = 0.5
"""From here on the server names who holds the queue."""
ON_A_STANDBY = Unseen(why="the server is a standby: mend database/primary first")
TOO_OLD = Unseen(why="the server is too old for these questions: mend database/version first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A database as it was seen."""

    server: Server
    proof: Proof | Unseen
    notify_queue: NotifyQueue | Unseen
    commit_lock: tuple[CommitLook, ...] | Unseen
    connections: Connections | Unseen
    listeners: tuple[Listener, ...] | Unseen
    outbox: Outbox | Unseen | None
    queue: tuple[Waiting, ...] | Unseen
    bloat: Bloat | Unseen
    replication: Replication | Unseen
    channels: tuple[Installed, ...] | Unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A channel that should be in this database."""

    channel: Channel
    installation: str | None = None
    """None: what the objects there say, where they all say the same."""
    identity: Identity | None = None
    """The database that it is in, as the cluster says; None: this one."""
    file: str | None = None
    """That it was read from; None: it is the cluster's."""


async def look(connection: Connection, arguments: Mapping[str, Any], wanted: Sequence[Wanted] | Unseen) -> Seen:
    """Everything; takes a second or two. Raises asyncpg.PostgresError, InterfaceError and OSError when it is lost."""
    async with asking(connection):
        server = Server(**one(await connection.fetchrow(sqlfile.read("doctor/server.sql"))))
    if is_too_old(server):
        return _only(server, TOO_OLD)
    if server.is_standby:
        return _only(server, ON_A_STANDBY)
    outbox_before = await seen(_outbox(connection))
    before = await _queue_look(connection)
    commits = await _commit_looks(connection)
    after = await _queue_look(connection)
    named = await proof.queue_holder(arguments) if after.usage > WARNS else None
    queue = NotifyQueue(before=before, after=after, named=named)
    return Seen(
        server=server,
        proof=await _proof(arguments, queue, commits),
        notify_queue=queue,
        commit_lock=commits,
        connections=await seen(_connections(connection)),
        listeners=await seen(_listeners(connection)),
        outbox=_still(outbox_before, await seen(_outbox(connection))),
        queue=await seen(_queue(connection)),
        bloat=await seen(_bloat(connection)),
        replication=await seen(_replication(connection)),
        channels=wanted if isinstance(wanted, Unseen) else await seen(_channels(connection, server, wanted)),
    )


def _only(server: Server, why: Unseen) -> Seen:
    return Seen(
        server=server, proof=why, notify_queue=why, commit_lock=why, connections=why, listeners=why, outbox=why,
        queue=why, bloat=why, replication=why, channels=why,
    )  # fmt: skip


async def _proof(arguments: Mapping[str, Any], queue: NotifyQueue, commits: tuple[CommitLook, ...]) -> Proof | Unseen:
    """Not where it would wait for what is in the way already."""
    if queue.after.usage >= FULL:
        return Unseen(
            why="who begins to listen has to read what is in the NOTIFY queue: mend database/notify-queue first"
        )
    if any(it.longest_s >= LONG_S for it in commits):
        return Unseen(why="a NOTIFY would wait for the commits that wait: mend database/commit-lock first")
    return await proof.prove(arguments)


async def _queue_look(connection: Connection) -> Look:
    async with asking(connection):
        held = [Held(**row) for row in await connection.fetch(sqlfile.read("doctor/notify_held.sql"))]
        usage = one(await connection.fetchrow(sqlfile.read("doctor/notify_usage.sql")))
    return Look(**usage, held=tuple(held))


async def _commit_looks(connection: Connection) -> tuple[CommitLook, ...]:
    looks = []
    for number in range(LOOKS):
        if number:
            await asyncio.sleep(APART_S)
        async with asking(connection):
            looks.append(CommitLook(**one(await connection.fetchrow(sqlfile.read("doctor/commit_lock.sql")))))
    return tuple(looks)


async def _connections(connection: Connection) -> Connections:
    async with asking(connection):
        return Connections(**one(await connection.fetchrow(sqlfile.read("doctor/connections.sql"))))


async def _listeners(connection: Connection) -> tuple[Listener, ...]:
    async with asking(connection):
        rows = await connection.fetch(sqlfile.read("doctor/listener_rights.sql"), grants.called())
    return tuple(
        Listener(role=row["role"], may_use=row["may_use"], lacking=tuple(row["lacking"] or ())) for row in rows
    )


async def _outbox(connection: Connection) -> Outbox | None:
    async with asking(connection):
        there = one(await connection.fetchrow(sqlfile.read("queue/there.sql")))
        if not there["has_outbox"]:
            return None
        return Outbox(**one(await connection.fetchrow(sqlfile.read("doctor/outbox.sql"))))


def _still(before: Outbox | Unseen | None, after: Outbox | Unseen | None) -> Outbox | Unseen | None:
    """What was left at both looks: at one, the relay may just have been changing."""
    if isinstance(before, Outbox) and isinstance(after, Outbox):
        return Outbox(rows=after.rows, size_bytes=after.size_bytes, is_left=before.is_left and after.is_left)
    return after


async def _queue(connection: Connection) -> tuple[Waiting, ...]:
    async with asking(connection):
        there = one(await connection.fetchrow(sqlfile.read("queue/there.sql")))
        if not there["has_queue"]:
            return ()
        rows = await connection.fetch(sqlfile.read("queue/consumers.sql"), None, None, None, None)
    return tuple(
        Waiting(
            channel=registry.channel_name(row), group=row["group"], is_suspended=row["suspended"],
            waiting=row["pending"] + row["claimed"] + row["retrying"], dead=row["dead"], claimers=row["active"],
            oldest_s=row["oldest_s"],
        )
        for row in rows
    )  # fmt: skip


async def _bloat(connection: Connection) -> Bloat:
    async with asking(connection):
        tables = tuple(Table(**row) for row in await connection.fetch(sqlfile.read("doctor/bloat.sql")))
        oldest = await connection.fetchrow(sqlfile.read("doctor/oldest_holder.sql"))
    holder = Holder(kind=Kind(oldest["kind"]), name=oldest["name"], age=oldest["age"]) if oldest else None
    return Bloat(tables=tables, holder=holder)


async def _replication(connection: Connection) -> Replication:
    async with asking(connection):
        settings = await connection.fetch(sqlfile.read("doctor/replica_settings.sql"))
        everywhere = await connection.fetchval(sqlfile.read("doctor/replica_everywhere.sql"))
        subscriptions = await connection.fetch(sqlfile.read("doctor/replica_subscriptions.sql"))
    return Replication(
        settings=tuple((row["role"], row["database"]) for row in settings),
        is_everywhere=bool(everywhere),
        subscriptions=tuple((row["subscription"], row["table"]) for row in subscriptions),
    )


async def _channels(connection: Connection, server: Server, wanted: Sequence[Wanted]) -> tuple[Installed, ...] | Unseen:
    if not server.is_installer:
        return NO_RIGHT
    here = Identity(server.system_identifier, server.dbname)
    try:
        return tuple([await _installed(connection, server, it) for it in wanted if it.identity in (None, here)])
    except (PlanError, ValueError) as error:
        return Unseen(why=str(error), remedy=("notifychannel doctor --installation ID",))


async def _installed(connection: Connection, server: Server, it: Wanted) -> Installed:
    namespace, name = it.channel.namespace, it.channel.name
    installation = it.installation or await _installation(connection, namespace, name)
    owner = Owner(installation=installation, namespace=namespace, name=name)
    async with asking(connection, isolation="repeatable_read"):
        facts = await database.observe(connection, it.channel, owner, role=server.schema_owner)
    return Installed(channel=it.channel, facts=facts, file=it.file, installation=installation)


async def _installation(connection: Connection, namespace: str, name: str) -> str:
    """Of the objects that are there for this channel; raises ValueError where it could be several."""
    anybody = Owner(installation="", namespace=namespace, name=name)
    async with asking(connection):
        functions = await inventory.functions(connection, named=(), owner=anybody)
    found = {it.marker.owner.installation for it in functions.values() if it.marker is not None}
    if len(found) > 1:
        raise ValueError(f"several installations have objects for {namespace}/{name}: {', '.join(sorted(found))}")
    return found.pop() if found else DEV
