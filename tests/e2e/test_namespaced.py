"""A release for one namespace: what is in another is none of its business, and the API server sees to that.

What every account may do is in golden/rbac.txt (test_chart_rights.py renders it); here the API server is asked.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e import shop as shops
from tests.e2e.access import may

RELEASE_VALUES = ("operator.passIntervalSeconds=5",)
pytestmark = pytest.mark.timeout(900)
WHERE = ("own", "served", "other")
ASKED = """
operator  get     secrets                               own no      served yes  other no
operator  list    secrets                               own no      served no   other no
operator  watch   secrets                               own no      served no   other no
operator  create  secrets                               own yes     served no   other no
operator  delete  secrets                               own no      served no   other no
operator  get     secrets/{name}-ca                     own yes     served yes  other no
operator  get     notifychannels                        own no      served yes  other no
operator  delete  notifychannels                        own no      served no   other no
operator  patch   notifychannels --subresource=status   own no      served yes  other no
operator  list    pods                                  own no      served yes  other no
operator  create  pods                                  own no      served no   other no
operator  delete  pods                                  own no      served no   other no
operator  create  pods --subresource=exec               own no      served no   other no
operator  patch   deployments                           own no      served no   other no
operator  patch   deployments --subresource=scale       own no      served no   other no
operator  delete  configmaps                            own no      served yes  other no
operator  create  rolebindings                          own no      served no   other no
operator  create  serviceaccounts --subresource=token   own no      served no   other no
injector  get     secrets                               own no      served no   other no
injector  list    pods                                  own no      served no   other no
injector  get     notifychannels                        own no      served no   other no
"""
EVERYWHERE = """
operator  patch   mutatingwebhookconfigurations/{name}  yes
operator  patch   mutatingwebhookconfigurations/other   no
operator  list    mutatingwebhookconfigurations         no
operator  create  clusterrolebindings                   no
operator  list    namespaces                            no
operator  list    notifychannels                        no
operator  list    nodes                                 no
injector  patch   mutatingwebhookconfigurations/{name}  no
"""
"""The accounts `…-cleanup` and `…-test` are only there while their Job or Pod is: golden/rbac.txt has their rights."""


def questions(name: str) -> list[tuple[str, str, tuple[str, ...], str]]:
    """(account, place, what, the answer that should be)."""
    asked = []
    for line in ASKED.format(name=name).strip().splitlines():
        *words, _, own, _, served, _, other = line.split()
        account, *what = words
        asked += [(account, *each) for each in zip(WHERE, [tuple(what)] * 3, (own, served, other), strict=True)]
    for line in EVERYWHERE.format(name=name).strip().splitlines():
        account, *what, answer = line.split()
        asked.append((account, "everywhere", tuple(what), answer))
    return asked


def test_the_api_server_gives_every_account_what_it_needs_and_no_more(kubectl, release, namespace, record_property):
    """Mutant: give `secrets` the verb `list` in templates/_rules.tpl."""
    places = {"own": release.namespace, "served": release.served, "other": namespace}
    asked = questions(release.name)

    def answer(question: tuple[str, str, tuple[str, ...], str]) -> str:
        account, place, (verb, what, *rest), _ = question
        subresource = rest[0].partition("=")[2] if rest else ""
        who = f"{release.namespace}:{release.name}-{account}"
        allowed = may(
            kubectl.connection, who, verb, what, subresource=subresource, namespace=places.get(place, "")
        )  # fmt: skip
        return "yes" if allowed else "no"

    answers = [answer(it) for it in asked]
    wrong = [(question, said) for question, said in zip(asked, answers, strict=True) if question[3] != said]
    assert wrong == []
    record_property("figures", f"{len(asked)} questions of rights, {answers.count('yes')} times yes, as they should be")


async def test_a_channel_elsewhere_is_left_alone_and_no_secret_but_an_allowed_one_of_its_own_is_read(
    shop, kubectl, new_namespace
):
    """Mutant: in `passes/secret.py`, leave `_permit` out; in app.py, `namespaces=()` for the watch."""
    await shop.open(shops.channel("first"))
    elsewhere = kubectl.within(new_namespace())
    uri = shop.postgres.uri("installer", host=f"postgres.{shop.release.served}")
    for name, place in (("theirs", elsewhere), ("private", shop.kubectl), ("installer-db", elsewhere)):
        labels = {"notifychannel.io/allow": "true"} if place is elsewhere else {}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}
        place.apply({**secret, "stringData": {"uri": uri}})
    elsewhere.apply(shops.channel("elsewhere"))
    shop.kubectl.apply(
        shops.channel("theirs", database="theirs"), shops.channel("private", database="private"), shops.channel("ours")
    )
    wanted = (
        ("theirs", "ResolvedRefs", "False", "SecretNotFound"),
        ("private", "ResolvedRefs", "False", "SecretNotAllowed"),
        ("ours", "ResolvedRefs", "True", "Resolved"),
    )
    for each in wanted:
        body, _ = await asyncio.to_thread(shops.until_condition, shop.kubectl, *each)
        assert "postgresql://" not in shops.message(body, "ResolvedRefs").replace(
            "postgresql://USER:PASSWORD@HOST/DBNAME", ""
        )
    before = shop.kubectl.get("notifychannel", "private")
    shop.kubectl.run("label", "secret", "private", "notifychannel.io/allow=true")
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "private", "ResolvedRefs", "True")
    assert before["status"]["summary"]["triggers"] == "0/0"

    body = elsewhere.get("notifychannel", "elsewhere")  # by now each of ours was passed over twice
    assert "status" not in body
    assert "finalizers" not in body["metadata"]
    assert shops.configs(elsewhere) == []
    admin = await shop.postgres.connect("postgres")
    said = await admin.fetch(  # ours say whose they are
        "SELECT obj_description(oid) AS comment FROM pg_proc WHERE pronamespace = 'notifychannel'::regnamespace"
    )
    owners = [each["comment"] for each in said if each["comment"]]
    assert owners
    assert not any('"elsewhere"' in each for each in owners)
