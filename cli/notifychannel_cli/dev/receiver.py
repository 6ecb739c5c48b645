"""The application's place while one develops: takes the sidecar's POSTs, has them answered, prints a line for each."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rich.console import Console

    from notifychannel_cli.dev.answer import Answer

KEYS_SHOWN = 3


@dataclass(slots=True, kw_only=True)
class Receiver:
    """`async with` it: it listens on a free port of 127.0.0.1 until the end of the block."""

    answer: Callable[[bytes, str | None], Awaitable[Answer]]
    """Of a body and its Idempotency-Key."""
    out: Console
    clock_offset_s: float = 0.0
    """The database's clock minus ours."""
    timeouts_s: Mapping[str, float] = field(default_factory=dict)
    """Channel → how long the sidecar waits for an answer."""
    port: int = field(init=False, default=0)
    _runner: web.AppRunner = field(init=False)

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/{path:.*}", self._hints)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _hints(self, request: web.Request) -> web.Response:
        body = await request.read()
        started = time.perf_counter()
        answer = await self.answer(body, request.headers.get("Idempotency-Key"))
        took = time.perf_counter() - started
        now = time.time() + self.clock_offset_s
        message = json.loads(body)
        text = line(message, answer, took_s=took, now=now)
        timeout_s = self.timeouts_s.get(message["channel"], math.inf)
        if took > timeout_s:
            text += f" (too late: the channel's timeout is {timeout_s:g} s, so it comes again)"
        self.out.print(text, markup=False, highlight=False)
        return web.Response(status=answer.status, body=answer.body)


def line(body: dict[str, Any], answer: Answer, *, took_s: float, now: float) -> str:
    """`orders change 1 hint {"order_id": 1} insert,update x57 → 204 in 3.1 ms, 254.0 ms after the first change`."""
    hints = body["hints"]
    what = [body["channel"], body["reason"]]
    if hints:
        shown = [_hint(hint) for hint in hints[:KEYS_SHOWN]]
        more = [f"and {len(hints) - KEYS_SHOWN} more"] if len(hints) > KEYS_SHOWN else []
        what += [f"{len(hints)} {'hint' if len(hints) == 1 else 'hints'}", *shown, *more]
    else:
        what.append("look at every key")
    answered = f"→ {answer.status} in {took_s * 1000:.1f} ms"
    if hints:
        first = min(datetime.fromisoformat(hint["first_at"]).timestamp() for hint in hints)
        answered += f", {(now - first) * 1000:.1f} ms after the first change"
    if answer.note:
        answered += f" ({answer.note})"
    return f"{' '.join(what)} {answered}"


def _hint(hint: dict[str, Any]) -> str:
    count = f" x{hint['count']}" if hint["count"] > 1 else ""
    return f"{json.dumps(hint['key'], ensure_ascii=False)} {','.join(hint['events'])}{count}"
