"""All rivals, in the order of the table, and why those that can't be measured here can't."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli.bench import rivals as installed
from tests.rivals.ours import OURS
from tests.rivals.program import POLL, PROGRAMS, Program

if TYPE_CHECKING:
    from tests.rivals.rival import Rival


def everybody() -> tuple[Rival, ...]:
    """Ours first."""
    pgqueuer, graphile = installed.rivals()
    return (*OURS, POLL, _pgqueuer(pgqueuer), _graphile(graphile), PG_EVENTSERV, _debezium())


def _pgqueuer(found: installed.Rival) -> Program:
    here = found.command is not None
    return Program(
        name=found.name,
        version=importlib.metadata.version("pgqueuer") if here else "",
        command=(sys.executable, str(PROGRAMS / "pgqueuer_worker.py")),
        obstacle=None if here else f"not installed: {found.remedy}",
    )


def _graphile(found: installed.Rival) -> Program:
    if found.command is None:
        return Program(name=found.name, version="", command=(), obstacle=f"not installed: {found.remedy}")
    node, _, folder = found.command
    about = json.loads((Path(folder) / "node_modules" / "graphile-worker" / "package.json").read_text())
    command = (node, str(PROGRAMS / "graphile_worker.cjs"), folder)
    return Program(name=found.name, version=about["version"], command=command)


def _debezium() -> Program:
    name, folder = "Debezium Server", installed.FOLDER.resolve() / "debezium-server"
    runner = next(folder.glob("debezium-server-dist-*-runner.jar"), None)
    if runner is None or shutil.which("java") is None:
        return Program(name=name, version="", command=(), obstacle=f"not installed: {DEBEZIUM_REMEDY}")
    return Program(
        name=name,
        version=runner.name.removeprefix("debezium-server-dist-").removesuffix("-runner.jar"),
        command=(sys.executable, str(PROGRAMS / "debezium_server.py"), str(folder)),
    )


DEBEZIUM_REMEDY = (
    f"unpack the Maven artifact io.debezium:debezium-server-dist:2.7.3.Final:tar.gz in {installed.FOLDER}"
    " (needs Java 17; 3.0 and later want 21)"
)
PG_EVENTSERV = Program(
    name="pg_eventserv", version="", command=(),
    obstacle="not to be had: `go install github.com/CrunchyData/pg_eventserv@latest` (and @v1.2.0) was answered by"
    " the module proxy with 403, this module version is not available",
)  # fmt: skip
