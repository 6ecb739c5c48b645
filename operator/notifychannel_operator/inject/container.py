"""The sidecar as a container of a pod: native, restricted, without readiness or startup probe.

A database that is down must not take the application down, and nothing here may keep it from starting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.inject import fields, volumes
from notifychannel_operator.inject.resources import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.inject.request import Request
    from notifychannel_operator.inject.settings import Settings

NAME = "notifychannel"
UID = 65532
"""Of the image; said only where the pod says uid 0, for OpenShift allows a range of its own per namespace."""
FINISH = "kill -USR1 1"
FINISH_AMONG_OTHERS = """\
own=$(cat /proc/self/cgroup)
for folder in /proc/[0-9]*; do
  pid=${folder#/proc/}
  [ "$pid" = $$ ] && continue
  line=
  { read -r line <"$folder/cmdline"; } 2>/dev/null
  case $line in *notifychannel?sidecar*) ;; *) continue ;; esac
  [ "$(cat "$folder/cgroup" 2>/dev/null)" = "$own" ] && kill -USR1 "$pid"
done
true
"""
"""Where process 1 is another (pause, or the node's init): the process of that name in this very container.

The name alone would reach the sidecars of other pods on a node with hostPID; the cgroup is a container's own.
"""


def container(pod: Mapping[str, Any], request: Request, settings: Settings) -> dict[str, Any]:
    """To be appended to `initContainers`."""
    return {
        "name": NAME,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "restartPolicy": "Always",
        "env": _environment(request, settings),
        "ports": [{"name": NAME, "containerPort": request.status_port, "protocol": "TCP"}],
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": request.status_port},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", _finish(pod)]}}},
        "resources": resources(pod, request, settings),
        "securityContext": _security(pod),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volumes.mounts(),
    }


def _environment(request: Request, settings: Settings) -> list[dict[str, Any]]:
    """Ports are always said: a Service called notifychannel-status would set the same variable.

    https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
    """
    found: list[dict[str, Any]] = [
        {"name": "NOTIFYCHANNEL_CONFIG", "value": volumes.CONFIG_PATH},
        {"name": "NOTIFYCHANNEL_SECRET", "value": volumes.SECRET_PATH},
        {"name": "NOTIFYCHANNEL_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NOTIFYCHANNEL_STATUS_PORT", "value": str(request.status_port)},
        {"name": "NOTIFYCHANNEL_LOCAL_PORT", "value": str(request.local_port)},
    ]
    if settings.log_format != "json":
        found.append({"name": "NOTIFYCHANNEL_LOG", "value": settings.log_format})
    if settings.otlp_endpoint:
        found.append({"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": settings.otlp_endpoint})
    return found


def _finish(pod: Mapping[str, Any]) -> str:
    spec = fields.spec_of(pod)
    is_among_others = spec.get("shareProcessNamespace") is True or spec.get("hostPID") is True
    return FINISH_AMONG_OTHERS if is_among_others else FINISH


def _security(pod: Mapping[str, Any]) -> dict[str, Any]:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if fields.mapping(fields.spec_of(pod).get("securityContext")).get("runAsUser") == 0:
        context["runAsUser"] = UID
    return context
