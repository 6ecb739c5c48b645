"""What the sidecar says about its connection: a phase, and where it waits the reason and what a person can do.

                  ┌──────────── configuration or Secret changed ─────────────┐
                  ▼                                                          │
    start ──► CONNECTING ── LISTEN accepted, round trip back ──► LISTENING ──┤
               ▲      │                                             │        │
               │      │ refused, silent, wrong server               │ lost,  │
               │      ▼                                             │ silent │
               └── WAITING(reason) ◄────────────────────────────────┘        │
          backoff        │                                                   │
          is over        └───────────────────────────────────────────────────┘
    any ── finish() ──► FINISHED

A State is a value; every change of it goes through one callback, `on_state`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from notifychannel_sidecar.hints import Mode


class Phase(Enum):
    """Where the listener stands."""

    CONNECTING = "CONNECTING"
    LISTENING = "LISTENING"
    WAITING = "WAITING"
    FINISHED = "FINISHED"


class Why(Enum):
    """Why it waits."""

    NOT_CONFIGURED = "NotConfigured"
    NO_SECRET = "NoSecret"  # noqa: S105 - a reason, not a password
    UNREACHABLE = "Unreachable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    WRONG_DATABASE = "WrongDatabase"
    READ_ONLY_REPLICA = "ReadOnlyReplica"
    POOLER_SWALLOWS_LISTEN = "PoolerSwallowsListen"
    HALF_OPEN = "HalfOpen"
    TOO_MANY_CONNECTIONS = "TooManyConnections"
    QUEUE_FULL = "QueueFull"
    OTHER_VERSION = "OtherVersion"


REMEDIES = {
    Why.NOT_CONFIGURED: "There is no usable configuration file. On Kubernetes: is there a NotifyChannel with this"
    " group in this namespace, and does the operator run? Elsewhere: write it with `notifychannel config`.",
    Why.NO_SECRET: "There is no usable Secret. It needs the key `uri`, or `host`, `port`, `dbname`, `user`,"
    " `password`; the pod's annotation notifychannel.io/secret names it.",
    Why.UNREACHABLE: "The server does not answer or ended the session. Check host and port in the Secret, network"
    " policies, and whether the server runs.",
    Why.AUTHENTICATION_FAILED: "The server refuses this user. Check user and password in the Secret, pg_hba.conf,"
    " and the role's LOGIN and CONNECT rights; a corrected Secret is picked up without a restart.",
    Why.WRONG_DATABASE: "This is not the database that the triggers are in. Check host and dbname in the Secret"
    " against the channel's database.",
    Why.READ_ONLY_REPLICA: "This server is a standby, and a standby refuses LISTEN. Point the Secret at the primary,"
    " or name all hosts with target_session_attrs=primary.",
    Why.POOLER_SWALLOWS_LISTEN: "A pooler in transaction mode accepts LISTEN and delivers nothing. Connect directly,"
    " or through a pool in session mode.",
    Why.HALF_OPEN: "The connection stood open but nothing came through. It is replaced; if this repeats, look at what"
    " is between pod and server (firewall, NAT, load balancer).",
    Why.TOO_MANY_CONNECTIONS: "The server, or the pool before it, has no connection left for this role. Raise"
    " max_connections, the role's CONNECTION LIMIT or the pool's size (behind a pooler the proof takes a second"
    " connection for a moment), or let fewer pods listen.",
    Why.QUEUE_FULL: "PostgreSQL's NOTIFY queue is full: a session that listens has been idle in a transaction for long,"
    " and every NOTIFY fails. Find it in pg_stat_activity (state 'idle in transaction', the oldest xact_start) and"
    " end it.",
    Why.OTHER_VERSION: "What is installed in the database is of another version than this sidecar. An older one is"
    " brought up by the operator's next pass (or `notifychannel sql`), and the sidecar goes on by itself; where it is"
    " the newer one, restart the pod.",
}
"""Reason → what a person can do about it; shown in /status and printed in docs/sidecar.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A phase, since when, and where it waits the reason."""

    phase: Phase
    since_s: float
    """Unix time."""
    why: Why | None = None
    retry_in_s: float | None = None
    """Counted from `since_s`; None where only a changed file helps."""

    @property
    def mode(self) -> Mode:
        """What the application is told: only a proven listener is called one."""
        return Mode.LISTENING if self.phase is Phase.LISTENING else Mode.POLLING

    @property
    def remedy(self) -> str | None:
        """What a person can do."""
        return None if self.why is None else REMEDIES[self.why]
