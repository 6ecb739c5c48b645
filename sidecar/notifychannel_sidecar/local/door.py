"""Opens the local port while a channel needs it, and says so where it can't: the application may have that port itself.

A sidecar whose channels are all POSTed opens nothing, so a pod that uses the port for something else loses nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.local.server import HOST, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""Between two tries to bind: what has the port may be an application that is just ending."""


def why_shut(port: int, error: OSError) -> str:
    """A sentence that the operator knows; the system's own text is only logged."""
    why = "something else listens there" if error.errno == errno.EADDRINUSE else "the system does not let it"
    return f"the sidecar can't open {HOST}:{port}: {why}"


class Door:
    """Run it once; `want` may be called at any time."""

    def __init__(self, *, port: int, token: Callable[[], str | None], routes: Sequence[web.AbstractRouteDef]) -> None:
        """`port`: 0 takes a free one; `token`: asked at each request."""
        self.port: int | None = None
        """While it is open."""
        self.error: str | None = None
        """Why it is not, where it should be; for /status."""
        self._port = port
        self._token = token
        self._routes = routes
        self._wanted = asyncio.Event()
        self._unwanted = asyncio.Event()

    def want(self, wanted: bool) -> None:
        """Whether it should be open."""
        if wanted:
            self._unwanted.clear()
            self._wanted.set()
        else:
            self._wanted.clear()
            self._unwanted.set()
            self.error = None

    async def run(self) -> None:
        """Open and shut until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                async with serve(port=self._port, token=self._token, routes=self._routes) as self.port:
                    self.error = None
                    await self._unwanted.wait()
            except OSError as error:
                self._note(error)
                await asyncio.sleep(AGAIN_S)
            finally:
                self.port = None

    def _note(self, error: OSError) -> None:
        said = why_shut(self._port, error)
        if said != self.error:
            log.warning(
                "streams and claims: %s (%s); free it, or name another port: NOTIFYCHANNEL_LOCAL_PORT, for a pod its "
                "annotation notifychannel.io/local-port",
                said,
                error.strerror,
                extra=Event.LOCAL_PORT_TAKEN.tag,
            )
        self.error = said
