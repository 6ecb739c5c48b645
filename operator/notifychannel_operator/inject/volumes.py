"""The two volumes of the sidecar: its configuration and Secret, and an empty one over the service-account token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.credentials import KEYS

if TYPE_CHECKING:
    from notifychannel_operator.inject.request import Request

FILES, NO_TOKEN = "notifychannel", "notifychannel-no-token"
NAMES = (FILES, NO_TOKEN)
FILES_PATH = "/etc/notifychannel"
CONFIG_PATH = f"{FILES_PATH}/config/config.json"
SECRET_PATH = f"{FILES_PATH}/secret"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  a path
"""Where the API server mounts the token, unless something is mounted exactly there already."""


def volumes(request: Request) -> list[dict[str, Any]]:
    """Both optional, so the pod starts without them; no subPath, so the kubelet keeps them fresh.

    The empty one is a downwardAPI volume without items, not an emptyDir: because of an emptyDir `kubectl drain` would
    refuse the pod's node, and the cluster autoscaler keep it (https://github.com/istio/istio/issues/19395).
    """
    config = {
        "name": f"notifychannel-{request.group}",
        "optional": True,
        "items": [{"key": "config.json", "path": "config/config.json"}],
    }
    secret = {
        "name": request.secret,
        "optional": True,
        "items": [{"key": key, "path": f"secret/{key}"} for key in (*KEYS, "token")],
    }
    return [
        {"name": FILES, "projected": {"sources": [{"configMap": config}, {"secret": secret}]}},
        {"name": NO_TOKEN, "downwardAPI": {}},
    ]


def mounts() -> list[dict[str, Any]]:
    """Into the sidecar, and nowhere else."""
    return [
        {"name": FILES, "mountPath": FILES_PATH, "readOnly": True},
        {"name": NO_TOKEN, "mountPath": TOKEN_PATH, "readOnly": True},
    ]
