"""A pod and what is to be added → JSON Patch (RFC 6902): additions only, whether or not the lists are there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.inject import fields

if TYPE_CHECKING:
    from collections.abc import Mapping


def append(pod: Mapping[str, Any], name: str, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """To the end of a list of `spec`, or as that list where there is none."""
    path = f"/spec/{name}"
    if fields.spec_of(pod).get(name) is None:
        return [{"op": "add", "path": path, "value": values}]
    return [{"op": "add", "path": f"{path}/-", "value": value} for value in values]


def annotate(pod: Mapping[str, Any], name: str, value: str) -> list[dict[str, Any]]:
    """One annotation; of the same name it takes the place."""
    if fields.mapping(pod.get("metadata")).get("annotations") is None:
        return [{"op": "add", "path": "/metadata/annotations", "value": {name: value}}]
    escaped = name.replace("~", "~0").replace("/", "~1")
    return [{"op": "add", "path": f"/metadata/annotations/{escaped}", "value": value}]
