"""Looking into a pod as raw JSON: whatever is there, the answer has the type that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, none where it is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def spec_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's `spec`."""
    return mapping(pod.get("spec"))


def annotations_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's annotations."""
    return mapping(mapping(pod.get("metadata")).get("annotations"))


def labels_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's labels."""
    return mapping(mapping(pod.get("metadata")).get("labels"))


def containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Init containers and containers: all that a pod may have when it is created."""
    return init_containers(pod) + objects(spec_of(pod).get("containers"))


def init_containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Init containers, native sidecars among them."""
    return objects(spec_of(pod).get("initContainers"))


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """A native sidecar: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/"""
    return container.get("restartPolicy") == "Always"


def is_readable(pod: Mapping[str, Any]) -> bool:
    """Whether what a patch would touch is there as the API server writes it (a list or map may be missing)."""
    metadata, found = pod.get("metadata"), pod.get("spec")
    return (
        isinstance(metadata, dict)
        and isinstance(found, dict)
        and isinstance(found.get("containers"), list)
        and all(isinstance(found.get(name), list | None) for name in ("initContainers", "volumes"))
        and isinstance(metadata.get("annotations"), dict | None)
    )
