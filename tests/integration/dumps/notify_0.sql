-- What NotifyChannel before the outbox (0.x) had installed for the channel of tests/premises.py with the source
-- public.orders, as pg_dump wrote it: without owners and roles' rights, without the schema itself and the note since
-- when rules hold, which names a server. Run by: the installer.

SET search_path = '';
SET check_function_bodies = false;

--
-- Name: orders_orders_3db4b97f(); Type: FUNCTION; Schema: notifychannel; Owner: -
--

CREATE FUNCTION notifychannel.orders_orders_3db4b97f() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
-- Made by NotifyChannel; the next pass undoes what is changed by hand. Whatever fails in here becomes a resync, and
-- nothing that fails in here may fail the statement: only types of pg_catalog in DECLARE, all else in the block.
DECLARE
    nch_header text := '136376c7aU0000000000000000';
    nch_keys text[]; -- NULL: nothing to hint; empty: look at everything
    nch_key text;
    nch_rows bigint;
    nch_payload text;
    nch_payloads text[] := '{}';
BEGIN
    BEGIN
        nch_header := '136376c7a' || left(TG_OP, 1)
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
        -- A full queue would fail the user's COMMIT, so it is left alone early; the listeners see the sequence move.
        IF pg_notification_queue_usage() > 0.5
            OR NOT has_function_privilege('pg_catalog.pg_notify(text, text)'::regprocedure, 'EXECUTE') THEN
            PERFORM nextval('notifychannel.skips');
            RETURN NULL;
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
    -- Outside the block: a subtransaction that has NOTIFYed keeps 8 KB until the user's transaction ends. It can't fail
    -- here: the right and the lengths were looked at above.
    FOREACH nch_payload IN ARRAY nch_payloads LOOP
        PERFORM pg_notify('nch_orders_13e4bd43', nch_payload);
    END LOOP;
    RETURN NULL;
END
$$;


--
-- Name: FUNCTION orders_orders_3db4b97f(); Type: COMMENT; Schema: notifychannel; Owner: -
--

COMMENT ON FUNCTION notifychannel.orders_orders_3db4b97f() IS '{"notifychannel": 1, "installation": "test", "namespace": "shop", "name": "orders", "source": ["public", "orders"], "hash": "2005b034"}';


--
-- Name: skipped(); Type: FUNCTION; Schema: notifychannel; Owner: -
--

CREATE FUNCTION notifychannel.skipped() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM notifychannel.skips
$$;


--
-- Name: skips; Type: SEQUENCE; Schema: notifychannel; Owner: -
--

CREATE SEQUENCE notifychannel.skips
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
    CYCLE;


REVOKE ALL ON FUNCTION notifychannel.skipped() FROM PUBLIC;


--
-- Name: orders nch_3db4b97f_delete; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER nch_3db4b97f_delete AFTER DELETE ON public.orders REFERENCING OLD TABLE AS notifychannel_old FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();


--
-- Name: orders nch_3db4b97f_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER nch_3db4b97f_insert AFTER INSERT ON public.orders REFERENCING NEW TABLE AS notifychannel_new FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();


--
-- Name: orders nch_3db4b97f_truncate; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER nch_3db4b97f_truncate AFTER TRUNCATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();


--
-- Name: orders nch_3db4b97f_update; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER nch_3db4b97f_update AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS notifychannel_old NEW TABLE AS notifychannel_new FOR EACH STATEMENT EXECUTE FUNCTION notifychannel.orders_orders_3db4b97f();
