"""crds/notifychannels.yaml by the paths that messages and docs/resource.md write, and the defaults that it gives."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).parents[1] / "crds" / "notifychannels.yaml"
CRD: dict[str, Any] = yaml.safe_load(FILE.read_text())
VERSION: dict[str, Any] = CRD["spec"]["versions"][0]
ROOT: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]
RULES = "x-kubernetes-validations"


def walk(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema below that one and itself: `spec.sources[].key[].lookup.match{}` is the values of a map."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from walk(below, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


SCHEMAS = dict(walk(ROOT, ""))


def named(part: str) -> dict[str, dict[str, Any]]:
    """The fields below `spec` or `status`: path → schema, without the unnamed values of lists and maps."""
    return {path: each for path, each in SCHEMAS.items() if path.startswith(f"{part}.") and path[-1] not in "]}"}


def rules() -> dict[tuple[str, int], dict[str, Any]]:
    """Each CEL rule: the path it stands at and its number there → the rule."""
    return {
        (path, number): rule for path, schema in SCHEMAS.items() for number, rule in enumerate(schema.get(RULES, ()))
    }


def defaulted(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with the defaults that an API server gives it.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
    """
    made = copy.deepcopy(resource)
    _default(made, ROOT)
    return made


def _default(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, list):
        for item in value:
            _default(item, schema["items"])
    if not isinstance(value, dict):
        return
    for name, below in schema.get("properties", {}).items():
        if value.get(name, ...) is None:  # of what isn't nullable, null is as good as nothing
            del value[name]
        if name not in value and "default" in below:
            value[name] = copy.deepcopy(below["default"])
        if name in value:
            _default(value[name], below)
