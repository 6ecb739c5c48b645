"""One run of `notifychannel tail`: a listener of its own on the channel, until Ctrl-C. Writes nothing anywhere."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.console import complaints
from notifychannel_cli.exits import UnreachableError
from notifychannel_cli.tail import heard, printing
from notifychannel_cli.tail.ears import Ears
from notifychannel_sidecar import credentials
from notifychannel_sidecar.hints import Reason
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.listener.listener import Listener
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.state import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from notifychannel_cli.tail.heard import Heard
    from notifychannel_sidecar.config import ChannelConfig, Config
    from notifychannel_sidecar.state import State

SAID = {
    Reason.START: None,
    Reason.RECONNECT: "what was written while nobody listened here is not shown; applications look at every key",
    Reason.SKIPPED: "hints were skipped, for the NOTIFY queue was too full; applications look at every key",
}
"""What the listener itself asks for a resync for."""


class _Tail(Target):
    """Counted as nobody's listener: the operator knows those of a group by the beginning of their session's name."""

    @property
    def session_name(self) -> str:
        return self._named(self.config.session_prefix.replace("nch/", "nch-tail/", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What is asked for."""

    config: Config
    """With the one channel."""
    dsn: str
    wanted: Callable[[Heard], bool]
    as_json: bool


async def run(tail: Tail) -> None:
    """Until cancelled, or nobody reads standard output; raises UnreachableError where the first attempt fails."""
    ears = Ears()
    listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    listener = Listener(sink=ears, backoff=Backoff(), on_state=lambda state: _say(state, listening))
    arguments = credentials.from_dsn(tail.dsn).connect_arguments()
    listener.aim(_Tail(config=tail.config, pod="tail", fingerprint="", arguments=arguments))
    tasks = [asyncio.create_task(listener.run()), asyncio.create_task(_print(tail, ears, listening))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        with suppress(BrokenPipeError):  # `| head` has seen enough
            task.result()


def _say(state: State, listening: asyncio.Future[None]) -> None:
    """The first refusal ends the command; later ones are told, and tried again."""
    if state.phase is Phase.LISTENING:
        if listening.done():
            complaints().print("Listening again.", style="yellow")
        else:
            listening.set_result(None)
            complaints().print("Listening; Ctrl-C ends.")
    elif state.phase is Phase.WAITING and state.why is not None:
        if listening.done():
            complaints().print(f"Not listening: {state.why.value}. {state.remedy} Trying again ...", style="yellow")
        else:
            listening.set_exception(UnreachableError(f"{state.why.value}: {state.remedy}"))


async def _print(tail: Tail, ears: Ears, listening: asyncio.Future[None]) -> None:
    await listening
    (channel,) = tail.config.channels
    while True:
        found, dropped = await ears.more()
        if dropped:
            complaints().print(f"{dropped:,} payloads are not shown: what prints them is too slow", style="yellow")
        for said in dict.fromkeys(it for it in found if isinstance(it, Reason)):
            if (line := SAID.get(said, said.value)) is not None:
                complaints().print(line, style="yellow")
        lines = list(_lines(tail, channel, (it for it in found if isinstance(it, str))))
        await printing.written("".join(f"{line}\n" for line in lines))


def _lines(tail: Tail, channel: ChannelConfig, payloads: Iterable[str]) -> Iterable[str]:
    for payload in payloads:
        for it in heard.read(channel, payload):
            if tail.wanted(it):
                yield json.dumps(it.as_json(), ensure_ascii=False) if tail.as_json else str(it)
