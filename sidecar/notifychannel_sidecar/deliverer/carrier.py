"""Who brings one channel's hints to the application: by POSTs (`Courier`), on the stream, or by claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.inbox.work import Work

NOTHING_YET = "nothing had to be delivered yet"


class Carrier(Protocol):
    """Of one channel, in one `Way`. Takes from its source and gives back there; loses nothing."""

    @property
    def source(self) -> Source:
        """Where the next work is to come from."""

    @property
    def delivering(self) -> tuple[bool, str]:
        """Whether what was handed over last was taken, and a sentence for people."""

    @property
    def breaker_open(self) -> bool:
        """The application is in trouble and left alone for a while."""

    def configure(self, config: ChannelConfig, source: Source) -> None:
        """Other settings of the same way, from the next work on."""

    def wake(self) -> None:
        """Something may be due earlier than expected."""

    async def run(self) -> None:
        """Until cancelled, which also breaks off what is in flight."""

    async def finish(self) -> None:
        """Return when nothing is due and nothing in flight, or nobody is there to take it. Needs `run`."""

    async def escalate(self, work: Work[Any], path: str) -> bool:
        """Tell of something that nobody has acknowledged for too long; whether that was acknowledged."""
