"""`notifychannel`, also as `python -m notifychannel_cli`, and as a plugin of kubectl: `kubectl notifychannel …`.

https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

from __future__ import annotations

import sys

try:
    from notifychannel_cli.commands import cli
except ModuleNotFoundError as missing:  # the package alone, without what the command line needs
    sys.exit(f"notifychannel needs the package {missing.name}; run: pip install 'notifychannel[cli]'")


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    cli(prog_name="notifychannel")


def plugin() -> None:
    """The same, as kubectl finds it: a program called `kubectl-notifychannel`."""
    cli(prog_name="kubectl notifychannel")


if __name__ == "__main__":
    main()
