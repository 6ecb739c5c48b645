"""`notifychannel check-inject`: whether a pod has the sidecar, or what is made of a file would get it, and why not."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from notifychannel_cli import cluster
from notifychannel_cli.check_inject import makers, template, verdict
from notifychannel_cli.check_inject.release import release
from notifychannel_cli.cluster import Place
from notifychannel_cli.console import console, while_read
from notifychannel_cli.exits import Exit, WrongError
from notifychannel_operator import inject
from notifychannel_operator.kinds import NAMESPACES, PODS
from notifychannel_operator.kube import Forbidden, NotFound

if TYPE_CHECKING:
    from notifychannel_cli.check_inject.verdict import Verdict
    from notifychannel_cli.cluster import Cluster

STDIN = "-"
DEFAULTS = inject.Settings(image="the release's")
"""What a file is judged by: the image of a release decides nothing."""


@click.command(
    short_help="Whether a pod gets the sidecar, and why not.",
    epilog="Examples: notifychannel check-inject orders-api-7d9c4-x2x8p -n shop; helm template . | notifychannel "
    "check-inject -f -",
)
@click.argument("pod", required=False)
@click.option("-f", "--file", "file", metavar="FILE", help="Judge the pods, Deployments, Jobs ... of a file instead; - "
              "is standard input. Needs no cluster.")  # fmt: skip
@cluster.options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(
    *, pod: str | None, file: str | None, kubeconfig: str | None, context: str | None, namespace: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Say whether a pod that runs has the sidecar, and if not, why: by the injector's own decision.

    A file is judged as the injector would when its pods are created. What it can't know of a file: whether the
    injector answers, and whether the webhook leaves out the namespace.

    Exit codes: 0 all that ask for it are injected, 1 one is not or none asks, 2 wrong usage, 3 the cluster can't be
    reached.
    """
    if (pod is None) == (file is None):
        raise click.UsageError("name a pod, or a file by -f FILE")
    if file is not None:
        found = _of_file(file)
    else:
        place = Place(kubeconfig=kubeconfig, context=context, namespace=namespace)
        found = [asyncio.run(_of_pod(str(pod).removeprefix("pod/"), place))]
    with while_read():
        if as_json:
            click.echo(json.dumps([asdict(it) for it in found], indent=2))
        else:
            for it in found:
                console().print(str(it), markup=False, style="red" if it.is_refused else None)
    good = any(it.injected for it in found) and not any(it.is_refused for it in found)
    sys.exit(Exit.OK if good else Exit.WRONG)


def _of_file(file: str) -> list[Verdict]:
    name = "<stdin>" if file == STDIN else file
    try:
        text = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        found = template.read(text.decode())
    except OSError as error:
        raise WrongError(f"{name}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongError(f"{name}: is not UTF-8; write it as UTF-8") from None
    except template.NoYAMLError as error:
        raise WrongError(f"{name}: {error}") from None
    if not found:
        raise WrongError(f"{name}: nothing in it makes pods; name a file with a Pod, a Deployment, a Job ...")
    return [verdict.of_template(str(it), it.namespace, it.pod, DEFAULTS, misplaced=it.misplaced) for it in found]


async def _of_pod(name: str, place: Place) -> Verdict:
    async with cluster.opened(place) as there:
        try:
            pod = await there.kube.get(PODS, name, namespace=there.namespace)
        except NotFound:
            raise WrongError(
                f"there is no pod {name} in the namespace {there.namespace}; see: kubectl get pods -n {there.namespace}"
            ) from None
        labels = await _labels(there)
        settings, webhooks = await release(there.kube)
        maker, misplaced = await makers.misplaced(there.kube, pod, there.namespace) or ("", None)
    return verdict.of_pod(
        name, there.namespace, pod, settings=settings, webhooks=webhooks, labels=labels, misplaced=misplaced,
        maker=maker,
    )  # fmt: skip


async def _labels(there: Cluster) -> dict[str, str]:
    """Of the namespace; where the person may not read it the one that each has, which is what the chart selects by."""
    try:
        namespace = await there.kube.get(NAMESPACES, there.namespace)
    except Forbidden:
        return {"kubernetes.io/metadata.name": there.namespace}
    return namespace["metadata"].get("labels") or {}
