"""Where a channel is: its place in the cluster, and the database that its Secret leads to. Values, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ref(NamedTuple):
    """A channel's place in the cluster."""

    namespace: str
    name: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Ref:
        """Of an object of the API server."""
        return cls(body["metadata"]["namespace"], body["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Identity(NamedTuple):
    """What tells a database from any other, whatever Secret leads there."""

    system_identifier: str
    dbname: str

    def __str__(self) -> str:
        return f"{self.dbname} of server {self.system_identifier}"
