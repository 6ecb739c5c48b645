"""How commands of findings begin that ask a database, by whose connection they are to be run."""

from __future__ import annotations

AS_GIVEN = 'psql "$NOTIFYCHANNEL_DSN" -c'
"""By that of `--dsn`, the installer's."""
AS_ADMIN = 'psql "$ADMIN_DSN" -c'
"""By that of somebody who may do more; a comment behind the command says who."""
