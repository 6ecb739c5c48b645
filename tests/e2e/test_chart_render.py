"""Whatever values are set, the chart renders what an API server takes, or says in a sentence why not."""

from __future__ import annotations

import json
import re
import uuid

import pytest
import yaml

from tests.e2e import chart
from tests.e2e.kubectl import CommandError

FOREIGN = {
    "PodMonitor": {"selector", "namespaceSelector", "podMetricsEndpoints", "podTargetLabels"},
    "ServiceMonitor": {"selector", "endpoints"},
    "PrometheusRule": {"groups"},
    "Issuer": {"selfSigned", "ca"},
    "Certificate": {
        "isCA", "commonName", "secretName", "duration", "renewBefore", "privateKey", "issuerRef", "dnsNames", "usages",
    },
}  # fmt: skip
"""Kinds that the cluster does not know (not run here): fields of `spec` by their references, prometheus-operator.dev
and cert-manager.io/docs/reference/api-docs."""
SENTENCES = {
    ("operator.replicas=two",): "at '/operator/replicas': got string, want integer",
    ("operator.replicas=0",): "at '/operator/replicas': minimum: got 0, want 1",
    ("watchNamespaces={Team_A}",): "at '/watchNamespaces/0': 'Team_A' does not match",
    ("instal=All",): "additional properties 'instal' not allowed",
    ("certificates.mode=Self",): "value must be one of 'Own', 'CertManager', 'Existing'",
    ("install=NamespaceObjects",): "it needs the namespaces to serve",
    ("certificates.mode=Existing",): "needs certificates.secretName",
    ("certificates.mode=Existing", "certificates.secretName=tls"): "needs certificates.caBundle",
    ("certificates.secretName=tls",): "are for certificates.mode=Existing, and it is Own",
    ("watchNamespaces={a}", "webhook.excludedNamespaces={b}"): "makes sense only without watchNamespaces",
    ("secrets.names={orders-db}",): "secrets.names restricts nothing unless secrets.strict=true",
    ("monitoring.podMonitor.create=true", "monitoring.serviceMonitor.create=true"): "count everything twice",
    ("sidecar.memory=lots",): "at '/sidecar/memory': 'lots' does not match",
    ("sidecar.cpuRequest=0.3",): "sidecar.cpuRequest is 0.3 and sidecar.cpuLimit 200m: the API server would refuse",
    ("sidecar.cpuRequest=3",): "sidecar.cpuRequest is 3 and sidecar.cpuLimit 200m: the API server would refuse",
    ("sidecar.cpuLimit=0",): "at '/sidecar/cpuLimit': exclusiveMinimum: got 0, want 0",
    ("sidecar.cpuLimit=24m",): "sidecar.cpuRequest is 25m and sidecar.cpuLimit 24m",
    ("sidecar.otlpEndpoint=collector:4317",): "at '/sidecar/otlpEndpoint': 'collector:4317' does not match",
    ("image.digest=sha256:1",): "at '/image/digest'",
}


@pytest.fixture(scope="module")
def permutations(helm) -> dict[tuple[str, ...], list[dict]]:
    return {values: chart.rendered(helm, *values) for values in chart.permutations()}


@pytest.fixture(scope="module")
def places(kubectl):
    """Three namespaces, so that what is tried in them is not refused for their want."""
    names = {name: f"chart-{name}-{uuid.uuid4().hex[:6]}" for name in (chart.NAMESPACE, "team-a", "team-b")}
    for name in names.values():
        kubectl.run("create", "namespace", name)
    for account in ("notifychannel-test", "other-test"):  # a pod without its account is refused even as a dry run
        kubectl.run("--namespace", names[chart.NAMESPACE], "create", "serviceaccount", account)
    yield names
    kubectl.run("delete", "namespace", *names.values(), "--wait=false")


def test_every_permutation_is_taken_by_the_api_server(kubectl, permutations, places):
    """With strict validation: an unknown field is an error."""
    distinct = {}
    for objects in permutations.values():
        for each in objects:
            if each["kind"] not in FOREIGN:
                text = json.dumps(each, sort_keys=True)
                for name, real in places.items():
                    text = re.sub(rf'(?<=")({name})(?=["/])', real, text)
                distinct[text] = None
    assert len(permutations) > 30
    said = kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin="\n---\n".join(distinct), timeout_s=600
    )
    assert len(said.splitlines()) == len(distinct)


def test_kinds_that_this_cluster_does_not_know_have_the_fields_of_their_references(permutations):
    """Not run here: the Prometheus operator and cert-manager."""
    seen = set()
    for objects in permutations.values():
        for each in (each for each in objects if each["kind"] in FOREIGN):
            seen.add(each["kind"])
            assert set(each["spec"]) <= FOREIGN[each["kind"]], each
    assert seen == set(FOREIGN)


def test_no_permutation_renders_a_certificate_a_key_or_an_installation_id(permutations):
    for values, objects in permutations.items():
        found = {each["metadata"]["name"] for each in objects if each["kind"] in {"Secret", "ConfigMap"}}
        assert found <= {"notifychannel-dashboards"}, values


def test_no_two_objects_of_a_permutation_have_one_name_and_each_says_whose_it_is(permutations):
    for values, objects in permutations.items():
        keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
        assert len(set(keys)) == len(keys), values
        for each in objects:
            assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "notifychannel", each["metadata"]


def test_only_an_existing_certificate_s_ca_is_in_the_template(permutations):
    """What the template leaves out, an upgrade or a GitOps sync can't reset. Mutant: `caBundle: ""` in webhook.yaml."""
    for values, objects in permutations.items():
        for each in (each for each in objects if each["kind"] == "MutatingWebhookConfiguration"):
            (webhook,) = each["webhooks"]
            wanted = chart.CA if chart.EXISTING[0] in values else None
            assert webhook["clientConfig"].get("caBundle") == wanted
            assert (webhook["failurePolicy"], webhook["sideEffects"]) == ("Ignore", "None")
            injected = each["metadata"].get("annotations", {}).get("cert-manager.io/inject-ca-from")
            assert (injected is not None) == ("certificates.mode=CertManager" in values)


def pods(objects: list[dict]) -> list[dict]:
    """Every pod that the release makes, hooks' too, with its metadata."""
    made = [each["spec"]["template"] for each in objects if each["kind"] in {"Deployment", "Job"}]
    return made + [each for each in objects if each["kind"] == "Pod"]


def selects(selector: dict, labels: dict) -> bool:
    """As the API does it; `In` is the only operator here."""
    assert {each["operator"] for each in selector.get("matchExpressions", ())} <= {"In"}
    return selector["matchLabels"].items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


def environment(objects: list[dict], component: str) -> dict[str, str]:
    """Of the containers of that Deployment or Job; empty where it is not rendered."""
    return {
        each["name"]: each.get("value", "")
        for pod in pods(objects)
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component
        for each in pod["spec"]["containers"][0]["env"]
    }


def test_where_everything_is_denied_each_pod_of_the_release_may_do_what_it_has_to(permutations):
    """One policy a pod; Job and test go where the operator goes. (Not run here: a policy being enforced.)

    Mutant: `values: [cleanup]` in networkpolicy.yaml.
    """
    seen = set()
    for values, objects in permutations.items():
        policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]
        for pod in pods(objects) if "networkPolicy.create=true" in values else ():
            labels = pod["metadata"]["labels"]
            component = labels["app.kubernetes.io/component"]
            (policy,) = [each for each in policies if selects(each["podSelector"], labels)]
            seen.add(component)
            assert policy["policyTypes"] == ["Ingress", "Egress"]
            wanted = [{"ports": [{"port": 5432}]}] if "fullnameOverride=other" in values else [{}]
            assert policy["egress"] == ([] if component == "injector" else wanted), values
            assert bool(policy["ingress"]) == (component in {"operator", "injector"})
    assert seen == {"operator", "injector", "cleanup", "test"}


def test_common_annotations_and_labels_are_on_every_object_and_pod(permutations):
    """Mutant: no `annotations` in `notifychannel.monitorMetadata`."""
    kinds = set()
    for values, objects in permutations.items():
        if "commonAnnotations.owner=y" not in values:
            continue
        for each in [*objects, *pods(objects)]:
            assert each["metadata"]["annotations"]["owner"] == "y", each["metadata"]
            assert each["metadata"]["labels"]["team"] == "x", each["metadata"]
            kinds.add(each.get("kind"))
    assert {"PodMonitor", "NetworkPolicy", "Job", "CustomResourceDefinition", "MutatingWebhookConfiguration"} <= kinds


def test_a_service_monitor_has_the_common_annotations_and_the_labels_that_find_it(helm):
    values = ("monitoring.serviceMonitor.create=true", "commonAnnotations.owner=y", "monitoring.labels.release=prom")
    (found,) = [each for each in chart.rendered(helm, *values) if each["kind"] == "ServiceMonitor"]
    assert found["metadata"]["annotations"] == {"owner": "y"}
    assert found["metadata"]["labels"]["release"] == "prom"


def test_the_operator_may_read_the_secret_that_the_injector_serves_by_name_only_where_it_makes_it(permutations):
    """Whoever can read it has the key. Mutant: `{{- if true }}` for `certificates.mode` in _rules.tpl."""
    for values, objects in permutations.items():
        served = {
            volume["secret"]["secretName"]
            for pod in pods(objects)
            for volume in pod["spec"].get("volumes", ())
            if "secret" in volume
        }
        if not served:
            continue
        (name,) = served
        rights = [line for line in chart.rights(objects) if "core/secrets" in line and name in line.split()]
        is_own = not any("certificates.mode" in value for value in values)
        assert any("-operator | " in line for line in rights) == bool(rights) == is_own, (values, rights)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--set", "sidecar.cpuLimit=2"), {"CPU_LIMIT": "2"}),
        (("--set", "sidecar.memory=134217728"), {"MEMORY": "134217728"}),
        (
            ("--set-json", 'sidecar={"memory": 134217728, "cpuRequest": 0.5, "cpuLimit": 2}'),
            {"MEMORY": "134217728", "CPU_REQUEST": "0.5", "CPU_LIMIT": "2"},
        ),
        (("--set-string", "sidecar.cpuLimit=2"), {"CPU_LIMIT": "2"}),
        (("--set", "sidecar.otlpEndpoint=http://[::1]:4318"), {"OTLP_ENDPOINT": "http://[::1]:4318"}),
    ],
)
def test_a_quantity_may_be_written_as_a_number(helm, given, said):
    """As the API server takes it. Mutants: the schema's `quantity` only a string; `.memory | quote` in _pods.tpl."""
    objects = helm.rendered(chart.RELEASE, chart.CHART, "--kube-version", chart.KUBE_VERSION, *given)
    for program in ("operator", "injector"):
        found = environment(objects, program)
        assert said.items() <= {name.removeprefix("NOTIFYCHANNEL_SIDECAR_"): found[name] for name in found}.items()


def test_the_operator_keeps_the_ca_bundle_of_no_webhook_that_the_release_does_not_make(helm):
    """Mutant: `notifychannel.keptWebhook` without `webhook.create`: it has no right to look, and would make no
    certificate.
    """

    def kept(*values: str) -> str:
        return environment(chart.rendered(helm, *values), "operator")["NOTIFYCHANNEL_WEBHOOK"]

    assert kept() == "notifychannel"
    assert kept("webhook.create=false") == ""
    assert kept("install=NamespaceObjects", "watchNamespaces={a}") == "notifychannel"
    assert kept(*chart.EXISTING) == ""


def test_pods_of_the_release_are_as_restricted_as_can_be(permutations):
    for objects in permutations.values():
        for pod in (pod["spec"] for pod in pods(objects)):
            assert pod["enableServiceLinks"] is False
            assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
            for container in pod["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
                    "capabilities": {"drop": ["ALL"]},
                }  # fmt: skip
                assert container["resources"]["limits"]["memory"]


def test_a_namespaced_webhook_looks_at_its_namespaces_and_another_not_at_its_own(helm):
    def selector(*values: str) -> dict:
        (found,) = [e for e in chart.rendered(helm, *values) if e["kind"] == "MutatingWebhookConfiguration"]
        (expression,) = found["webhooks"][0]["namespaceSelector"]["matchExpressions"]
        return expression

    assert selector("watchNamespaces={team-a,team-b}") == {
        "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["team-a", "team-b"],
    }  # fmt: skip
    everywhere = selector("webhook.excludedNamespaces={legacy}")
    assert everywhere["operator"] == "NotIn"
    assert {"kube-system", chart.NAMESPACE, "legacy"} <= set(everywhere["values"])


@pytest.mark.parametrize("values", SENTENCES, ids=" ".join)
def test_values_that_make_no_sense_are_refused_with_a_sentence(helm, values):
    with pytest.raises(CommandError) as refused:
        chart.rendered(helm, *values)
    assert SENTENCES[values] in str(refused.value)


@pytest.mark.parametrize(
    "values", [("sidecar.cpuRequest=200m",), ("sidecar.cpuLimit=0.025",), ("sidecar.cpuLimit=2000m",)]
)
def test_a_cpu_request_up_to_the_limit_is_taken(helm, values):
    assert chart.rendered(helm, *values)


def test_helm_lint_has_no_complaint(helm):
    said = helm.run("lint", "--strict", chart.CHART)
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_what_the_chart_sets_is_what_the_programs_read(helm):
    """Names of variables on both sides, as the sources spell them."""
    sources = "".join(
        path.read_text() for path in (chart.ROOT / "operator" / "notifychannel_operator").rglob("*.py")
    )  # fmt: skip
    text = yaml.safe_dump_all(chart.rendered(helm))
    for name in set(re.findall(r"NOTIFYCHANNEL_[A-Z_]+", text)):
        assert f'"{name}"' in sources, name
