-- The outbox: payloads that wait for the relay, so that users' transactions append instead of NOTIFYing. Made for the
-- first channel with `capture: Outbox`.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 020_outbox.sql    (after 010_schema.sql)
-- Run by: the installer. On a table that is as it should be it takes no lock that a writer would wait for.

-- What an older version made, or somebody altered, and what can't be altered back: functions of another shape, and
-- tables with other columns; but one behind ours that may be NULL is a later version's, from which somebody has rolled back,
-- and stays. `outbox` holds only what a resync replaces; what waits in outbox_logged is never dropped.
DO $outdated$
DECLARE
    theirs regprocedure;
    damaged regclass;
    plain CONSTANT text[] := ARRAY['xid xid8 t t', 'channel text t f', 'payload text t f'];
    logged CONSTANT text[] := plain || ARRAY['source text f f'];
BEGIN
    FOR theirs IN
        SELECT p.oid
        FROM (VALUES
            ('drain(xid8, xid8[], integer)', 'low xid8, late xid8[], most integer, OUT taken integer, '
                'OUT hints integer, OUT payloads integer, OUT last xid8, OUT round pg_snapshot, OUT more boolean, '
                'OUT held boolean, OUT merged integer, OUT blocked boolean', 'record'),
            ('collapse(bigint, xid8, integer)', 'cap bigint, low xid8, most integer, OUT taken integer, '
                'OUT payloads integer, OUT last xid8, OUT more boolean', 'record'),
            ('relay_look()', 'OUT at timestamp with time zone, OUT holder integer, OUT beats bigint, '
                'OUT rounds bigint, OUT bytes bigint', 'record'),
            ('relay_waiting()', '', 'boolean'),
            ('relay_drained(xid8)', 'below xid8 DEFAULT NULL::xid8', 'xid8'),
            ('outbox_size()', 'OUT bytes bigint, OUT rows bigint', 'record')
        ) AS ours (signature, arguments, result)
        JOIN pg_catalog.pg_proc AS p ON p.oid = pg_catalog.to_regprocedure('notifychannel.' || ours.signature)
        WHERE (ours.arguments, ours.result)
            <> (pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid))
    LOOP
        EXECUTE 'DROP ROUTINE ' || theirs;
    END LOOP;

    -- of the version before: goes on with what is in it
    IF ARRAY(
        SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = pg_catalog.to_regclass('notifychannel.outbox_logged') AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ) = ARRAY['xid', 'channel', 'payload'] THEN
        ALTER TABLE notifychannel.outbox_logged ADD COLUMN source text;
    END IF;

    FOR damaged IN
        SELECT c.oid
        FROM (VALUES ('outbox', plain), ('outbox_logged', logged)) AS ours (name, columns)
        JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass('notifychannel.' || ours.name)
        WHERE c.relkind = 'r'
            AND (
                c.relpersistence <> CASE c.relname WHEN 'outbox' THEN 'u' ELSE 'p' END
                OR ARRAY(
                    SELECT pg_catalog.format('%s %s %s %s', a.attname, a.atttypid::regtype, a.attnotnull, a.atthasdef)
                    FROM (
                        SELECT *, pg_catalog.row_number() OVER (ORDER BY attnum) AS place
                        FROM pg_catalog.pg_attribute
                        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                    ) AS a
                    WHERE a.place <= pg_catalog.cardinality(ours.columns) OR a.attnotnull
                    ORDER BY a.place
                ) <> ours.columns
            )
    LOOP
        IF damaged = pg_catalog.to_regclass('notifychannel.outbox_logged') THEN
            RAISE EXCEPTION 'notifychannel.outbox_logged was altered by hand: put it right, or drop it';
        END IF;
        EXECUTE 'DROP TABLE ' || damaged;
    END LOOP;

    -- it was there before: whatever waited in it is told by a resync
    IF pg_catalog.to_regclass('notifychannel.outbox') IS NULL
        AND pg_catalog.to_regclass('notifychannel.relay_beats') IS NOT NULL
    THEN
        PERFORM pg_catalog.nextval('notifychannel.skips');
    END IF;
END $outdated$;

-- One row is one payload as the trigger made it. `outbox` is for hints that a resync replaces (a crash empties it, and
-- ends every session, whose next one begins with a resync); `outbox_logged` for those that must not be lost, with the table
-- that changed, which only the history tells.
CREATE UNLOGGED TABLE IF NOT EXISTS notifychannel.outbox (
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    channel text NOT NULL,
    payload text NOT NULL
);
CREATE TABLE IF NOT EXISTS notifychannel.outbox_logged (
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    channel text NOT NULL,
    payload text NOT NULL,
    source text
);

-- By transaction and nothing else: who drains asks for what an earlier snapshot could not see, and so never walks the
-- dead rows of before, however long somebody keeps vacuum from removing them.
-- STORAGE MAIN: never out of line, for a payload is below 8,000 bytes.
DO $missing$
DECLARE
    name text;
BEGIN
    -- not IF NOT EXISTS, which locks out writers before it looks
    FOREACH name IN ARRAY ARRAY['outbox', 'outbox_logged'] LOOP
        IF pg_catalog.pg_get_indexdef(pg_catalog.to_regclass('notifychannel.' || name || '_xid'))
            IS DISTINCT FROM pg_catalog.format('CREATE INDEX %1$s_xid ON notifychannel.%1$s USING btree (xid)', name)
        THEN
            EXECUTE pg_catalog.format('DROP INDEX IF EXISTS notifychannel.%1$s_xid', name);
            EXECUTE pg_catalog.format('CREATE INDEX %1$s_xid ON notifychannel.%1$s (xid)', name);
        END IF;
        IF EXISTS (
            SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = pg_catalog.to_regclass('notifychannel.' || name) AND attname = 'payload'
                AND attstorage <> 'm'
        ) THEN
            EXECUTE pg_catalog.format('ALTER TABLE notifychannel.%s ALTER COLUMN payload SET STORAGE MAIN', name);
        END IF;
    END LOOP;
    -- without a primary key nobody may delete from it, and no drain would do, while a publication FOR ALL TABLES exists
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class
        WHERE oid = pg_catalog.to_regclass('notifychannel.outbox_logged') AND relreplident <> 'f'
    ) THEN
        ALTER TABLE notifychannel.outbox_logged REPLICA IDENTITY FULL;
    END IF;
END $missing$;

-- Vacuumed by number of dead rows, not by share of a table that is empty most of the time; never made shorter, which
-- would lock writers out: its pages are used again.
ALTER TABLE notifychannel.outbox SET (
    toast_tuple_target = 8160, autovacuum_enabled = true, vacuum_truncate = false,
    autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2000000000
);
ALTER TABLE notifychannel.outbox_logged SET (
    toast_tuple_target = 8160, autovacuum_enabled = true, vacuum_truncate = false,
    autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2000000000
);
REVOKE ALL ON TABLE notifychannel.outbox, notifychannel.outbox_logged FROM PUBLIC;

-- Moved by each look of the relay's: whoever sees it stand still knows that the relay does. The next is moved by a look
-- that left nothing, before its commit; the last says how far all is drained. Sequences, for they show at once and leave
-- nothing to vacuum.
CREATE SEQUENCE IF NOT EXISTS notifychannel.relay_beats AS bigint CYCLE CACHE 1;
CREATE SEQUENCE IF NOT EXISTS notifychannel.relay_rounds AS bigint CYCLE CACHE 1;
CREATE SEQUENCE IF NOT EXISTS notifychannel.relay_position AS bigint CYCLE CACHE 1;
ALTER SEQUENCE notifychannel.relay_beats INCREMENT 1 CYCLE CACHE 1;
ALTER SEQUENCE notifychannel.relay_rounds INCREMENT 1 CYCLE CACHE 1;
ALTER SEQUENCE notifychannel.relay_position INCREMENT 1 CYCLE CACHE 1;

-- Takes up to `most` rows of each outbox and NOTIFYs their keys, equal ones merged, packed, in this one transaction; in
-- which those of outbox_logged also go into the queue, where there is one (030_queue.sql): `merged`. They stay where they are
-- while that can't take them, for its function is missing or somebody has locked a row of it (`blocked`): then `round`
-- begins before them, and no round is counted. With `most` below zero they stay without being tried, for a relay that was
-- blocked a moment ago: not by another parameter, for an older version's file would make its own function beside ours.
-- Which rows: those of the transactions `late`, and those from `low` on in order. The relay remembers how far it came:
-- `round` is this call's snapshot, `last` the transaction of the last row in order, `more` says that there may be
-- others. Does nothing but say so (`held`) when the NOTIFY queue is more than half full: the rows can wait here.
-- A payload of the relay's:  2, rules (8 hex), event, first and last statement time (16 digits each), and per key
-- a line: how often it was named, and the key. A key that does not fit beside all that goes on as the trigger wrote it.
CREATE OR REPLACE FUNCTION notifychannel.drain(
    low xid8, late xid8[], most integer,
    OUT taken integer, OUT hints integer, OUT payloads integer, OUT last xid8, OUT round pg_snapshot,
    OUT more boolean, OUT held boolean, OUT merged integer, OUT blocked boolean
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- whatever statistics say of a table that is empty one moment and full the next: by the index
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $drain$
#variable_conflict use_column
DECLARE
    batch notifychannel.outbox[];
    ordered notifychannel.outbox[];
    logged notifychannel.outbox_logged[];
    late_logged notifychannel.outbox_logged[];
    -- of both tables
    all_channels text[];
    all_payloads text[];
    -- of those that are logged in one call: each key of theirs is a row of the queue to write
    most_bytes CONSTANT integer := 100000;
    has_queue CONSTANT boolean := to_regclass('notifychannel.consumer') IS NOT NULL;
    -- not in the middle of an upgrade: the queue's file comes after this one, and may have to wait
    knows_sources CONSTANT boolean := to_regprocedure('notifychannel.merge(text[], text[], text[])') IS NOT NULL;
    most_logged CONSTANT integer := CASE
        WHEN most < 0 OR has_queue AND NOT knows_sources AND to_regprocedure('notifychannel.merge(text[], text[])') IS NULL
        THEN 0 ELSE most END;
    is_whole CONSTANT boolean := most >= 0;
    stays xid8; -- the first of those that are not merged
    more_late boolean := false;
    last_logged xid8;
    line record;
    of_channel text;
    of_head text;
    since text;
    till text;
    lines text := '';
BEGIN
    -- only the session that has the role, or takes it for this transaction: two that delete side by side would each
    -- believe of the other's rows that they are gone
    IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
        RAISE object_in_use USING MESSAGE = 'another session is the relay';
    END IF;
    PERFORM nextval('notifychannel.relay_beats');
    most := abs(most);
    round := pg_current_snapshot();
    taken := 0;
    hints := 0;
    payloads := 0;
    merged := 0;
    more := false;
    blocked := false;
    held := pg_notification_queue_usage() > 0.5;
    IF held THEN
        RETURN;
    END IF;
    blocked := most_logged = 0;

    IF cardinality(late) > 0 THEN
        WITH gone AS (
            DELETE FROM notifychannel.outbox AS d WHERE d.ctid = ANY (ARRAY(
                SELECT o.ctid FROM notifychannel.outbox AS o WHERE o.xid = ANY (late) LIMIT most
            )) RETURNING d AS it
        )
        SELECT array_agg(g.it), count(*) >= most
        INTO batch, more
        FROM gone AS g;
    END IF;
    WITH gone AS (
        DELETE FROM notifychannel.outbox AS d WHERE d.ctid = ANY (ARRAY(
            SELECT o.ctid FROM notifychannel.outbox AS o WHERE o.xid >= low ORDER BY o.xid LIMIT most
        )) RETURNING d AS it
    )
    SELECT array_agg(g.it), CASE WHEN count(*) >= most THEN max((g.it).xid) END
    INTO ordered, last
    FROM gone AS g;

    BEGIN
        IF cardinality(late) > 0 THEN
            WITH gone AS (
                DELETE FROM notifychannel.outbox_logged AS d WHERE d.ctid = ANY (ARRAY(
                    SELECT w.ctid FROM (
                        SELECT o.ctid,
                            sum(octet_length(o.payload)) OVER (ORDER BY o.ctid) - octet_length(o.payload) AS before
                        FROM (
                            SELECT l.ctid, l.payload FROM notifychannel.outbox_logged AS l WHERE l.xid = ANY (late)
                            LIMIT most_logged
                        ) AS o
                    ) AS w WHERE w.before < most_bytes
                )) RETURNING d AS it
            )
            SELECT array_agg(g.it),
                coalesce(count(*) >= most OR sum(octet_length((g.it).payload)) >= most_bytes, false)
            INTO late_logged, more_late
            FROM gone AS g;
        END IF;
        WITH gone AS (
            DELETE FROM notifychannel.outbox_logged AS d WHERE d.ctid = ANY (ARRAY(
                SELECT w.ctid FROM (
                    SELECT o.ctid,
                        sum(octet_length(o.payload)) OVER (ORDER BY o.xid, o.ctid) - octet_length(o.payload) AS before
                    FROM (
                        SELECT l.ctid, l.xid, l.payload FROM notifychannel.outbox_logged AS l
                        WHERE l.xid >= low ORDER BY l.xid LIMIT most_logged
                    ) AS o
                ) AS w WHERE w.before < most_bytes
            )) RETURNING d AS it
        )
        SELECT array_agg(g.it),
            CASE WHEN count(*) >= most OR sum(octet_length((g.it).payload)) >= most_bytes THEN max((g.it).xid) END
        INTO logged, last_logged
        FROM gone AS g;
        logged := late_logged || logged;
        IF cardinality(logged) > 0 AND has_queue AND knows_sources THEN
            PERFORM notifychannel.merge(array_agg(g.channel), array_agg(g.payload), array_agg(g.source))
            FROM unnest(logged) AS g;
        ELSIF cardinality(logged) > 0 AND has_queue THEN
            PERFORM notifychannel.merge(array_agg(g.channel), array_agg(g.payload)) FROM unnest(logged) AS g;
        END IF;
        more := more OR more_late;
        last := least(last, last_logged);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN -- somebody has a row of the queue: only these wait for him
        blocked := true;
        logged := NULL;
    END;
    more := more OR last IS NOT NULL;
    SELECT array_agg(b.channel), array_agg(b.payload), count(*)
    INTO all_channels, all_payloads, taken
    FROM (
        SELECT u.channel, u.payload FROM unnest(batch || ordered) AS u
        UNION ALL SELECT l.channel, l.payload FROM unnest(logged) AS l
    ) AS b;
    merged := coalesce(cardinality(logged), 0);

    -- those without keys mean everything, since the first of them
    FOR line IN
        SELECT g.channel, left(g.payload, 10) || min(substr(g.payload, 11, 16)) AS payload
        FROM unnest(all_channels, all_payloads) AS g (channel, payload)
        WHERE octet_length(g.payload) < 28
        GROUP BY g.channel, left(g.payload, 10)
    LOOP
        PERFORM pg_notify(line.channel, line.payload);
        payloads := payloads + 1;
    END LOOP;

    FOR line IN
        SELECT g.channel, substr(g.payload, 2, 9) AS head, k.key, count(*)::text || k.key AS named,
            min(substr(g.payload, 11, 16)) AS since, max(substr(g.payload, 11, 16)) AS till
        FROM unnest(all_channels, all_payloads) AS g (channel, payload)
            CROSS JOIN LATERAL unnest(string_to_array(substr(g.payload, 28), E'\n')) AS k (key)
        WHERE octet_length(g.payload) >= 28
        GROUP BY g.channel, substr(g.payload, 2, 9), k.key
        ORDER BY g.channel COLLATE "C", substr(g.payload, 2, 9) COLLATE "C"
    LOOP
        hints := hints + 1;
        IF 43 + octet_length(line.named) > 7999 THEN -- a header, a line break and the line
            PERFORM pg_notify(line.channel, '1' || line.head || line.since || E'\n' || line.key);
            PERFORM pg_notify(line.channel, '1' || line.head || line.till || E'\n' || line.key);
            payloads := payloads + 1 + (line.since <> line.till)::integer;
            CONTINUE;
        END IF;
        IF line.channel IS DISTINCT FROM of_channel OR line.head IS DISTINCT FROM of_head
            OR 43 + octet_length(lines) + octet_length(line.named) > 7999
        THEN
            IF lines <> '' THEN
                PERFORM pg_notify(of_channel, '2' || of_head || since || till || lines);
                payloads := payloads + 1;
            END IF;
            of_channel := line.channel;
            of_head := line.head;
            since := line.since;
            till := line.till;
            lines := '';
        END IF;
        lines := lines || E'\n' || line.named;
        since := least(since, line.since);
        till := greatest(till, line.till);
    END LOOP;
    IF lines <> '' THEN
        PERFORM pg_notify(of_channel, '2' || of_head || since || till || lines);
        payloads := payloads + 1;
    END IF;

    IF blocked THEN
        stays := (
            SELECT min(l.xid) FROM notifychannel.outbox_logged AS l
            WHERE l.xid >= least(low, (SELECT min(x.xid) FROM unnest(late) AS x (xid)))
        );
    END IF;
    blocked := stays IS NOT NULL;
    IF blocked THEN
        round := format('%1$s:%1$s:', least(stays, pg_snapshot_xmin(round)))::pg_snapshot;
    ELSIF is_whole AND NOT more THEN
        PERFORM nextval('notifychannel.relay_rounds');
    END IF;
END
$drain$;

-- Of a table in which more than `cap` bytes of rows wait, or of both with 0: deletes up to `most` rows of each, from the
-- transaction `low` on, and sends one resync per PostgreSQL channel that they name, and puts one into the queue for each
-- consumer of those that were logged; which stay where they are while its function is missing, or somebody has locked
-- what it has to write. To be called again from `last` on, with 0, while there is `more`. Where even that is too much for
-- the NOTIFY queue the counter tells the listeners. Counts no round: the next drain does.
CREATE OR REPLACE FUNCTION notifychannel.collapse(
    cap bigint, low xid8, most integer,
    OUT taken integer, OUT payloads integer, OUT last xid8, OUT more boolean
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $collapse$
#variable_conflict use_column
DECLARE
    skips CONSTANT boolean := pg_notification_queue_usage() > 0.5;
    has_queue CONSTANT boolean := to_regclass('notifychannel.consumer') IS NOT NULL;
    most_unlogged integer := most;
    most_logged integer := CASE
        WHEN has_queue AND to_regprocedure('notifychannel.resync(integer[], text)') IS NULL THEN 0 ELSE most END;
    enough CONSTANT double precision := 1000; -- pages to judge a table by
    pages double precision;
    rows integer;
    channels text[];
    resyncs text[];
    these tid[];
    rows_logged integer;
    channels_logged text[];
    resyncs_logged text[];
    last_logged xid8;
BEGIN
    -- only the session that has the role, or takes it for this transaction: two that delete side by side would each
    -- believe of the other's rows that they are gone
    IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
        RAISE object_in_use USING MESSAGE = 'another session is the relay';
    END IF;
    PERFORM nextval('notifychannel.relay_beats');
    -- a table holds no more than its file, which costs nothing to ask; how much of a file is dead rows some of its pages
    -- tell, all of a small one's. A row without its payload takes about 100 bytes.
    IF cap > 0 THEN
        pages := greatest(pg_relation_size('notifychannel.outbox') / 8192, 1);
        IF pages * 8192 <= cap OR cap >= (
            SELECT coalesce(sum(octet_length(o.payload) + 100), 0) * greatest(pages / enough, 1)
            FROM notifychannel.outbox AS o TABLESAMPLE SYSTEM (100 * least(enough / pages, 1))
            WHERE o.xid >= low
        ) THEN
            most_unlogged := 0;
        END IF;
        pages := greatest(pg_relation_size('notifychannel.outbox_logged') / 8192, 1);
        IF pages * 8192 <= cap OR cap >= (
            SELECT coalesce(sum(octet_length(o.payload) + 100), 0) * greatest(pages / enough, 1)
            FROM notifychannel.outbox_logged AS o TABLESAMPLE SYSTEM (100 * least(enough / pages, 1))
            WHERE o.xid >= low
        ) THEN
            most_logged := 0;
        END IF;
    END IF;

    WITH gone AS (
        DELETE FROM notifychannel.outbox WHERE ctid = ANY (ARRAY(
            SELECT o.ctid FROM notifychannel.outbox AS o WHERE o.xid >= low ORDER BY o.xid LIMIT most_unlogged
        )) RETURNING xid, channel, payload
    ), each AS (
        SELECT g.channel, substr(g.payload, 2, 8) AS rules, min(substr(g.payload, 11, 16)) AS since,
            count(*) AS rows, max(g.xid) AS last
        FROM gone AS g
        GROUP BY g.channel, substr(g.payload, 2, 8)
    )
    SELECT coalesce(sum(e.rows), 0), array_agg(e.channel), array_agg('1' || e.rules || 'T' || e.since),
        CASE WHEN sum(e.rows) >= most THEN max(e.last) END
    INTO rows, channels, resyncs, last
    FROM each AS e;
    taken := rows;

    BEGIN
        -- what has to be written for them before they are deleted, which takes longer and is in vain where that is locked
        SELECT array_agg(w.ctid), array_agg(DISTINCT w.channel)
        INTO these, channels_logged
        FROM (
            SELECT o.ctid, o.channel FROM notifychannel.outbox_logged AS o
            WHERE o.xid >= low ORDER BY o.xid LIMIT most_logged
        ) AS w;
        IF cardinality(these) > 0 AND has_queue THEN
            PERFORM set_config('lock_timeout', '50ms', true);
            PERFORM notifychannel.resync(
                ARRAY(SELECT c.id FROM notifychannel.consumer AS c WHERE c.pg_channel = ANY (channels_logged)), 'overflow'
            );
        END IF;
        WITH gone AS (
            DELETE FROM notifychannel.outbox_logged WHERE ctid = ANY (these) RETURNING xid, channel, payload
        ), each AS (
            SELECT g.channel, substr(g.payload, 2, 8) AS rules, min(substr(g.payload, 11, 16)) AS since,
                count(*) AS rows, max(g.xid) AS last
            FROM gone AS g
            GROUP BY g.channel, substr(g.payload, 2, 8)
        )
        SELECT coalesce(sum(e.rows), 0), array_agg(e.channel), array_agg('1' || e.rules || 'T' || e.since),
            CASE WHEN sum(e.rows) >= most THEN max(e.last) END
        INTO rows_logged, channels_logged, resyncs_logged, last_logged
        FROM each AS e;
        taken := taken + rows_logged;
        channels := channels || channels_logged;
        resyncs := resyncs || resyncs_logged;
        last := least(last, last_logged);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN -- somebody has a row of the queue: these wait for him
        taken := rows;
    END;

    payloads := 0;
    IF NOT skips THEN
        PERFORM pg_notify(channel, resync) FROM unnest(channels, resyncs) AS it (channel, resync);
        payloads := coalesce(cardinality(channels), 0);
    ELSIF taken > 0 THEN
        PERFORM nextval('notifychannel.skips');
    END IF;
    more := last IS NOT NULL;
END
$collapse$;

-- The relay from outside, for stand-bys: the time before anything else was looked at; the process that has the role, if
-- any (an exclusive advisory lock on 'nchl', 1); how far the sequences are; and how large the tables are.
CREATE OR REPLACE FUNCTION notifychannel.relay_look(
    OUT at timestamptz, OUT holder integer, OUT beats bigint, OUT rounds bigint, OUT bytes bigint
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $look$
BEGIN
    at := clock_timestamp();
    holder := (
        SELECT l.pid FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND l.classid = 1852008556 AND l.objid = 1 AND l.objsubid = 2
        LIMIT 1
    );
    beats := (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM notifychannel.relay_beats AS s);
    rounds := (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM notifychannel.relay_rounds AS s);
    bytes := pg_total_relation_size('notifychannel.outbox') + pg_total_relation_size('notifychannel.outbox_logged');
END
$look$;

-- From which transaction on rows may wait: all below it have ended and are drained. With an argument the relay says so,
-- after a round that has proven it: the xmin of its snapshot. Told in a transaction of its own, when that of the drain is
-- committed, for a sequence forgets nothing. A position of another cluster's, or of transactions that are still to come,
-- as after pg_resetwal, is none; the relay looks at everything now and then all the same.
CREATE OR REPLACE FUNCTION notifychannel.relay_drained(below xid8 DEFAULT NULL) RETURNS xid8
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $drained$
DECLARE
    ended CONSTANT xid8 := pg_snapshot_xmin(pg_current_snapshot());
    noted xid8;
BEGIN
    IF below IS NOT NULL THEN
        IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
            RAISE object_in_use USING MESSAGE = 'another session is the relay';
        END IF;
        PERFORM setval('notifychannel.relay_position', least(below, ended)::text::bigint);
    END IF;
    noted := (SELECT s.last_value::text::xid8 FROM notifychannel.relay_position AS s WHERE s.is_called);
    RETURN CASE WHEN noted <= ended THEN noted ELSE '0' END;
END
$drained$;

-- Whether anything waits for the relay: rows, or claims, of which somebody may have died.
CREATE OR REPLACE FUNCTION notifychannel.relay_waiting() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $waiting$
DECLARE
    low CONSTANT xid8 := notifychannel.relay_drained();
BEGIN
    IF EXISTS (SELECT FROM notifychannel.outbox AS o WHERE o.xid >= low)
        OR EXISTS (SELECT FROM notifychannel.outbox_logged AS o WHERE o.xid >= low)
    THEN
        RETURN true;
    END IF;
    IF to_regclass('notifychannel.queue') IS NULL THEN
        RETURN false;
    END IF;
    RETURN EXISTS (SELECT FROM notifychannel.queue AS q WHERE q.claimer IS NOT NULL);
END
$waiting$;

-- How large both tables are, indexes and dead rows included, and how many rows about wait in them, for metrics.
CREATE OR REPLACE FUNCTION notifychannel.outbox_size(OUT bytes bigint, OUT rows bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $size$
    SELECT
        sum(pg_total_relation_size(it)),
        sum(pg_stat_get_live_tuples(it))
    FROM (VALUES ('notifychannel.outbox'::regclass), ('notifychannel.outbox_logged')) AS each (it)
$size$;

REVOKE ALL ON FUNCTION notifychannel.drain(xid8, xid8[], integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.collapse(bigint, xid8, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.relay_look() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.relay_waiting() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.relay_drained(xid8) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.outbox_size() FROM PUBLIC;

-- Who may read the counter is a listener, and any listener may have to be the relay.
DO $rights$
DECLARE
    listener text;
BEGIN
    FOR listener IN
        SELECT DISTINCT pg_catalog.quote_ident(r.rolname)
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS acl
        JOIN pg_catalog.pg_roles AS r ON r.oid = acl.grantee
        WHERE n.nspname = 'notifychannel' AND p.proname = 'skipped' AND p.pronargs = 0
            AND acl.privilege_type = 'EXECUTE' AND acl.grantee <> p.proowner
    LOOP
        EXECUTE 'GRANT EXECUTE ON FUNCTION notifychannel.drain(xid8, xid8[], integer), '
            'notifychannel.collapse(bigint, xid8, integer), notifychannel.relay_look(), notifychannel.relay_waiting(), '
            'notifychannel.relay_drained(xid8) '
            'TO ' || listener;
    END LOOP;
END $rights$;
