"""One NotifyChannel document as a frozen Channel, and what makes no sense across its parts."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from notifychannel_operator.resource import grammar
from notifychannel_operator.resource.consumers import DAY_S, HOUR_S, read_consumers
from notifychannel_operator.resource.report import printable
from notifychannel_operator.resource.shape import TAKE_OVER
from notifychannel_operator.resource.sources import read_sources
from notifychannel_operator.spec import Audit, Capture, Channel, Delivery, Payload, PayloadFormat, ReclaimPolicy

if TYPE_CHECKING:
    from notifychannel_operator.resource.fields import Fields

MAX_FIELDS = 8
DEFAULT = Channel(namespace="default", name="", secret="", consumers=())


def read_channel(document: Fields) -> Channel:
    """The channel; where the report has complained, stand-ins."""
    metadata = document.child("metadata", remedy="write {name: ...}")
    spec = document.child("spec", remedy="write database, sources and consumers")
    secret = spec.child("database", remedy="write {secretRef: {name: ...}}").child(
        "secretRef", remedy="write {name: ...}"
    )
    channel = Channel(
        namespace=metadata.text("namespace", grammar.label, default=DEFAULT.namespace),
        name=metadata.text("name", grammar.subdomain, remedy="write a name that is unique in its namespace"),
        secret=secret.text("name", grammar.subdomain, remedy="write the name of the Secret with the installer's role"),
        suspend=spec.truth("suspend", default=DEFAULT.suspend),
        pg_channel=spec.text("channel", grammar.identifier) if spec.has("channel") else None,
        capture=spec.choice("capture", Capture, default=DEFAULT.capture),
        payload=_payload(spec.child("payload")),
        sources=read_sources(spec),
        audit=_audit(spec.child("audit")),
        consumers=read_consumers(spec),
        reclaim_policy=spec.choice("reclaimPolicy", ReclaimPolicy, default=DEFAULT.reclaim_policy),
        cleanup_timeout=spec.seconds("cleanupTimeout", least=0, most=DAY_S, default=DEFAULT.cleanup_timeout),
        take_over=_take_over(metadata),
    )
    _judge_payload(spec, channel)
    _judge_capture(spec, channel)
    return channel


def _payload(fields: Fields) -> Payload:
    payload = Payload(
        format=fields.choice("format", PayloadFormat, default=PayloadFormat.KEYS),
        fields=fields.texts("fields", grammar.identifier, most=MAX_FIELDS),
    )
    if not fields.sound("format", "fields"):
        return payload
    if payload.format is PayloadFormat.JSON and not payload.fields:
        fields.say(
            "fields", f"Json needs fields; write 1 to {MAX_FIELDS} names of the payload's fields that are the key"
        )
    if payload.format is not PayloadFormat.JSON and payload.fields:
        fields.say("fields", f"can't be used with {payload.format.value}; remove it, or write format: Json")
    return payload


def _audit(fields: Fields) -> Audit:
    return Audit(
        enabled=fields.truth("enabled", default=DEFAULT.audit.enabled),
        retention=fields.seconds("retention", least=HOUR_S, most=3650 * DAY_S, default=DEFAULT.audit.retention),
    )


def _take_over(metadata: Fields) -> bool:
    annotations = dict(metadata.pairs("annotations", _anything, remedy=""))
    metadata.pairs("labels", _anything, remedy="")
    text = annotations.get(TAKE_OVER, "false")
    if text not in {"true", "false"}:
        metadata.say("annotations", f'{TAKE_OVER} is "{printable(text)}"; write "true", or remove it')
    for name in annotations:
        if name != TAKE_OVER and difflib.get_close_matches(name, [TAKE_OVER], cutoff=0.9):
            metadata.say("annotations", f'"{printable(name)}" is not known; did you mean "{TAKE_OVER}"?')
    return text == "true"


def _judge_payload(spec: Fields, channel: Channel) -> None:
    if not spec.sound("payload", "sources"):
        return
    if channel.payload.format is PayloadFormat.KEYS:
        if not channel.sources:
            spec.say("sources", "Keys needs sources; write one, or payload: {format: Text} to hear what others NOTIFY")
        return
    if channel.sources:
        format_ = channel.payload.format.value
        spec.say("payload.format", f"{format_} can't be used with sources; write Keys, or sources: []")
    elif channel.pg_channel is None and not spec.has("channel") and spec.sound("channel"):
        spec.say("channel", "is required without sources; write the PostgreSQL channel that others NOTIFY")


def _judge_capture(spec: Fields, channel: Channel) -> None:
    if channel.capture is Capture.OUTBOX or not spec.sound("capture"):
        if not channel.sources and spec.sound("capture", "sources", "payload"):
            spec.say("capture", "Outbox needs sources; write Notify")
        return
    if channel.audit.enabled and spec.sound("audit"):
        spec.say("audit.enabled", "needs capture: Outbox; write false, or change capture")
    for index, consumer in enumerate(channel.consumers):
        if consumer.delivery is Delivery.AT_LEAST_ONCE:
            message = "AtLeastOnce needs capture: Outbox; write BestEffort, or change capture"
            spec.say(f"consumers[{index}].delivery", message)


def _anything(_text: str) -> None:
    return None
