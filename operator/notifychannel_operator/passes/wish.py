"""What a channel says about its end, as far as it can be read: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from notifychannel_operator import manifest
from notifychannel_operator.spec import ReclaimPolicy

DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the resource says about its end; read also where the rest of it can't be."""

    secret: str
    policy: ReclaimPolicy = ReclaimPolicy.DELETE
    timeout_s: float = DEFAULT_TIMEOUT_S
    groups: frozenset[str] = frozenset()
    is_durable: bool = False
    """Something may wait for them that must not be lost."""

    @classmethod
    def of(cls, body: dict[str, Any]) -> Wish:
        """From the object; with defaults for what can't be read."""
        try:
            channel = manifest.from_object(body)
        except manifest.SpecError:
            spec = body.get("spec") or {}
            name = ((spec.get("database") or {}).get("secretRef") or {}).get("name")
            keep = spec.get("reclaimPolicy") == ReclaimPolicy.RETAIN.value
            return cls(secret=str(name or ""), policy=ReclaimPolicy.RETAIN if keep else ReclaimPolicy.DELETE)
        return cls(
            secret=channel.secret,
            policy=channel.reclaim_policy,
            timeout_s=channel.cleanup_timeout,
            groups=frozenset(consumer.group for consumer in channel.consumers),
            is_durable=bool(channel.durable),
        )
