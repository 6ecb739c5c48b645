"""What waits in a database: in the outbox for the relay, in the queue for applications, and dead letters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli import shown
from notifychannel_cli.doctor.finding import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CAP_BYTES = 1_000_000_000
"""Where no sidecar is the relay the operator makes what waits one resync here; the same as in passes/outbox.py."""
LARGE_BYTES = CAP_BYTES // 4
OLD_S = 300.0
"""Since a key of the queue was due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """At two looks, a moment apart."""

    rows: int
    """About so many, by the server's statistics."""
    size_bytes: int
    """With indexes and dead rows."""
    is_left: bool
    """At both looks something waited and nobody was the relay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One consumer's rows in the queue."""

    channel: str
    """`namespace/name`."""
    group: str
    is_suspended: bool
    waiting: int
    dead: int
    claimers: int
    oldest_s: float | None


def outbox(seen: Outbox | None) -> Iterator[Trouble]:
    """Nobody drains it, or it is large. None: there is none."""
    if seen is None:
        return
    what = f"about {shown.count(seen.rows, 'row')}, {shown.size(seen.size_bytes)}"
    if seen.is_left:
        yield Trouble(
            why=f"changes wait in the outbox ({what}) and no sidecar is the relay\n"
            "Nobody hears of them until the operator drains it, 30 s after the last relay went",
            remedy=("kubectl get pods -A -l notifychannel.io/inject  # do the sidecars of this database listen?",),
            without_cluster=("curl -s http://HOST:9789/status  # of each sidecar: does it listen to this database?",),
        )
    elif seen.size_bytes >= LARGE_BYTES:
        yield Trouble(
            why=f"the outbox has grown large ({what}): the relay does not keep up, or dead rows stay",
            remedy=(
                'notifychannel queue --dsn "$NOTIFYCHANNEL_DSN"  # its last line is the outbox: do its rows grow?',
            ),
            is_warning=seen.size_bytes < CAP_BYTES,
        )


def queue(consumers: Sequence[Waiting]) -> Iterator[Trouble]:
    """Keys wait, and nobody takes them, or nobody has for long."""
    for it in consumers:
        if it.is_suspended or not it.waiting:
            continue
        if not it.claimers:
            why = f"{shown.count(it.waiting, 'key')} of the group {it.group} wait and no sidecar of it delivers"
        elif (it.oldest_s or 0.0) > OLD_S:
            why = f"the oldest of {shown.count(it.waiting, 'key')} of the group {it.group} has waited "
            why += f"for {shown.span(it.oldest_s)}\nIts application does not take them, or not as fast as they come"
        else:
            continue
        namespace = it.channel.partition("/")[0]
        rows = f'notifychannel queue --dsn "$NOTIFYCHANNEL_DSN" --channel {it.channel} --group {it.group}'
        yield Trouble(
            about=it.channel,
            why=why,
            remedy=(f"kubectl -n {namespace} get pods -l notifychannel.io/inject={it.group}", rows),
            without_cluster=(rows,),
            is_warning=bool(it.claimers),
        )


def dead_letters(consumers: Sequence[Waiting]) -> Iterator[Trouble]:
    """Keys that the application did not take in as many attempts as `retry.maxAttempts` says."""
    for it in consumers:
        if it.dead:
            where = f'--dsn "$NOTIFYCHANNEL_DSN" --channel {it.channel} --group {it.group}'
            yield Trouble(
                about=it.channel,
                why=f"{shown.count(it.dead, 'key')} of the group {it.group} were refused too often\n"
                "They wait for a person, or for their next change",
                remedy=(f"notifychannel queue {where} --dead", f"notifychannel redrive {where}"),
            )
