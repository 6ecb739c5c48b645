-- The queue as the relay, the operator and people use it: who claims still, the clock, the end of what is old; consumers
-- made and dropped; what waits, its history, and dead letters sent again.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 032_upkeep.sql    (after 031_claims.sql)
-- Run by: the installer.

-- Functions of another shape, of an older version or somebody's, can't be replaced.
DO $outdated$
DECLARE
    theirs regprocedure;
BEGIN
    FOR theirs IN
        SELECT p.oid
        FROM (VALUES
            ('claimers_look', '', 'TABLE(claimer integer, pid integer, is_alive boolean, holds boolean, '
                'beats bigint, timeout double precision)'),
            ('reclaim', 'gone integer[], seen bigint[]', 'integer'),
            ('set_clock', 'jumped double precision', 'void'),
            ('mend_clock', 'most integer', 'integer'),
            ('trim_queue', 'most integer', 'integer'),
            ('put_consumer', 'installation text, namespace text, channel text, "group" text, pg_channel text, rules text, '
                'key_names text[], suspended boolean, debounce double precision, max_delay double precision, '
                'min_interval double precision, timeout double precision, max_attempts integer, '
                'initial_delay double precision, longest_delay double precision, escalate_after double precision, '
                'OUT id integer, OUT did text', 'record'),
            ('drop_consumer', 'whose integer, force boolean', 'bigint'),
            ('put_audit', 'installation text, namespace text, channel text, '
                'pg_channel text, retention double precision, key_names text[]', 'boolean'),
            ('drop_audit', 'installation text, namespace text, channel text', 'boolean'),
            ('redrive', 'whose integer, id text, key text, dry_run boolean', 'bigint'),
            ('history', 'of_channel integer, of_key text, most integer',
                'TABLE(at timestamp with time zone, "group" text, source text, key text, step text, events text, '
                'count bigint, error text)')
        ) AS f (name, arguments, result)
        JOIN pg_catalog.pg_proc AS p ON p.proname = f.name
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'notifychannel'
        WHERE (f.arguments, f.result)
            <> (pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid))
    LOOP
        EXECUTE 'DROP ROUTINE ' || theirs;
    END LOOP;
END $outdated$;

-- Of each claimer: whether its session lives, whether it holds rows, how far its beats are, and how many seconds one POST of
-- its may take. For the relay, which counts by its own clock how long one stands still.
CREATE OR REPLACE FUNCTION notifychannel.claimers_look()
RETURNS TABLE (claimer integer, pid integer, is_alive boolean, holds boolean, beats bigint, timeout double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
AS $look$
    SELECT m.id, m.pid, l.objid IS NOT NULL, EXISTS (SELECT FROM notifychannel.queue AS q WHERE q.claimer = m.id),
        m.beats, greatest(c.timeout, m.timeout)
    FROM notifychannel.claimer AS m
    LEFT JOIN notifychannel.consumer AS c ON c.id = m.consumer
    LEFT JOIN pg_locks AS l ON l.locktype = 'advisory' AND l.granted AND l.classid = 1852008557 AND l.objsubid = 2
        AND l.objid = m.id::oid AND l.pid = m.pid
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
$look$;

-- Gives back what these claimers hold and forgets them, if they stand where they were `seen`; how many rows. For the relay
-- only, of claimers whose last POST is over: none starts without a beat in the 5 s before it.
CREATE OR REPLACE FUNCTION notifychannel.reclaim(gone integer[], seen bigint[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $reclaim$
DECLARE
    still integer[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
        RAISE object_in_use USING MESSAGE = 'another session is the relay';
    END IF;
    still := ARRAY(
        SELECT m.id FROM notifychannel.claimer AS m
        JOIN unnest(gone, seen) AS s (id, beats) ON m.id = s.id AND m.beats = s.beats
        ORDER BY m.id FOR UPDATE OF m
    );
    RETURN notifychannel.give_back(still);
END
$reclaim$;

-- The server's clock was set by that many seconds: queue_time() goes on as if it had not been. For the relay only.
CREATE OR REPLACE FUNCTION notifychannel.set_clock(jumped double precision) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $set$
BEGIN
    IF NOT pg_try_advisory_xact_lock(1852008556, 1) THEN
        RAISE object_in_use USING MESSAGE = 'another session is the relay';
    END IF;
    UPDATE notifychannel.queue_clock SET
        ahead = ahead - make_interval(secs => jumped), walks_consumer = 0, walks_key = '';
END
$set$;

-- A step of the walk over all rows, where one is under way: `most` of them in the order of their keys, and again while it
-- answers `most`. Those whose due time was decided in what is now the future (between a jump of the clock and set_clock(),
-- or by a clock that was set back while nobody was the relay) wait from now on for as long as they were meant to; and all
-- are escalated when the resource says so now. Who may be escalating one at this moment is left alone.
CREATE OR REPLACE FUNCTION notifychannel.mend_clock(most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $mend$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    walk notifychannel.queue_clock;
    till record;
BEGIN
    -- who wants a walk meanwhile waits for the end of this step, and then gets it from the beginning
    SELECT k.* INTO walk FROM notifychannel.queue_clock AS k WHERE k.walks_consumer IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    -- before the rows, as everybody locks them
    UPDATE notifychannel.claimer AS m SET low = at - interval '1 h'
    WHERE m.id = ANY (ARRAY(
        SELECT l.id FROM notifychannel.claimer AS l WHERE l.low > at ORDER BY l.id FOR NO KEY UPDATE
    ));
    UPDATE notifychannel.consumer AS c SET low = at - interval '1 h'
    WHERE c.id = ANY (ARRAY(
        SELECT o.id FROM notifychannel.consumer AS o WHERE o.low > at ORDER BY o.id FOR NO KEY UPDATE
    ));
    SELECT q.consumer, q.key INTO till FROM notifychannel.queue AS q
    WHERE (q.consumer, q.key) >= (walk.walks_consumer, walk.walks_key)
    ORDER BY q.consumer, q.key OFFSET most LIMIT 1;
    WITH wrong AS MATERIALIZED (
        SELECT q.consumer, q.key, e.escalate_at
        FROM notifychannel.queue AS q
        JOIN notifychannel.consumer AS c ON c.id = q.consumer
        CROSS JOIN LATERAL (
            SELECT CASE WHEN q.escalations > 0 THEN q.escalate_at
                WHEN q.escalated_at IS NULL AND q.state <> 'resting'
                THEN least(q.since, at) + make_interval(secs => c.escalate_after) END AS escalate_at
        ) AS e
        WHERE (q.consumer, q.key) >= (walk.walks_consumer, walk.walks_key)
            AND (q.consumer, q.key) < (coalesce(till.consumer, 2147483647), coalesce(till.key, ''))
            AND (
                q.set_at > at + interval '1 s' OR q.arrived_at > at + interval '1 s' OR q.since > at + interval '1 s'
                OR q.escalate_at IS DISTINCT FROM e.escalate_at
            )
        ORDER BY q.consumer, q.key
        FOR UPDATE OF q
    )
    UPDATE notifychannel.queue AS q SET
        due_at = CASE WHEN q.set_at > at THEN at + (q.due_at - q.set_at) ELSE q.due_at END,
        not_before = CASE WHEN q.set_at > at THEN at + (q.not_before - q.set_at) ELSE q.not_before END,
        escalate_at = w.escalate_at,
        set_at = least(q.set_at, at),
        arrived_at = least(q.arrived_at, at),
        since = least(q.since, at)
    FROM wrong AS w
    WHERE q.consumer = w.consumer AND q.key = w.key;
    UPDATE notifychannel.queue_clock SET walks_consumer = till.consumer, walks_key = till.key;
    RETURN CASE WHEN till.key IS NULL THEN 0 ELSE most END;
END
$mend$;

-- When trim_queue() last came to its end, in seconds since 1970 by queue_time(). A sequence, which leaves nothing to vacuum.
CREATE SEQUENCE IF NOT EXISTS notifychannel.upkept AS bigint CYCLE CACHE 1;

-- Deletes up to `most` rows each of what nobody needs: history past its retention, keys that have rested, and what waited
-- for consumers that are gone; how many. To be called again while it is as many. History goes by whichever clock is behind: one that is set does not make it older.
-- Nothing within a minute after it came to its end. Where that is longer ago than it may be, or to come, all times are put
-- right by mend_clock().
CREATE OR REPLACE FUNCTION notifychannel.trim_queue(most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $trim$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    kept notifychannel.audited;
    kept_since timestamptz;
    trimmed integer;
    old integer;
    last_s bigint;
    now_s CONSTANT bigint := extract(epoch FROM at)::bigint;
BEGIN
    last_s := (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM notifychannel.upkept AS s);
    IF last_s BETWEEN now_s - 50 AND now_s + 1 THEN
        RETURN 0;
    ELSIF last_s NOT BETWEEN now_s - 600 AND now_s + 1 THEN -- a clock may have been set meanwhile
        UPDATE notifychannel.queue_clock SET walks_consumer = 0, walks_key = '' WHERE walks_consumer IS NULL;
    END IF;
    DELETE FROM notifychannel.queue AS q
    USING (
        SELECT r.consumer, r.key FROM notifychannel.queue AS r
        WHERE r.state = 'resting' AND r.due_at <= at
        ORDER BY r.due_at LIMIT most
        FOR UPDATE SKIP LOCKED
    ) AS rested
    WHERE q.consumer = rested.consumer AND q.key = rested.key AND q.state = 'resting';
    GET DIAGNOSTICS trimmed = ROW_COUNT;
    DELETE FROM notifychannel.queue WHERE ctid = ANY (ARRAY(
        SELECT q.ctid FROM notifychannel.queue AS q
        WHERE q.consumer = (
            SELECT min(f.consumer) FROM (
                WITH RECURSIVE each (consumer) AS ( -- one step in the index for each consumer, not one for each row
                    SELECT min(b.consumer) FROM notifychannel.queue AS b
                    UNION ALL
                    SELECT (SELECT min(b.consumer) FROM notifychannel.queue AS b WHERE b.consumer > each.consumer)
                    FROM each WHERE each.consumer IS NOT NULL
                )
                SELECT each.consumer FROM each
            ) AS f
            WHERE f.consumer IS NOT NULL AND NOT EXISTS (SELECT FROM notifychannel.consumer AS c WHERE c.id = f.consumer)
        )
        LIMIT most
    ));
    GET DIAGNOSTICS old = ROW_COUNT;
    trimmed := greatest(trimmed, old);
    FOR kept IN SELECT * FROM notifychannel.audited LOOP
        kept_since := least(at, clock_timestamp()) - make_interval(secs => kept.retention);
        DELETE FROM notifychannel.audit WHERE ctid = ANY (ARRAY(
            SELECT a.ctid FROM notifychannel.audit AS a
            WHERE a.channel = kept.id AND a.at < kept_since
            ORDER BY a.at LIMIT most
        ));
        GET DIAGNOSTICS old = ROW_COUNT;
        trimmed := greatest(trimmed, old);
    END LOOP;
    -- of channels whose history is not kept any more
    DELETE FROM notifychannel.audit WHERE ctid = ANY (ARRAY(
        SELECT a.ctid FROM notifychannel.audit AS a
        WHERE a.channel = (
            SELECT min(f.channel) FROM (
                WITH RECURSIVE each (channel) AS ( -- one step in the index for each channel, not one for each row
                    SELECT min(b.channel) FROM notifychannel.audit AS b
                    UNION ALL
                    SELECT (SELECT min(b.channel) FROM notifychannel.audit AS b WHERE b.channel > each.channel)
                    FROM each WHERE each.channel IS NOT NULL
                )
                SELECT each.channel FROM each
            ) AS f
            WHERE f.channel IS NOT NULL AND NOT EXISTS (SELECT FROM notifychannel.audited AS k WHERE k.id = f.channel)
        )
        LIMIT most
    ));
    GET DIAGNOSTICS old = ROW_COUNT;
    trimmed := greatest(trimmed, old);
    IF trimmed < most THEN
        PERFORM setval('notifychannel.upkept', greatest(1, now_s));
    END IF;
    RETURN trimmed;
END
$trim$;

-- What the resource says of one consumer; what that did: NULL (nothing, it is so already), 'made' or 'changed'. One that is
-- new, hears again or has other rules gets a resync. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.put_consumer(
    installation text, namespace text, channel text, "group" text, pg_channel text, rules text, key_names text[],
    suspended boolean, debounce double precision, max_delay double precision, min_interval double precision,
    timeout double precision, max_attempts integer, initial_delay double precision, longest_delay double precision,
    escalate_after double precision,
    OUT id integer, OUT did text
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $put$
#variable_conflict use_variable
DECLARE
    before notifychannel.consumer;
BEGIN
    SELECT c.* INTO before FROM notifychannel.consumer AS c
    WHERE (c.installation, c.namespace, c.channel, c."group") = (installation, namespace, channel, "group");
    IF NOT FOUND THEN
        INSERT INTO notifychannel.consumer AS c (
            installation, namespace, channel, "group", pg_channel, rules, key_names, suspended, debounce, max_delay,
            min_interval, timeout, max_attempts, initial_delay, longest_delay, escalate_after
        ) VALUES (
            installation, namespace, channel, "group", pg_channel, rules, key_names, suspended, debounce, max_delay,
            min_interval, timeout, max_attempts, initial_delay, longest_delay, escalate_after
        ) RETURNING c.id INTO id;
        did := 'made';
        PERFORM notifychannel.resync(ARRAY[id], 'start');
        RETURN;
    END IF;
    id := before.id;
    IF (before.pg_channel, before.rules, before.key_names, before.suspended, before.debounce, before.max_delay,
            before.min_interval, before.timeout, before.max_attempts, before.initial_delay, before.longest_delay,
            before.escalate_after)
        IS NOT DISTINCT FROM (pg_channel, rules, key_names, suspended, debounce, max_delay, min_interval, timeout,
            max_attempts, initial_delay, longest_delay, escalate_after)
    THEN
        RETURN;
    END IF;
    did := 'changed';
    UPDATE notifychannel.consumer AS c SET
        pg_channel = put_consumer.pg_channel, rules = put_consumer.rules, key_names = put_consumer.key_names,
        suspended = put_consumer.suspended, debounce = put_consumer.debounce, max_delay = put_consumer.max_delay,
        min_interval = put_consumer.min_interval, timeout = put_consumer.timeout,
        max_attempts = put_consumer.max_attempts, initial_delay = put_consumer.initial_delay,
        longest_delay = put_consumer.longest_delay, escalate_after = put_consumer.escalate_after
    WHERE c.id = before.id;
    IF before.escalate_after IS DISTINCT FROM escalate_after THEN -- another time for all that wait
        UPDATE notifychannel.queue_clock SET walks_consumer = 0, walks_key = '';
    END IF;
    IF before.rules <> rules OR before.pg_channel <> pg_channel OR before.suspended AND NOT suspended THEN
        PERFORM notifychannel.resync(ARRAY[before.id], 'rules');
    END IF;
END
$put$;

-- Forgets a consumer, if nothing waits for it or by force; how many rows that wait keep it, or go with it, counted as by
-- waiting(). What is left of it nobody sees any more, and trim_queue() takes it away. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.drop_consumer(whose integer, force boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $drop$
DECLARE
    waiting bigint;
BEGIN
    PERFORM FROM notifychannel.claimer AS m WHERE m.consumer = whose ORDER BY m.id FOR UPDATE;
    PERFORM FROM notifychannel.consumer AS c WHERE c.id = whose FOR UPDATE; -- nothing comes from here on
    waiting := (SELECT w.pending + w.claimed + w.retrying + w.dead FROM notifychannel.waiting(whose) AS w);
    IF waiting = 0 OR force THEN
        DELETE FROM notifychannel.claimer AS m WHERE m.consumer = whose;
        DELETE FROM notifychannel.passed_over AS p WHERE p.consumer = whose;
        DELETE FROM notifychannel.consumer AS c WHERE c.id = whose;
    END IF;
    RETURN waiting;
END
$drop$;

-- The history of this channel is kept for `retention` seconds; whether that is new. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.put_audit(
    installation text, namespace text, channel text, pg_channel text, retention double precision, key_names text[]
) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $put$
BEGIN
    INSERT INTO notifychannel.audited AS a (installation, namespace, channel, pg_channel, retention, key_names)
    VALUES (put_audit.installation, put_audit.namespace, put_audit.channel, put_audit.pg_channel, put_audit.retention,
        put_audit.key_names)
    ON CONFLICT ON CONSTRAINT audited_pkey DO UPDATE SET
        pg_channel = excluded.pg_channel, retention = excluded.retention, key_names = excluded.key_names
        WHERE (a.pg_channel, a.retention, a.key_names)
            IS DISTINCT FROM (excluded.pg_channel, excluded.retention, excluded.key_names);
    RETURN FOUND;
END
$put$;

-- It is not kept any more: trim_queue() takes away what there is; whether it was. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.drop_audit(installation text, namespace text, channel text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $drop$
BEGIN
    DELETE FROM notifychannel.audited AS a
    WHERE (a.installation, a.namespace, a.channel) = (drop_audit.installation, drop_audit.namespace, drop_audit.channel);
    RETURN FOUND;
END
$drop$;

-- Dead letters of one consumer, of the id or the key if one is given: due at once, with all their attempts before them; how
-- many there are. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.redrive(whose integer, id text, key text, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $redrive$
#variable_conflict use_column
DECLARE
    at timestamptz;
    them text[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1852008558, whose);
    at := notifychannel.queue_time();
    them := ARRAY(
        SELECT q.key FROM notifychannel.queue AS q JOIN notifychannel.consumer AS c ON c.id = q.consumer
        WHERE q.consumer = whose AND q.state = 'dead' AND (redrive.key IS NULL OR q.key = redrive.key)
            AND (redrive.id IS NULL OR redrive.id = notifychannel.hint_id(c, q.key, q.version))
        ORDER BY q.key
        FOR UPDATE OF q
    );
    IF NOT dry_run THEN
        PERFORM notifychannel.note(ARRAY[whose], array_agg(q.key), ARRAY['redriven'], NULL, NULL, NULL)
        FROM notifychannel.queue AS q WHERE q.consumer = whose AND q.key = ANY (them);
        UPDATE notifychannel.queue AS q SET
            state = 'pending', failures = 0, alone = false, died_at = NULL, set_at = at, due_at = at, not_before = at
        WHERE q.consumer = whose AND q.key = ANY (them);
    END IF;
    RETURN cardinality(them);
END
$redrive$;

-- What happened on a channel (audited.id), to one key where it is given, the latest first. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.history(of_channel integer, of_key text, most integer)
RETURNS TABLE (
    at timestamptz, "group" text, source text, key text, step text, events text, count bigint, error text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $history$
#variable_conflict use_column
BEGIN
    IF of_key IS NULL THEN
        RETURN QUERY
            SELECT a.at, a."group", a.source, a.key, a.step, a.events, a.count, a.error FROM notifychannel.audit AS a
            WHERE a.channel = of_channel ORDER BY a.at DESC LIMIT most;
    ELSE
        RETURN QUERY
            SELECT a.at, a."group", a.source, a.key, a.step, a.events, a.count, a.error FROM notifychannel.audit AS a
            WHERE a.channel = of_channel AND a.key = of_key ORDER BY a.at DESC LIMIT most;
    END IF;
END
$history$;

-- The registry: who consumes, how many sessions claim for it, how it went, and what waits, counted as by waiting().
-- `oldest_at`: since when something is not acknowledged, by this server's clock as it is now.
CREATE OR REPLACE VIEW notifychannel.consumers AS
SELECT c.id, c.installation, c.namespace, c.channel, c."group", c.pg_channel, c.key_names, c.suspended,
    coalesce(m.active, 0) AS active,
    greatest(c.last_execution, m.last_execution) AS last_execution,
    coalesce(m.last_error, c.last_error) AS last_error,
    c.executions + coalesce(m.executions, 0) AS executions,
    c.failures + coalesce(m.failures, 0) AS failures,
    q.pending, q.claimed, q.retrying, q.dead, q.escalated,
    q.since - k.ahead AS oldest_at
FROM notifychannel.consumer AS c
CROSS JOIN notifychannel.queue_clock AS k
LEFT JOIN (
    SELECT l.consumer, count(s.pid) AS active, max(l.last_execution) AS last_execution,
        (array_agg(l.last_error ORDER BY l.last_execution DESC NULLS LAST) FILTER (WHERE l.last_error IS NOT NULL))[1]
            AS last_error,
        sum(l.executions)::bigint AS executions, sum(l.failures)::bigint AS failures
    FROM notifychannel.claimer AS l
    LEFT JOIN pg_catalog.pg_locks AS s ON s.locktype = 'advisory' AND s.granted AND s.classid = 1852008557
        AND s.objsubid = 2 AND s.objid = l.id::oid AND s.pid = l.pid
        AND s.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    GROUP BY l.consumer
) AS m ON m.consumer = c.id
CROSS JOIN LATERAL notifychannel.waiting(c.id) AS q;
REVOKE ALL ON TABLE notifychannel.consumers FROM PUBLIC;

-- Every key that waits for a consumer, or was refused too often (dead). `attempts`: how often what waits now was refused;
-- `next_attempt_at`: when it is due, NULL while somebody has it and where it is dead. Times by this server's clock.
CREATE OR REPLACE VIEW notifychannel.jobs AS
SELECT c.installation, c.namespace, c.channel, c."group", c.id AS consumer, c.key_names,
    notifychannel.hint_id(c, q.key, CASE q.state WHEN 'claimed' THEN q.taken_version ELSE q.version END) AS id,
    q.key, q.state,
    CASE WHEN q.state = 'claimed' OR q.taken_version = q.version THEN q.attempts ELSE 0 END AS attempts,
    q.since - k.ahead AS waits_since,
    CASE WHEN q.state IN ('pending', 'retrying') THEN q.due_at - k.ahead END AS next_attempt_at,
    q.last_error, q.died_at, q.escalated_at
FROM notifychannel.queue AS q
JOIN notifychannel.consumer AS c ON c.id = q.consumer
CROSS JOIN notifychannel.queue_clock AS k
WHERE q.state <> 'resting';
REVOKE ALL ON TABLE notifychannel.jobs FROM PUBLIC;

REVOKE ALL ON FUNCTION notifychannel.claimers_look() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.reclaim(integer[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.set_clock(double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.mend_clock(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.trim_queue(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.put_consumer(
    text, text, text, text, text, text, text[], boolean, double precision, double precision, double precision,
    double precision, integer, double precision, double precision, double precision
) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.drop_consumer(integer, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.put_audit(text, text, text, text, double precision, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.drop_audit(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.redrive(integer, text, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.history(integer, text, integer) FROM PUBLIC;

-- Who may read the counter of skipped NOTIFYs is a listener, and any listener may have to be the relay.
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
        EXECUTE 'GRANT EXECUTE ON FUNCTION notifychannel.claimers_look(), notifychannel.reclaim(integer[], bigint[]), '
            'notifychannel.set_clock(double precision), notifychannel.mend_clock(integer), '
            'notifychannel.trim_queue(integer) '
            'TO ' || listener;
    END LOOP;
END $rights$;
