-- What NotifyChannel with the outbox and before the queue had installed for the channel of tests/premises.py with
-- capture: Outbox and the source public.orders, with rows that wait in both tables, as pg_dump wrote it: without owners
-- and roles' rights, without the schema itself and the note since when rules hold, which names a server.
-- Run by: the installer.

SET search_path = '';
SET check_function_bodies = false;


CREATE FUNCTION notifychannel.collapse(cap bigint, low xid8, most integer, OUT taken integer, OUT payloads integer, OUT last xid8, OUT more boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    line record;
    skips boolean := pg_notification_queue_usage() > 0.5;
    full_unlogged xid8;
    full_logged xid8;
BEGIN
    -- only the session that has the role, or takes it for this transaction: two that delete side by side would each
    -- believe of the other's rows that they are gone
    IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
        RAISE object_in_use USING MESSAGE = 'another session is the relay';
    END IF;
    PERFORM nextval('notifychannel.relay_beats');
    taken := 0;
    payloads := 0;
    more := false;
    -- a table holds no more than its file, which costs nothing to ask; a row without its payload takes about 100 bytes
    IF cap > 0
        AND (pg_relation_size('notifychannel.outbox') <= cap OR cap >= (
            SELECT coalesce(sum(octet_length(o.payload) + 100), 0) FROM notifychannel.outbox AS o WHERE o.xid >= low
        ))
        AND (pg_relation_size('notifychannel.outbox_logged') <= cap OR cap >= (
            SELECT coalesce(sum(octet_length(o.payload) + 100), 0)
            FROM notifychannel.outbox_logged AS o WHERE o.xid >= low
        ))
    THEN
        RETURN;
    END IF;

    FOR line IN
        WITH gone AS (
            DELETE FROM notifychannel.outbox WHERE ctid = ANY (ARRAY(
                SELECT o.ctid FROM notifychannel.outbox AS o WHERE o.xid >= low ORDER BY o.xid LIMIT most
            )) RETURNING xid, channel, payload
        ), gone_logged AS (
            DELETE FROM notifychannel.outbox_logged WHERE ctid = ANY (ARRAY(
                SELECT o.ctid FROM notifychannel.outbox_logged AS o WHERE o.xid >= low ORDER BY o.xid LIMIT most
            )) RETURNING xid, channel, payload
        )
        SELECT g.is_logged, g.channel, substr(g.payload, 2, 8) AS rules,
            min(substr(g.payload, 11, 16)) AS since, count(*)::integer AS rows, max(g.xid) AS last,
            sum(count(*)) OVER (PARTITION BY g.is_logged) >= most AS is_full
        FROM (SELECT false AS is_logged, * FROM gone UNION ALL SELECT true, * FROM gone_logged) AS g
        GROUP BY g.is_logged, g.channel, substr(g.payload, 2, 8)
    LOOP
        taken := taken + line.rows;
        IF line.is_full AND line.is_logged THEN
            full_logged := greatest(full_logged, line.last);
        ELSIF line.is_full THEN
            full_unlogged := greatest(full_unlogged, line.last);
        END IF;
        IF NOT skips THEN
            PERFORM pg_notify(line.channel, '1' || line.rules || 'T' || line.since);
            payloads := payloads + 1;
        END IF;
    END LOOP;
    IF skips AND taken > 0 THEN
        PERFORM nextval('notifychannel.skips');
    END IF;
    last := least(full_unlogged, full_logged);
    more := last IS NOT NULL;
    IF NOT more THEN
        PERFORM nextval('notifychannel.relay_rounds');
    END IF;
END
$$;

CREATE FUNCTION notifychannel.drain(low xid8, late xid8[], most integer, OUT taken integer, OUT hints integer, OUT payloads integer, OUT last xid8, OUT round pg_snapshot, OUT more boolean, OUT held boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    batch notifychannel.outbox[]; -- both tables' rows, which look alike
    ordered notifychannel.outbox[];
    logged notifychannel.outbox[];
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
    round := pg_current_snapshot();
    taken := 0;
    hints := 0;
    payloads := 0;
    more := false;
    held := pg_notification_queue_usage() > 0.5;
    IF held THEN
        RETURN;
    END IF;

    IF cardinality(late) > 0 THEN
        WITH gone AS (
            DELETE FROM notifychannel.outbox WHERE ctid = ANY (ARRAY(
                SELECT o.ctid FROM notifychannel.outbox AS o WHERE o.xid = ANY (late) LIMIT most
            )) RETURNING xid, channel, payload
        ), gone_logged AS (
            DELETE FROM notifychannel.outbox_logged WHERE ctid = ANY (ARRAY(
                SELECT o.ctid FROM notifychannel.outbox_logged AS o WHERE o.xid = ANY (late) LIMIT most
            )) RETURNING xid, channel, payload
        )
        SELECT array_agg(ROW(g.xid, g.channel, g.payload)::notifychannel.outbox)
        INTO batch
        FROM (SELECT * FROM gone UNION ALL SELECT * FROM gone_logged) AS g;
        more := coalesce(cardinality(batch), 0) >= most;
    END IF;

    WITH gone AS (
        DELETE FROM notifychannel.outbox WHERE ctid = ANY (ARRAY(
            SELECT o.ctid FROM notifychannel.outbox AS o WHERE o.xid >= low ORDER BY o.xid LIMIT most
        )) RETURNING xid, channel, payload
    )
    SELECT array_agg(ROW(g.xid, g.channel, g.payload)::notifychannel.outbox),
        CASE WHEN count(*) >= most THEN max(g.xid) END
    INTO ordered, last
    FROM gone AS g;
    WITH gone AS (
        DELETE FROM notifychannel.outbox_logged WHERE ctid = ANY (ARRAY(
            SELECT o.ctid FROM notifychannel.outbox_logged AS o WHERE o.xid >= low ORDER BY o.xid LIMIT most
        )) RETURNING xid, channel, payload
    )
    SELECT array_agg(ROW(g.xid, g.channel, g.payload)::notifychannel.outbox),
        least(last, CASE WHEN count(*) >= most THEN max(g.xid) END)
    INTO logged, last
    FROM gone AS g;
    more := more OR last IS NOT NULL;
    batch := batch || ordered || logged;
    taken := coalesce(cardinality(batch), 0);

    -- those without keys mean everything, since the first of them
    FOR line IN
        SELECT g.channel, left(g.payload, 10) || min(substr(g.payload, 11, 16)) AS payload
        FROM unnest(batch) AS g
        WHERE octet_length(g.payload) < 28
        GROUP BY g.channel, left(g.payload, 10)
    LOOP
        PERFORM pg_notify(line.channel, line.payload);
        payloads := payloads + 1;
    END LOOP;

    FOR line IN
        SELECT g.channel, substr(g.payload, 2, 9) AS head, k.key, count(*)::text || k.key AS named,
            min(substr(g.payload, 11, 16)) AS since, max(substr(g.payload, 11, 16)) AS till
        FROM unnest(batch) AS g
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

    IF NOT more THEN
        PERFORM nextval('notifychannel.relay_rounds');
    END IF;
END
$$;

CREATE FUNCTION notifychannel.orders_orders_3db4b97f() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '0'
    AS $$
-- Made by NotifyChannel; the next pass undoes what is changed by hand. Whatever fails in here becomes a resync, and
-- nothing that fails in here may fail the statement: only types of pg_catalog in DECLARE, all else in the block.
DECLARE
    nch_header text := '1ad91013aU0000000000000000';
    nch_keys text[]; -- NULL: nothing to hint; empty: look at everything
    nch_key text;
    nch_rows bigint;
    nch_payload text;
    nch_payloads text[] := '{}';
    nch_appends boolean := false; -- else: as `Notify` does where something fails
    nch_rings boolean := false;
BEGIN
    BEGIN
        nch_header := '1ad91013a' || left(TG_OP, 1)
            || lpad((extract(epoch FROM statement_timestamp()) * 1000000)::bigint::text, 16, '0');
        IF TG_OP = 'INSERT' THEN
            -- A bulk statement shows in its first rows that it has too many keys: the others need not be read.
            SELECT
                CASE WHEN count(*) > 1000 OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END,
                sum(k.seen)
            INTO nch_keys, nch_rows
            FROM (
                SELECT '[' || coalesce(CASE WHEN d.k0 BETWEEN -9007199254740991 AND 9007199254740991 THEN d.k0::text ELSE '"' || d.k0::text || '"' END, 'null') || ']' AS key, d.seen
                FROM (
                    SELECT t.k0, count(*) AS seen
                    FROM (
                        SELECT r."id" AS k0
                        FROM notifychannel_new AS r
                        WHERE true
                        LIMIT 1000 + 1
                    ) AS t
                    GROUP BY t.k0
                    LIMIT 1000 + 1
                ) AS d
                OFFSET 0
            ) AS k;
            IF nch_rows > 1000 AND cardinality(nch_keys) > 0 THEN
            SELECT
                CASE WHEN count(*) > 1000 OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END,
                sum(k.seen)
            INTO nch_keys, nch_rows
            FROM (
                SELECT '[' || coalesce(CASE WHEN d.k0 BETWEEN -9007199254740991 AND 9007199254740991 THEN d.k0::text ELSE '"' || d.k0::text || '"' END, 'null') || ']' AS key, d.seen
                FROM (
                    SELECT t.k0, count(*) AS seen
                    FROM (
                        SELECT r."id" AS k0
                        FROM notifychannel_new AS r
                        WHERE true
                    ) AS t
                    GROUP BY t.k0
                    LIMIT 1000 + 1
                ) AS d
                OFFSET 0
            ) AS k;
            END IF;
        END IF;
        IF TG_OP = 'UPDATE' THEN
            SELECT
                CASE WHEN count(*) > 1000 OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END,
                sum(k.seen)
            INTO nch_keys, nch_rows
            FROM (
                SELECT '[' || coalesce(CASE WHEN d.k0 BETWEEN -9007199254740991 AND 9007199254740991 THEN d.k0::text ELSE '"' || d.k0::text || '"' END, 'null') || ']' AS key, d.seen
                FROM (
                    SELECT t.k0, count(*) AS seen
                    FROM (
                        SELECT t.k0
                        FROM (
                            SELECT r."id" AS k0, record_send(r.*) AS bytes, 1 AS surplus FROM notifychannel_old AS r WHERE true
                            UNION ALL
                            SELECT r."id" AS k0, record_send(r.*) AS bytes, -1 FROM notifychannel_new AS r WHERE true
                            OFFSET 0
                        ) AS t
                        GROUP BY t.k0, CASE WHEN octet_length(t.bytes) > 256 THEN sha256(t.bytes) ELSE t.bytes END
                        HAVING sum(t.surplus) <> 0
                    ) AS t
                    GROUP BY t.k0
                    LIMIT 1000 + 1
                ) AS d
                OFFSET 0
            ) AS k;
        END IF;
        IF TG_OP = 'DELETE' THEN
            -- A bulk statement shows in its first rows that it has too many keys: the others need not be read.
            SELECT
                CASE WHEN count(*) > 1000 OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END,
                sum(k.seen)
            INTO nch_keys, nch_rows
            FROM (
                SELECT '[' || coalesce(CASE WHEN d.k0 BETWEEN -9007199254740991 AND 9007199254740991 THEN d.k0::text ELSE '"' || d.k0::text || '"' END, 'null') || ']' AS key, d.seen
                FROM (
                    SELECT t.k0, count(*) AS seen
                    FROM (
                        SELECT r."id" AS k0
                        FROM notifychannel_old AS r
                        WHERE true
                        LIMIT 1000 + 1
                    ) AS t
                    GROUP BY t.k0
                    LIMIT 1000 + 1
                ) AS d
                OFFSET 0
            ) AS k;
            IF nch_rows > 1000 AND cardinality(nch_keys) > 0 THEN
            SELECT
                CASE WHEN count(*) > 1000 OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END,
                sum(k.seen)
            INTO nch_keys, nch_rows
            FROM (
                SELECT '[' || coalesce(CASE WHEN d.k0 BETWEEN -9007199254740991 AND 9007199254740991 THEN d.k0::text ELSE '"' || d.k0::text || '"' END, 'null') || ']' AS key, d.seen
                FROM (
                    SELECT t.k0, count(*) AS seen
                    FROM (
                        SELECT r."id" AS k0
                        FROM notifychannel_old AS r
                        WHERE true
                    ) AS t
                    GROUP BY t.k0
                    LIMIT 1000 + 1
                ) AS d
                OFFSET 0
            ) AS k;
            END IF;
        END IF;
        IF TG_OP = 'TRUNCATE' THEN
            nch_keys := '{}';
        END IF;
        IF nch_keys IS NULL THEN
            RETURN NULL;
        END IF;
        -- What could keep us from appending: the table or our right on it is gone, or somebody alters it just now.
        LOCK TABLE notifychannel.outbox IN ROW EXCLUSIVE MODE NOWAIT;
        IF NOT has_table_privilege('notifychannel.outbox', 'INSERT') THEN
            RAISE EXCEPTION 'not our outbox any more';
        END IF;
        -- While the relay is awake it holds the flag, and looks until all have ended who have an id by then; else it has
        -- to be woken. One expression, for nothing interrupts it: a lock that stayed would stay with the session.
        PERFORM pg_current_xact_id();
        nch_rings := pg_try_advisory_lock_shared(1852008556, 2) AND pg_advisory_unlock_shared(1852008556, 2);
        IF nch_rings AND (
            pg_notification_queue_usage() > 0.5
            OR NOT has_function_privilege('pg_catalog.pg_notify(text, text)'::regprocedure, 'EXECUTE')
        ) THEN
            PERFORM nextval('notifychannel.skips');
            nch_rings := false;
        END IF;
        nch_payload := nch_header;
        FOREACH nch_key IN ARRAY nch_keys LOOP
            IF octet_length(nch_header) + octet_length(nch_key) > 7998 THEN
                RAISE EXCEPTION 'a key is too long for a payload';
            ELSIF octet_length(nch_payload) + octet_length(nch_key) > 7998 THEN
                nch_payloads := array_append(nch_payloads, nch_payload);
                nch_payload := nch_header;
            END IF;
            nch_payload := nch_payload || E'\n' || nch_key;
        END LOOP;
        nch_payloads := array_append(nch_payloads, nch_payload);
        nch_appends := true;
    EXCEPTION WHEN OTHERS THEN
        BEGIN
            IF pg_notification_queue_usage() > 0.5
                OR NOT has_function_privilege('pg_catalog.pg_notify(text, text)'::regprocedure, 'EXECUTE') THEN
                PERFORM nextval('notifychannel.skips');
                RETURN NULL;
            END IF;
            nch_payloads := ARRAY[nch_header];
        EXCEPTION WHEN OTHERS THEN
            RETURN NULL; -- not even PostgreSQL's own functions may be called here: the poll remains
        END;
    END;
    -- Outside the block: a subtransaction that writes takes a transaction id.
    IF nch_appends THEN
        FOREACH nch_payload IN ARRAY nch_payloads LOOP
            INSERT INTO notifychannel.outbox (channel, payload) VALUES ('nch_orders_13e4bd43', nch_payload);
        END LOOP;
        IF nch_rings THEN
            PERFORM pg_notify('notifychannel_relay', '');
        END IF;
        RETURN NULL;
    END IF;
    -- Outside the block: a subtransaction that has NOTIFYed keeps 8 KB until the user's transaction ends. It can't fail
    -- here: the right and the lengths were looked at above.
    FOREACH nch_payload IN ARRAY nch_payloads LOOP
        PERFORM pg_notify('nch_orders_13e4bd43', nch_payload);
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION notifychannel.orders_orders_3db4b97f() IS '{"notifychannel": 1, "installation": "test", "namespace": "shop", "name": "orders", "source": ["public", "orders"], "hash": "ae22409e"}';

CREATE FUNCTION notifychannel.outbox_size(OUT bytes bigint, OUT rows bigint) RETURNS record
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT
        sum(pg_total_relation_size(it)),
        sum(pg_stat_get_live_tuples(it))
    FROM (VALUES ('notifychannel.outbox'::regclass), ('notifychannel.outbox_logged')) AS each (it)
$$;

CREATE FUNCTION notifychannel.relay_look(OUT at timestamp with time zone, OUT holder integer, OUT beats bigint, OUT rounds bigint, OUT bytes bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;

COMMENT ON FUNCTION notifychannel.relay_look(OUT at timestamp with time zone, OUT holder integer, OUT beats bigint, OUT rounds bigint, OUT bytes bigint) IS 'made by NotifyChannel, 885a59ef a2dd5abb3a26b275e8e4d3e485fa7b43f526eedb1860bc2ae382ee3401e09eaf';

CREATE FUNCTION notifychannel.relay_waiting() RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
    SELECT EXISTS (SELECT FROM notifychannel.outbox) OR EXISTS (SELECT FROM notifychannel.outbox_logged)
$$;

CREATE FUNCTION notifychannel.skipped() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM notifychannel.skips
$$;

CREATE UNLOGGED TABLE notifychannel.outbox (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL,
    payload text NOT NULL
)
WITH (toast_tuple_target='8160', autovacuum_enabled='true', vacuum_truncate='false', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_cost_delay='0', autovacuum_vacuum_insert_threshold='-1', autovacuum_analyze_threshold='2000000000');
ALTER TABLE ONLY notifychannel.outbox ALTER COLUMN payload SET STORAGE MAIN;

CREATE TABLE notifychannel.outbox_logged (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL,
    payload text NOT NULL
)
WITH (toast_tuple_target='8160', autovacuum_enabled='true', vacuum_truncate='false', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_cost_delay='0', autovacuum_vacuum_insert_threshold='-1', autovacuum_analyze_threshold='2000000000');
ALTER TABLE ONLY notifychannel.outbox_logged ALTER COLUMN payload SET STORAGE MAIN;

CREATE SEQUENCE notifychannel.relay_beats
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
    CYCLE;

CREATE SEQUENCE notifychannel.relay_rounds
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
    CYCLE;

CREATE SEQUENCE notifychannel.skips
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
    CYCLE;

--
-- Data for Name: outbox; Type: TABLE DATA; Schema: notifychannel; Owner: -
--

INSERT INTO notifychannel.outbox VALUES ('739', 'nch_orders_13e4bd43', '1ad91013aI1795287312011555
[1]');
INSERT INTO notifychannel.outbox VALUES ('740', 'nch_orders_13e4bd43', '1ad91013aI1795287312027610
[2]');

--
-- Data for Name: outbox_logged; Type: TABLE DATA; Schema: notifychannel; Owner: -
--

INSERT INTO notifychannel.outbox_logged VALUES ('741', 'nch_orders_13e4bd43', '1ad91013aI1795287312011555
[3]');

SELECT pg_catalog.setval('notifychannel.relay_beats', 1, false);

SELECT pg_catalog.setval('notifychannel.relay_rounds', 1, false);

SELECT pg_catalog.setval('notifychannel.skips', 1, false);

CREATE INDEX outbox_logged_xid ON notifychannel.outbox_logged USING btree (xid);

CREATE INDEX outbox_xid ON notifychannel.outbox USING btree (xid);

--
--

CREATE TRIGGER nch_3db4b97f_delete AFTER DELETE ON public.orders REFERENCING OLD TABLE AS notifychannel_old FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();
CREATE TRIGGER nch_3db4b97f_insert AFTER INSERT ON public.orders REFERENCING NEW TABLE AS notifychannel_new FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();
CREATE TRIGGER nch_3db4b97f_truncate AFTER TRUNCATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();
CREATE TRIGGER nch_3db4b97f_update AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS notifychannel_old NEW TABLE AS notifychannel_new FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();
