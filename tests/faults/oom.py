"""A process is killed for its memory by the kernel itself, in a memory cgroup of its own, where one may be made.

https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOTS = ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max"))
LIMIT_BYTES = 16 * 2**20
FIRST_OF_ALL = "1000"
"""https://man7.org/linux/man-pages/man5/proc_pid_oom_score_adj.5.html"""
HOG = f"import sys; sys.stdin.read(1); hog = b'x' * {8 * LIMIT_BYTES}"
KERNEL, OURSELVES = "by the kernel", "by SIGKILL, for no memory cgroup can be made here"
KILLED_S = 20.0


async def kill_by_oom(process: asyncio.subprocess.Process) -> str:
    """Returns when it is dead, and says who killed it: a neighbour in its cgroup takes more than both may have."""
    with _cgroup() as group:
        if group is None:
            process.kill()
            await process.wait()
            return OURSELVES
        hog = await asyncio.create_subprocess_exec(sys.executable, "-ISc", HOG, stdin=asyncio.subprocess.PIPE)
        try:
            _share(group, process.pid, hog.pid)
            assert hog.stdin is not None
            hog.stdin.write(b"\n")
            async with asyncio.timeout(KILLED_S):
                await process.wait()
        finally:
            with suppress(ProcessLookupError):
                hog.kill()
            await hog.wait()
    assert process.returncode == -9
    return KERNEL


def _share(group: Path, victim: int, hog: int) -> None:
    for each in (victim, hog):
        (group / "cgroup.procs").write_text(str(each))
    Path(f"/proc/{victim}/oom_score_adj").write_text(FIRST_OF_ALL)


@contextmanager
def _cgroup() -> Iterator[Path | None]:
    for root, limit in ROOTS:
        made = root / f"notifychannel-test-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            if (made / limit).exists():
                (made / limit).write_text(str(LIMIT_BYTES))
                yield made
                return
        finally:
            made.rmdir()
    yield None
