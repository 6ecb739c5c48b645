"""The end of a test's namespaces, whatever it left in them: no finalizer of ours keeps one whose operator has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e import pod_logs
from tests.e2e.kubectl import CommandError

if TYPE_CHECKING:
    from tests.e2e.kubectl import Kubectl

WITHOUT_FINALIZERS = '{"metadata":{"finalizers":null}}'


def delete(kubectl: Kubectl, *names: str, later: list[str]) -> None:
    """Without waiting, after a search of the logs. Call it when nobody reconciles there any more: the channels' cleanup
    is not waited for. One without pods costs nobody anything but by its end, a hundred requests: it joins `later`.
    """
    try:
        for name in names:
            pod_logs.search(kubectl.within(name))
    finally:
        for name in names:
            _let_go(kubectl.within(name))
        crowded = [name for name in names if kubectl.within(name).get("pods")["items"]]
        later += [name for name in names if name not in crowded]
        remove(kubectl, *crowded)


def remove(kubectl: Kubectl, *names: str) -> None:
    """Without waiting, and without a look at what is in them."""
    if names:
        kubectl.run("delete", "namespace", *names, "--wait=false", "--ignore-not-found")


def _let_go(kubectl: Kubectl) -> None:
    try:
        held = [each for each in kubectl.get("notifychannels")["items"] if each["metadata"].get("finalizers")]
    except CommandError:
        return  # no CRD, no channels
    names = [f"notifychannel/{each['metadata']['name']}" for each in held]
    if not names:
        return
    kubectl.run("delete", *names, "--wait=false", "--ignore-not-found")  # being deleted, they take no new finalizer
    for name in names:
        try:
            kubectl.run("patch", name, "--type=merge", "--patch", WITHOUT_FINALIZERS)
        except CommandError as error:
            if "NotFound" not in str(error):
                raise
