"""Which judgement belongs to which check, and what each of them is given: what was seen → findings. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor import (
    backlog,
    bloat,
    certificate,
    channels,
    checks,
    commit_lock,
    connections,
    consequence,
    dry_run,
    listeners,
    notify_queue,
    pods,
    release,
    replication,
    server,
    triggers,
)
from notifychannel_cli.doctor.finding import Finding, Unseen, Verdict, judged, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from notifychannel_cli.doctor import cluster, database
    from notifychannel_cli.doctor.check import Check
    from notifychannel_cli.doctor.finding import Trouble

    Judge = Callable[[Any], Iterable[Trouble | Unseen]]

OF_CLUSTER: dict[Check, tuple[str, Judge]] = {
    checks.API: ("", lambda _: ()),
    checks.CRD: ("definition", release.definition),
    checks.LEADER: ("leader", release.leader),
    checks.RIGHTS: ("rights", release.rights),
    checks.INJECTOR: ("dry_run", dry_run.injector),
    checks.CERTIFICATE: ("certificate", certificate.days),
    checks.CA_BUNDLE: ("certificate", certificate.ca_bundle),
    checks.CONDITIONS: ("channels", channels.conditions),
    checks.SECRET: ("secrets", channels.secrets),
    checks.INJECTED: ("pods", pods.injected),
    checks.OUTDATED: ("pods", pods.outdated),
    checks.GROUP: ("pods", pods.named),
    checks.LISTENING: ("pods", pods.listening),
    checks.PROBE: ("pods", pods.probe),
}
OF_DATABASE: dict[Check, tuple[str, Judge]] = {
    checks.TABLES: ("channels", triggers.tables),
    checks.PRIVILEGES: ("channels", triggers.privileges),
    checks.PARTITIONS: ("channels", triggers.partitions),
    checks.ROW_SECURITY: ("channels", triggers.row_security),
    checks.TRIGGERS: ("channels", triggers.triggers),
    checks.ENABLED: ("channels", triggers.enabled),
    checks.REPLICATION_ROLE: ("replication", replication.replication_role),
    checks.REACHABLE: ("", lambda _: ()),
    checks.VERSION: ("server", server.version),
    checks.ENCODING: ("server", server.encoding),
    checks.PRIMARY: ("server", server.primary),
    checks.POOLER: ("proof", server.pooler),
    checks.NOTIFY_QUEUE: ("notify_queue", notify_queue.notify_queue),
    checks.COMMIT_LOCK: ("commit_lock", commit_lock.commit_lock),
    checks.CONNECTIONS: ("connections", connections.connections),
    checks.LISTENERS: ("connections", connections.listeners),
    checks.LISTENER_RIGHTS: ("listeners", listeners.rights),
    checks.OUTBOX: ("outbox", backlog.outbox),
    checks.QUEUE: ("queue", backlog.queue),
    checks.DEAD_LETTERS: ("queue", backlog.dead_letters),
    checks.BLOAT: ("bloat", bloat.bloat),
}
"""Check → which part of what was seen, empty for the whole, and who judges it."""
LATE = (checks.INJECTED, checks.CONDITIONS)
"""Judged last, in this order: what else is wrong explains them."""
NO_CLUSTER = Unseen(why="no cluster was named", remedy=("notifychannel doctor -A",))


def findings(cluster: cluster.Seen | Unseen | None, database: database.Seen | Unseen) -> tuple[Finding, ...]:
    """A line or more for each check, in the order of the registry. `cluster` None: none was named."""
    if cluster is None:
        return tuple(replace(it, remedy=it.without_cluster or it.remedy) for it in findings(NO_CLUSTER, database))
    order = {check: number for number, check in enumerate(checks.EVERY)}
    others = {check: how for check, how in OF_CLUSTER.items() if check not in LATE}
    found = (*_of(others, cluster), *_of(OF_DATABASE, database))
    _, judge = OF_CLUSTER[checks.INJECTED]
    found = (*found, *judged(checks.INJECTED, cluster if isinstance(cluster, Unseen) else _bare(cluster, found), judge))
    _, judge = OF_CLUSTER[checks.CONDITIONS]
    stated = cluster if isinstance(cluster, Unseen) else _stated(cluster, found)
    return tuple(sorted((*found, *judged(checks.CONDITIONS, stated, judge)), key=lambda it: order[it.check]))


def _bare(seen: cluster.Seen, found: tuple[Finding, ...]) -> tuple[pods.Pod, ...] | Unseen:
    """With what explains that they were not injected."""
    if isinstance(seen.pods, Unseen):
        return seen.pods
    causes = consequence.not_asked(found)
    return tuple(replace(it, causes=causes) for it in seen.pods)


def _stated(seen: cluster.Seen, found: tuple[Finding, ...]) -> tuple[channels.Stated, ...] | Unseen:
    """With what explains that a condition is False."""
    if isinstance(seen.channels, Unseen):
        return seen.channels
    there = () if isinstance(seen.pods, Unseen) else seen.pods
    return tuple(channels.Stated(body=it, causes=consequence.causes(it, found, there)) for it in seen.channels)


def _of(table: dict[Check, tuple[str, Judge]], seen: object) -> Iterator[Finding]:
    for check, (part, judge) in table.items():
        if not isinstance(seen, Unseen):
            yield from judged(check, getattr(seen, part) if part else seen, judge)
        elif check in (checks.API, checks.REACHABLE) and seen.is_unreachable:
            yield Finding(check=check, verdict=Verdict.FAILED, why=seen.why, remedy=seen.remedy, is_unreachable=True)
        else:
            yield unseen(check, seen)
