"""What a process weighs with those that it started: its share of memory that several have (PSS).

https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html
"""

from __future__ import annotations

from pathlib import Path


def pss_mib(pid: int) -> float:
    """Of the process and its descendants, MiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    return own + sum(pss_mib(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in found for child in children]
