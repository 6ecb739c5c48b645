"""Where a courier takes its work, and gives it back: the inbox, or what is durable. The deliverer knows no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_sidecar.inbox.work import Work


class Source(Protocol):
    """Work of many channels, by their names. No call may block; loop times in seconds."""

    def next_due(self, name: str, now: float) -> float | None:
        """When to call `take`; None: something has to happen first. It may be too early, never too late."""

    def take(self, name: str, now: float) -> Work[Any] | None:
        """One POST's worth, never a key that is in flight. Give it back by one of the next four."""

    def acknowledge(self, work: Work[Any], now: float, retry_ids: Iterable[str] = ()) -> None:
        """The application answered 2xx; the hints with these ids it wants again."""

    def retry(self, work: Work[Any], now: float, *, error: str) -> None:
        """The application would not. `error`: the status or the fault, for whoever keeps a record of it."""

    def put_back(self, work: Work[Any], *, until: float, error: str) -> None:
        """The endpoint is in trouble and is left alone until then, by whoever takes from here."""

    def broke_off(self, work: Work[Any]) -> None:
        """The POST was cancelled, and what became of it is unknown."""

    def hurry(self, now: float) -> None:
        """The end is near."""
