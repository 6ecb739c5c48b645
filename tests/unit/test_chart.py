"""The chart says what the rest of the repository says: one version, one CRD, no value without a schema."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from notifychannel_operator import release_cleanup
from notifychannel_operator.inject.settings import ADDRESS
from notifychannel_operator.passes.away import LAST_S

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "notifychannel"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
HELM_S = 300
"""helm.sh/docs/helm/helm_uninstall: `--timeout`, by default 5m0s."""
START_S = 10
"""For the Job's pod, of an image that every node with an operator has, until the program runs."""
_spec = importlib.util.spec_from_file_location("generate", ROOT / "charts" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


def rule(schema: dict) -> dict:
    """A schema behind its `$ref`."""
    return SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def leaves(values: dict, path: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        inner = isinstance(value, dict) and value and name != "resources"
        found |= leaves(value, f"{path}{name}.") if inner else {f"{path}{name}"}
    return found


def known(schema: dict, path: str = "") -> set[str]:
    found = set()
    for name, inner in schema["properties"].items():
        inner = rule(inner)  # noqa: PLW2901
        is_open = "properties" not in inner or name == "issuerRef"
        found |= {f"{path}{name}"} if is_open else known(inner, f"{path}{name}.")
    return found


def test_the_chart_has_the_version_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_the_chart_asks_for_a_kubernetes_with_native_sidecars():
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == ">=1.32.0-0"


@pytest.mark.parametrize("path", sorted(generate.generated()), ids=lambda path: path.name)
def test_what_is_made_of_something_else_is_current(path):
    assert path.read_text() == generate.generated()[path], "run charts/generate.py and commit what it writes"


def test_the_crd_of_the_chart_is_the_crd_but_for_labels_and_keep():
    text = "".join(
        line for line in generate.crds((ROOT / "crds" / "notifychannels.yaml").read_text()).splitlines(keepends=True)
        if "{{-" not in line
    )  # fmt: skip
    body = text.replace('{{ "{{" }}', "{{").replace('{{ "}}" }}', "}}")
    copied = yaml.safe_load(body)
    original = yaml.safe_load((ROOT / "crds" / "notifychannels.yaml").read_text())
    assert copied["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert copied["metadata"].pop("labels", None) is None
    assert copied == original


def test_braces_in_a_description_survive_the_template():
    source = "# head\napiVersion: v1\nmetadata:\n  name: x\nspec: {description: 'as {{this}}'}\n"
    assert """as {{ "{{" }}this{{ "}}" }}""" in generate.crds(source)


def test_every_value_has_a_rule_in_the_schema_and_every_rule_a_value():
    values = leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
    assert known(SCHEMA) - {"global"} == values


def test_no_object_of_the_schema_takes_names_that_nobody_reads():
    def check(schema: dict, path: str) -> None:
        if "properties" in schema:
            assert schema["additionalProperties"] is False, path
            for name, inner in schema["properties"].items():
                check(rule(inner), f"{path}.{name}")

    check(SCHEMA, "")


def test_the_cleanups_job_outlasts_its_own_patience_and_helm_outlasts_the_job():
    """Kubernetes deletes the pods of a Job that is over time, log and all; helm waits five minutes for a hook.

    Each of these is a limit around its part in `clean`; START_S is the pod's, until then.
    Mutants: `PATIENCE_S = 110`; `LAST_TRY_S = 30`; `timeoutSeconds: 300` in values.yaml.
    """
    timeout_s = yaml.safe_load((CHART / "values.yaml").read_text())["cleanup"]["timeoutSeconds"]
    least_s = SCHEMA["properties"]["cleanup"]["properties"]["timeoutSeconds"]["minimum"]
    ours = release_cleanup
    ours_s = ours.STOP_S + ours.PATIENCE_S + ours.LAST_ROUND_S + ours.OWN_S + 2 * ours.GIVE_BACK_S
    assert ours_s + START_S <= least_s <= timeout_s < HELM_S
    assert LAST_S + ours.LAST_TRY_S + 2 * ours.RETRY_S < ours.LAST_ROUND_S, "a last try comes to its own end"


def test_the_page_sets_no_value_that_the_chart_does_not_know():
    """And tells the Job's time as it is. Mutant: `watchNamespace` in a command of the page."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    page = " ".join((ROOT / "docs" / "install.md").read_text().split())
    told = set(re.findall(r"--set '?([a-zA-Z.]+)=", page)) | set(re.findall(r"`([a-z][a-zA-Z.]+)=[a-zA-Z]+`", page))
    assert told - leaves(values) == set()
    assert {"watchNamespaces", "install", "secrets.names", "webhook.create"} <= told
    assert f"The Job has {['four', 'five'][values['cleanup']['timeoutSeconds'] // 60 - 4]} minutes" in page


def test_the_images_are_those_that_make_images_builds():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["image"]["repository"] == "notifychannel/operator"
    assert values["sidecar"]["image"]["repository"] == "notifychannel/sidecar"
    assert "notifychannel/$$program:$(TAG)" in (ROOT / "Makefile").read_text()


def test_an_address_of_a_collector_is_for_the_schema_what_it_is_for_the_injector():
    pattern = SCHEMA["properties"]["sidecar"]["properties"]["otlpEndpoint"]["pattern"]
    assert pattern == f"^({ADDRESS.pattern})?$"
