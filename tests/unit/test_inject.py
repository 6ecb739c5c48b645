"""What the injector adds to a pod: golden files, each a pod and the answer, and what holds for every answer.

A file says the whole patch (plain.yaml) or what differs from that one: `paths` of the operations, `sidecar` as a merge
patch (RFC 7386) over its container, `group` and `secret` in its volumes. No `patch` and no `paths`: see `reason`.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifychannel_operator import inject
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.inject import Reason
from notifychannel_operator.inject.reason import sentence

FOLDER = Path(__file__).parent / "golden" / "inject"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SETTINGS = inject.Settings(image="notifychannel/sidecar:1.2.3")
FINGERPRINT = inject.fingerprint(SETTINGS)
DEFAULT_PATHS = ["/spec/initContainers", "/spec/volumes", "/metadata/annotations"]
WARNING_BYTES = 256
"""What the API server is told to keep warnings to: admission/v1 types, AdmissionResponse.Warnings."""


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text().replace("FINGERPRINT", FINGERPRINT))


def decide(pod, settings=SETTINGS):
    return inject.decide(pod, namespace="shop", settings=settings)


def merged(target: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def expected(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The patch that a golden file means."""
    if "patch" in case or case["reason"] != "Injected":
        return case.get("patch", [])
    init, volumes, annotation = copy.deepcopy(load("plain")["patch"])
    container = merged(init["value"][0], case.get("sidecar", {}))
    config, secret = volumes["value"][0]["projected"]["sources"]
    config["configMap"]["name"] = f"notifychannel-{case.get('group', 'orders-api')}"
    secret["secret"]["name"] = case.get("secret", f"notifychannel-{case.get('group', 'orders-api')}")
    waiting = list(volumes["value"])
    values = {
        "/spec/initContainers": lambda: [container],
        "/spec/initContainers/-": lambda: container,
        "/spec/volumes": lambda: waiting,
        "/spec/volumes/-": lambda: waiting.pop(0),
        "/metadata/annotations": lambda: annotation["value"],
        "/metadata/annotations/notifychannel.io~1sidecar": lambda: FINGERPRINT,
    }
    return [{"op": "add", "path": path, "value": values[path]()} for path in case.get("paths", DEFAULT_PATHS)]


def without_additions(pod: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """An injected pod, with what is ours taken out again; lists that were not there before are none again."""
    pod = copy.deepcopy(pod)
    assert pod["spec"]["initContainers"].pop()["name"] == "notifychannel"
    assert [pod["spec"]["volumes"].pop()["name"], pod["spec"]["volumes"].pop()["name"]] == [
        "notifychannel-no-token",
        "notifychannel",
    ]
    del pod["metadata"]["annotations"]["notifychannel.io/sidecar"]
    for where, name in (("spec", "initContainers"), ("spec", "volumes"), ("metadata", "annotations")):
        if not before[where].get(name):
            assert not pod[where].pop(name)
            if name in before[where]:
                pod[where][name] = before[where][name]
    return pod


def test_there_are_enough_cases_and_each_reason_that_a_pod_can_have_is_among_them():
    assert len(CASES) >= 40
    met = {load(name)["reason"] for name in CASES}
    assert met == {reason.value for reason in Reason} - {"NotACreation", "InternalError"}


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_the_golden_one(name):
    case = load(name)
    answer = decide(case["pod"])
    assert answer.reason.value == case["reason"]
    assert answer.warning == case.get("warning")
    assert answer.patch == expected(case)


@pytest.mark.parametrize("name", CASES)
def test_an_answer_leaves_the_pod_that_it_was_given_alone(name):
    pod = load(name)["pod"]
    decide(pod)
    assert pod == load(name)["pod"]


INJECTED = [name for name in CASES if load(name)["reason"] == "Injected"]


@pytest.mark.parametrize("name", INJECTED)
def test_a_patch_applies_adds_what_is_ours_and_changes_nothing_else(name):
    """Mutant: `/spec/volumes` added whole where a list is there → the pod's own volumes would be gone."""
    pod = load(name)["pod"]
    after = jsonpatch.apply_patch(pod, decide(pod).patch)
    before = copy.deepcopy(pod)
    (before["metadata"].get("annotations") or {}).pop("notifychannel.io/sidecar", None)
    assert without_additions(after, before) == before


@pytest.mark.parametrize("name", INJECTED)
def test_an_injected_pod_is_left_alone_the_second_time(name):
    """Mutant: `is_injected` not asked in decide → NameTaken, with a warning that is wrong."""
    pod = load(name)["pod"]
    after = jsonpatch.apply_patch(pod, decide(pod).patch)
    assert inject.is_injected(after)
    assert not inject.is_outdated(after, SETTINGS)
    again = decide(after)
    assert (again.reason, again.patch, again.warning) == (Reason.ALREADY_INJECTED, [], None)


@pytest.mark.parametrize(
    "changed",
    [{"image": "notifychannel/sidecar:2"}, {"memory": "256Mi"}, {"cpu_request": "50m"}, {"cpu_limit": "1"},
     {"pull_policy": "Always"}, {"log_format": "text"}],
)  # fmt: skip
def test_other_settings_make_an_injected_pod_outdated(changed):
    other = inject.Settings(**{"image": SETTINGS.image, **changed})
    pod = load("plain")["pod"]
    after = jsonpatch.apply_patch(pod, decide(pod).patch)
    assert inject.is_outdated(after, other)
    assert decide(after, other).patch == []
    assert len(inject.fingerprint(other)) == 8


def test_the_group_and_the_status_port_of_a_pod_are_read_as_the_injector_reads_them():
    assert inject.group_of(load("plain")["pod"]) == "orders-api"
    assert inject.group_of(load("label_that_is_no_group")["pod"]) is None
    assert inject.status_port(load("annotations")["pod"]) == 19789
    assert inject.status_port(load("annotation_privileged_port")["pod"]) == 9789


@pytest.mark.parametrize("reason", Reason)
def test_what_is_not_injected_says_what_to_do_in_one_warning(reason):
    said = sentence(reason)
    silent = {Reason.INJECTED, Reason.ALREADY_INJECTED, Reason.NO_LABEL, Reason.NOT_A_CREATION}
    assert (said is None) == (reason in silent)
    if said is not None:
        assert said.startswith(f"NotifyChannel: sidecar not injected ({reason.value}): ")
        assert len(said.encode()) <= WARNING_BYTES


@pytest.mark.parametrize("name", CASES)
def test_every_warning_fits_and_is_plain_text(name):
    warning = decide(load(name)["pod"]).warning or ""
    assert len(warning.encode()) <= WARNING_BYTES
    assert warning.isascii()
    assert warning.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
QUANTITIES = st.sampled_from(["1", "100m", "64Mi", "1e3", "", "x", 2, 0.5, None, [], "٣"])
AMOUNTS = st.dictionaries(st.sampled_from(["cpu", "memory"]), QUANTITIES)
CONTAINER = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["app", "notifychannel", 3]),
        "restartPolicy": st.sampled_from(["Always", "", None]),
        "ports": st.lists(st.fixed_dictionaries({"containerPort": st.sampled_from([80, 9789, "9789"])}) | JSON),
        "resources": st.fixed_dictionaries({}, optional={"limits": AMOUNTS | JSON, "requests": AMOUNTS | JSON}) | JSON,
        "future": JSON,
    },
)  # fmt: skip
CONTAINERS = st.lists(CONTAINER | JSON, max_size=3)
ANNOTATIONS = st.dictionaries(
    st.sampled_from(["notifychannel.io/secret", "notifychannel.io/status-port", "notifychannel.io/memory",
                     "notifychannel.io/sidecar", "kubernetes.io/config.mirror", "a/b~c"]),
    st.sampled_from(["orders-db", "9789", "128Mi", "٩٧٨٩", "", "9" * 5000]) | JSON,
)  # fmt: skip
LABELS = st.dictionaries(
    st.sampled_from(["notifychannel.io/inject", "app"]), st.sampled_from(["orders-api", "g", ""]) | JSON
)
SPEC = st.fixed_dictionaries(
    {"containers": CONTAINERS},
    optional={
        "initContainers": CONTAINERS | JSON,
        "volumes": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["data", "notifychannel"])}) | JSON) | JSON,
        "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.sampled_from([0, 1000, "0"])}) | JSON,
        "resources": st.fixed_dictionaries({}, optional={"limits": AMOUNTS | JSON, "requests": AMOUNTS | JSON}) | JSON,
        "hostNetwork": st.booleans() | JSON,
        "shareProcessNamespace": st.booleans() | JSON,
        "os": JSON,
        "nodeSelector": JSON,
        "future": JSON,
    },
)
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries({}, optional={"labels": LABELS | JSON, "annotations": ANNOTATIONS | JSON}),
        "spec": SPEC,
    }
)
ASKING = st.builds(
    lambda pod: {**pod, "metadata": {**pod["metadata"], "labels": {"notifychannel.io/inject": "orders-api"}}}, PODS
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pod=ASKING | PODS | JSON.filter(lambda value: isinstance(value, dict)))
def test_any_json_gets_an_answer_and_its_patch_applies_and_takes_nothing_away(pod):
    """Mutants: `fields.mapping` not asked for a container's resources; a `null` list appended to."""
    before = copy.deepcopy(pod)
    answer = decide(pod)
    assert pod == before
    after = jsonpatch.apply_patch(pod, answer.patch)
    if answer.reason is not Reason.INJECTED:
        assert after == before
        return
    (before["metadata"].get("annotations") or {}).pop("notifychannel.io/sidecar", None)
    assert without_additions(after, before) == before
    assert decide(after).reason is Reason.ALREADY_INJECTED


def test_the_collector_s_address_reaches_the_sidecar_and_without_one_nothing_changes():
    """Mutant: the variable also where it is empty: every pod that runs would count as outdated."""
    pod, address = load("plain")["pod"], "http://collector.observability:4318"
    plain, told = decide(pod), decide(pod, replace(SETTINGS, otlp_endpoint=address))
    (before, *rest), (after, *others) = (answer.patch[0]["value"] for answer in (plain, told))
    added = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": address}
    assert (after, others) == ({**before, "env": [*before["env"], added]}, rest)
    assert inject.fingerprint(SETTINGS) != inject.fingerprint(replace(SETTINGS, otlp_endpoint=address))


@pytest.mark.parametrize(
    "address",
    [
        "collector:4318",
        "grpc://c:4317",
        "http://me:hunter2@c:4318",
        "http://c/?token=hunter2",
        "http://$(HOST)",
        "http://c d",
    ],
)
def test_an_address_of_a_collector_that_cannot_be_one_is_refused_without_saying_it(address):
    environment = {"NOTIFYCHANNEL_SIDECAR_IMAGE": "x", "NOTIFYCHANNEL_SIDECAR_OTLP_ENDPOINT": address}
    with pytest.raises(SettingsError, match=r"write an address like http://") as caught:
        inject.Settings.from_env(environment)
    assert address not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://c", "https://c.example:4318/otlp", "http://[fd00::1]:4318", "http://10.0.0.1:4318"]
)
def test_an_address_of_a_collector_is_taken(address):
    environment = {"NOTIFYCHANNEL_SIDECAR_IMAGE": "x", "NOTIFYCHANNEL_SIDECAR_OTLP_ENDPOINT": address}
    assert inject.Settings.from_env(environment).otlp_endpoint == address
