"""`notifychannel check-inject`: what it says of files and of pods that run; the decision itself is the injector's."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from notifychannel_cli.check_inject import verdict
from notifychannel_cli.commands import cli
from notifychannel_operator import inject

SETTINGS = inject.Settings(image="example.com/sidecar:1")
LABELS = {"notifychannel.io/inject": "orders-api"}
WEBHOOK = {
    "name": "inject.notifychannel.io",
    "namespaceSelector": {
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]
    },
}
FILE = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: orders}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: orders-api, namespace: shop}
  spec:
    template:
      metadata: {labels: {notifychannel.io/inject: orders-api}}
      spec: {containers: [{name: app, image: app}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {labels: {notifychannel.io/inject: orders-api}}
        spec: {HOSTNETWORK, containers: [{name: app, image: app}]}
---
{apiVersion: v1, kind: Pod, metadata: {generateName: other-}, spec: {containers: [{name: app, image: app}]}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: odd}, spec: {template: 7}}
"""


def pod(**spec):
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "app"}], **spec}}


def run(text, *args):
    return CliRunner().invoke(cli, ["check-inject", "-f", "-", *args], input=text)


def test_everything_in_a_file_that_makes_pods_is_judged_and_nothing_else():
    """Mutants: lists not opened; a CronJob's template looked for where a Deployment's is."""
    result = run(FILE.replace("HOSTNETWORK", "hostNetwork: true"), "--json")
    assert result.exit_code == 1
    assert [(it["what"], it["namespace"], it["reason"]) for it in json.loads(result.output)] == [
        ("Deployment/orders-api", "shop", "Injected"),
        ("CronJob/nightly", None, "HostNetwork"),
        ("Pod/other-", None, "NoLabel"),
        ("DaemonSet/odd", None, "NoLabel"),
    ]


@pytest.mark.parametrize(
    ("kind", "spec", "where"),
    [
        ("Deployment", "{template: {spec: {}}}", "spec.template.metadata.labels"),
        ("CronJob", "{jobTemplate: {spec: {template: {}}}}", "spec.jobTemplate.spec.template.metadata.labels"),
        ("DaemonSet", "7", "spec.template.metadata.labels"),
    ],
)
def test_a_label_that_stands_on_what_makes_the_pods_is_said_with_where_it_belongs(kind, spec, where):
    """And where the template has it too, nothing. Mutants: only the template looked at; `elif misplaced:`."""
    label = "labels: {notifychannel.io/inject: orders-api}"
    result = run(f"{{kind: {kind}, metadata: {{name: a, {label}}}, spec: {spec}}}")
    assert result.exit_code == 1
    assert f"not injected (LabelMisplaced): the label notifychannel.io/inject stands on {kind}/a" in result.output
    assert result.output.rstrip().endswith(f"move it to {where}")
    both = FILE.replace("{name: nightly}", f"{{name: nightly, {label}}}")
    for host, reason in (("", "Injected"), ("hostNetwork: true, ", "HostNetwork")):
        assert json.loads(run(both.replace("HOSTNETWORK, ", host), "--json").output)[1]["reason"] == reason


def test_what_does_not_ask_for_the_sidecar_is_no_failure_beside_what_has_it():
    """Mutants: exit code of `all`; 0 where nothing asks."""
    result = run(FILE.replace("HOSTNETWORK, ", ""))
    assert result.exit_code == 0, result.output
    first, *_ = result.output.splitlines()
    assert first == (
        "shop, Deployment/orders-api: injected: group orders-api, Secret notifychannel-orders-api, /status on port"
        " 9789, 128Mi of memory"
    )
    alone = run(FILE.split("---")[2])
    assert alone.exit_code == 1
    assert "add the label notifychannel.io/inject: GROUP" in alone.output


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "<stdin>: line 2: is no YAML"), ("a: 1", "nothing in it makes pods"), ("", "nothing in it makes pods")],
)
def test_a_file_that_can_not_be_judged_is_said(text, said):
    result = run(text)
    assert (result.exit_code, said in result.output) == (1, True), result.output


def test_a_pod_or_a_file_has_to_be_named_and_a_kubeconfig_be_there(tmp_path):
    runner = CliRunner()
    assert "name a pod" in runner.invoke(cli, ["check-inject"]).output
    assert runner.invoke(cli, ["check-inject", "a", "-f", "b"]).exit_code == 2
    found = runner.invoke(cli, ["check-inject", "a", "--kubeconfig", str(tmp_path / "none")])
    assert (found.exit_code, "there is no kubeconfig" in found.output) == (3, True)


def of(found, *, settings=SETTINGS, webhooks=(WEBHOOK,), namespace="shop"):
    labels = {"kubernetes.io/metadata.name": namespace}
    it = verdict.of_pod("p", namespace, found, settings=settings, webhooks=webhooks, labels=labels)
    return it.injected, it.reason, it.detail


def injected(settings):
    """As a pod is after the API server has applied the patch, as far as it is looked at."""
    annotations = {"notifychannel.io/sidecar": inject.fingerprint(settings)}
    sidecar = {"name": "notifychannel", "restartPolicy": "Always"}
    return {"metadata": {"labels": LABELS, "annotations": annotations}, "spec": {"initContainers": [sidecar]}}


def test_a_pod_that_has_the_sidecar_is_told_from_one_that_has_an_old_one():
    """Mutant: `is_outdated` by default settings."""
    assert of(injected(SETTINGS)) == (True, "AlreadyInjected", "by today's settings")
    outdated = of(injected(replace(SETTINGS, image="example.com/sidecar:0")))
    assert outdated[:2] == (True, "AlreadyInjected")
    assert "kubectl rollout restart" in outdated[2]
    assert "can't be told" in of(injected(SETTINGS), settings=None)[2]


def test_a_pod_without_it_says_the_pods_own_reason_first_and_then_the_webhooks():
    """Mutants: the webhooks first; a selector's expressions joined by any."""
    assert of(pod(hostNetwork=True), webhooks=())[1] == "HostNetwork"
    assert of(pod(), webhooks=())[:2] == (False, "NoWebhook")
    assert of(pod(), namespace="kube-system")[:2] == (False, "NamespaceExcluded")
    reason, detail = of(pod(), settings=None)[1:]
    assert reason == "NotAsked"
    assert "kubectl rollout restart" in detail


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "b": "1"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["0", "1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}, False),
    ],
)
def test_a_selector_is_read_as_the_api_server_reads_it(selector, holds):
    assert verdict.selects(selector, {"a": "1"}) is holds


def test_who_may_not_see_the_webhook_is_not_told_that_there_is_none():
    """A developer with rights in the namespace alone. Mutant: `not webhooks` before `webhooks is None`."""
    found = verdict.of_pod("one", "shop", pod(), settings=None, webhooks=None, labels={})
    assert (found.injected, found.reason) == (False, "NotAsked")
    assert "your account may not see" in found.detail
