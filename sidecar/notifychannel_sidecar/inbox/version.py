"""Which version of a key is sent: the same id over retries, a new one after a change."""

from __future__ import annotations

import base64
import hashlib
import itertools
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import EVENTS, microseconds
from notifychannel_sidecar.inbox.entry import Sending
from notifychannel_sidecar.inbox.keys import MalformedKeyError
from notifychannel_sidecar.inbox.payload import key_object
from notifychannel_sidecar.inbox.work import Hint

if TYPE_CHECKING:
    from random import Random

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.entry import Entry

_ID_BYTES = 9
"""12 characters of base64: a billion versions collide with a chance of one in ten thousand."""


class Versions:
    """Makes the ids of one channel; unpredictable start, so that a restarted sidecar repeats none."""

    def __init__(self, channel: str, *, random: Random) -> None:
        self._salt = random.randbytes(8)
        self._channel = channel
        self._numbers = itertools.count()

    def hint(self, entry: Entry, config: ChannelConfig, now: float) -> Hint[Entry]:
        """The entry as it is sent now. MalformedKeyError when a stranger's payload was not what it looked like."""
        first_at_us, last_at_us = microseconds(entry.first_at), microseconds(entry.last_at)
        if first_at_us is None or last_at_us is None:
            raise MalformedKeyError
        key = key_object(config, entry.key)
        sending = entry.sending = self._sending(entry)
        return Hint(
            id=sending.id,
            key=key,
            events=tuple(EVENTS[letter] for letter in entry.events),
            count=entry.count,
            first_at_us=first_at_us,
            last_at_us=last_at_us,
            attempt=sending.attempts + 1,
            waited_s=now - entry.first,
            entry=entry,
        )

    def _sending(self, entry: Entry) -> Sending:
        last = entry.sending
        if last is None:
            return Sending(id=self._new_id(entry.key), count=entry.count)
        if last.count == entry.count:
            return last
        return Sending(id=self._new_id(entry.key), count=entry.count, failures=last.failures, alone=last.alone)

    def _new_id(self, key: str) -> str:
        text = f"{self._channel}\n{next(self._numbers)}\n{key}".encode(errors="surrogatepass")
        digest = hashlib.blake2b(text, digest_size=_ID_BYTES, key=self._salt).digest()
        return "k" + base64.urlsafe_b64encode(digest).decode()
