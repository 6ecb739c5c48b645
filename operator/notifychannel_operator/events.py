"""What a line of the operator's or the injector's log is about, as a name that stays when its sentence changes.

Closed: each line of ours carries one of these (`extra=Event.….tag`); docs/events.md lists them. Not Kubernetes'
Events, of which `passes/events.py` tells: those have reasons.
"""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """By what it is about."""

    SERVING = "serving"
    NOT_READY = "not-ready"
    ENDING = "ending"
    UNEXPECTED = "unexpected"
    WAITING_FOR_LEASE = "waiting-for-lease"
    LEADING = "leading"
    LEASE_FAILED = "lease-failed"
    LEASE_ENDED = "lease-ended"
    CLUSTER_UNREACHABLE = "cluster-unreachable"
    CRD_MISSING = "crd-missing"
    CANARY_FAILED = "canary-failed"
    LOOKING_AFTER = "looking-after"
    INSTALLATION_UNUSABLE = "installation-unusable"
    INSTALLATION_UNREADABLE = "installation-unreadable"
    INSTALLATION_PUT_BACK = "installation-put-back"
    PASS_FAILED = "pass-failed"  # noqa: S105 a name
    PASS_UNEXPECTED = "pass-unexpected"  # noqa: S105 a name
    PASS_CANCELLED = "pass-cancelled"  # noqa: S105 a name
    PASS_GIVEN_UP = "pass-given-up"  # noqa: S105 a name
    DRIFT_REPAIRED = "drift-repaired"
    CHANNEL_SAID = "channel-said"
    EVENT_UNWRITTEN = "event-unwritten"
    OUTBOX_UNATTENDED = "outbox-unattended"
    GROUP_NOT_LEFT = "group-not-left"
    GROUP_MAY_STAY = "group-may-stay"
    CERTIFICATE_MADE = "certificate-made"
    CERTIFICATE_NOT_KEPT = "certificate-not-kept"
    CA_BUNDLE_WRITTEN = "ca-bundle-written"
    SECRET_NOT_OURS = "secret-not-ours"  # noqa: S105 a name
    CERTIFICATE_SERVED = "certificate-served"
    CERTIFICATE_UNUSABLE = "certificate-unusable"
    POD_WARNED = "pod-warned"
    REVIEW_FAILED = "review-failed"
    DEPLOYMENT_MISSING = "deployment-missing"
    CHANNEL_LET_GO = "channel-let-go"
    CHANNEL_NOT_LET_GO = "channel-not-let-go"
    CHANNEL_GIVEN_UP = "channel-given-up"
    CLEANED_UP = "cleaned-up"
    CLEANUP_INCOMPLETE = "cleanup-incomplete"
    NOTHING_INSTALLED = "nothing-installed"

    @property
    def tag(self) -> dict[str, str]:
        """What `extra=` of a line takes."""
        return {"event": self.value}
