"""The injector's certificates: what is made, when it is renewed, and that no moment of a rotation breaks the trust."""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from notifychannel_operator import certificates, rotation
from notifychannel_operator.certificates import CertificateError, Pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = certificates.service_names("nch-injector", "notifychannel")
LAG_HOURS = 24


def trusts(bundle: bytes, leaf_pem: bytes, now: datetime) -> bool:
    """What a strict TLS client says, one that shares no code with the product."""
    verifier = PolicyBuilder().store(Store(certificates.parse(bundle))).time(now)
    try:
        for name in NAMES:
            verifier.build_server_verifier(x509.DNSName(name)).verify(certificates.parse(leaf_pem)[0], [])
    except VerificationError:
        return False
    return True


def step(before=None, *, now=NOW, published=None, names=NAMES, **changed):
    """One rotation from what the last one left, with some values of the Secrets changed."""
    ca = dict(before.ca_secret) if before else {}
    tls = dict(before.tls_secret) if before else {}
    ca |= changed.get("ca", {})
    tls |= changed.get("tls", {})
    published = before.bundle if before and published is None else published
    return rotation.rotate(ca_secret=ca, tls_secret=tls, published=published, names=names, now=now)


def test_the_names_are_those_that_the_api_server_and_the_cluster_call_the_service_by():
    assert NAMES == ("nch-injector.notifychannel.svc", "nch-injector.notifychannel.svc.cluster.local")


def test_a_leaf_is_trusted_under_all_its_names_and_no_other():
    ca = certificates.make_ca(NOW)
    leaf = certificates.make_leaf(ca, NAMES, NOW)
    assert trusts(ca.certificate_pem, leaf.certificate_pem, NOW)
    assert certificates.names_of(leaf.certificate) == frozenset(NAMES)
    verifier = PolicyBuilder().store(Store([ca.certificate])).time(NOW)
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName("nch-injector.other.svc")).verify(leaf.certificate, [])


def test_keys_are_p256_and_a_pair_reads_back():
    leaf = certificates.make_leaf(certificates.make_ca(NOW), NAMES, NOW)
    assert isinstance(leaf.key.curve, ec.SECP256R1)
    assert Pair.parse(leaf.certificate_pem, leaf.key_pem).certificate == leaf.certificate
    assert certificates.expires_at(leaf.certificate_pem) == NOW + certificates.LEAF_LIFE


def test_a_leaf_never_outlives_its_ca():
    ca = certificates.make_ca(NOW)
    late = NOW + certificates.CA_LIFE - timedelta(days=3)
    assert certificates.make_leaf(ca, NAMES, late).certificate.not_valid_after_utc == NOW + certificates.CA_LIFE


def test_renewal_is_due_at_two_thirds_of_life_or_when_it_is_not_valid_yet():
    leaf = certificates.make_leaf(certificates.make_ca(NOW), NAMES, NOW).certificate
    due = NOW - certificates.SKEW + (certificates.LEAF_LIFE + certificates.SKEW) * 2 / 3
    assert not certificates.needs_renewal(leaf, due - HOUR)
    assert certificates.needs_renewal(leaf, due)
    assert certificates.needs_renewal(leaf, NOW - timedelta(days=1))


def test_a_bundle_keeps_old_authorities_until_they_expire_and_nothing_else():
    old, new = certificates.make_ca(NOW), certificates.make_ca(NOW + timedelta(days=500))
    leaf = certificates.make_leaf(old, NAMES, NOW)
    found = [old.certificate_pem + leaf.certificate_pem, b"garbage", old.certificate_pem]
    both = certificates.bundle(*found, new=new.certificate, now=NOW + timedelta(days=500))
    assert certificates.parse(both) == [new.certificate, old.certificate]
    alone = certificates.bundle(both, new=new.certificate, now=NOW + certificates.CA_LIFE)
    assert certificates.parse(alone) == [new.certificate]


def test_from_nothing_everything_is_made_and_the_second_step_changes_nothing():
    first = step()
    assert first.reasons == ("a new CA: it is missing", "a new certificate: it is missing")
    assert trusts(first.bundle, first.tls_secret["tls.crt"], NOW)
    again = step(first, now=NOW + HOUR)
    assert again.reasons == ()
    assert (again.ca_secret, again.tls_secret, again.bundle) == (first.ca_secret, first.tls_secret, first.bundle)
    assert again.expires_at == NOW + certificates.LEAF_LIFE


def pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ({"tls": {"tls.crt": b""}}, ["a new certificate: it is missing"]),
        ({"tls": {"tls.crt": b"\xff\x00 no certificate"}}, ["a new certificate: it is no certificate in PEM"]),
        ({"tls": {"tls.key": b"no key"}}, ["a new certificate: its key can't be read"]),
        (
            {"tls": {"tls.key": pem(ec.generate_private_key(ec.SECP256R1()))}},
            ["a new certificate: its key belongs to another certificate"],
        ),
        (
            {"tls": {"tls.key": pem(rsa.generate_private_key(65537, 2048))}},
            ["a new certificate: its key belongs to another certificate"],
        ),
        ({"ca": {"ca.key": b"no key"}}, ["a new CA: its key can't be read"]),
        ({"ca": {"ca.crt": b"-----BEGIN CERTIFICATE-----\nAAAA\n"}}, ["a new CA: it is no certificate in PEM"]),
    ],
)
def test_what_cannot_be_used_is_made_anew_with_a_reason(changed, reasons):
    after = step(step(), now=NOW + HOUR, **changed)
    assert list(after.reasons) == reasons
    assert trusts(after.bundle, after.tls_secret["tls.crt"], NOW + HOUR)


def test_a_leaf_in_place_of_the_ca_is_no_authority():
    first = step()
    leaf = {"ca.crt": first.tls_secret["tls.crt"], "ca.key": first.tls_secret["tls.key"]}
    assert step(first, ca=leaf).reasons == ("a new CA: what was found is no authority",)


def test_other_names_and_a_foreign_issuer_are_renewed_at_once():
    first = step()
    assert step(first, names=(*NAMES, "more.svc")).reasons == ("a new certificate: it is for other names",)
    other = certificates.make_leaf(certificates.make_ca(NOW), NAMES, NOW)
    foreign = {"tls.crt": other.certificate_pem, "tls.key": other.key_pem}
    assert step(first, tls=foreign).reasons == ("a new certificate: no CA of the bundle vouches for it",)


def test_a_lost_ca_secret_does_not_disturb_a_leaf_that_the_published_bundle_trusts():
    """Mutant: `bundle` of the new CA alone → the leaf would be replaced before anybody knows the new CA."""
    first = step()
    lost = step(first, now=NOW + HOUR, ca={"ca.crt": b"", "ca.key": b""})
    assert lost.reasons == ("a new CA: it is missing",)
    assert lost.tls_secret["tls.crt"] == first.tls_secret["tls.crt"]
    assert trusts(lost.bundle, lost.tls_secret["tls.crt"], NOW + HOUR)


def test_an_expired_leaf_is_replaced_even_when_its_ca_is_young():
    first = step()
    lost = step(first, now=NOW + timedelta(days=89, hours=20), ca={"ca.crt": b""})
    after = step(lost, now=NOW + timedelta(days=90, hours=1))
    assert after.reasons == ("a new certificate: no CA of the bundle vouches for it",)


@pytest.mark.parametrize("text", [b"", b"x", b"-----BEGIN CERTIFICATE-----\n", b"\xff" * 100])
def test_garbage_is_told_by_an_error_of_its_own(text):
    with pytest.raises(CertificateError):
        certificates.expires_at(text)


def hours(state, now):
    """The states of the passes after `now`, one an hour: at least one of them, and a whole day where nothing happens.

    What is due stays due, so a day at whose end the step changes nothing is a day of passes that change nothing.
    """
    tomorrow = step(state, now=now + timedelta(hours=LAG_HOURS))
    if (tomorrow.tls_secret, tomorrow.bundle) == (state.tls_secret, state.bundle):
        return [state] * LAG_HOURS
    return [step(state, now=now + HOUR)]


@pytest.mark.slow
def test_for_ten_years_every_leaf_verifies_whichever_of_bundle_and_leaf_arrives_first(record_property):
    """A pass each hour; readers see bundle and leaf up to a day late, in both orders.

    Mutant: `new` alone in certificates.bundle → yesterday's leaf meets today's bundle. In these ten years no leaf falls
    due beside a fresh CA, so `_is_known` left out of rotation._leaf is not seen here.
    """
    now, state = NOW, step()
    recent = deque([state], maxlen=LAG_HOURS)
    renewals, last_met = Counter(), {}
    while now < NOW + timedelta(days=3653):
        passes = hours(state, now)
        now += HOUR * len(passes)
        if passes[-1] is not state:
            state = passes[-1]
            renewals.update(state.reasons)
        recent.extend(passes)
        pairs = set(product({each.bundle for each in recent}, {each.tls_secret["tls.crt"] for each in recent}))
        for pair in pairs - last_met.keys():
            assert trusts(*pair, now), now
        for pair in last_met.keys() - pairs:  # trusted at both ends it was between them: certificates hold at a stretch
            assert trusts(*pair, last_met.pop(pair)), now
        last_met.update(dict.fromkeys(pairs, now))
        assert now < state.expires_at - timedelta(days=25), now
    assert all(trusts(*pair, met) for pair, met in last_met.items())
    record_property("figures", f"10 years: {dict(renewals)}")
    assert renewals["a new CA: two thirds of the old one's life are over"] == 7
    assert renewals["a new certificate: two thirds of the old one's life are over"] == 60
    assert len(renewals) == 2
