"""What a pass says about a channel: seven conditions, a closed set of reasons, messages that end in a command. Pure.

docs/conditions.md lists every one of them, and a test holds that page to this file.
Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_MESSAGE = 32_768
"""Characters; metav1.Condition allows no more."""
MAX_SENTENCE = 1_500
MAX_SENTENCES = 20
"""What a person reads at one time."""


class Type(Enum):
    """The conditions, in the order in which one stands on the other."""

    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    TRIGGERS_INSTALLED = "TriggersInstalled"
    WORKLOAD_INJECTED = "WorkloadInjected"
    LISTENING = "Listening"
    DELIVERING = "Delivering"
    READY = "Ready"


class Status(Enum):
    """metav1.ConditionStatus."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(Enum):
    """Why; the words of one program in one place."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    CONFLICT = "Conflict"

    RESOLVED = "Resolved"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, not a password
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    ACCESS_DENIED = "AccessDenied"

    INSTALLED = "Installed"
    NO_SOURCES = "NoSources"
    PENDING = "Pending"
    UNREACHABLE = "Unreachable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    SUPERUSER = "Superuser"
    READ_ONLY_REPLICA = "ReadOnlyReplica"
    MISSING_TABLE = "MissingTable"
    MISSING_PRIVILEGE = "MissingPrivilege"
    REFUSED = "Refused"
    LOCKED_OUT = "LockedOut"
    DISABLED = "Disabled"
    DUPLICATE_OWNER = "DuplicateOwner"
    ROWS_WAITING = "RowsWaiting"
    UNINSTALLED = "Uninstalled"

    INJECTED = "Injected"
    NO_PODS = "NoPods"
    NOT_INJECTED = "NotInjected"
    OUTDATED = "Outdated"
    INJECTOR_DOWN = "InjectorDown"

    LISTENING = "Listening"
    PARTLY = "Partly"
    NOT_RUNNING = "NotRunning"
    NOT_CONFIGURED = "NotConfigured"
    NO_SECRET = "NoSecret"  # noqa: S105
    WRONG_DATABASE = "WrongDatabase"
    POOLER_SWALLOWS_LISTEN = "PoolerSwallowsListen"
    HALF_OPEN = "HalfOpen"
    TOO_MANY_CONNECTIONS = "TooManyConnections"
    QUEUE_FULL = "QueueFull"
    OTHER_VERSION = "OtherVersion"

    DELIVERING = "Delivering"
    FAILING = "Failing"
    DEAD_LETTERS = "DeadLetters"
    UNKNOWN = "Unknown"

    READY = "Ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that is said."""

    type: Type
    status: Status
    reason: Reason
    message: str = ""


def true(type_: Type, reason: Reason, *sentences: str) -> Condition:
    """It is so."""
    return Condition(type=type_, status=Status.TRUE, reason=reason, message=bounded(sentences))


def false(type_: Type, reason: Reason, *sentences: str) -> Condition:
    """It is not so; the sentences say what to do."""
    return Condition(type=type_, status=Status.FALSE, reason=reason, message=bounded(sentences))


def unknown(type_: Type, reason: Reason, *sentences: str) -> Condition:
    """It can't be told."""
    return Condition(type=type_, status=Status.UNKNOWN, reason=reason, message=bounded(sentences))


def bounded(sentences: Iterable[str]) -> str:
    """One sentence a line, each once, no control characters, as much of them as a person reads and the API takes."""
    said = list(dict.fromkeys(_line(sentence) for sentence in sentences if sentence))
    if len(said) > MAX_SENTENCES:
        said = [*said[:MAX_SENTENCES], f"and {len(said) - MAX_SENTENCES} more"]
    return _cut("\n".join(said), MAX_MESSAGE)


def ready(conditions: Sequence[Condition], *, is_suspended: bool) -> Condition:
    """The summary: the first condition that stands in the way gives its reason. Delivering only has not to be False."""
    for each in conditions:
        if each.status is Status.TRUE or (each.type is Type.DELIVERING and each.status is Status.UNKNOWN):
            continue
        return Condition(
            type=Type.READY, status=Status.FALSE, reason=each.reason, message=f"{each.type.value}: {each.message}"
        )
    said = "suspended: nothing is hinted or delivered until spec.suspend is false" if is_suspended else ""
    return true(Type.READY, Reason.READY, said)


def merged(
    before: Sequence[Mapping[str, Any]], said: Sequence[Condition], *, generation: int, at: str
) -> list[dict[str, Any]]:
    """The list for `status.conditions`; lastTransitionTime moves only where the status changes."""
    old = {each.get("type"): each for each in before}
    return [_merged(old.get(each.type.value, {}), each, generation=generation, at=at) for each in said]


def changed(before: Sequence[Mapping[str, Any]], said: Sequence[Condition]) -> Iterator[Condition]:
    """What is worth an Event: another status or reason than before, but for what repeats others (Ready, Pending) and a
    first Unknown.
    """
    old = {each.get("type"): (each.get("status"), each.get("reason")) for each in before}
    for each in said:
        known = old.get(each.type.value)
        is_news = known is not None or each.status is not Status.UNKNOWN
        repeats = each.type is Type.READY or each.reason is Reason.PENDING
        if not repeats and is_news and known != (each.status.value, each.reason.value):
            yield each


def _merged(old: Mapping[str, Any], said: Condition, *, generation: int, at: str) -> dict[str, Any]:
    since = old.get("lastTransitionTime") if old.get("status") == said.status.value else None
    return {
        "type": said.type.value,
        "status": said.status.value,
        "reason": said.reason.value,
        "message": _cut(said.message, MAX_MESSAGE),
        "lastTransitionTime": since or at,
        "observedGeneration": generation,
    }


def _line(sentence: str) -> str:
    return _cut("".join(each if each.isprintable() else " " for each in sentence), MAX_SENTENCE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 4] + " ..."
