"""How the operator logs in: as its pod's service account, or as a kubeconfig says where it runs outside a cluster.

One login for both clients (ours and kopf's), so that they can't differ. The mounted token is replaced about hourly:
the client library reads the file again once a minute, kopf is given a login that expires and asks again.
Refuses to look at the environment: the caller says where everything is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_HOST_ENV_NAME,
    SERVICE_PORT_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

__all__ = ["Configuration", "LoginError", "Place", "bearer_token", "login"]

CONNECTIONS = 30
"""To the API server at once; the work queue runs fewer passes than that."""


class LoginError(Exception):
    """There is no way to the cluster; the sentence says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the cluster is: either of the two."""

    kubeconfig: Path | None = None
    """Wins when it is set."""
    host: str = ""
    """KUBERNETES_SERVICE_HOST, which every pod has."""
    port: str = ""
    """KUBERNETES_SERVICE_PORT."""
    token: Path = Path(SERVICE_TOKEN_FILENAME)
    ca: Path = Path(SERVICE_CERT_FILENAME)


async def login(place: Place) -> Configuration:
    """The client library's configuration, whose token renews itself. Raises LoginError."""
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    # The same as kopf: a proxy for the rest of the world is none for the cluster's own API.
    configuration.client_session_kwargs = {"trust_env": False}
    try:
        await _load(place, configuration)
    except (ConfigException, OSError) as error:
        raise LoginError(f"can't log in to the cluster: {error}") from error
    return configuration


async def bearer_token(configuration: Configuration) -> str | None:
    """The token as it is now, read again when it may have been replaced; None with a client certificate."""
    value: str | None = await configuration.get_api_key_with_prefix("BearerToken")
    return value.split(" ", 1)[-1].strip() if value else None


async def _load(place: Place, configuration: Configuration) -> None:
    if place.kubeconfig is not None:
        load: Any = load_kube_config  # the library has annotations only in part
        await load(config_file=str(place.kubeconfig), client_configuration=configuration, persist_config=False)
        return
    environment: dict[str, Any] = {SERVICE_HOST_ENV_NAME: place.host, SERVICE_PORT_ENV_NAME: place.port}
    loader: Any = InClusterConfigLoader
    loader(token_filename=str(place.token), cert_filename=str(place.ca), environ=environment).load_and_set(
        configuration
    )
