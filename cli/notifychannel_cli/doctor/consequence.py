"""Which other checks have found why a channel's condition is False, or why a pod was not injected: they are what fails,
it follows. Pure.

It stays a failure of its own where nothing else that was looked at says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor import checks
from notifychannel_cli.doctor.finding import Finding, Verdict
from notifychannel_operator import inject
from notifychannel_operator.passes.conditions import Reason, Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from notifychannel_cli.doctor.check import Check
    from notifychannel_cli.doctor.pods import Pod

UNSEEN = ""
"""In a condition's place: that no pass has looked at the channel."""
NOT_ASKED = (checks.INJECTOR, checks.CA_BUNDLE)
"""Why the injector was not asked for a pod, if one of these fails: it may have been so then, and is so when it is made
anew.
"""
CAUSES: dict[str, tuple[Check, ...]] = {
    UNSEEN: (checks.LEADER,),
    Reason.ACCESS_DENIED.value: (checks.RIGHTS,),
    Type.RESOLVED_REFS.value: (checks.SECRET,),
    Type.TRIGGERS_INSTALLED.value: (
        checks.TABLES, checks.PRIVILEGES, checks.PARTITIONS, checks.ROW_SECURITY, checks.TRIGGERS, checks.ENABLED,
    ),
    Type.WORKLOAD_INJECTED.value: (checks.INJECTED,),
    Reason.INJECTOR_DOWN.value: NOT_ASKED,
    Type.LISTENING.value: (checks.LISTENING, checks.PROBE),
    Reason.DEAD_LETTERS.value: (checks.DEAD_LETTERS,),
}  # fmt: skip
"""By the condition's type, or by its reason where only that one follows. Such a finding is about the channel, a pod of
one of its groups, or all.
"""


def not_asked(found: Iterable[Finding]) -> tuple[str, ...]:
    """Of pods that the injector was not asked for: ids of the checks that have found why."""
    wrong = {it.check for it in found if it.verdict is Verdict.FAILED}
    return tuple(it.id for it in NOT_ASKED if it in wrong)


def causes(body: Mapping[str, Any], found: Iterable[Finding], pods: Sequence[Pod]) -> dict[str, tuple[str, ...]]:
    """Of one channel: type or reason → ids of the checks that have found why; without those of which none has."""
    metadata = body["metadata"]
    groups = {it.get("group") for it in body["spec"].get("consumers") or []}
    about = {"", f"{metadata['namespace']}/{metadata['name']}"}
    ours = (it for it in pods if it.body["metadata"]["namespace"] == metadata["namespace"])
    about |= {it.name for it in ours if inject.group_of(it.body) in groups}
    wrong = {it.check for it in found if it.verdict is Verdict.FAILED and it.about in about}
    told = {said: tuple(it.id for it in those if it in wrong) for said, those in CAUSES.items()}
    return {said: those for said, those in told.items() if those}
