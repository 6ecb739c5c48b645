"""The application as this pod sees it: POST once to 127.0.0.1, tell what came back. Decides nothing.

Redirects are not followed, proxies are not asked, of an answer 256 KiB are read. A kept-alive connection that the
application closed while it was idle is nobody's trouble: the POST goes once more over another one.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from notifychannel_sidecar.deliverer.answer import MAX_BODY_BYTES, Fault, Reply

if TYPE_CHECKING:
    from types import SimpleNamespace

HOST = "127.0.0.1"
MAX_PIECE_BYTES = 1 << 20
"""A larger body goes out in pieces: written at once it would hold up the loop, which aiohttp warns of."""
_CUT = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)


@dataclass(slots=True)
class _Trip:
    """What a session of `open_session` notes about one request."""

    reused: bool = False


async def _note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if isinstance(context.trace_request_ctx, _Trip):
        context.trace_request_ctx.reused = True


def open_session() -> aiohttp.ClientSession:
    """The session for all endpoints: no cookies, no proxies, no limit over channels (each has its own)."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "notifychannel-sidecar", "Accept-Encoding": "identity"},
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        trace_configs=[trace],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one channel's hints go."""

    http: aiohttp.ClientSession
    port: int
    path: str
    timeout_s: float

    @property
    def address(self) -> str:
        """For people."""
        return f"{HOST}:{self.port}"

    async def post(
        self, body: bytes, *, token: str | None, idempotency_key: str | None = None, traceparent: str | None = None
    ) -> Reply:
        """POST it; a Reply in any case, within `timeout_s`."""
        headers = {"Content-Type": "application/json"}
        if token and token.isascii() and token.isprintable():  # nothing else can be a header (RFC 6750, 2.1)
            headers["Authorization"] = f"Bearer {token}"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if traceparent is not None:
            headers["traceparent"] = traceparent
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._post(body, headers)
        except TimeoutError:
            return Reply(fault=Fault.TIMEOUT)

    async def _post(self, body: bytes, headers: dict[str, str]) -> Reply:
        """Over kept-alive connections until one lives: each that does not is gone, so this ends with a fresh one."""
        while True:
            trip = _Trip()
            try:
                return await self._post_once(body, headers, trip)
            except aiohttp.ClientConnectorError:
                return Reply(fault=Fault.REFUSED)
            except _CUT:
                if not trip.reused:
                    return Reply(fault=Fault.RESET)
            except aiohttp.ClientError:
                return Reply(fault=Fault.NOT_HTTP)

    async def _post_once(self, body: bytes, headers: dict[str, str], trip: _Trip) -> Reply:
        url = URL(f"http://{HOST}:{self.port}/{self.path.lstrip('/')}")
        data = body if len(body) <= MAX_PIECE_BYTES else io.BytesIO(body)
        async with self.http.post(
            url, data=data, headers=headers, allow_redirects=False, trace_request_ctx=trip
        ) as response:
            trip.reused = False  # from here on it lives: what goes wrong now is the application's
            answer = await _read(response.content)
            return Reply(status=response.status, retry_after=response.headers.get("Retry-After"), body=answer)


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Up to the limit and a byte more, by which a longer one is known as cut."""
    answer = bytearray()
    while len(answer) <= MAX_BODY_BYTES and (chunk := await content.read(MAX_BODY_BYTES + 1)):
        answer += chunk
    return bytes(answer)
