"""The ways to the application, wired: POSTs, and at the local port the stream and the claims."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.deliverer.breaker import Breaker
from notifychannel_sidecar.deliverer.courier import Courier, Surroundings
from notifychannel_sidecar.local.door import Door
from notifychannel_sidecar.pull import routes as pulling
from notifychannel_sidecar.pull.desks import Desks
from notifychannel_sidecar.stream import routes as streaming
from notifychannel_sidecar.stream.stream import Stream
from notifychannel_sidecar.stream.streamer import Streamer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.answer import Answer
    from notifychannel_sidecar.deliverer.carrier import Carrier
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.durable.durable import Durable
    from notifychannel_sidecar.hints import Mode


class Ways:
    """Makes each channel's carrier; the local port is open while a channel needs it."""

    def __init__(
        self,
        *,
        local_port: int,
        token: Callable[[], str | None],
        mode: Callable[[], Mode],
        channels: Callable[[], Sequence[ChannelConfig] | None],
        durable: Durable,
        on_answer: Callable[[Answer], None],
    ) -> None:
        """`channels`: those of the configuration; None: there is none yet."""
        self.stream = Stream(mode=mode)
        self.desks = Desks(durable=durable, on_answer=on_answer, channels=channels)
        self.door = Door(
            port=local_port,
            token=token,
            routes=[*streaming.routes(self.stream), *pulling.routes(self.desks, mode=mode)],
        )
        self._on_answer = on_answer

    def carriers(self, surroundings: Surroundings) -> Callable[[ChannelConfig, Source], Carrier]:
        """What makes the carrier of a channel."""

        def carrier(config: ChannelConfig, source: Source) -> Carrier:
            if config.way is Way.STREAM:
                return Streamer(config, source=source, stream=self.stream, on_answer=self._on_answer)
            if config.way is Way.CLAIM:
                return self.desks.make(config, source)
            return Courier(config, source=source, surroundings=surroundings, breaker=Breaker(random=SystemRandom()))

        return carrier

    def configure(self, channels: Sequence[ChannelConfig]) -> None:
        """The channels from now on; their carriers are configured by who carries."""
        self.stream.configure(channels)
        self.door.want(any(config.way is not Way.POST for config in channels))

    def delivering(self, config: ChannelConfig, said: tuple[bool, str]) -> tuple[bool, str]:
        """What the channel's carrier says, or why nobody can come to the local port for it."""
        shut = self.door.error
        return said if shut is None or config.way is Way.POST else (False, shut)
