-- What the queue can't take just now, for somebody has locked a row of it: it waits aside, and nothing else does. The relay
-- tries again each second. Changes of a key stay in order: while one waits, those that come after it wait behind it.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 034_aside.sql    (after 033_rules.sql)
-- Run by: the installer.

-- Payloads of one key each; '' is a resync, or too long for an index.
CREATE TABLE IF NOT EXISTS notifychannel.aside (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    key text COLLATE "C" NOT NULL,
    payload text NOT NULL
);
CREATE INDEX IF NOT EXISTS aside_key ON notifychannel.aside (channel, key);
REVOKE ALL ON TABLE notifychannel.aside FROM PUBLIC;

-- Of payloads of one key each the numbers, from 1 on, of those that go to a row which somebody has locked. The others' rows
-- are locked for us from here on.
CREATE OR REPLACE FUNCTION notifychannel.locked(channels text[], keys text[], payloads text[]) RETURNS bigint[]
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $locked$
    WITH wanted AS MATERIALIZED (
        SELECT o.number, c.id AS consumer, CASE WHEN substr(o.payload, 2, 8) = c.rules THEN o.key ELSE '' END AS key
        FROM unnest(channels, keys, payloads) WITH ORDINALITY AS o (channel, key, payload, number)
        JOIN notifychannel.consumer AS c ON c.pg_channel = o.channel
    ), free AS MATERIALIZED (
        SELECT w.consumer, w.key FROM (SELECT DISTINCT consumer, key FROM wanted) AS w
        CROSS JOIN LATERAL (
            SELECT FROM notifychannel.queue AS q WHERE q.consumer = w.consumer AND q.key = w.key FOR UPDATE SKIP LOCKED
        ) AS l
    )
    SELECT ARRAY(
        SELECT w.number FROM wanted AS w
        WHERE (SELECT true FROM notifychannel.queue AS q WHERE q.consumer = w.consumer AND q.key = w.key)
            AND (w.consumer, w.key) NOT IN (SELECT f.consumer, f.key FROM free AS f)
    )
$locked$;

-- Payloads of the logged outbox go into the queue, or aside; in the relay's transaction.
CREATE OR REPLACE FUNCTION notifychannel.take_in(channels text[], payloads text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $take$
DECLARE
    it record;
    held bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM notifychannel.aside) THEN
        BEGIN
            PERFORM notifychannel.merge(channels, payloads);
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            NULL; -- for whom, is seen key by key
        END;
    END IF;
    SELECT array_agg(o.channel) AS channels, array_agg(k.key) AS keys, array_agg(k.payload) AS payloads INTO it
    FROM unnest(channels, payloads) AS o (channel, payload)
    CROSS JOIN LATERAL (
        SELECT '' AS key, o.payload WHERE octet_length(o.payload) < 28
        UNION ALL
        SELECT CASE WHEN octet_length(p.key) <= 2000 THEN p.key ELSE '' END, left(o.payload, 26) || E'\n' || p.key
        FROM unnest(string_to_array(substr(o.payload, 28), E'\n')) AS p (key) WHERE octet_length(o.payload) >= 28
    ) AS k;
    held := notifychannel.locked(it.channels, it.keys, it.payloads) || ARRAY(
        SELECT o.number FROM unnest(it.channels, it.keys) WITH ORDINALITY AS o (channel, key, number)
        WHERE (SELECT true FROM notifychannel.aside AS a WHERE a.channel = o.channel AND a.key = o.key LIMIT 1)
    );
    BEGIN
        PERFORM notifychannel.merge(array_agg(o.channel), array_agg(o.payload))
        FROM unnest(it.channels, it.payloads) WITH ORDINALITY AS o (channel, payload, number)
        WHERE o.number NOT IN (SELECT unnest(held))
        HAVING count(*) > 0;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN -- by a row that nobody can see yet
        held := NULL;
    END;
    INSERT INTO notifychannel.aside (channel, key, payload)
    SELECT o.channel, o.key, o.payload
    FROM unnest(it.channels, it.keys, it.payloads) WITH ORDINALITY AS o (channel, key, payload, number)
    WHERE held IS NULL OR o.number IN (SELECT unnest(held))
    ORDER BY o.number;
END
$take$;

-- Resyncs for the consumers of these PostgreSQL channels; aside, where somebody has locked the row.
CREATE OR REPLACE FUNCTION notifychannel.overflowed(channels text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
AS $overflowed$
DECLARE
    whose record;
BEGIN
    FOR whose IN
        SELECT c.id, c.pg_channel, c.rules FROM notifychannel.consumer AS c
        WHERE c.pg_channel = ANY (channels) ORDER BY c.id
    LOOP
        BEGIN
            PERFORM notifychannel.resync(ARRAY[whose.id], 'overflow');
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            INSERT INTO notifychannel.aside (channel, key, payload) VALUES (whose.pg_channel, '', '1' || whose.rules || 'T'
                || lpad((extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text, 16, '0'));
        END;
    END LOOP;
END
$overflowed$;

-- What waits aside goes into the queue, but for what is locked still; how much that was, and how much waits. More than
-- 10,000 become a resync for each consumer. For the relay only, each second.
CREATE OR REPLACE FUNCTION notifychannel.merge_aside(OUT merged integer, OUT waits integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $merge$
DECLARE
    most CONSTANT integer := 10000;
    it record;
    held bigint[];
BEGIN
    merged := 0;
    waits := 0;
    IF NOT EXISTS (SELECT FROM notifychannel.aside) THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
        RAISE object_in_use USING MESSAGE = 'another session is the relay';
    END IF;
    SELECT array_agg(a.number) AS numbers, array_agg(a.channel) AS channels, array_agg(a.key) AS keys,
        array_agg(a.payload) AS payloads, count(*)::integer AS rows
    INTO it
    FROM (SELECT w.* FROM notifychannel.aside AS w ORDER BY w.number LIMIT most + 1) AS a;
    IF it.rows > most THEN
        WITH gone AS (DELETE FROM notifychannel.aside RETURNING channel)
        SELECT array_agg(DISTINCT g.channel) AS channels, count(*)::integer AS rows INTO it FROM gone AS g;
        PERFORM notifychannel.overflowed(it.channels);
        merged := it.rows;
    ELSE
        BEGIN
            held := notifychannel.locked(it.channels, it.keys, it.payloads);
            DELETE FROM notifychannel.aside AS a USING unnest(it.numbers) WITH ORDINALITY AS o (it, number)
            WHERE a.number = o.it AND o.number NOT IN (SELECT unnest(held));
            GET DIAGNOSTICS merged = ROW_COUNT;
            PERFORM notifychannel.merge(array_agg(o.channel), array_agg(o.payload))
            FROM unnest(it.channels, it.payloads) WITH ORDINALITY AS o (channel, payload, number)
            WHERE o.number NOT IN (SELECT unnest(held))
            HAVING count(*) > 0;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN -- by a row that nobody can see yet
            merged := 0;
        END;
    END IF;
    waits := (SELECT count(*)::integer FROM notifychannel.aside);
END
$merge$;

REVOKE ALL ON FUNCTION notifychannel.locked(text[], text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.take_in(text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.overflowed(text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.merge_aside() FROM PUBLIC;
