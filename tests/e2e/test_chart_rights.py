"""Who may do what after an installation: every account's rights against a golden file, in each way of installing."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.e2e import chart

GOLDEN = Path(__file__).parent / "golden" / "rbac.txt"
WAYS = {
    "cluster-wide": (),
    "cluster-wide, Secrets by name": ("secrets.strict=true", "secrets.names={orders-db}"),
    "cluster-wide, Secrets by name and none named": ("secrets.strict=true",),
    "cluster-wide, cert-manager": ("certificates.mode=CertManager",),
    "namespaced": ("watchNamespaces={team-a,team-b}",),
    "namespaced, Secrets by name": (
        "watchNamespaces={team-a,team-b}", "secrets.strict=true", "secrets.names={orders-db}",
    ),
    "namespaced, existing certificate": ("watchNamespaces={team-a,team-b}", *chart.EXISTING),
    "the administrator's part": ("watchNamespaces={team-a,team-b}", "install=ClusterObjects"),
    "the team's part": ("watchNamespaces={team-a,team-b}", "install=NamespaceObjects"),
}  # fmt: skip
CLUSTER_WIDE = {
    "ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration", "CustomResourceDefinition", "Namespace",
}  # fmt: skip


def table(helm) -> str:
    return "".join(
        f"## {way}\n" + "".join(f"{line}\n" for line in chart.rights(chart.rendered(helm, *values))) + "\n"
        for way, values in WAYS.items()
    )


def test_the_rights_of_every_account_are_those_of_the_golden_file(helm):
    """Mutant: give `secrets` the verb `list` in templates/_rules.tpl."""
    found, golden = table(helm), GOLDEN.read_text() if GOLDEN.exists() else ""
    told = "".join(difflib.unified_diff(golden.splitlines(True), found.splitlines(True), "golden", "rendered"))
    assert found == golden, f"if the change is meant, write it to {GOLDEN}:\n{told}"


@pytest.mark.parametrize("way", WAYS)
def test_nobody_lists_or_watches_secrets_or_has_a_star_and_the_injector_has_nothing(helm, way):
    for line in chart.rights(chart.rendered(helm, *WAYS[way])):
        account, _, resource, verbs = line.split(" | ")
        assert "*" not in line, line
        assert not (resource.startswith("core/secrets") and {"list", "watch"} & set(verbs.split())), line
        assert not account.endswith("-injector"), line


@pytest.mark.parametrize("way", [way for way in WAYS if "namespaced" in way or "team's" in way])
def test_a_namespaced_operator_has_nothing_cluster_wide_but_its_one_webhook(helm, way):
    lines = [line for line in chart.rights(chart.rendered(helm, *WAYS[way])) if " | everywhere | " in line]
    webhook = "mutatingwebhookconfigurations notifychannel | get patch"
    own = "certificates.mode=Existing" not in WAYS[way] and "install=NamespaceObjects" not in WAYS[way]
    assert [line.partition("io/")[2] for line in lines] == ([webhook] if own else [])


def test_the_team_s_part_makes_nothing_cluster_wide_and_the_administrator_s_nothing_else(helm):
    team = chart.rendered(helm, *WAYS["the team's part"])
    administrator = chart.rendered(helm, *WAYS["the administrator's part"])
    assert not CLUSTER_WIDE & {each["kind"] for each in team}
    assert {each["kind"] for each in administrator} <= CLUSTER_WIDE


def test_both_parts_together_are_what_one_installation_makes(helm):
    def names(*values: str) -> set[tuple[str, str | None, str]]:
        objects = chart.rendered(helm, "watchNamespaces={team-a,team-b}", *values)
        return {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}

    parts = names("install=NamespaceObjects"), names("install=ClusterObjects")
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == names()


def test_the_injector_has_no_token(helm):
    objects = chart.rendered(helm)
    (account,) = [
        each for each in objects
        if each["kind"] == "ServiceAccount" and each["metadata"]["name"].endswith("-injector")
    ]  # fmt: skip
    (deployment,) = [
        each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-injector")
    ]
    assert account["automountServiceAccountToken"] is False
    assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
