"""Which rivals of `bench durable` are installed here, and how to install those that are not: none comes with us."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(".cache/rivals")
"""Where Graphile Worker is looked for, from where one stands."""
GOAL_BY = "PgQueuer"
"""The one that goals are set by."""
PROGRAMS = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """`command` starts its program; None where it is not installed, and `remedy` installs it."""

    name: str
    command: tuple[str, ...] | None
    remedy: str


def rivals() -> tuple[Rival, ...]:
    """All of them."""
    return _pgqueuer(), _graphile()


def _pgqueuer() -> Rival:
    found = importlib.util.find_spec("pgqueuer") is not None
    return Rival(
        name=GOAL_BY,
        command=(sys.executable, str(PROGRAMS / "rival_pgqueuer.py")) if found else None,
        remedy="pip install 'notifychannel[rivals]' (in a clone: -c constraints.txt -e '.[rivals]')",
    )


def _graphile() -> Rival:
    node = shutil.which("node")
    found = node is not None and (FOLDER / "node_modules" / "graphile-worker").is_dir()
    command = (str(node), str(PROGRAMS / "rival_graphile.cjs"), str(FOLDER.resolve()))
    return Rival(
        name="Graphile Worker",
        command=command if found else None,
        # 0.17 and later want a newer Node than distributions have
        remedy=f"npm install --ignore-scripts --prefix {FOLDER} graphile-worker@0.16.6 (needs Node)",
    )
