# ruff: noqa: INP001, T201
"""The application beside the sidecar, in the standard library alone: it looks again at what it is told to look at.

The safety net at the end is part of the contract: who hears nothing for twice `next_within` looks by itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def look_at(order: int) -> None:
    """Read the row again and do what has to be done; here we only say so."""
    print(f"look at order {order}", flush=True)


def look_at_everything(reason: str) -> None:
    """Read every row that may have changed."""
    print(f"look at every order ({reason})", flush=True)


class Hints(BaseHTTPRequestHandler):
    """POST /hints."""

    def do_POST(self) -> None:
        """Anything but 2xx, and the sidecar asks again."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        heard(body["next_within"])
        if not body["hints"]:
            look_at_everything(body["reason"])
        for hint in body["hints"]:
            look_at(hint["key"]["id"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the lines above are enough."""


silence = threading.Timer(0, lambda: None)


def heard(next_within: float | None) -> None:
    """Start counting anew; the sidecar is what can fail, so the net is here and not there."""
    global silence  # noqa: PLW0603
    silence.cancel()
    if next_within is not None:
        silence = threading.Timer(2 * next_within, unheard, [next_within])
        silence.daemon = True
        silence.start()


def unheard(next_within: float) -> None:
    """Nothing came for too long."""
    look_at_everything("silence")
    heard(next_within)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # to process 1 of a container nothing happens by itself
    heard(60)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Hints).serve_forever()
