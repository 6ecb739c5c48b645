"""docs/reference/ is what docs/generate.py makes of the CRD and of the commands, and leaves nothing of them out."""

from __future__ import annotations

import re
import runpy

import pytest
import yaml

from notifychannel_cli.commands import COMMANDS
from notifychannel_operator.resource.shape import FIELDS
from tests.pages import ROOT, blocks

GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))["generated"]()
PAGES = {path.stem: text for path, text in GENERATED.items()}
CRD = (ROOT / "crds" / "notifychannels.yaml").read_text()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_page_is_what_its_source_says(path):
    """Mutants: a default of the CRD, or an option's help, is changed and the page is not made anew."""
    assert path.read_text() == GENERATED[path], "run `make reference` and commit what it writes"


def test_every_command_has_its_section_with_its_help():
    heads = re.findall(r"^## notifychannel ([a-z-]+)$", PAGES["cli"], re.MULTILINE)
    assert heads == list(COMMANDS)
    first = [block.text.splitlines()[0] for block in blocks(PAGES["cli"])]
    assert all(line.startswith("Usage: notifychannel") for line in first)


def fields():
    """Object → its fields, of the page's tables."""
    sections = re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", PAGES["resource"], re.MULTILINE | re.DOTALL)
    return {path: re.findall(r"^\| \*{0,2}`(\w+)`", text, re.MULTILINE) for path, text in sections}


def test_every_field_that_the_parser_knows_has_its_line():
    found = {path: set(names) for path, names in fields().items() if path.startswith("spec")}
    assert found == {path: set(names) for path, names in FIELDS.items() if path.startswith("spec")}


def test_every_rule_of_the_crd_stands_there_with_its_sentence():
    def rules(node):
        if isinstance(node, dict):
            yield from node.get("x-kubernetes-validations", ())
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            yield from rules(child)

    every = list(rules(yaml.safe_load(CRD)))
    assert len(every) > 40
    page = PAGES["resource"]
    for rule in every:
        assert f"Rule: `{' '.join(rule['rule'].split())}`" in page
        assert " ".join((rule.get("message") or rule["messageExpression"]).split()) in page


def test_a_field_says_its_type_default_and_bounds():
    line = next(line for line in PAGES["resource"].splitlines() if line.startswith("| `maxKeys` |"))
    assert line.startswith("| `maxKeys` | integer (int32) | `1000` | ≥ 1, ≤ 100,000 |")
