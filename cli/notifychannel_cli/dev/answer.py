"""How `notifychannel dev` answers a delivery: print it, forward it to a URL, or run a command with it.

Each is one async callable from the body (bytes of JSON) to an HTTP status and body, as the contract with the
application means them: 2xx acknowledges, everything else comes again.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPORARY_FAILURE = 75
"""EX_TEMPFAIL of sysexits(3): the endpoint is in trouble, not this hint."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sidecar gets to hear."""

    status: int
    body: bytes = b""
    note: str = ""
    """For the terminal, when the status alone does not explain it."""


async def printing(_body: bytes, _idempotency_key: str | None) -> Answer:
    """Acknowledge everything: the line on the terminal is the point."""
    return Answer(204)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Forward the body and its Idempotency-Key; the application's answer is the answer."""

    url: str
    session: aiohttp.ClientSession

    async def __call__(self, body: bytes, idempotency_key: str | None) -> Answer:
        """Status and body of the application; 502 when it can't be reached."""
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        try:
            async with self.session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer:
                return Answer(answer.status, await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            return Answer(502, note=f"{self.url} can't be reached: {type(error).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Executing:
    """Run a command for each body, which it gets on standard input; no shell is between."""

    words: tuple[str, ...]
    """The program and its arguments."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Over ours."""

    async def __call__(self, body: bytes, _idempotency_key: str | None) -> Answer:
        """Exit code 0 acknowledges, 75 says try later (503), any other is a failure of these hints (500)."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.words, stdin=asyncio.subprocess.PIPE, env={**os.environ, **self.environment}
            )
        except OSError as error:
            return Answer(503, note=f"{self.words[0]}: {error.strerror}")
        try:
            await process.communicate(body)
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        code = process.returncode
        if code == 0:
            return Answer(204)
        return Answer(503 if code == TEMPORARY_FAILURE else 500, note=f"exit code {code}")
