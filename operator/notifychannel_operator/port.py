"""Where a port of operator and injector is served: at one address, or at every one, IPv4 and IPv6."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import ssl


def site(
    runner: web.AppRunner, *, host: str | None, port: int, context: ssl.SSLContext | None = None
) -> web.TCPSite | web.SockSite:
    """To be started; without a `host` it is for every address. Raises OSError when that port is taken."""
    if host is None:
        return web.SockSite(runner, _everywhere(port), ssl_context=context)
    return web.TCPSite(runner, host, port, ssl_context=context)


def _everywhere(port: int) -> socket.socket:
    """One socket for both families, so that 0 is one free port; for IPv4 alone where the node has switched IPv6 off."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
    return socket.create_server(("", port))
