"""A program that ends when we end, even by SIGKILL, where nobody is left to clean up: Linux tells it by a signal.

https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html: it stays over exec, and a change of user clears it,
so it is set after that. Elsewhere than on Linux the program only runs, as that user.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal

PR_SET_PDEATHSIG = 1
# Done by a program in between, not by preexec_fn, which is not safe where there are threads.
_TETHER = f"""
import ctypes, os, sys
parent, number, user, group, *command = [int(it) for it in sys.argv[1:5]] + sys.argv[5:]
libc = ctypes.CDLL(None)  # now, for the other user may not read Python's folder
if user:
    os.setgroups([]), os.setgid(group), os.setuid(user)
if sys.platform == "linux":
    libc.prctl({PR_SET_PDEATHSIG}, number)
if os.getppid() == parent:
    os.execv(command[0], command)
"""


def tethered(*command: str, to_get: signal.Signals, user: tuple[int, int] | None = None) -> tuple[str, ...]:
    """The command, its program named by path, to be started by this process; it gets the signal when we are gone.

    `user` (with group, as numbers): who it is to run as; only for root. To be started by a thread that lives as long
    as this process: the end of that thread is what Linux looks at.
    """
    numbers = (os.getpid(), to_get.value, *(user or (0, 0)))
    return (sys.executable, "-ISc", _TETHER, *map(str, numbers), *command)
