"""Listening and Delivering: from names of sessions in the database and from what the sidecars say of themselves. Pure.

What a sidecar says counts before its session, which may be one that it has lost. Where none can be asked (a network
policy), the sessions count, and Delivering is Unknown. That a pod which is starting does not deliver is no failure yet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from notifychannel_operator.passes import conditions
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.workload import selector

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.sidecar import Sidecar
    from notifychannel_operator.passes.workload import Seat

MAX_NAME_BYTES = 63
"""PostgreSQL cuts application_name there; the sidecar keeps the tail of its pod's name."""
UNREAD = "/status can't be reached: a NetworkPolicy may keep the operator from that port"
REMEDIES = {
    Reason.NOT_CONFIGURED: "the configuration has not reached them: a new one takes up to 90 s; see"
    " kubectl -n {namespace} get configmap notifychannel-{group}",
    Reason.NO_SECRET: "they have no usable Secret: by default it is called notifychannel-{group} and holds uri, or"
    " host, dbname, user, password; see kubectl -n {namespace} get secret notifychannel-{group}",
    Reason.UNREACHABLE: "they do not reach the server: check host and port in their Secret (notifychannel-{group}) and"
    " network policies",
    Reason.AUTHENTICATION_FAILED: "the server refuses their user: check user and password in their Secret"
    " (notifychannel-{group}), pg_hba.conf and the role's LOGIN and CONNECT",
    Reason.WRONG_DATABASE: "their Secret (notifychannel-{group}) leads to another database than the channel's",
    Reason.READ_ONLY_REPLICA: "their Secret (notifychannel-{group}) leads to a standby, which refuses LISTEN: name the"
    " primary",
    Reason.POOLER_SWALLOWS_LISTEN: "a pooler in transaction mode swallows LISTEN: connect directly or in session mode",
    Reason.HALF_OPEN: "their connection stood open and nothing came through; if it repeats, look at what is between pod"
    " and server",
    Reason.TOO_MANY_CONNECTIONS: "the server has no connection left for them: raise max_connections or the role's"
    " limit",
    Reason.QUEUE_FULL: "PostgreSQL's NOTIFY queue is full: end the session in pg_stat_activity that is idle in a"
    " transaction for longest",
    Reason.NOT_RUNNING: "their sidecar can't start, or ends again and again; why stands at the end of"
    " kubectl -n {namespace} describe pods -l notifychannel.io/inject={group}",
    Reason.OTHER_VERSION: "they are of another version than what is in the database: restart those that are older",
}
"""The operator's words for the sidecar's reasons, and for one that the kubelet gives."""


class Answer(NamedTuple):
    """What a pod's sidecar says of its deliveries on the channel."""

    seat: Seat
    is_good: bool
    said: str


class Nobody(NamedTuple):
    """Why there is nobody to be asked."""

    why: Reason
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What became of it."""

    listening: int
    delivering: int
    conditions: tuple[Condition, Condition]


def judge(
    *,
    channel: str,
    namespace: str,
    seats: Sequence[Seat],
    matched: int,
    injected: int,
    statuses: Mapping[str, Sidecar | None],
    sessions: Collection[str] | None,
    prefixes: Mapping[str, str],
    unconfigured: Sequence[str] = (),
) -> Hearing:
    """`statuses` by pod; `sessions` None: the database could not be asked; `prefixes` by group.

    `unconfigured`: why a ConfigMap could not be written.
    """
    running = [seat for seat in seats if not seat.is_stuck]
    nobody = _nobody(matched, injected, namespace, prefixes)
    deaf = [seat for seat in seats if not _listens(seat, statuses.get(seat.pod), sessions, prefixes)]
    asked = [(seat, it) for seat in seats if (it := statuses.get(seat.pod)) is not None]
    answers = [Answer(seat, *it.deliveries[channel]) for seat, it in asked if channel in it.deliveries]
    return Hearing(
        listening=len(seats) - len(deaf),
        delivering=sum(it.is_good for it in answers),
        conditions=(
            _not_configured(unconfigured)
            or _listening(namespace, seats, deaf, nobody, statuses, asked_database=sessions is not None),
            _delivering(running, nobody, len(asked), answers),
        ),
    )


def session_name(prefix: str, pod: str) -> str:
    """As the sidecar calls its session."""
    return prefix + pod.encode()[-(MAX_NAME_BYTES - len(prefix)) :].decode(errors="ignore")


def _listens(seat: Seat, status: Sidecar | None, sessions: Collection[str] | None, prefixes: Mapping[str, str]) -> bool:
    if status is not None or seat.is_stuck:
        return status is not None and status.is_listening
    return sessions is not None and session_name(prefixes[seat.group], seat.pod) in sessions


def _not_configured(sentences: Sequence[str]) -> Condition | None:
    return conditions.false(Type.LISTENING, Reason.NOT_CONFIGURED, *sentences) if sentences else None


def _listening(
    namespace: str,
    seats: Sequence[Seat],
    deaf: Sequence[Seat],
    nobody: Nobody,
    statuses: Mapping[str, Sidecar | None],
    *,
    asked_database: bool,
) -> Condition:
    if not seats:
        return conditions.unknown(Type.LISTENING, *nobody)
    told = f"{len(seats) - len(deaf)} of {len(seats)} pods listen"
    if not deaf:
        return conditions.true(Type.LISTENING, Reason.LISTENING, told)
    whys = Counter((_why(seat, statuses.get(seat.pod)), seat.group) for seat in deaf)
    said = [told, *(_because(why, group, count, namespace) for (why, group), count in sorted(whys.items(), key=_first))]
    reasons = {why for why, _ in whys}
    if not asked_database and reasons == {Reason.UNKNOWN}:
        return conditions.unknown(Type.LISTENING, Reason.UNKNOWN, *said, "the database could not be asked either")
    if len(deaf) < len(seats) and reasons != {Reason.PENDING}:
        return conditions.false(Type.LISTENING, Reason.PARTLY, *said)
    return conditions.false(Type.LISTENING, min(whys.items(), key=_first)[0][0], *said)


def _first(counted: tuple[tuple[Reason, str], int]) -> tuple[int, str, str]:
    """The most frequent reason first; the same order each time."""
    (why, group), count = counted
    return -count, why.value, group


def _why(seat: Seat, status: Sidecar | None) -> Reason:
    if seat.is_stuck:
        return Reason.NOT_RUNNING
    if status is None:
        return Reason.PENDING if seat.is_starting else Reason.UNKNOWN
    return status.why or Reason.PENDING


def _because(why: Reason, group: str, count: int, namespace: str) -> str:
    pods = f"{count} of the group {group}"
    match why:
        case Reason.UNKNOWN:
            return f"{pods}: no session of theirs in the database, and {UNREAD}"
        case Reason.PENDING:
            return f"{pods}: connecting"
        case _:
            return f"{pods}: {why.value}: {REMEDIES[why].format(namespace=namespace, group=group)}"


def _delivering(seats: Sequence[Seat], nobody: Nobody, asked: int, answers: Sequence[Answer]) -> Condition:
    if not seats:
        return conditions.unknown(Type.DELIVERING, *nobody)
    bad = Counter(it.said for it in answers if not it.is_good and not it.seat.is_starting)
    if bad:
        told = f"{sum(bad.values())} of {len(seats)} pods do not get their hints acknowledged"
        return conditions.false(Type.DELIVERING, Reason.FAILING, told, *_counted(bad))
    unread = f"of {len(seats) - asked} of {len(seats)} pods {UNREAD}" if asked < len(seats) else ""
    if not asked:
        return conditions.unknown(Type.DELIVERING, Reason.UNKNOWN, unread)
    if not answers:
        said = "the channel has not reached the sidecars yet: a new configuration takes up to 90 s"
        return conditions.unknown(Type.DELIVERING, Reason.PENDING, said, unread)
    good = sum(it.is_good for it in answers)
    starting = _starting(answers, len(seats))
    if not good:
        return conditions.unknown(Type.DELIVERING, Reason.PENDING, *starting, unread)
    told = f"{good} of {len(seats)} pods say so"
    return conditions.true(Type.DELIVERING, Reason.DELIVERING, told, *starting, unread)


def _starting(answers: Sequence[Answer], seats: int) -> list[str]:
    """Of those whose application does not take hints yet."""
    found = Counter(it.said for it in answers if not it.is_good)
    return [f"the application of {found.total()} of {seats} pods is starting", *_counted(found)] if found else []


def _counted(sentences: Counter[str]) -> Iterable[str]:
    return (f"{count}: {said}" for said, count in sorted(sentences.items(), key=lambda it: (-it[1], it[0])))


def _nobody(matched: int, injected: int, namespace: str, groups: Iterable[str]) -> Nobody:
    """Why nobody is to be asked, where it is so."""
    if not matched:
        return Nobody(Reason.NO_PODS, "there is no pod")
    if not injected:
        return Nobody(Reason.NOT_INJECTED, f"none of {matched} pods carries the sidecar: see WorkloadInjected")
    look = f"kubectl -n {namespace} describe pods -l '{selector(groups)}'"
    return Nobody(
        Reason.PENDING,
        f"none of {injected} pods with the sidecar runs it yet; what they wait for stands at the end of {look}",
    )
