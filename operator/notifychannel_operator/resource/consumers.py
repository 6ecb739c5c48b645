"""`spec.consumers` of a document as frozen values: who wants the hints, where and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator.resource import duration, grammar
from notifychannel_operator.spec import Batch, Claiming, Consumer, Debounce, Delivery, Endpoint, Escalation, Retry

if TYPE_CHECKING:
    from notifychannel_operator.resource.fields import Fields

MAX_CONSUMERS = 8
MAX_PORT = 65_535
MAX_HINTS = 10_000
MAX_ATTEMPTS = 1_000
DEFAULT = Consumer(group="")
ENDPOINT = Endpoint(port=0, path="")
CLAIMING = Claiming()
RETRY = Retry()
MINUTE_S = 60.0
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
NOT_CLAIMED = "is for delivery: AtLeastOnce without an endpoint; remove it, or the endpoint"


def read_consumers(spec: Fields) -> tuple[Consumer, ...]:
    """The consumers, each group once."""
    parts = spec.children(
        "consumers",
        most=MAX_CONSUMERS,
        remedy="write at least one consumer: a group, and its endpoint",
    )
    consumers = tuple(_consumer(part) for part in parts)
    seen: set[str] = set()
    for part, consumer in zip(parts, consumers, strict=True):
        if consumer.group in seen and part.sound("group"):
            part.say("group", f"{consumer.group} is a consumer already; write another group")
        seen.add(consumer.group)
    return consumers


def _consumer(fields: Fields) -> Consumer:
    delivery = fields.choice("delivery", Delivery, default=Delivery.BEST_EFFORT)
    durable = delivery is Delivery.AT_LEAST_ONCE
    for name in ("retry", "escalation"):
        if fields.has(name) and not durable and fields.sound("delivery"):
            fields.say(name, "needs delivery: AtLeastOnce; remove it, or change delivery")
    posted = fields.has("endpoint")
    if fields.has("claim") and (posted or not durable) and fields.sound("delivery"):
        fields.say("claim", NOT_CLAIMED)
    if fields.has("escalation") and durable and not posted:
        fields.say("escalation", "needs an endpoint, for it is POSTed to its port; remove it, or write endpoint")
    retry = _retry(fields.child("retry"))
    claim = _claim(fields.child("claim"))
    escalation = _escalation(fields.child("escalation")) if fields.has("escalation") else None
    return Consumer(
        group=fields.text("group", grammar.label, remedy="write the value of the pods' label notifychannel.io/inject"),
        endpoint=_endpoint(fields.child("endpoint")) if posted else None,
        claim=claim if durable and not posted else None,
        debounce=_debounce(fields.child("debounce")),
        batch=_batch(fields.child("batch")),
        poll_interval=_poll(fields.child("poll")),
        resync_spread=fields.child("resync").seconds("spread", least=0, most=HOUR_S, default=DEFAULT.resync_spread),
        delivery=delivery,
        retry=retry if durable else None,
        escalation=escalation,
    )


def _endpoint(fields: Fields) -> Endpoint:
    return Endpoint(
        port=fields.whole("port", least=1, most=MAX_PORT, remedy="write the port on which the application listens"),
        path=fields.text("path", grammar.url_path, remedy='write the path to POST to, for example "/hints"'),
        timeout=fields.seconds("timeout", least=0.01, most=10 * MINUTE_S, default=ENDPOINT.timeout),
        traceparent=fields.truth("traceparent", default=ENDPOINT.traceparent),
    )


def _claim(fields: Fields) -> Claiming:
    return Claiming(timeout=fields.seconds("timeout", least=1, most=HOUR_S, default=CLAIMING.timeout))


def _debounce(fields: Fields) -> Debounce:
    debounce = Debounce(
        window=fields.seconds("window", least=0, most=HOUR_S, default=DEFAULT.debounce.window),
        max_delay=fields.seconds("maxDelay", least=0, most=DAY_S, default=DEFAULT.debounce.max_delay),
        min_interval=fields.seconds("minInterval", least=0, most=DAY_S, default=DEFAULT.debounce.min_interval),
    )
    if fields.sound("window", "maxDelay") and debounce.window > debounce.max_delay:
        max_delay = duration.write(debounce.max_delay) + ("" if fields.has("maxDelay") else " (the default)")
        name = "window" if fields.has("window") else "maxDelay"
        window = duration.write(debounce.window) + ("" if fields.has("window") else " (the default)")
        fields.say(
            name, f"window {window} is longer than maxDelay {max_delay}; write a longer maxDelay or a shorter window"
        )
    return debounce


def _batch(fields: Fields) -> Batch:
    return Batch(
        max_hints=fields.whole("maxHints", least=1, most=MAX_HINTS, default=DEFAULT.batch.max_hints),
        max_wait=fields.seconds("maxWait", least=0, most=MINUTE_S, default=DEFAULT.batch.max_wait),
    )


def _poll(fields: Fields) -> float:
    interval = fields.seconds("interval", least=0, most=7 * DAY_S, default=DEFAULT.poll_interval)
    if 0 < interval < 1:
        fields.say("interval", f"{duration.write(interval)} is too short; write 1s or more, or 0s for no polls")
    return interval


def _retry(fields: Fields) -> Retry:
    retry = Retry(
        max_attempts=fields.whole("maxAttempts", least=1, most=MAX_ATTEMPTS, default=RETRY.max_attempts),
        initial_delay=fields.seconds("initialDelay", least=0.01, most=HOUR_S, default=RETRY.initial_delay),
        max_delay=fields.seconds("maxDelay", least=0.01, most=7 * DAY_S, default=RETRY.max_delay),
    )
    if fields.sound("initialDelay", "maxDelay") and retry.initial_delay > retry.max_delay:
        initial, longest = duration.write(retry.initial_delay), duration.write(retry.max_delay)
        fields.say("initialDelay", f"{initial} is longer than maxDelay {longest}; write a longer maxDelay")
    return retry


def _escalation(fields: Fields) -> Escalation:
    return Escalation(
        after=fields.seconds(
            "after", least=1, most=30 * DAY_S, remedy='write how long a key may wait, for example "30m"'
        ),
        path=fields.text("path", grammar.url_path, remedy='write the path to POST to, for example "/escalations"'),
    )
