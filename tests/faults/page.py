"""docs/faults.md: where its table stands, and on what machine it was made."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from notifychannel_cli.embedded import Server
from tests.faults.place import VERSION

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- what make faults found -->", "<!-- until here -->"


def heading() -> str:
    """Date, machine, versions, and how many programs wanted its cores in the last quarter of an hour."""
    postgres = subprocess.run(
        [Server(version=VERSION).binary("postgres"), "--version"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split()[-1]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}, "
        f"PostgreSQL {postgres}, Python {platform.python_version()}, load {os.getloadavg()[2]:.0f}"
    )


def put(text: str, *, page: Path = PAGE, begin: str = BEGIN) -> None:
    """In the place of what stands there."""
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{begin}\n{text}\n{END}{after}")
