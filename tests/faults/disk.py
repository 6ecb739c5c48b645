"""The disk that the database lies on is full: a small one of its own, in memory, and a file that takes what is left."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli.embedded_binaries import EmbeddedError
from tests.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.place import Place

SIZE = "400m"
NAME = "notifychannel-disk-"
"""Of the device; our process id follows, so that whoever finds one of a dead process may take it away."""
CHUNKS = (2**20, 4096, 1)


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A folder that is one; None for whoever may not mount."""
    if os.geteuid():
        yield None
        return
    _clear_away()
    folder = Path(tempfile.mkdtemp(prefix=NAME))
    try:
        options = f"size={SIZE},mode=755,nosuid,nodev"
        device = f"{NAME}{os.getpid()}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, device, folder], check=False, capture_output=True)
        try:
            yield None if done.returncode else folder
        finally:
            if not done.returncode:
                subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        shutil.rmtree(folder)


def _clear_away() -> None:
    for line in Path("/proc/mounts").read_text().splitlines():
        device, folder = line.split(" ")[:2]
        if device.startswith(NAME) and not Path("/proc", device.removeprefix(NAME)).exists():
            subprocess.run(["umount", "--lazy", folder], check=False)
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _without_gaps(place: Place) -> AsyncIterator[None]:
    """What was deleted before would leave room in the table, and users would hardly notice; nor by few small rows."""
    async with place.asking() as connection:
        await connection.execute("ALTER TABLE orders SET (fillfactor = 10)")
        await connection.execute("VACUUM (FULL) orders")
    yield None


@asynccontextmanager
async def _full(place: Place) -> AsyncIterator[str]:
    assert place.disk is not None
    ballast = place.disk / "ballast"
    filling = asyncio.create_task(_keep_full(ballast))
    try:
        yield f"of {SIZE}, with the WAL"
    finally:
        filling.cancel()
        await asyncio.wait([filling])
        ballast.unlink()
        await asyncio.to_thread(_see_to_it, place)


async def _keep_full(ballast: Path) -> None:
    """Also of what PostgreSQL gives back meanwhile."""
    with ballast.open("wb", buffering=0) as file:
        while True:
            for size in CHUNKS:
                _fill(file.fileno(), size)
            await asyncio.sleep(0.2)


def _fill(file: int, size: int) -> None:
    try:
        while os.write(file, b"x" * size):
            pass
    except OSError:  # there is no room for so much
        return


def _see_to_it(place: Place) -> None:
    """Where it has ended for want of room, it is started again as its supervisor would."""
    try:
        place.server.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(place.server.port))
    except EmbeddedError:
        place.server.restart("immediate")


def _obstacle(place: Place) -> str | None:
    return "needs to be root, to mount a small disk" if place.disk is None else None


FAULTS = (Fault(name="disk full on the database", prepared=_without_gaps, broken=_full, obstacle=_obstacle),)
