"""NotifyChannels put before the API server one by one, without leaving any: what it says, or what it makes of them."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kubernetes import client, config

from tests import crd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.kubectl import Kubectl

WHERE = {"group": "notifychannel.io", "version": "v1alpha1", "plural": "notifychannels"}
UNCHECKED = "some validation rules were not checked"


class Cause(NamedTuple):
    """One thing that the API server has against an object; a field of its own only where validation has come so far."""

    field: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """Server-side dry runs with strict field validation, as kubectl asks for them."""

    api: client.CustomObjectsApi
    namespace: str = "default"

    def judge(self, resource: dict[str, Any]) -> tuple[dict[str, Any] | None, list[Cause]]:
        """The object as it would be stored, or what is against it."""
        body = {**resource, "metadata": {**resource["metadata"], "namespace": self.namespace}}
        return self.judge_raw(body)

    def judge_raw(self, body: dict[str, Any]) -> tuple[dict[str, Any] | None, list[Cause]]:
        """The same of any body."""
        try:
            made = self.api.create_namespaced_custom_object(
                **WHERE, namespace=self.namespace, body=body, dry_run="All", field_validation="Strict"
            )
        except client.ApiException as error:
            if error.status not in {400, 422}:
                raise
            return None, _causes(json.loads(error.body))
        return made, []


def _causes(status: dict[str, Any]) -> list[Cause]:
    causes = status.get("details", {}).get("causes", ())
    found = [Cause(each["field"], each["message"]) for each in causes if UNCHECKED not in each["message"]]
    return found or [Cause("", status["message"])]


@functools.cache
def connected(kubeconfig: Path) -> ApiServer:
    """An API server with this tree's CRD, which stays there: other tests share it."""
    return ApiServer(api=client.CustomObjectsApi(config.new_client_from_config(str(kubeconfig))))


@functools.cache
def install(kubectl: Kubectl) -> None:
    """The CRD is there, as this tree has it: applied once by each process, for whoever changes it puts it back."""
    apply_crd(kubectl)


def apply_crd(kubectl: Kubectl) -> None:
    """And wait until it answers. A warning fails.

    Server-side: of two files that begin on a fresh cluster at the same moment, one would be told that it is there.
    """
    kubectl.run("apply", "--server-side", "--force-conflicts", "--warnings-as-errors", "-f", str(crd.FILE))
    kubectl.wait_for(f"crd/{crd.CRD['metadata']['name']}", "condition=Established", timeout_s=60)
