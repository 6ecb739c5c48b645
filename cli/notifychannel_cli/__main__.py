"""`notifychannel`, also as `python -m notifychannel_cli`."""

from __future__ import annotations

import sys

try:
    from notifychannel_cli.commands import cli
except ModuleNotFoundError as missing:  # the package alone, without what the command line needs
    sys.exit(f"notifychannel needs the package {missing.name}; run: pip install 'notifychannel[cli]'")


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    cli(prog_name="notifychannel")


if __name__ == "__main__":
    main()
