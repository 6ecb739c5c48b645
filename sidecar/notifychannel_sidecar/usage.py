"""What `notifychannel-sidecar --help` prints: it takes no arguments, for everything comes from its environment."""

from __future__ import annotations

import argparse

TEXT = """\
Listens on one PostgreSQL connection, merges what it hears per key, and tells
the application on 127.0.0.1. It is set up by environment variables:

  NOTIFYCHANNEL_CONFIG       the configuration file (required); written by the
                             operator or by `notifychannel config`
  NOTIFYCHANNEL_SECRET       the folder with the Secret's keys as files (required):
                             uri, or host, port, dbname, user, password; token
  NOTIFYCHANNEL_POD          what the database session is named after
                             (default: the host name)
  NOTIFYCHANNEL_STATUS_HOST  where /livez, /status and /metrics are served
                             (default: every address, IPv4 and IPv6)
  NOTIFYCHANNEL_STATUS_PORT  (default: 9789; 0 takes a free one and logs it)
  NOTIFYCHANNEL_LOCAL_PORT   of streams and claims, at 127.0.0.1, while a channel
                             has no endpoint (default: 9790; 0 takes a free one)
  NOTIFYCHANNEL_MAX_KEYS     keys held in memory over all channels
                             (default: 100000)
  NOTIFYCHANNEL_LOG          json or text, on standard error (default: json)
  OTEL_EXPORTER_OTLP_ENDPOINT  a collector of OpenTelemetry: spans of each POST go
                             there, where the extra `otel` is installed; so are
                             the other OTEL_ variables read

Both files may be missing at the start and are read again when they change.
SIGUSR1 delivers what is pending and stays; SIGTERM and SIGINT do so and end; a
second one ends at once.
Exit codes: 0 ended by a signal, 1 a bug or the status port is taken, 2 a
setting or an argument can't be used.
"""


def answer(arguments: list[str], *, version: str) -> None:
    """Return when there are no arguments; else print help or version, or what is wrong, and raise SystemExit."""
    parser = argparse.ArgumentParser(
        prog="notifychannel-sidecar",
        usage="notifychannel-sidecar [--help] [--version]",
        description=TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"notifychannel-sidecar {version}")
    parser.parse_args(arguments)
