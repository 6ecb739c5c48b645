"""The commands of `notifychannel`, each imported when it is asked for: `--help` and shell completion stay fast."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from notifychannel_cli.exits import Exit

COMMANDS = {
    "lint": "Say what is wrong with NotifyChannel files, all at once.",
    "sql": "Print the triggers of a channel for a database, or the GRANTs.",
    "config": "Print the sidecar's JSON, to run it without Kubernetes.",
    "dev": "A channel on your own database and machine, until Ctrl-C.",
    "doctor": "What is wrong, why, and the command that mends it.",
    "queue": "What waits in the durable queue, by channel and group.",
    "redrive": "Deliver dead letters again.",
    "replay": "Hint the keys of a table once more.",
    "audit": "The history of a key.",
    "tail": "The hints of a channel as they come.",
    "status": "Every channel on one line: listening, rate, backlog, dead.",
    "check-inject": "Whether a pod gets the sidecar, and why not.",
    "demo": "The walk of one hint on this machine, in under 60 s.",
    "bench": "Measure, each figure beside its floor.",
}
"""Name → what stands in `--help`; the command is `command` in the module of that name, with _ for -."""


class LazyGroup(click.Group):
    """Finds its commands by module; a broken one breaks no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, also where its module is missing."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module; raises ClickException where a package is missing that it needs."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = f"notifychannel_cli.{cmd_name.replace('-', '_')}"
        try:
            command: click.Command = importlib.import_module(name).command
        except ModuleNotFoundError as error:
            if error.name == name:
                raise click.ClickException(f"this version has no command {cmd_name!r}") from None
            extra = "demo" if cmd_name in {"demo", "bench"} else "cli"
            remedy = f"pip install 'notifychannel[{extra}]'"
            raise click.ClickException(f"{cmd_name} needs the package {error.name}; run: {remedy}") from None
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for an unknown name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(COMMANDS)}"
            ctx.fail(f"no such command {name!r}; {remedy}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing a command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C ends with 130, as shells expect it, and not with click's 1."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo(err=True)
            ctx.exit(Exit.INTERRUPTED)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Exit codes: 0 all is well, 1 what was asked about is wrong, 2 wrong usage, 3 the database can't be reached, "
        "130 Ctrl-C. Example: notifychannel lint -f orders.yaml"
    ),
)
@click.version_option(package_name="notifychannel", prog_name="notifychannel", message="%(prog)s %(version)s")
def cli() -> None:
    """PostgreSQL row changes as debounced hints to the application: the person's tool."""
