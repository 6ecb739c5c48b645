"""What the images and the person's tool install, as CycloneDX documents and as pinned requirements for an auditor.

    python sbom.py dist     writes dist/sbom-<program>.cdx.json and dist/requirements-<program>.txt

Asked of the packages that are installed, which are those of constraints.txt. What a base image holds (Python, OpenSSL)
is not in them. https://cyclonedx.org/docs/1.5/json/
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PROGRAMS = ("operator", "sidecar", "cli", "otel")
"""Extras of the project; the injector is in the operator's image, `otel` in a sidecar's where that was asked for."""
SPDX = {
    "MIT": "MIT",
    "MIT License": "MIT",
    "Apache-2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD-3-Clause": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC": "ISC",
    "MPL-2.0": "MPL-2.0",
    "PSF-2.0": "PSF-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""What packages without a License-Expression write in its place → https://spdx.org/licenses/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package."""

    name: str
    version: str
    licence: str
    """An SPDX expression."""
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """https://github.com/package-url/purl-spec"""
        return f"pkg:pypi/{self.name}@{self.version}"


def direct(extra: str) -> dict[str, Requirement]:
    """What the project itself asks for with that extra, by name; its own extras are read through."""
    found: dict[str, Requirement] = {}
    for text in PROJECT["optional-dependencies"][extra]:
        asked = Requirement(text)
        if asked.name == PROJECT["name"]:
            for other in asked.extras:
                found |= direct(other)
        else:
            found[canonicalize_name(asked.name)] = asked
    return found


def installed(extra: str) -> list[Package]:
    """All of it with what it needs in turn, by name. Raises LookupError, PackageNotFoundError for what is not there."""
    found: dict[str, Package] = {}
    waiting = [(name, frozenset(asked.extras)) for name, asked in direct(extra).items()]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        below = [(canonicalize_name(it.name), frozenset(it.extras)) for it in _needs(name, extras)]
        known = found[name].needs if name in found else ()
        needs = tuple(sorted({*known, *(it for it, _ in below)}))
        found[name] = Package(name=name, version=distribution(name).version, licence=licence(name), needs=needs)
        waiting += [it for it in below if it not in seen]
        seen.update(below)
    return [found[name] for name in sorted(found)]


def _needs(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in distribution(name).requires or ():
        asked = Requirement(text)
        if asked.marker is None or any(asked.marker.evaluate({"extra": each}) for each in (extras or {""})):
            yield asked


def licence(name: str) -> str:
    """As an SPDX expression. Raises LookupError where the package does not say it in known words."""
    about = distribution(name).metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    for said in (about.get("License"), *(about.get_all("Classifier") or ())):
        if said in SPDX:
            return SPDX[said]
    raise LookupError(f"{name}: what its licence is can't be told; look it up and add its words to SPDX")


def document(extra: str) -> dict[str, Any]:
    """The SBOM of one program; the same for the same packages."""
    packages = installed(extra)
    own = f"pkg:pypi/{PROJECT['name']}@{PROJECT['version']}"
    purls = {it.name: it.purl for it in packages}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": f"{PROJECT['name']}-{extra}",
                "version": PROJECT["version"],
                "licenses": [{"expression": PROJECT["license"]}],
                "purl": own,
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": it.purl,
                "name": it.name,
                "version": it.version,
                "licenses": [{"expression": it.licence}],
                "purl": it.purl,
            }
            for it in packages
        ],
        "dependencies": [
            {"ref": own, "dependsOn": [purls[name] for name in sorted(direct(extra))]},
            *({"ref": it.purl, "dependsOn": [purls[name] for name in it.needs]} for it in packages),
        ],
    }


def requirements(extra: str) -> str:
    """The same for `pip-audit --no-deps --disable-pip --requirement`."""
    return "".join(f"{it.name}=={it.version}\n" for it in installed(extra))


def write(folder: Path) -> list[Path]:
    """Both of each program; what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for program in PROGRAMS:
        made[folder / f"sbom-{program}.cdx.json"] = json.dumps(document(program), indent=2) + "\n"
        made[folder / f"requirements-{program}.txt"] = requirements(program)
    for path, text in made.items():
        path.write_text(text)
    return list(made)


if __name__ == "__main__":
    sys.stdout.write("".join(f"{path}\n" for path in write(Path(sys.argv[1]))))
