"""The kernel ends a process whose time is over, frozen or busy. Each test is a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

HEAD = """
import asyncio, sys, time
from notifychannel_operator.leadership.deadline import Deadline
with Deadline() as deadline:
    assert not deadline.is_open()
"""


def run(body):
    return subprocess.run([sys.executable, "-c", HEAD + body], capture_output=True, text=True, timeout=30, check=False)


def test_a_loop_that_hangs_in_python_is_ended():
    """Mutant: no timer."""
    done = run("    deadline.extend(time.monotonic() + 0.3)\n    assert deadline.is_open()\n    while True: pass\n")
    assert done.returncode == 3
    assert "the lease has run out" in done.stderr


def test_a_process_that_sleeps_in_its_event_loop_is_ended():
    assert run("    deadline.extend(time.monotonic() + 0.3)\n    asyncio.run(asyncio.sleep(20))\n").returncode == 3


def test_whoever_extends_in_time_lives_and_whoever_closes_may_stay():
    done = run(
        "    for _ in range(5):\n        deadline.extend(time.monotonic() + 0.4)\n        time.sleep(0.2)\n"
        "    deadline.close()\n    assert not deadline.is_open()\n    time.sleep(0.6)\n    print('alive')\n"
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_forbidding_closes_the_fence_and_leaves_the_end_as_planned():
    """Mutant: `forbid` stops the timer."""
    done = run(
        "    deadline.extend(time.monotonic() + 0.5)\n    deadline.forbid()\n    assert not deadline.is_open()\n"
        "    print('fenced', flush=True)\n    time.sleep(20)\n"
    )
    assert (done.returncode, done.stdout) == (3, "fenced\n")


def test_a_process_frozen_past_its_time_does_nothing_when_it_thaws(tmp_path):
    """Mutant: check the time in the loop only: the loop's next step runs before the check."""
    body = (
        "    deadline.extend(time.monotonic() + 1.0)\n"
        "    async def work():\n        while True:\n            print('x', flush=True); await asyncio.sleep(0.01)\n"
        "    print('ready', file=sys.stderr, flush=True)\n    asyncio.run(work())\n"
    )
    path = tmp_path / "written"
    with (
        path.open("wb") as written,
        subprocess.Popen([sys.executable, "-c", HEAD + body], stdout=written, stderr=subprocess.PIPE) as process,
    ):
        process.stderr.readline()
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)  # longer than it may live: that is what is tested
        before = path.stat().st_size
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=10)
    assert path.stat().st_size == before, "it has done something after its time"
    assert process.returncode == 3
