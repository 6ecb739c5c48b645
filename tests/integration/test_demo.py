"""`notifychannel demo`, as a person runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process import notifychannel

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.slow

WAYS = [[signal.SIGHUP], [signal.SIGINT, signal.SIGINT], [signal.SIGINT, signal.SIGHUP]]
"""The terminal is closed; Ctrl-C twice; the terminal is closed after Ctrl-C."""


async def test_the_demo_shows_hints_and_ends_by_itself_with_no_key_lost():
    """Mutants: `Intake.put` that ignores every tenth key → keys lost; `window: 1ms` in orders.yaml."""
    async with notifychannel("demo", "--postgres", "18") as demo:
        assert await demo.ends() == 0
    shows_everything("\n".join(demo.printed))


def shows_everything(printed):
    assert "keys lost: 0" in printed
    hints, count, resync = re.search(
        r"50 changes in .* → (\d+) hints? with count (\d+)( and \d+ resync)?", printed
    ).groups()
    assert int(hints) <= 10  # 1, unless the machine pauses between two changes for longer than the window
    assert int(count) >= 50 or resync
    assert "resync (reconnect)" in printed
    assert "POSTs answered 500" in printed
    assert "nothing came" not in printed


async def test_the_demo_says_how_many_keys_were_lost_and_fails_when_delivery_is_broken():
    async with notifychannel("demo") as demo:
        await demo.line("It listens")
        (sidecar,) = demo.children("notifychannel_sidecar")
        os.kill(sidecar, signal.SIGSTOP)
        try:
            last = await demo.line("keys lost:", timeout_s=110)
        finally:
            os.kill(sidecar, signal.SIGKILL)
        assert int(last.split("keys lost: ")[1].split()[0]) > 0
        assert await demo.ends() == 1


async def test_the_demo_goes_on_with_keep_until_ctrl_c_and_then_sums_up():
    """On the older PostgreSQL: what it shows before has to be the same there."""
    async with notifychannel("demo", "--keep", "--postgres", "16") as demo:
        await demo.line("Going on until Ctrl-C")
        demo.interrupt()
        await demo.line("keys lost: 0")
        assert await demo.ends() == 0
    shows_everything("\n".join(demo.printed))


async def test_ctrl_c_in_the_middle_leaves_no_process_and_no_folder():
    async with notifychannel("demo") as demo:
        await demo.line("It listens")
        pids = demo.children("")
        folders = _data_folders(demo.children("postgres"))
        assert pids
        assert folders
        demo.interrupt()
        assert await demo.ends() == 130
    assert _existing(f"/proc/{pid}" for pid in pids) == []
    assert _existing(folders) == []


@pytest.mark.parametrize("signals", WAYS, ids=lambda numbers: " ".join(number.name for number in numbers))
@pytest.mark.parametrize("moment", ["Starting PostgreSQL", "It listens"])
async def test_however_it_is_ended_nothing_is_left(signals, moment):
    """Mutants: ENDING without SIGHUP; the handlers of running.py removed after the first signal."""
    first, *again = signals
    async with notifychannel("demo") as demo:
        await demo.line(moment)
        folders = _data_folders(demo.children("postgres"))
        demo.process.send_signal(first)
        await demo.line("Ending ...")
        for number in again:
            demo.process.send_signal(number)
        assert await demo.ends() == 130
        assert demo.left() == []
    assert "Traceback" not in "\n".join(demo.printed)
    assert _existing(folders) == []


async def test_killed_in_the_middle_it_takes_server_and_sidecar_along():
    """Mutant: tether.py without prctl. The folders stay: nobody is left to remove them."""
    async with notifychannel("demo") as demo:
        await demo.line("It listens")
        pids = demo.children("")
        folders = _folders(pids)
        assert demo.children("notifychannel_sidecar")
        assert demo.children("postgres")
        demo.process.kill()
        assert await demo.ends() == -signal.SIGKILL
        await demo.everybody_ends(pids)
        assert demo.left() == []
    for folder in folders:
        shutil.rmtree(folder)


def _folders(pids: list[int]) -> set[Path]:
    found = re.findall(r"[^\0=]*/notifychannel-(?:pg|sidecar)-[^/\0]*", "\0".join(map(_all_of, pids)))
    return {Path(folder) for folder in found}


def _all_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text() + "\0" + Path(f"/proc/{pid}/environ").read_text()


def _data_folders(pids: list[int]) -> list[str]:
    words = [word for pid in pids for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
    return [word for word in words if "notifychannel-pg-" in word]


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]
