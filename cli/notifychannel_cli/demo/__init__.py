"""`notifychannel demo`: the walk of one hint on this machine, with everything real, ending by itself with a proof."""

from __future__ import annotations

import asyncio
import statistics
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
import click

from notifychannel_cli.console import console
from notifychannel_cli.demo.application import HostApplication
from notifychannel_cli.demo.story import Story
from notifychannel_cli.embedded import Server
from notifychannel_cli.embedded_binaries import FOLDERS
from notifychannel_cli.exits import Exit, WrongError
from notifychannel_cli.install import grant, install
from notifychannel_cli.running import run
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator import configmap, manifest

if TYPE_CHECKING:
    from rich.console import Console

TABLE = """
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    status text NOT NULL,
    version integer NOT NULL DEFAULT 1
)
"""
ROLES = ("demo_installer", "demo_listener")
INSTALLATION = "demo"
FIRST_RESYNC_S = 30.0


@click.command(
    short_help="The walk of one hint on this machine, in under 60 s.",
    epilog="Example: notifychannel demo --postgres 16",
)
@click.option("--postgres", type=click.Choice([str(version) for version in FOLDERS]), default="18", show_default=True,
              help="Version of the embedded PostgreSQL.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Go on writing until Ctrl-C.")
def command(*, postgres: str, keep: bool) -> None:
    """Show hints arriving: an embedded PostgreSQL, a table, a host application, the real sidecar, a writer.

    Changes become hints, 50 changes of one row become one hint, the database connection is killed, the application
    answers 500 for a while. The summary compares the table with what the application last read of each key.

    Exit codes: 0 no key was lost, 1 keys were lost or a part did not start, 130 Ctrl-C.
    """
    lost = run(_demo(version=int(postgres), keep=keep, out=console()))
    sys.exit(Exit.WRONG if lost else Exit.OK)


async def _demo(*, version: int, keep: bool, out: Console) -> int:
    out.print("[bold]NotifyChannel[/bold]: from a row that changes to an application that looks again\n")
    async with AsyncExitStack() as stack:
        out.print(f"Starting PostgreSQL {version} in a temporary folder ...")
        server = stack.enter_context(Server(version=version))
        writer = await _database(stack, server)
        pool = await stack.enter_async_context(asyncpg.create_pool(server.dsn("shop"), min_size=1, max_size=4))
        application = await stack.enter_async_context(HostApplication(database=pool))
        text = (resources.files("notifychannel_cli") / "demo" / "orders.yaml").read_text()
        out.print(f"\nThe whole configuration:\n[cyan]{text}[/cyan]")
        sidecar = await _sidecar(text, server, application)
        out.print("The triggers are installed by a role that may do no more than that. Starting the sidecar ...")
        await stack.enter_async_context(sidecar)
        await sidecar.listening()
        story = Story(writer=writer, application=application, console=out)
        if not await application.until(lambda: bool(application.seen), timeout_s=FIRST_RESYNC_S):
            raise WrongError(f"the sidecar listens, but sent no resync within {FIRST_RESYNC_S:.0f} s")
        out.print(f"It listens, and begins with a resync (reason: {application.seen[0].reason}).")
        return await _tell(story, keep=keep)


async def _database(stack: AsyncExitStack, server: Server) -> asyncpg.Connection:
    admin = await asyncpg.connect(server.dsn())
    await admin.execute("CREATE DATABASE shop")
    for role in ROLES:
        # The password is made here and stays on this machine; roles are named by us, so nothing is quoted away.
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
    await admin.close()
    writer = await asyncpg.connect(server.dsn("shop"))
    stack.push_async_callback(writer.close, timeout=5)
    await writer.execute(TABLE)
    return writer


async def _sidecar(text: str, server: Server, application: HostApplication) -> SidecarProcess:
    (channel,) = manifest.parse(text, file="orders.yaml")
    installer, listener = (server.dsn("shop", role) for role in ROLES)
    await grant((channel,), dsn=server.dsn("shop"), installer=ROLES[0], listener=ROLES[1])
    await install((channel,), dsn=installer, installation=INSTALLATION)
    config = configmap.config_for(
        (channel,), installation=INSTALLATION, namespace=channel.namespace, group="orders-api",
        system_identifier=None, dbname="shop",
    )  # fmt: skip
    channels = tuple(replace(each, port=application.port) for each in config.channels)
    return SidecarProcess(config=replace(config, channels=channels), uri=listener)


async def _tell(story: Story, *, keep: bool) -> int:
    await story.hints_arrive()
    await story.changes_merge()
    await story.connection_killed()
    await story.application_fails()
    await story.busy()
    if keep:
        story.console.print("\nGoing on until Ctrl-C ...")
        await _until_interrupted(story)
    return await _summary(story)


async def _until_interrupted(story: Story) -> None:
    task = asyncio.current_task()
    try:
        await story.busy(None)
    except asyncio.CancelledError:
        # asyncio.run turns the first Ctrl-C into a cancellation: the summary is still owed.
        if task is not None:
            task.uncancel()


async def _summary(story: Story) -> int:
    lost = await story.lost()
    hints = [seen for seen in story.application.seen if seen.order_id is not None]
    resyncs = len(story.application.seen) - len(hints)
    latencies = sorted(seen.latency_s * 1000 for seen in hints if seen.attempt == 1)
    percentiles = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [float("nan")] * 99
    colour = "red" if lost else "green"
    story.console.print(
        f"\n[bold]Summary[/bold]\n"
        f"changes written:  {story.changes}\n"
        f"hints delivered:  {len(hints)} (and {resyncs} resyncs)\n"
        f"change → read:    p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms (breakages included)\n"
        f"[{colour}]keys lost: {lost}[/{colour}] (the table against what the application last read of each key)"
    )
    return lost
