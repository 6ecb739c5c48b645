"""docs/dependencies.md and `make sbom`: what is installed, pinned, and under which licence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import sbom
from packaging.utils import canonicalize_name

PAGE = (sbom.ROOT / "docs" / "dependencies.md").read_text()
PINNED = {
    canonicalize_name(name): version
    for name, _, version in (line.partition("==") for line in (sbom.ROOT / "constraints.txt").read_text().splitlines())
}
FREE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
"""What may be used; no GPL, LGPL or AGPL is among them."""


class Told(dict):
    """Stands in for a package's metadata, which can hold a name several times."""

    def get_all(self, _name):
        return None


def table(heading: str) -> dict[str, list[str]]:
    """The first cell of each line → the others."""
    lines = PAGE.partition(f"## {heading}\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: rest for name, *rest in cells}


def asked(*extras: str) -> set[str]:
    return {name for extra in extras for name in sbom.direct(extra)}


@pytest.mark.parametrize("program", [*sbom.PROGRAMS, "dev"])
def test_nothing_that_is_installed_is_under_a_licence_that_can_not_be_used(program):
    for package in sbom.installed(program):
        assert set(re.split(r" (?:AND|OR) ", package.licence)) <= FREE, package


@pytest.mark.parametrize("said", ["GPL-3.0", "", "UNKNOWN"])
def test_a_licence_that_is_not_known_is_asked_for_and_not_guessed(monkeypatch, said):
    """Mutant: `licence` that gives back whatever is written."""
    monkeypatch.setattr(sbom, "distribution", lambda _: SimpleNamespace(metadata=Told({"License": said})))
    with pytest.raises(LookupError, match="look it up"):
        sbom.licence("some")


@pytest.mark.parametrize("program", sbom.PROGRAMS)
def test_what_a_program_installs_is_pinned_to_what_was_tested(program):
    assert {it.name: it.version for it in sbom.installed(program)}.items() <= PINNED.items()


def test_the_page_names_what_the_programs_ask_for_with_licence_and_reason():
    found = table("What the programs ask for")
    assert found.keys() == asked(*sbom.PROGRAMS)
    for name, (programs, licence, why) in found.items():
        assert programs.split(", ") == [each for each in sbom.PROGRAMS if name in sbom.direct(each)]
        assert (licence, bool(why)) == (sbom.licence(name), True)


def test_the_page_names_what_these_bring_along():
    """It may name more: another Python needs another package or two."""
    found = table("What these bring along")
    assert found.keys() <= PINNED.keys()
    for program in sbom.PROGRAMS:
        for package in sbom.installed(program):
            if package.name not in asked(*sbom.PROGRAMS):
                programs, licence = found[package.name]
                assert program in programs.split(", ")
                assert licence == package.licence


def test_the_page_names_what_development_needs():
    found = table("For development only")
    assert found.keys() == asked("dev") - asked(*sbom.PROGRAMS)
    for name, (licence, why) in found.items():
        assert (licence, bool(why)) == (sbom.licence(name), True)


@pytest.mark.parametrize("program", sbom.PROGRAMS)
def test_the_sbom_names_every_package_once_and_who_needs_it(program, tmp_path):
    written = {path.name: path.read_text() for path in sbom.write(tmp_path)}
    document = json.loads(written[f"sbom-{program}.cdx.json"])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    refs = [it["bom-ref"] for it in document["components"]]
    assert len(set(refs)) == len(refs)
    assert {ref for it in document["dependencies"] for ref in it["dependsOn"]} == set(refs)
    pins = [f"{it['name']}=={it['version']}" for it in document["components"]]
    assert written[f"requirements-{program}.txt"].split() == pins
    assert refs == [f"pkg:pypi/{pin.replace('==', '@')}" for pin in pins]


def test_what_only_the_other_half_of_the_client_library_needs_is_not_imported():
    """Mutant: notifychannel_operator/__init__.py without its last lines."""
    program = "import notifychannel_operator.kube, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "kubernetes.aio.client" in imported
    assert not imported & {"requests", "oauthlib", "websocket", "kubernetes.config"}
