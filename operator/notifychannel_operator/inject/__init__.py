"""Pods in, JSON Patch out: the only maker of the sidecar container. `from notifychannel_operator import inject`."""

from notifychannel_operator.inject.decision import Injection, decide, fingerprint, is_injected, is_outdated
from notifychannel_operator.inject.reason import Reason
from notifychannel_operator.inject.request import GROUP_LABEL, group_of, status_port
from notifychannel_operator.inject.settings import Settings

__all__ = [
    "GROUP_LABEL",
    "Injection",
    "Reason",
    "Settings",
    "decide",
    "fingerprint",
    "group_of",
    "is_injected",
    "is_outdated",
    "status_port",
]
