"""Channels and payloads for tests of the sidecar's inside: what a trigger would have written."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

from notifychannel_sidecar.config import ChannelConfig
from notifychannel_sidecar.inbox.inbox import Inbox

RULES = "5f3a9c02"
MIDNIGHT_US = 1767225600000000
"""2026-01-01T00:00:00Z."""
ORDERS = ChannelConfig(
    name="orders",
    pg_channel="nch_orders",
    key=("tenant_id", "order_id"),
    rules=RULES,
    port=1,
    path="/hints",
    poll_interval=0.0,
)


def channel(**settings: Any) -> ChannelConfig:
    """`orders` with other settings; polls are off unless asked for."""
    return replace(ORDERS, **settings)


def payload(*orders: int, event: str = "U", seconds: float = 0.0, rules: str = RULES) -> str:
    """Orders of tenant 7 changed, `seconds` after midnight by the database's clock."""
    header = f"1{rules}{event}{MIDNIGHT_US + round(seconds * 1e6):016d}"
    return "\n".join([header, *(json.dumps([7, order], separators=(",", ":")) for order in orders)])


def dice() -> Random:
    """Randomness that is the same each time."""
    return Random(7)  # noqa: S311 - nothing secret


class Notes(list[str]):
    """Collects what `on_due` says."""


def inbox_with(*channels: ChannelConfig, budget: int = 1000, now: float = 0.0, notes: Notes | None = None) -> Inbox:
    """An inbox with these channels (default: `orders`), its randomness always the same."""
    inbox = Inbox(budget=budget, on_due=(Notes() if notes is None else notes).append, random=dice())
    inbox.configure(channels or [ORDERS], now)
    return inbox


def keys(work: Any) -> list[int]:
    """The order ids in a Work."""
    return [json.loads(hint.key)["order_id"] for hint in work.hints]
