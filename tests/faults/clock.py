"""Somebody sets the clock of the node: PostgreSQL and the sidecars see another time from one moment to the next.

Not the machine's own clock, which is everybody's: a small library of ours between these programs and the C library
(`clock.c`). It covers what they read of the wall's time, not what the kernel does with it, such as times of files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from tests.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.place import Place

SOURCE = Path(__file__).with_name("clock.c")
JUMP_S = 3600
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


@dataclass(frozen=True)
class Clock:
    """Of what was started while it stood in the environment."""

    file: Path

    def set(self, *, ahead_s: int) -> None:
        """From now on; in place, for it is mapped into everybody's memory."""
        with self.file.open("r+b") as file:
            file.write(ahead_s.to_bytes(8, sys.byteorder, signed=True))


@contextmanager
def settable_clock() -> Iterator[Clock | None]:
    """All programs started meanwhile go by it; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="notifychannel-clock-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL is another user where we are root
        library, clock = folder / "clock.so", Clock(folder / "ahead")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        clock.file.write_bytes(bytes(8))
        with patch.dict(os.environ, LD_PRELOAD=str(library), NOTIFYCHANNEL_TEST_CLOCK=str(clock.file)):
            yield clock


@asynccontextmanager
async def _jumps(place: Place) -> AsyncIterator[str]:
    assert place.clock is not None
    async with place.asking() as connection:
        before = await connection.fetchval(NOW)
        place.clock.set(ahead_s=JUMP_S)
        assert await connection.fetchval(NOW) >= before + JUMP_S
    try:
        yield "an hour ahead, then back"
    finally:
        place.clock.set(ahead_s=0)


def _obstacle(place: Place) -> str | None:
    return "needs a C compiler: apt-get install gcc" if place.clock is None else None


FAULTS = (Fault(name="clock jump", broken=_jumps, obstacle=_obstacle),)
