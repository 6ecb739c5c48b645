"""Triggers of channels into a database, for `dev`, `demo` and `bench`: one pass as the operator makes it, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from notifychannel_operator import database, grants, plan
from notifychannel_operator.names import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.spec import Channel
