"""What the API server gives, JSON values as Python has them, as the tree that the fields are read from.

It has no lines: whoever reads a problem of such an object has no file before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator.resource.document import Kind, Mapping, Node, Scalar, Sequence
from notifychannel_operator.resource.shape import OWN_METADATA

if TYPE_CHECKING:
    import collections.abc

NO_LINE = 0
_READ = ("apiVersion", "kind", "metadata", "spec")


def resource(body: collections.abc.Mapping[str, object]) -> Mapping:
    """The resource in an object: without status, and without what only Kubernetes writes into its metadata.

    A later Kubernetes may add fields there, and none of them may make the resource unreadable.
    """
    read = {name: body[name] for name in _READ if name in body}
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        read["metadata"] = {name: metadata[name] for name in OWN_METADATA if name in metadata}
    return _mapping(read)


def _node(value: object) -> Node:
    match value:
        case list():
            return Sequence(NO_LINE, tuple(map(_node, value)))
        case dict():
            return _mapping(value)
        case _:
            kind, text = _scalar(value)
            return Scalar(NO_LINE, kind, text)


def _scalar(value: object) -> tuple[Kind, str]:
    match value:
        case None:
            return Kind.NULL, ""
        case bool():
            return Kind.TRUTH, str(value).lower()
        case int():
            return Kind.WHOLE, str(value)
        case float():
            return Kind.DECIMAL, str(value)
        case str():
            return Kind.TEXT, value
        case _:
            raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _mapping(value: dict[str, object]) -> Mapping:
    entries: dict[str, tuple[Scalar, Node]] = {
        name: (Scalar(NO_LINE, Kind.TEXT, name), _node(each)) for name, each in value.items()
    }
    return Mapping(NO_LINE, entries)
