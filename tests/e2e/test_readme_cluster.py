"""The README's way onto a cluster, by its own text: five commands to the first hint, three to be rid of it again.

It installs for the whole cluster, so it wants to be alone there, and says so where it is not. The images come there as
they come to the reader's: by `make cluster-images`.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.release import CRD
from tests.pages import as_shown, as_typed, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.kubectl import Kubectl

pytestmark = pytest.mark.alone
SECTION = re.search(r"^## On a cluster\n(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1]
*FIVE, AWAY = re.findall(r"^```sh\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
(SHOWN,) = re.findall(r"^```text\n\$ (.*?)\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
QUICK_START = [it for it in blocks((ROOT / "docs" / "quick-start.md").read_text()) if it.language == "sh"]
FILES = [it.text for it in QUICK_START if it.text.startswith("cat > ")]
OWN = [it.text for it in QUICK_START if it.text.startswith("kubectl ") and it.marker.startswith("run by ")]
SAME = [  # words of other pages, which are the first commands of AWAY
    it.text
    for page in ("install.md", "howto/uninstall.md")
    for it in blocks((ROOT / "docs" / page).read_text())
    if it.marker.startswith("run by test_five_commands")
]
THE_CRD = {f"/CustomResourceDefinition/{CRD}", "/APIService/v1alpha1.notifychannel.io"}
"""Kubernetes makes the second of the first."""
NAMESPACES = ("shop", "notifychannel")
COMMAND_S = 300
GONE_S = 60


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A person in this clone, who has typed the line that `make cluster-images` ended with."""

    kubectl: Kubectl
    typed: str

    def run(self, block: str, *, at: Path = ROOT) -> str:
        """What bash prints for a block; it has to print the block's `# …` lines, where … stands for anything."""
        commands, shown = as_typed(block)
        done = subprocess.run(
            ["bash", "-euc", f"{self.typed}\n{commands}"], cwd=at, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\nended with {done.returncode}:\n{done.stdout}"
        for line in shown:
            assert re.search(line, done.stdout, re.MULTILINE), f"{line}\n{done.stdout}"
        return done.stdout

    def objects(self) -> set[str]:
        """Everything on the cluster as namespace/kind/name; but Events, and the addresses that mirror Services."""
        kinds = self.kubectl.run("api-resources", "--verbs=list,get", "-o", "name").split()
        wanted = ",".join(kind for kind in kinds if not kind.startswith(("events", "componentstatuses", "ipaddresses")))
        row = "{range .items[*]}{.metadata.namespace}/{.kind}/{.metadata.name}{'\\n'}{end}".replace("'", '"')
        return set(self.kubectl.run("get", wanted, "-A", "-o", f"jsonpath={row}").split())

    def psql(self, sql: str) -> str:
        return self.kubectl.run("-n", "shop", "exec", "deployment/postgres", "--", "psql", "-Atc", sql).strip()


@pytest.fixture
def walk(cluster) -> Iterator[Walk]:
    """A cluster that has never heard of us, and has the images that the commands want."""
    kubectl = cluster.kubectl
    with subprocess.Popen(
        ["make", "--no-print-directory", "cluster-images"],
        cwd=ROOT, env=os.environ | {"NOTIFYCHANNEL_KUBECONFIG": str(cluster.kubeconfig)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as loading:  # fmt: skip
        cleared(kubectl)
        said, _ = loading.communicate()
    assert loading.returncode == 0, said
    typed = said.splitlines()[-1]
    assert typed.startswith(f"export KUBECONFIG={cluster.kubeconfig} PATH="), typed
    yield Walk(kubectl=kubectl, typed=typed)
    if "notifychannel" in cluster.helm.run("list", "--namespace", "notifychannel", "--all", "--short").split():
        cluster.helm.run("uninstall", "notifychannel", "--namespace", "notifychannel", timeout_s=400)
    # the next test makes it anew, which fails while it is going
    kubectl.run("delete", "crd", CRD, "--ignore-not-found", "--timeout=180s", timeout_s=190)
    kubectl.run("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--wait=false")


def cleared(kubectl: Kubectl) -> None:
    """Of the tests before, and of a walk that was broken off."""
    going = kubectl.run("get", "namespaces", "--field-selector=status.phase=Terminating", "-o", "name").split()
    if going:  # with their channels
        kubectl.run("wait", *going, "--for=delete", "--timeout=180s", timeout_s=190)
    assert not (found := others(kubectl)), f"the README installs for the whole cluster; here are already: {found}"
    kubectl.run("delete", "crd", CRD, "--ignore-not-found")
    kubectl.run("delete", "namespace", *NAMESPACES, "--ignore-not-found", timeout_s=180)


def others(kubectl: Kubectl) -> list[str]:
    """Installations and channels of somebody else."""
    found = kubectl.run(
        "get", "deployments,mutatingwebhookconfigurations", "-A", "-l", "app.kubernetes.io/name=notifychannel",
        "-o", "name",
    ).split()  # fmt: skip
    if kubectl.run("get", "crd", CRD, "--ignore-not-found"):
        found += kubectl.run("get", "notifychannels", "-A", "-o", "name").split()
    return found


def test_five_commands_lead_to_the_first_hint_and_uninstalling_leaves_nothing_but_the_crd(
    walk, tmp_path, record_property
):
    assert len(FIVE) == 5
    before = walk.objects()
    began = time.monotonic()
    said = [walk.run(block) for block in FIVE]
    first_hint_s = time.monotonic() - began
    assert "look at order 1" in said[-1]
    command, table = SHOWN
    walk.kubectl.within("shop").until("nch", lambda each: each["status"]["pods"]["listening"] == 2)
    walk.kubectl.within("shop").until("nch", lambda each: each["status"]["summary"]["listening"] == "2/2")
    printed = walk.run(f"{command}\n").splitlines()
    assert all(re.search(as_shown(line), out) for line, out in zip(table.splitlines(), printed, strict=True)), printed
    assert walk.psql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == "3"

    *own, away = OWN
    own_s = walked(walk, tmp_path, own)
    walk.run(away)

    assert [AWAY.startswith(each) for each in SAME] == [True, True]
    uninstall, *rest = AWAY.splitlines(keepends=True)
    began = time.monotonic()
    walk.run(uninstall)
    uninstall_s = time.monotonic() - began
    assert walk.psql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == "0"
    assert walk.psql(
        "SELECT string_agg(proname, ',') FROM pg_proc WHERE pronamespace = 'notifychannel'::regnamespace"
    ) == ("skipped"), "what the DBA's rights made, as docs/database.md says"
    assert left(walk, before, wanted=THE_CRD) == THE_CRD
    (channel,) = walk.kubectl.get("notifychannels", "-A")["items"]
    assert "finalizers" not in channel["metadata"]
    assert [each["reason"] for each in channel["status"]["conditions"] if each["type"] == "Ready"] == ["Uninstalled"]

    began = time.monotonic()
    walk.run("".join(rest))
    away_s = time.monotonic() - began
    assert left(walk, before, wanted=set()) == set()
    assert not {each for each in walk.objects() - before if each.startswith(("shop/", "/Namespace/"))}
    figures = (
        f"README: first command → first hint {first_hint_s / 60:.1f} minutes ({first_hint_s:.0f} s); "
        f"an own table and application {own_s:.0f} s; "
        f"helm uninstall {uninstall_s:.0f} s; the rest {away_s:.0f} s"
    )
    record_property("figures", figures)


def walked(walk: Walk, folder: Path, own: list[str]) -> float:
    """The quick start's table and application beside them, with the files that it has written; the seconds it took."""
    for block in FILES:  # without the commands behind them, of which one serves for ever
        subprocess.run(["bash", "-euc", block.partition("\nEND\n")[0] + "\nEND\n"], cwd=folder, check=True)
    began = time.monotonic()
    said = [walk.run(block, at=folder) for block in own]
    assert "look at task 1" in said[-1]
    return time.monotonic() - began


def left(walk: Walk, before: set[str], *, wanted: set[str]) -> set[str]:
    """What is on the cluster since then, but for the person's own, when what is ending has had its time."""
    deadline = time.monotonic() + GONE_S
    while True:
        found = {each for each in walk.objects() - before if not is_theirs(each)}
        if found == wanted or time.monotonic() > deadline:
            return found
        time.sleep(1)  # pods, and what is collected behind their owners


def is_theirs(each: str) -> bool:
    """The shop and the two namespaces were made by the commands, not by us; our ConfigMap in the shop was not."""
    namespace, kind, name = each.split("/")
    by_kubernetes = {
        "Namespace/shop",
        "Namespace/notifychannel",
        "ConfigMap/kube-root-ca.crt",
        "ServiceAccount/default",
    }
    if namespace == "shop":
        return kind != "ConfigMap" or name in {"postgres", "orders-api", "kube-root-ca.crt"}
    return f"{kind}/{name}" in by_kubernetes
