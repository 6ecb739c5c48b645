"""Who may ask at the local port: whoever shows the token; without one, whoever is no web page of elsewhere.

127.0.0.1 keeps other pods away, and not a browser on the same machine: a page from anywhere may open a WebSocket to
localhost, or call it by a name of its own that it lets point there (DNS rebinding). Both show: by `Origin` and `Host`.
https://developer.mozilla.org/docs/Web/HTTP/Headers/Origin, RFC 6455 10.2. Pure.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
NO_TOKEN = "needs the header `Authorization: Bearer <token>`, with the token of the Secret"  # noqa: S105 - a sentence
NOT_LOOPBACK = "is asked for as 127.0.0.1 or localhost; or put a token into the Secret, and send it"
STRANGE_ORIGIN = "answers no page of another origin; or put a token into the Secret, and send it"


def refusal(headers: Mapping[str, str], *, token: str | None) -> tuple[int, str] | None:
    """Status and sentence for who may not ask; None for who may."""
    if token is not None:
        shown = headers.get("Authorization", "").partition(" ")
        is_bearer = shown[0].lower() == "bearer"
        is_it = hmac.compare_digest(shown[2].strip().encode(errors="replace"), token.encode())
        return None if is_bearer and is_it else (401, NO_TOKEN)
    host = _host(f"//{headers.get('Host', '')}")
    if host not in LOOPBACK:
        return 403, NOT_LOOPBACK
    origin = headers.get("Origin")
    return (403, STRANGE_ORIGIN) if origin is not None and _host(origin) not in LOOPBACK else None


def _host(url: str) -> str | None:
    """Without its port: another port of this machine is no stranger's."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
