"""`notifychannel dev --services`: programs, the real sidecar beside each consumer among them, until one ends."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_cli.dev import ways
from notifychannel_cli.dev.service_process import ServiceProcess, check_port, program
from notifychannel_cli.dev.task import config
from notifychannel_cli.dev.watch import watch
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_sidecar.config import Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from notifychannel_cli.dev.place import Place
    from notifychannel_cli.dev.services import Service, Services
    from notifychannel_operator.spec import Channel


def check(services: Services) -> None:
    """Raises WrongError where a program is not there, or a port is taken: before anything is started."""
    for service in services.services:
        program(service, services.folder)
        for port in service.ports:
            check_port(port, f"service {service.name}")


async def run(services: Services, channels: Sequence[Channel], place: Place, out: Console) -> None:
    """Until cancelled; raises WrongError when a sidecar, or a program without `restart`, ends by itself."""
    async with AsyncExitStack() as stack:
        sidecars = {
            each: _sidecar(each, each.group, channels, place) for each in services.services if each.group is not None
        }
        processes = [
            await stack.enter_async_context(
                ServiceProcess(
                    service=each, folder=services.folder, environment=_environment(place, sidecars.get(each)), out=out
                )
            )
            for each in services.services
        ]
        # Entered after the programs, so they are left before them: what is due is still delivered.
        for sidecar in sidecars.values():
            await stack.enter_async_context(sidecar)
        try:
            async with asyncio.TaskGroup() as tasks:
                for process in processes:
                    tasks.create_task(process.ends())
                for process in processes:
                    await process.serves()
                for service, sidecar in sidecars.items():
                    await sidecar.listening()
                    tasks.create_task(watch(sidecar, out, whose=f"{service.name}'s sidecar: "))
                for line in _ready(services, sidecars, place):
                    out.print(line, markup=False, highlight=False)
        except ExceptionGroup as failed:  # the first is what went wrong, the others are its consequences
            raise failed.exceptions[0] from None


def _sidecar(service: Service, group: str, channels: Sequence[Channel], place: Place) -> SidecarProcess:
    made = config(channels, group)
    here = tuple(
        replace(each, port=service.port or each.port) if each.way is Way.POST else each for each in made.channels
    )
    ports = {} if service.status_port is None else {"port": service.status_port}
    if service.local_port is not None:
        ports["local_port"] = service.local_port
    return SidecarProcess(
        config=replace(made, channels=here), uri=place.listener, environment={"NOTIFYCHANNEL_POD": service.name},
        **ports,
    )  # fmt: skip


def _environment(place: Place, sidecar: SidecarProcess | None) -> dict[str, str]:
    """Of a program: where its database is, and where its sidecar serves streams and claims."""
    found = {"DATABASE_URL": place.application}
    return found if sidecar is None else found | {"NOTIFYCHANNEL_LOCAL_PORT": str(sidecar.local_port)}


def _ready(services: Services, sidecars: dict[Service, SidecarProcess], place: Place) -> list[str]:
    lines = ["Ready.", ""]
    for each in services.services:
        url = "" if each.port is None else f" http://127.0.0.1:{each.port}"
        sidecar = sidecars.get(each)
        beside = "" if sidecar is None else f", its sidecar http://127.0.0.1:{sidecar.port}/status"
        lines += [f"  {each.name}{url}{beside}", *(f"  {it}" for it in (ways.lines(sidecar) if sidecar else ()))]
    if place.is_embedded:
        lines += ["", "In another terminal:", ""]
        if place.programs is not None and shutil.which("psql") is None:
            lines.append(f"  export PATH=$PATH:{shlex.quote(str(place.programs))}")
        lines.append(f"  export DATABASE_URL={place.application}  # for psql: the application's role")
        lines.append(f"  export NOTIFYCHANNEL_DSN={place.installer}  # for notifychannel: the installer's")
    if services.tries:
        lines += ["", "Try:", "", *(f"  {it}" for it in services.tries)]
    return [*lines, "", "Ctrl-C ends it all."]
