"""`notifychannel lint`: what is wrong with files of NotifyChannels, without a database and without a cluster."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from notifychannel_cli import manifests
from notifychannel_cli.console import console, print_problems
from notifychannel_cli.exits import Exit
from notifychannel_operator.conflict import conflicts
from notifychannel_operator.manifest import Problem

if TYPE_CHECKING:
    from notifychannel_cli.manifests import Read


@click.command(
    short_help="Say what is wrong with NotifyChannel files, all at once.",
    epilog="Examples: notifychannel lint -f orders.yaml; kubectl get nch -o yaml | notifychannel lint -f -",
)
@manifests.files_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(*, files: tuple[str, ...], as_json: bool) -> None:
    """Check NotifyChannels in YAML files; other resources in them are ignored.

    Each line of the answer names file, line and field, what is wrong, and what to write instead. Channels of all
    files are also checked against each other. Whether tables and columns exist only a database can say: see
    `notifychannel sql`.

    Exit codes: 0 all good, 1 something is wrong, 2 wrong usage.
    """
    reads = _judged(manifests.read(files))
    wrong = any(read.problems for read in reads)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "files": [_as_json(read) for read in reads]}, indent=2))
    else:
        for read in reads:
            _print(read)
    sys.exit(Exit.WRONG if wrong else Exit.OK)


def _judged(reads: list[Read]) -> list[Read]:
    """The same files, with what is wrong between their channels added to the later one's."""
    placed = [(index, channel) for index, read in enumerate(reads) for channel in read.channels]
    for number, message in conflicts([channel for _, channel in placed]):
        index, channel = placed[number]
        path = f"{channel.namespace}/{channel.name}"
        problem = Problem(file=reads[index].file, line=0, path=path, message=message)
        reads[index] = replace(reads[index], problems=(*reads[index].problems, problem))
    return reads


def _print(read: Read) -> None:
    if read.problems:
        print_problems(read.problems, out=console())
        return
    count = len(read.channels)
    console().print(f"{read.file}: {count} {'channel' if count == 1 else 'channels'}, ok", markup=False)


def _as_json(read: Read) -> dict[str, object]:
    names = [{"namespace": channel.namespace, "name": channel.name} for channel in read.channels]
    return {"file": read.file, "channels": names, "problems": [asdict(problem) for problem in read.problems]}
