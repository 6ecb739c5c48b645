"""The kinds of objects that the operator and the cleanup touch, as values; which verbs they need is in the chart.

Sources: kubernetes.io/docs/reference/using-api/api-concepts (paths), and our own CRD.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A resource of the Kubernetes API."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As `apiVersion` has it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Of the collection, or of one object; without a namespace the whole cluster's. Names are escaped."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        return "/" + "/".join(quote(part, safe="") for part in parts)


CHANNELS = Kind(group="notifychannel.io", version="v1alpha1", plural="notifychannels", kind="NotifyChannel")
PODS = Kind(group="", version="v1", plural="pods", kind="Pod")
SECRETS = Kind(group="", version="v1", plural="secrets", kind="Secret")
CONFIGMAPS = Kind(group="", version="v1", plural="configmaps", kind="ConfigMap")
NAMESPACES = Kind(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
DEPLOYMENTS = Kind(group="apps", version="v1", plural="deployments", kind="Deployment")
REPLICASETS = Kind(group="apps", version="v1", plural="replicasets", kind="ReplicaSet")
LEASES = Kind(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
EVENTS = Kind(group="events.k8s.io", version="v1", plural="events", kind="Event")
CRDS = Kind(
    group="apiextensions.k8s.io", version="v1", plural="customresourcedefinitions", kind="CustomResourceDefinition",
    namespaced=False,
)  # fmt: skip
ACCESS_REVIEWS = Kind(
    group="authorization.k8s.io", version="v1", plural="subjectaccessreviews", kind="SubjectAccessReview",
    namespaced=False,
)  # fmt: skip
WEBHOOKS = Kind(
    group="admissionregistration.k8s.io", version="v1", plural="mutatingwebhookconfigurations",
    kind="MutatingWebhookConfiguration", namespaced=False,
)  # fmt: skip
