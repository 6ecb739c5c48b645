"""`notifychannel demo`, as a person runs it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process import notifychannel

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["16", "18"])
async def test_the_demo_shows_hints_and_ends_by_itself_with_no_key_lost(version):
    """Mutant: `Inbox.put` that ignores every tenth key → keys lost."""
    async with notifychannel("demo", "--postgres", version) as demo:
        assert await demo.ends() == 0
    printed = "\n".join(demo.printed)
    assert "keys lost: 0" in printed
    assert "50 changes → 1 hint with count 50" in printed
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
    async with notifychannel("demo", "--keep") as demo:
        await demo.line("Going on until Ctrl-C")
        demo.interrupt()
        await demo.line("keys lost: 0")
        assert await demo.ends() == 0


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


def _data_folders(pids: list[int]) -> list[str]:
    words = [word for pid in pids for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
    return [word for word in words if "notifychannel-pg-" in word]


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]
