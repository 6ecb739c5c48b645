"""The cluster of the person's kubeconfig, as kubectl would find it; only read from. The operator's own client does it.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, list_kube_config_contexts, load_kube_config
from kubernetes.aio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from notifychannel_cli.exits import UnreachableError, WrongError
from notifychannel_operator.kube import Forbidden, Kube, KubeError, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Command = Callable[..., None]

USER = "notifychannel"
NO_KUBECONFIG = (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError)
"""What the library raises where the file is no YAML, or YAML of something else: nothing, a list, bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the options say; None: as the kubeconfig has it."""

    kubeconfig: str | None = None
    """Several, as in KUBECONFIG; None: that variable, or ~/.kube/config."""
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where to ask, and for which namespace."""

    kube: Kube
    namespace: str


def options(command: Command) -> Command:
    """`--kubeconfig`, `--context` and `-n`, as kubectl has them."""
    for option in (
        click.option("-n", "--namespace", help="Which; by default that of the context, or `default`."),
        click.option("--context", help="Of the kubeconfig; by default its current one."),
        click.option("--kubeconfig", metavar="FILE", help="By default $KUBECONFIG, or ~/.kube/config."),
    ):
        command = option(command)
    return command


def is_in_environment() -> bool:
    """KUBECONFIG is set: the person means a cluster."""
    return bool(os.environ.get("KUBECONFIG"))


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Cluster]:
    """Raises UnreachableError and WrongError, with a sentence; whatever the API server says no to is one of both."""
    _look(place)
    configuration = Configuration()
    try:
        namespace = await _load(place, configuration)
    except (ConfigException, OSError) as error:
        raise UnreachableError(f"the kubeconfig can't be used: {error}; see: kubectl config get-contexts") from None
    except NO_KUBECONFIG:
        raise UnreachableError("the kubeconfig is none: it can't be read as one; see: kubectl config view") from None
    try:
        async with Kube(configuration, pod=USER, may_write=lambda: False) as kube:
            yield Cluster(kube=kube, namespace=place.namespace or namespace)
    except Unreachable as error:
        raise UnreachableError(f"{error}; check it by: kubectl version") from None
    except Forbidden as error:
        raise WrongError(f"you may not do that in this cluster: {error}") from None
    except KubeError as error:
        raise WrongError(f"the API server says: {error}") from None


def _look(place: Place) -> None:
    """The library would say it on standard output."""
    files = (place.kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep)
    if not any(Path(each).expanduser().exists() for each in files):
        raise UnreachableError("there is no kubeconfig: name one by --kubeconfig or KUBECONFIG")


async def _load(place: Place, configuration: Configuration) -> str:
    """The namespace of the context."""
    load: Any = load_kube_config  # the library has annotations only in part
    await load(
        config_file=place.kubeconfig, context=place.context, client_configuration=configuration, persist_config=False
    )
    read: Any = list_kube_config_contexts
    contexts, current = read(config_file=place.kubeconfig)
    chosen = next((it for it in contexts if it["name"] == place.context), current)
    return str(chosen["context"].get("namespace") or "default")
