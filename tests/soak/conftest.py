"""What the soak is told by the environment, lines about how far it is, and a table at its end."""

from __future__ import annotations

import os
import time

TABLE = "figures"


def pytest_report_header():
    return f"soak: {os.environ.get('SOAK_CHANGES')} changes, {os.environ.get('SOAK_DOWN_S')} s down"


def pytest_runtest_logstart(nodeid):
    print(f"\n{time.strftime('%H:%M:%S')} {nodeid.rpartition('::')[2]}", flush=True)  # noqa: T201


def pytest_terminal_summary(terminalreporter):
    """Of what passed and of what did not; the conftest above tells the figures of what passed."""
    for report in terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == TABLE and report.when == "call":
                terminalreporter.write_line(f"FAILED {report.nodeid.rpartition('::')[2]}: {value}", red=True)
