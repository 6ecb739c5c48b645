"""`notifychannel-sidecar`: remembers early signals, then imports the program and runs it.

As pid 1 of a container a process does not even hear a signal that it has no handler for. The imports take a second, on
a busy node ten: a pod that ends meanwhile would wait for us until the kubelet kills.
"""

from __future__ import annotations

import os
import sys

from notifychannel_sidecar.early import EarlySignals


def main() -> None:
    """Run until a signal ends it."""
    early = EarlySignals()
    from notifychannel_sidecar import program  # noqa: PLC0415 - not before signals are heard

    program.main(sys.argv[1:], os.environ, early)


if __name__ == "__main__":
    main()
