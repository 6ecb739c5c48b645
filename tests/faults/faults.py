"""The twelve faults; one of them, an application in trouble, has three ways. The order is that of the table.

The last one leaves another server in the place of the first.
"""

from __future__ import annotations

from tests.faults import application, clock, disk, pooler, queue, server, sidecar, wire

FAULTS = (
    *server.FAULTS, *wire.FAULTS, *pooler.FAULTS, *queue.FAULTS, *application.FAULTS, *sidecar.FAULTS, *disk.FAULTS,
    *clock.FAULTS, server.FAILOVER,
)  # fmt: skip
