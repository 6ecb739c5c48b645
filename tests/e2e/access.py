"""What an account of the cluster may do, by the API server's own authorizer: `kubectl auth can-i --as`, as a review.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.question import group_of

if TYPE_CHECKING:
    from tests.e2e.connection import Connection

URL = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def may(connection: Connection, account: str, verb: str, what: str, *, subresource: str = "", namespace: str) -> bool:
    """`account`: `<namespace>:<name>` of a service account; `what`: `secrets` or `secrets/<name>`; namespace "": all,
    or of a kind that is in none.
    """
    home = account.partition(":")[0]
    resource, _, name = what.partition("/")
    asked = {
        "verb": verb, "group": group_of(resource), "resource": resource, "subresource": subresource, "name": name,
        "namespace": namespace,
    }  # fmt: skip
    spec = {
        "user": f"system:serviceaccount:{account}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"],
        "resourceAttributes": asked,
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    status = json.loads(connection.text("POST", URL, review))["status"]
    assert not status.get("evaluationError"), status
    return bool(status["allowed"])
