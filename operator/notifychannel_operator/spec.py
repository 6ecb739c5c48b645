"""The resource as frozen values: what a NotifyChannel says, after `manifest.py` has read and judged it.

Whoever holds one of these values may trust it: defaults are filled in, names are not empty, and what makes
no sense together has been refused. Durations are seconds (float). Refuses to read YAML and to know a database.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Capture(Enum):
    """How a change gets from the row to the PostgreSQL channel."""

    NOTIFY = "Notify"
    OUTBOX = "Outbox"


class Delivery(Enum):
    """Every pod of the group, or one pod until it acknowledges."""

    BEST_EFFORT = "BestEffort"
    AT_LEAST_ONCE = "AtLeastOnce"


class PayloadFormat(Enum):
    """What stands in the NOTIFY: our keys, or what somebody else sends."""

    KEYS = "Keys"
    TEXT = "Text"
    JSON = "Json"


class Event(Enum):
    """What happened to the row."""

    INSERT = "Insert"
    UPDATE = "Update"
    DELETE = "Delete"
    TRUNCATE = "Truncate"


class Row(Enum):
    """Which side of the change a condition looks at."""

    NEW = "New"
    OLD = "Old"


class Operator(Enum):
    """How a condition compares. NULL is different from every value, so NotEquals and NotIn match it."""

    IN = "In"
    NOT_IN = "NotIn"
    EQUALS = "Equals"
    NOT_EQUALS = "NotEquals"
    IS_NULL = "IsNull"
    IS_NOT_NULL = "IsNotNull"
    GREATER_THAN = "GreaterThan"
    LESS_THAN = "LessThan"


class ReclaimPolicy(Enum):
    """What happens to the triggers when the channel is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison; without `row` either side of an UPDATE may match."""

    column: str
    """A column of the source's table, or the name of a key part that is looked up."""
    operator: Operator
    values: tuple[str, ...] = ()
    """One for Equals, NotEquals, GreaterThan, LessThan; one or more for In, NotIn; none for IsNull, IsNotNull."""
    row: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which events on a source's table matter."""

    name: str
    events: tuple[Event, ...]
    columns: tuple[str, ...] = ()
    """For Update: only when one of these changed; empty means any column."""
    when: tuple[Condition, ...] = ()
    """All of them must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A key part that stands in another table."""

    schema: str
    table: str
    column: str
    match: tuple[tuple[str, str], ...]
    """Pairs (column of the looked-up table, column of the source's table)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPart:
    """One named value of the key: a column of the row, or a lookup; exactly one of the two is set."""

    name: str
    column: str | None = None
    lookup: Lookup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table, its key, and the rules that say what matters on it."""

    schema: str
    table: str
    key: tuple[KeyPart, ...] = ()
    """Empty: every change is a resync."""
    max_keys: int = 1000
    """Keys of one statement past which they become one resync."""
    rules: tuple[Rule, ...]

    @property
    def label(self) -> str:
        """`schema.table`, for messages."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What is NOTIFYed: `fields` are the key's names with Json; with Text the one name is `payload`."""

    format: PayloadFormat = PayloadFormat.KEYS
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the application listens, always on 127.0.0.1."""

    port: int
    path: str
    timeout: float = 2.0
    traceparent: bool = False
    """Each POST carries a trace of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """AtLeastOnce without an endpoint: the application fetches its hints."""

    timeout: float = 30.0
    """For so long a claimed hint is the claimer's; then it counts as an attempt and goes to whoever asks next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """Due: min(last change + window, first change + max_delay), not before last delivery + min_interval."""

    window: float = 0.25
    max_delay: float = 2.0
    min_interval: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many due hints go into one POST, and how long they may wait for company."""

    max_hints: int = 100
    max_wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """AtLeastOnce only: then a dead letter."""

    max_attempts: int = 10
    initial_delay: float = 1.0
    max_delay: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """AtLeastOnce only: once per key that has waited this long."""

    after: float
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A group of pods and how its application wants hints."""

    group: str
    endpoint: Endpoint | None = None
    """None: the application reads the stream (BestEffort) or claims (AtLeastOnce)."""
    claim: Claiming | None = None
    """Where the application claims."""
    debounce: Debounce = Debounce()
    batch: Batch = Batch()
    poll_interval: float = 30.0
    """0 turns polls off."""
    resync_spread: float = 10.0
    delivery: Delivery = Delivery.BEST_EFFORT
    retry: Retry | None = None
    escalation: Escalation | None = None

    @property
    def timeout(self) -> float:
        """How long the application may take for a hint."""
        return self.endpoint.timeout if self.endpoint else (self.claim or Claiming()).timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A row per captured change and per step of an AtLeastOnce delivery; needs Outbox."""

    enabled: bool = False
    retention: float = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One NotifyChannel resource."""

    namespace: str
    name: str
    secret: str
    """Name of the installer's Secret, in the channel's own namespace."""
    suspend: bool = False
    pg_channel: str | None = None
    """What is LISTENed to; None: derived from installation, namespace and name (`names.pg_channel`)."""
    capture: Capture = Capture.NOTIFY
    payload: Payload = Payload()
    sources: tuple[Source, ...] = ()
    audit: Audit = Audit()
    consumers: tuple[Consumer, ...]
    reclaim_policy: ReclaimPolicy = ReclaimPolicy.DELETE
    cleanup_timeout: float = 300.0
    take_over: bool = False
    """The annotation `notifychannel.io/take-over: "true"`: claim orphaned objects of the same namespace and name."""

    @property
    def durable(self) -> tuple[Consumer, ...]:
        """The consumers whose hints are jobs: those that need the queue."""
        return tuple(it for it in self.consumers if it.delivery is Delivery.AT_LEAST_ONCE)

    @property
    def is_logged(self) -> bool:
        """Its changes go through the logged outbox into the queue, or at least into the audit."""
        return self.capture is Capture.OUTBOX and (self.audit.enabled or bool(self.durable))

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of a hint's key, in order; empty when every change is a resync."""
        match self.payload.format:
            case PayloadFormat.TEXT:
                return ("payload",)
            case PayloadFormat.JSON:
                return self.payload.fields
            case PayloadFormat.KEYS:
                return tuple(part.name for part in self.sources[0].key) if self.sources else ()
