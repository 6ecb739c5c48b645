"""Signals while the sidecar still imports: a pod may be over before that."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

SLOW = """\
import asyncio, pathlib, sys, time
print("importing", flush=True)
while not pathlib.Path({go!r}).exists():
    time.sleep(0.01)
new_event_loop = asyncio.new_event_loop
"""


@pytest.mark.parametrize(
    ("numbers", "code"),
    [([signal.SIGTERM], 0), ([signal.SIGUSR1, signal.SIGTERM], 0), ([signal.SIGINT], 0)],
    ids=["SIGTERM", "SIGUSR1 SIGTERM", "SIGINT"],
)
async def test_a_signal_during_the_imports_is_obeyed_after_them(tmp_path, numbers, code):
    """As pid 1 of a container a signal without a handler would not even be heard.

    Mutants: EarlySignals made after the import of the program; `tell` calls nothing.
    """
    go = tmp_path / "go"
    (tmp_path / "uvloop.py").write_text(SLOW.format(go=str(go)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_sidecar",
        env={
            **os.environ, "PYTHONPATH": str(tmp_path), "NOTIFYCHANNEL_CONFIG": str(tmp_path / "config.json"),
            "NOTIFYCHANNEL_SECRET": str(tmp_path), "NOTIFYCHANNEL_STATUS_HOST": "127.0.0.1",
            "NOTIFYCHANNEL_STATUS_PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"importing\n"
            for number in numbers:
                process.send_signal(number)
            go.touch()
            _, said = await process.communicate()
        assert (process.returncode, b"Traceback" in said) == (code, False)
        assert b"finished; 0 keys are left" in said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
