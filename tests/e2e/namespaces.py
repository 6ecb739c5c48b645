"""The end of a test's namespaces, whatever it left in them: no finalizer of ours keeps one whose operator has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.kubectl import CommandError

if TYPE_CHECKING:
    from tests.e2e.kubectl import Kubectl

WITHOUT_FINALIZERS = '{"metadata":{"finalizers":null}}'


def delete(kubectl: Kubectl, *names: str) -> None:
    """Without waiting. Call it when nobody reconciles there any more: the channels' cleanup is not waited for."""
    for name in names:
        _let_go(kubectl.within(name))
    if names:
        kubectl.run("delete", "namespace", *names, "--wait=false", "--ignore-not-found")


def _let_go(kubectl: Kubectl) -> None:
    try:
        left = kubectl.run("get", "notifychannels", "-o", "name", "--ignore-not-found").split()
    except CommandError:
        return  # no CRD, no channels
    if not left:
        return
    kubectl.run("delete", *left, "--wait=false", "--ignore-not-found")  # being deleted, they take no new finalizer
    for each in left:
        try:
            kubectl.run("patch", each, "--type=merge", "--patch", WITHOUT_FINALIZERS)
        except CommandError as error:
            if "NotFound" not in str(error):
                raise
