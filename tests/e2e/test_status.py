"""`notifychannel status` of a real cluster: what pods say of themselves, by the API server's proxy."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import shop as shops

pytestmark = pytest.mark.timeout(900)


def status(kubectl, *args):
    """Exit code, standard output and error."""
    command = ["status", "--kubeconfig", str(kubectl.kubeconfig), "-n", kubectl.arguments[1], *args]
    done = subprocess.run(
        [sys.executable, "-m", "notifychannel_cli", *command], capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def by_plugin(kubectl):
    """The same, as kubectl finds it on the PATH."""
    environment = {**kubectl.environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["kubectl", "notifychannel", "status", "-n", kubectl.arguments[1], "--every", "0.5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


ALTERNATE, ORDINARY, CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
"""What a program writes to get a screen of its own, to give it back, and to show the cursor."""
WATCH_S = 120.0


class Screen:
    """`status --watch` on a terminal of its own."""

    def __init__(self, kubectl, columns: int) -> None:
        self.written = b""
        self._ours, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        command = [
            "status",
            "--kubeconfig",
            str(kubectl.kubeconfig),
            "-n",
            kubectl.arguments[1],
            "-w",
            "--every",
            "0.5",
        ]
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", sys.executable, "-m", "notifychannel_cli", *command],
            stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        self._terminal, self.before = terminal, termios.tcgetattr(terminal)

    def until(self, pattern: bytes) -> None:
        """It is written, from here on."""
        seen, deadline = len(self.written), time.monotonic() + WATCH_S
        while not re.search(pattern, self.written[seen:]):
            assert time.monotonic() < deadline, self.written[-2000:]
            self.written += os.read(self._ours, 65536)

    def interrupted(self) -> int:
        """Ctrl-C is pressed; the exit code. The terminal is as it was."""
        os.write(self._ours, b"\x03")
        self.until(re.escape(ORDINARY))
        code = self.process.wait(WATCH_S)
        assert termios.tcgetattr(self._terminal) == self.before
        os.set_blocking(self._ours, False)
        self.written += os.read(self._ours, 65536)
        return code


@contextmanager
def watched(kubectl, columns: int):
    screen = Screen(kubectl, columns)
    try:
        yield screen
    finally:
        screen.process.kill()
        screen.process.wait()


async def watched_while_hints_flow(shop) -> None:
    """Figures change, and Ctrl-C ends it cleanly."""
    with watched(shop.kubectl, columns=80) as screen:
        await asyncio.to_thread(screen.until, rb"/orders .* True +1/1 +0\.0 ")
        owner = await shop.postgres.connect()
        await owner.execute("INSERT INTO orders (id) SELECT i FROM generate_series(101, 300) AS i")
        await asyncio.to_thread(screen.until, rb"/orders .* True +1/1 +[1-9][0-9,.]* ")
        assert await asyncio.to_thread(screen.interrupted) == 130
    lines = [re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", each).decode() for each in screen.written.splitlines()]
    assert all(len(each.rstrip()) <= 80 for each in lines[:4])
    assert screen.written.count(ALTERNATE) == screen.written.count(ORDINARY) == 1
    assert CURSOR in screen.written.partition(ORDINARY)[0][-100:] + screen.written.partition(ORDINARY)[2]
    assert "/orders" in "".join(lines[-4:])  # the last figures stay


async def test_a_channel_is_a_line_with_its_pods_rate_and_times(shop, images):
    """Mutants: pods of other groups counted; a group without pods that is left out."""
    await shop.open(shops.channel())
    code, said, _ = status(shop.kubectl)
    assert (code, said.splitlines()[1].split()[:4]) == (
        1,
        [f"{shop.kubectl.arguments[1]}/orders", shops.GROUP, "NoPods", "0/0"],
    )
    (pod,) = shop.run(images)
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    shops.until_heard(shop.kubectl, pod, None)
    owner = await shop.postgres.connect()
    await owner.execute("INSERT INTO orders (id) SELECT i FROM generate_series(1, 20) AS i")
    shops.until_heard(shop.kubectl, pod, {"id": 20})
    code, said, complaint = status(shop.kubectl, "--json", "--every", "0.5")
    assert (code, complaint) == (0, "")
    (found,) = json.loads(said)
    assert (found["channel"], found["group"], found["ready"]) == ("orders", shops.GROUP, "True")
    assert (found["pods"], found["answered"], found["listening"], found["dead"]) == (1, 1, 1, 0)
    assert 0 < found["p50_seconds"] <= found["p99_seconds"] < 600
    assert by_plugin(shop.kubectl).splitlines()[1].split()[:4] == [
        f"{shop.kubectl.arguments[1]}/orders", shops.GROUP, "True", "1/1",
    ]  # fmt: skip
    await watched_while_hints_flow(shop)
    code, said, _ = status(shop.kubectl, "nobody")
    assert (code, "no NotifyChannel of the names nobody" in said) == (1, True)
