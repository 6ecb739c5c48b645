"""What a line of the sidecar's log is about, as a name that stays when its sentence changes; docs/events.md lists them.

Closed: each line of ours carries one of these (`extra=Event.….tag`), and nothing else stands here.
"""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """In the order of a sidecar's life."""

    SERVING = "serving"
    LOCAL_PORT_TAKEN = "local-port-taken"
    CONFIGURATION_IN_FORCE = "configuration-in-force"
    CONFIGURATION_UNUSABLE = "configuration-unusable"
    SECRET_READ = "secret-read"  # noqa: S105 a name
    SECRET_UNUSABLE = "secret-unusable"  # noqa: S105 a name
    LISTENING = "listening"
    NOT_LISTENING = "not-listening"
    WAITING_FOR_FILE = "waiting-for-file"
    CONNECTING_ANEW = "connecting-anew"
    CONNECTION_CUT = "connection-cut"
    NOTIFICATION_UNREADABLE = "notification-unreadable"
    DELIVERING = "delivering"
    NOT_DELIVERING = "not-delivering"
    SPANS_UNAVAILABLE = "spans-unavailable"
    SPANS_EXPORTED = "spans-exported"
    SPANS_NOT_EXPORTED = "spans-not-exported"
    CLAIMING = "claiming"
    NOT_CLAIMING = "not-claiming"
    CLAIMING_ANEW = "claiming-anew"
    CLAIMER_FORGOTTEN = "claimer-forgotten"
    QUEUE_REFUSED = "queue-refused"
    RELAY = "relay"
    NOT_THE_RELAY = "not-the-relay"
    RELAY_GIVEN_UP = "relay-given-up"
    RELAY_REPLACED = "relay-replaced"
    RELAY_FAILED = "relay-failed"
    QUEUE_BLOCKED = "queue-blocked"
    QUEUE_OPEN = "queue-open"
    OUTBOX_OVERFLOWED = "outbox-overflowed"
    CLAIMER_ENDED = "claimer-ended"
    CLAIMS_GIVEN_BACK = "claims-given-back"
    CLOCK_SET = "clock-set"
    ENDING = "ending"
    FINISHING = "finishing"
    FINISHED = "finished"
    UNEXPECTED = "unexpected"

    @property
    def tag(self) -> dict[str, str]:
        """What `extra=` of a line takes."""
        return {"event": self.value}
