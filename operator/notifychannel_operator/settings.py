"""Everything about one operator that its environment decides; what it does is decided by the NotifyChannels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from notifychannel_operator import environment as env
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.kube_login import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label, which names of namespaces and of our objects are."""
HTTP_PORT = 8080
PASS_INTERVAL_S = 60
CONCURRENCY = 10


class CertificateSource(Enum):
    """Who makes the injector's certificate."""

    OWN = "own"
    """The operator: a CA and a leaf, renewed, and caBundle patched."""
    EXTERNAL = "external"
    """cert-manager, or a person: the operator has no right to look at it; the injector tells when it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Made by `from_env`, once, in `__main__`."""

    namespace: str
    """NOTIFYCHANNEL_NAMESPACE: of the release, where Lease, installation id and certificates are."""
    fullname: str
    """NOTIFYCHANNEL_FULLNAME: what the release's objects are called."""
    pod: str
    """NOTIFYCHANNEL_POD: who holds the Lease, for people to read."""
    place: Place
    """KUBECONFIG, or KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which every pod has."""
    watch_namespaces: tuple[str, ...] = ()
    """NOTIFYCHANNEL_WATCH_NAMESPACES: comma-separated; empty means all of the cluster."""
    webhook: str = ""
    """NOTIFYCHANNEL_WEBHOOK: the MutatingWebhookConfiguration whose caBundle is kept; empty means none."""
    certificate: CertificateSource = CertificateSource.OWN
    """NOTIFYCHANNEL_CERTIFICATE: own or external."""
    pass_interval_s: int = PASS_INTERVAL_S
    """NOTIFYCHANNEL_PASS_INTERVAL: seconds until a channel is looked at again without any event."""
    concurrency: int = CONCURRENCY
    """NOTIFYCHANNEL_CONCURRENCY: passes at once, over all channels."""
    http_host: str | None = None
    """NOTIFYCHANNEL_HTTP_HOST: where /livez, /readyz and /metrics are served; None: on every address, IPv4 and IPv6,
    for the kubelet comes from outside."""
    http_port: int = HTTP_PORT
    """NOTIFYCHANNEL_HTTP_PORT: 0 takes a free one and logs it."""
    log_format: str = env.LOG_FORMATS[0]
    """NOTIFYCHANNEL_LOG: json or text."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Raises SettingsError with a sentence for the first variable that can't be used."""
        return cls(
            namespace=_name(environment, "NOTIFYCHANNEL_NAMESPACE", "the namespace of the release"),
            fullname=_name(environment, "NOTIFYCHANNEL_FULLNAME", "what the release's objects are called"),
            pod=env.required(environment, "NOTIFYCHANNEL_POD", "the pod's name"),
            watch_namespaces=_names(environment, "NOTIFYCHANNEL_WATCH_NAMESPACES"),
            webhook=environment.get("NOTIFYCHANNEL_WEBHOOK", ""),
            certificate=CertificateSource(env.choice(environment, "NOTIFYCHANNEL_CERTIFICATE", _CERTIFICATES)),
            pass_interval_s=env.number(environment, "NOTIFYCHANNEL_PASS_INTERVAL", PASS_INTERVAL_S, least=1, most=3600),
            concurrency=env.number(environment, "NOTIFYCHANNEL_CONCURRENCY", CONCURRENCY, least=1, most=100),
            http_host=environment.get("NOTIFYCHANNEL_HTTP_HOST") or None,
            http_port=env.number(environment, "NOTIFYCHANNEL_HTTP_PORT", HTTP_PORT, least=0, most=env.MAX_PORT),
            log_format=env.choice(environment, "NOTIFYCHANNEL_LOG", env.LOG_FORMATS),
            place=_place(environment),
        )

    @property
    def tls_secret(self) -> str:
        """Where the injector's certificate is, with `own`."""
        return f"{self.fullname}-injector-tls"

    @property
    def canary_namespace(self) -> str:
        """The release's where that is watched, else the first that is: a watch reaches no other."""
        if not self.watch_namespaces or self.namespace in self.watch_namespaces:
            return self.namespace
        return self.watch_namespaces[0]


_CERTIFICATES = tuple(source.value for source in CertificateSource)


def _place(environment: Mapping[str, str]) -> Place:
    if path := environment.get("KUBECONFIG"):
        return Place(kubeconfig=Path(path))
    host = env.required(
        environment, "KUBERNETES_SERVICE_HOST", "where the API server is (outside a pod set KUBECONFIG)"
    )
    return Place(host=host, port=env.required(environment, "KUBERNETES_SERVICE_PORT", "the API server's port"))


def _name(environment: Mapping[str, str], name: str, meaning: str) -> str:
    return _checked(name, env.required(environment, name, meaning))


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = [part.strip() for part in environment.get(name, "").split(",")]
    return tuple(sorted({_checked(name, part) for part in parts if part}))


def _checked(name: str, text: str) -> str:
    if NAME.fullmatch(text) is None:
        raise SettingsError(f"{name} is {text!r}: write lower-case letters, digits and '-', at most 63")
    return text
