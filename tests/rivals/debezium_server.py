"""Debezium Server (Apache-2.0, https://debezium.io/) as a rival; not installed with us. FOLDER DSN prepare | URL.

FOLDER is its distribution, unpacked. Logical replication of `orders` by pgoutput, no first snapshot, the row as the
body of the HTTP sink's POST; its offsets are in a file beside FOLDER. This program becomes Java's.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

PROPERTIES = """
debezium.sink.type=http
debezium.sink.http.url={url}
debezium.format.key=json
debezium.format.value=json
debezium.format.header=json
debezium.format.key.schemas.enable=false
debezium.format.value.schemas.enable=false
debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector
debezium.source.offset.storage.file.filename={state}/offsets.dat
debezium.source.offset.flush.interval.ms=1000
debezium.source.database.hostname={host}
debezium.source.database.port={port}
debezium.source.database.user={user}
debezium.source.database.password={password}
debezium.source.database.dbname={dbname}
debezium.source.topic.prefix=rivals
debezium.source.table.include.list=public.orders
debezium.source.publication.autocreate.mode=filtered
debezium.source.plugin.name=pgoutput
debezium.source.snapshot.mode=no_data
debezium.source.poll.interval.ms=10
debezium.transforms=unwrap
debezium.transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState
quarkus.http.host=127.0.0.1
quarkus.http.port=0
quarkus.log.level=ERROR
"""


def main(folder: str, dsn: str, what: str) -> None:
    """Raises OSError where there is no Java."""
    at = urlsplit(dsn)
    state = Path(folder).parent / f"debezium-{at.port}"
    if what == "prepare":
        shutil.rmtree(state, ignore_errors=True)
        (state / "config").mkdir(parents=True)
        return
    properties = PROPERTIES.format(
        url=what, state=state, host=at.hostname, port=at.port, user=at.username, password=at.password,
        dbname=at.path.removeprefix("/"),
    )  # fmt: skip
    (state / "config" / "application.properties").write_text(properties)
    runner = next(Path(folder).glob("debezium-server-*runner.jar"))
    os.chdir(state)
    os.execvp("java", ("java", "-cp", f"{runner}:{folder}/lib/*", "io.debezium.server.Main"))  # noqa: S606  so that the id stays


if __name__ == "__main__":
    main(*sys.argv[1:])
