"""What tests on a real cluster may ask for. `make e2e` runs them; `make test` doesn't.

A test gets a namespace of its own; what it leaves there goes with it. When it fails, events, pods and the ends of
their logs are in the report.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import subprocess
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e import pod_logs
from tests.e2e.cluster import ROOT, Cluster, script
from tests.e2e.kubectl import CommandError, Helm, Kubectl
from tests.e2e.namespaces import delete, remove
from tests.e2e.pod_logs import NOT_OF_POSTGRES
from tests.e2e.postgresql import PostgreSQL, begun, deployed, is_up, with_roles
from tests.e2e.release import Release, released
from tests.e2e.shop import Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

NEIGHBOURS = {name: f"notifychannel/{name}:e2e" for name in ("postgres", "application")}
LONGEST_FIRST = (
    "test_programs_away", "test_injection", "test_leadership", "test_many_channels", "test_watch_half_open",
    "test_conditions", "test_doctor", "test_commands",
    "test_database_away", "test_cluster", "test_sidecar_inputs", "test_rolling_update", "test_chart",
    "test_examples",
    "test_repair", "test_deletion", "test_namespaced", "test_upgrade", "test_certificate_keeper",
    "test_admission_stream", "test_operator_process",
)  # fmt: skip
"""Files that take a minute and more: begun last, one of them would be waited for alone."""
IMAGES_ARE_LOADED = os.environ.get("NOTIFYCHANNEL_IMAGES") == "loaded"
_failed = pytest.StashKey[bool]()
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items):
    gone = [name for name in LONGEST_FIRST if not (ROOT / "tests" / "e2e" / f"{name}.py").is_file()]
    assert not gone, f"renamed or gone: {gone} of LONGEST_FIRST"
    order = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster; the run ends here where there is none."""
    try:
        return Cluster.find()
    except CommandError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def kubeconfig(cluster) -> Path:
    return cluster.kubeconfig


@pytest.fixture(scope="session")
def kubectl(cluster) -> Kubectl:
    """The runner without a namespace; a test in its own says `kubectl.within(namespace)`."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def helm(cluster) -> Helm:
    return cluster.helm


@pytest.fixture(scope="session")
def neighbours(cluster) -> dict[str, str]:
    """Images of `postgres` and `application`, built and loaded: name → name:tag."""
    if IMAGES_ARE_LOADED:
        return NEIGHBOURS
    script("neighbour-images")
    cluster.load(*NEIGHBOURS.values())
    return NEIGHBOURS


@pytest.fixture(scope="session")
def images(cluster, neighbours) -> dict[str, str]:
    """The same, and our own `operator` and `sidecar`, built of this working tree (tag: NOTIFYCHANNEL_TAG or e2e).

    With NOTIFYCHANNEL_IMAGES=loaded all are taken as the cluster has them: `make e2e` has built and loaded them.
    """
    tag = os.environ.get("NOTIFYCHANNEL_TAG", "e2e")
    own = {name: f"notifychannel/{name}:{tag}" for name in ("operator", "sidecar")}
    if IMAGES_ARE_LOADED:
        return neighbours | own
    base = script("base-image").splitlines()[-1]
    command = ["make", "--no-print-directory", "images", f"BASE={base}", f"TAG={tag}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    cluster.load(*own.values())
    return neighbours | own


@pytest.fixture(scope="session")
def _empty_namespaces(cluster) -> Iterator[list[str]]:
    """What tests have left without pods: deleted when all of them are through, and the cluster is idle."""
    names: list[str] = []
    yield names
    remove(cluster.kubectl, *names)


@pytest.fixture(scope="module")
def places(cluster, _empty_namespaces) -> Iterator[tuple[str, str]]:
    """Two namespaces for a file of tests: of its release, and the one that this serves."""
    own, served = names = [f"e2e-{secrets.token_hex(3)}-{role}" for role in ("release", "shop")]
    for name in names:
        cluster.kubectl.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        cluster.kubectl.within(name).until(
            "serviceaccounts", bool, "--field-selector=metadata.name=default", timeout_s=120
        )  # fmt: skip
    yield own, served
    delete(cluster.kubectl, *names, later=_empty_namespaces)


@pytest.fixture(scope="module")
def release(cluster, images, places, request) -> Iterator[Release]:
    """The chart, once for a file of tests; it serves the namespace `release.served`. `RELEASE_VALUES` adds values."""
    own, served = places
    values = getattr(request.module, "RELEASE_VALUES", ())
    with released(cluster, images, namespace=own, served=served, values=values) as made:
        yield made
        if request.session.testsfailed:
            _tell(made.kubectl)


@pytest.fixture(scope="module")
def _begun_server(cluster, places, request) -> Iterator[tuple[int, dict[str, str]]]:
    """Its data is gone with its pod, but where the file of tests says `SERVER_IS_KEPT`."""
    is_kept = getattr(request.module, "SERVER_IS_KEPT", False)
    with begun(cluster, cluster.kubectl.within(places[1]), is_kept=is_kept) as found:
        yield found


@pytest.fixture(scope="module")
def _shop_server(cluster, places, _begun_server, release) -> tuple[int, dict[str, str]]:
    """It and the release have started at the same time."""
    kubectl = cluster.kubectl.within(places[1])
    port, passwords = _begun_server

    async def prepare() -> None:
        async with AsyncExitStack() as stack:
            await with_roles(kubectl, port, passwords, stack)

    is_up(kubectl)
    asyncio.run(prepare())
    return port, passwords


@pytest.fixture
async def shop(cluster, _shop_server, release, request) -> AsyncIterator[Shop]:
    """The served namespace with one PostgreSQL for the file; channels, Deployments and tables go with each test."""
    port, passwords = _shop_server
    kubectl = cluster.kubectl.within(release.served)
    async with AsyncExitStack() as stack:
        postgres = PostgreSQL(kubectl=kubectl, port=port, passwords=passwords, stack=stack)
        yield Shop(kubectl=kubectl, postgres=postgres, release=release)
        if request.node.stash.get(_failed, False):
            _tell(kubectl)
        try:
            pod_logs.search(kubectl)
        finally:
            kubectl.run("delete", "notifychannels,deployments,jobs", "--all", "--timeout=180s", timeout_s=190)
        # the next test would take them for its own: a Deployment is gone before its pods are told to go
        kubectl.run("wait", "pods", "-l", NOT_OF_POSTGRES, "--for=delete", "--timeout=180s", timeout_s=190)
        await postgres.emptied()


@pytest.fixture
def new_namespace(kubectl, request, _empty_namespaces) -> Iterator[Callable[..., str]]:
    """Make namespaces: `new_namespace()` or, with labels, `new_namespace(**{"pod-security.kubernetes.io/enforce": …})`.

    Their names are unique, and they are deleted at the end, or at the end of all tests, without waiting.
    """
    made = []

    def make(**labels: str) -> str:
        name = f"e2e-{secrets.token_hex(3)}-{next(_numbers)}"
        kubectl.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        made.append(name)
        # without it a pod would be refused
        kubectl.within(name).until("serviceaccounts", bool, "--field-selector=metadata.name=default", timeout_s=120)
        return name

    yield make
    if request.node.stash.get(_failed, False):
        for name in made:
            _tell(kubectl.within(name))
    delete(kubectl, *made, later=_empty_namespaces)


@pytest.fixture
def namespace(new_namespace) -> str:
    """A fresh namespace."""
    return new_namespace()


@pytest.fixture
async def postgres(cluster, kubectl, neighbours, namespace) -> AsyncIterator[PostgreSQL]:
    """A PostgreSQL server in the test's namespace, with its roles."""
    async with AsyncExitStack() as stack:
        port, passwords = stack.enter_context(deployed(cluster, kubectl.within(namespace)))
        yield await with_roles(kubectl.within(namespace), port, passwords, stack)


@pytest.fixture
def kubelet_sync_frequency(cluster) -> Callable[[str], AbstractContextManager[None]]:
    """Give the kubelet another one while a `with` lasts; `"1m0s"` is the default of Kubernetes."""
    return cluster.sync_frequency


def _tell(kubectl: Kubectl) -> None:
    """Print what a person would look at first."""
    for arguments in (
        ("get", "events", "--sort-by=.lastTimestamp"),
        ("get", "all", "-o", "wide"),
        ("get", "notifychannels", "-o", "yaml", "--ignore-not-found"),
        ("describe", "pods"),
    ):
        _print(kubectl, *arguments)
    for pod in kubectl.run("get", "pods", "-o", "name").split():
        _print(kubectl, "logs", pod, "--all-containers", "--prefix", "--tail=40")


def _print(kubectl: Kubectl, *arguments: str) -> None:
    try:
        print(f"--- kubectl {' '.join(arguments)}\n{kubectl.run(*arguments)}")  # noqa: T201 - pytest shows it under the failure
    except CommandError as error:
        print(f"--- {error}")  # noqa: T201
