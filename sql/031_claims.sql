-- The queue as sidecars use it: sessions that claim, what became of what they took, and escalations.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 031_claims.sql    (after 030_queue.sql)
-- Run by: the installer.
--
-- Every function takes the claimer's number and works for nobody but the session that has entered as it, under its role: it
-- raises object_not_in_prerequisite_state (55000) for a claimer that has been given up. Each call is a sign of life.

-- Functions of another shape, of an older version or somebody's, can't be replaced.
DO $outdated$
DECLARE
    theirs regprocedure;
    taken CONSTANT text := 'TABLE(id text, key text, version bigint, events text, count bigint, first_us bigint, '
        'last_us bigint, reason text, attempt integer, alone boolean, waited double precision)';
BEGIN
    FOR theirs IN
        SELECT p.oid
        FROM (VALUES
            ('enter', 'installation text, namespace text, channel text, "group" text, session_name text', 'integer'),
            ('is_claimer', 'me integer', 'integer'),
            ('beat', 'me integer, rules text DEFAULT NULL::text, timeout double precision DEFAULT NULL::double precision',
                'double precision'),
            ('claim', 'me integer, most integer, rules text DEFAULT NULL::text', taken),
            ('pause', 'whose notifychannel.consumer, outcome text, failures integer, wait double precision, '
                'chance double precision', 'interval'),
            ('settle', 'me integer, keys text[], '
                'versions bigint[], outcomes text[], errors text[], waits double precision[]', 'integer'),
            ('turn', 'me integer, keys text[], versions bigint[], outcomes text[], errors text[], '
                'waits double precision[], most integer, rules text DEFAULT NULL::text, '
                'timeout double precision DEFAULT NULL::double precision', taken),
            ('give_back', 'gone integer[]', 'integer'),
            ('leave', 'me integer', 'integer'),
            ('waiting', 'whose integer, OUT pending bigint, OUT claimed bigint, OUT retrying bigint, OUT dead bigint, '
                'OUT escalated bigint, OUT since timestamp with time zone, OUT due_at timestamp with time zone', 'record'),
            ('want_resync', 'me integer, why text', 'void'),
            ('consumer_look', 'me integer, OUT pending bigint, OUT claimed bigint, OUT retrying bigint, '
                'OUT dead bigint, OUT oldest double precision', 'record'),
            ('escalations', 'me integer, most integer', 'TABLE(id text, key text, version bigint, '
                'events text, count bigint, first_us bigint, last_us bigint, reason text, attempt integer, '
                'is_dead boolean, waited double precision, error text)'),
            ('escalated', 'me integer, keys text[]', 'integer')
        ) AS f (name, arguments, result)
        JOIN pg_catalog.pg_proc AS p ON p.proname = f.name
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'notifychannel'
        WHERE (f.arguments, f.result)
            <> (pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid))
    LOOP
        EXECUTE 'DROP ROUTINE ' || theirs;
    END LOOP;
END $outdated$;

-- A session begins to claim for one consumer: its number, or NULL where there is no such consumer. It is a claimer until
-- `leave`, until its session ends, or until it stands still for too long.
CREATE OR REPLACE FUNCTION notifychannel.enter(
    installation text, namespace text, channel text, "group" text, session_name text
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $enter$
DECLARE
    me integer;
BEGIN
    INSERT INTO notifychannel.claimer AS m (consumer, role, pid, session_name, entered_at, low)
    SELECT c.id, session_user, pg_backend_pid(), enter.session_name, clock_timestamp(), least(
        greatest(c.low, (SELECT max(l.low) FROM notifychannel.claimer AS l WHERE l.consumer = c.id)),
        notifychannel.queue_time() - interval '1 min' -- where a clock was set
    )
    FROM notifychannel.consumer AS c
    WHERE c.installation = enter.installation AND c.namespace = enter.namespace AND c.channel = enter.channel
        AND c."group" = enter."group"
    FOR KEY SHARE -- it does not go while one comes
    RETURNING m.id INTO me;
    IF me IS NOT NULL THEN
        PERFORM pg_advisory_lock(1852008557, me);
    END IF;
    RETURN me;
END
$enter$;

-- The consumer of a claimer, with a sign of life. Raises where it is none (any more): then its claims were given to others,
-- and nobody must go on with them.
CREATE OR REPLACE FUNCTION notifychannel.is_claimer(me integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $is$
DECLARE
    whose integer;
BEGIN
    UPDATE notifychannel.claimer AS m SET beats = m.beats + 1
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
    RETURNING m.consumer INTO whose;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'this session is not that claimer, or not any more';
    END IF;
    RETURN whose;
END
$is$;

-- A sign of life; the seconds until the next row is due that `claim` would take: NULL when none waits, 0 when one is due
-- already. `timeout`: how long a POST may take that the claimer begins from now on. Those of before may take longer, so it
-- is never less for the relay.
CREATE OR REPLACE FUNCTION notifychannel.beat(
    me integer, rules text DEFAULT NULL, timeout double precision DEFAULT NULL
) RETURNS double precision
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $beat$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    whose CONSTANT integer := notifychannel.is_claimer(me);
    due timestamptz;
BEGIN
    UPDATE notifychannel.claimer AS m SET timeout = beat.timeout WHERE m.id = me AND m.timeout < beat.timeout;
    IF NOT EXISTS (
        SELECT FROM notifychannel.consumer AS c
        WHERE c.id = whose AND NOT c.suspended AND c.rules = coalesce(beat.rules, c.rules)
    ) THEN
        RETURN NULL;
    END IF;
    due := least(
        (
            SELECT q.due_at FROM notifychannel.queue AS q
            WHERE q.consumer = whose AND q.state IN ('pending', 'retrying')
                AND q.due_at >= (SELECT m.low FROM notifychannel.claimer AS m WHERE m.id = me)
            ORDER BY q.due_at LIMIT 1
        ),
        (
            SELECT min((
                SELECT q.due_at FROM notifychannel.queue AS q
                WHERE q.consumer = p.consumer AND q.key = p.key AND q.claimer IS NULL AND q.state NOT IN ('dead', 'resting')
            ))
            FROM notifychannel.passed_over AS p WHERE p.consumer = whose
        )
    );
    RETURN CASE WHEN due IS NOT NULL THEN greatest(0, extract(epoch FROM due - at)) END;
END
$beat$;

-- Takes up to `most` due rows for a claimer and returns them, those that are due longest first; what somebody has locked is
-- passed over. `key` is '' for a resync, of which `reason` says why. `attempt` is that of the POST to come; `alone`: not
-- with others, which were refused with it; `waited`: seconds since its first change has arrived here. Nothing where the
-- consumer's rules are not `rules`: who was configured by others would give the key's values the wrong names.
-- Rows that are dead, but that somebody's old snapshot keeps, lie in front of the index. So it begins at `low`, below which
-- all was taken by then, but for what is remembered in passed_over: not more than 100, or `low` stays at the next, for all
-- of them are tried each time. `low` itself would be no place for them: who keeps a row locked keeps the dead rows, too.
-- What is not committed yet can't be seen: `low` does not move while somebody shares the lock of 030_queue.sql, and keeps
-- a distance for all others, whose statements end in time. consumer_look() finds what was committed later still.
CREATE OR REPLACE FUNCTION notifychannel.claim(me integer, most integer, rules text DEFAULT NULL)
RETURNS TABLE (
    id text, key text, version bigint, events text, count bigint, first_us bigint, last_us bigint, reason text,
    attempt integer, alone boolean, waited double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_indexscan = on
SET jit = off
AS $claim$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    margin CONSTANT interval := '6 s'; -- more than the relay's statement_timeout, and ours
    most_passed CONSTANT integer := 100;
    mine notifychannel.claimer;
    c notifychannel.consumer;
    moves boolean;
    passed text[];
    places tid[] := '{}';
    due record;
    till timestamptz;
    missed text[];
BEGIN
    SELECT m.* INTO mine FROM notifychannel.claimer AS m
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'this session is not that claimer, or not any more';
    END IF;
    SELECT o.* INTO c FROM notifychannel.consumer AS o
    WHERE o.id = mine.consumer AND NOT o.suspended AND o.rules = coalesce(claim.rules, o.rules);
    IF NOT FOUND OR most <= 0 THEN
        UPDATE notifychannel.claimer AS m SET beats = m.beats + 1 WHERE m.id = me;
        RETURN;
    END IF;

    moves := CASE WHEN pg_try_advisory_lock(1852008558, c.id) THEN pg_advisory_unlock(1852008558, c.id) ELSE false END;
    passed := ARRAY(SELECT DISTINCT p.key FROM notifychannel.passed_over AS p WHERE p.consumer = c.id);
    IF cardinality(passed) > 0 THEN
        places := ARRAY(
            SELECT l.ctid FROM unnest(passed) AS p (key)
            CROSS JOIN LATERAL (
                SELECT q.ctid FROM notifychannel.queue AS q -- by key, which is what no other index answers
                WHERE q.consumer = c.id AND q.key = p.key AND q.claimer IS NULL AND q.state NOT IN ('dead', 'resting')
                    AND q.due_at <= at AND q.due_at < mine.low
                FOR UPDATE SKIP LOCKED
            ) AS l
            LIMIT most
        );
        DELETE FROM notifychannel.passed_over WHERE ctid = ANY (ARRAY(
            SELECT p.ctid FROM notifychannel.passed_over AS p
            WHERE p.consumer = c.id AND coalesce((
                SELECT q.claimer IS NOT NULL OR q.state IN ('dead', 'resting') OR q.ctid = ANY (places)
                FROM notifychannel.queue AS q WHERE q.consumer = p.consumer AND q.key = p.key
            ), true)
            FOR UPDATE OF p SKIP LOCKED
        ));
    END IF;
    SELECT array_agg(d.ctid) AS places, max(d.due_at) AS last INTO due
    FROM (
        SELECT q.ctid, q.due_at FROM notifychannel.queue AS q
        WHERE q.consumer = c.id AND q.state IN ('pending', 'retrying') AND q.due_at <= at AND q.due_at >= mine.low
        ORDER BY q.due_at
        LIMIT most - cardinality(places)
        FOR UPDATE SKIP LOCKED
    ) AS d;
    places := places || due.places;
    till := CASE WHEN cardinality(places) < most THEN at ELSE due.last END - margin;
    IF moves AND till > mine.low THEN
        SELECT (array_agg(l.key ORDER BY l.number))[:most_passed - cardinality(passed)],
            coalesce(min(l.due_at) FILTER (WHERE l.number > most_passed - cardinality(passed)), till)
        INTO missed, till
        FROM (
            SELECT q.key, q.due_at, row_number() OVER (ORDER BY q.due_at) AS number FROM notifychannel.queue AS q
            WHERE q.consumer = c.id AND q.state IN ('pending', 'retrying') AND q.due_at < till AND q.due_at >= mine.low
                AND q.ctid NOT IN (SELECT p.place FROM unnest(places) AS p (place)) AND q.key <> ALL (passed)
            ORDER BY q.due_at
            LIMIT greatest(0, most_passed - cardinality(passed)) + 1
        ) AS l;
        INSERT INTO notifychannel.passed_over (consumer, key) SELECT c.id, p.key FROM unnest(missed) AS p (key);
    ELSE
        till := mine.low;
    END IF;
    UPDATE notifychannel.claimer AS m SET beats = m.beats + 1, low = till WHERE m.id = me;

    SET LOCAL enable_indexscan = off; -- until the end of this function: they are locked, so they are where they were
    RETURN QUERY
        WITH taken AS (
            UPDATE notifychannel.queue AS q SET
                state = 'claimed', claimer = me,
                taken_events = q.events, taken_count = q.count, taken_first_us = q.first_us,
                taken_last_us = q.last_us, taken_version = q.version, taken_reason = q.reason,
                attempts = CASE WHEN q.taken_version = q.version THEN q.attempts ELSE 0 END,
                events = '', count = 0, first_us = NULL, last_us = NULL, reason = NULL
            WHERE q.ctid = ANY (places)
            RETURNING q.*
        )
        SELECT notifychannel.hint_id(c, t.key, t.taken_version), t.key, t.taken_version, t.taken_events,
            t.taken_count, t.taken_first_us, t.taken_last_us, t.taken_reason, t.attempts + 1, t.alone,
            extract(epoch FROM at - t.since)::double precision
        FROM taken AS t ORDER BY t.due_at;
END
$claim$;

-- How long a row waits after an outcome that it does not die of: its backoff, with `chance` of 0 to 1, is between half and
-- all of what it has doubled to.
CREATE OR REPLACE FUNCTION notifychannel.pause(
    whose notifychannel.consumer, outcome text, failures integer, wait double precision, chance double precision
) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $pause$
    SELECT pg_catalog.make_interval(secs => CASE
        WHEN outcome = 'retry' THEN (0.5 + chance / 2)
            * least(whose.longest_delay, whose.initial_delay * 2.0 ^ least(failures, 40))
        WHEN outcome = 'back' THEN greatest(0, least(wait, 3600))
        ELSE 0 END)
$pause$;

-- What became of rows that a claimer has taken, one outcome for each key and version; how many were still its own.
--   done   acknowledged: gone, unless it has changed meanwhile
--   retry  refused, which is an attempt: again after its backoff, or dead; but not with a change that came meanwhile, which
--          has all attempts before it
--   back   the endpoint was in trouble: as if it had not been taken, in `wait` seconds
--   alone  its batch was refused: at once, by itself, no attempt
-- An error is a status, one of our words, or what workers say who claim by themselves, behind `application: `: that is
-- for who may read the queue, and stays out of conditions, Events and logs.
CREATE OR REPLACE FUNCTION notifychannel.settle(
    me integer, keys text[], versions bigint[], outcomes text[], errors text[], waits double precision[]
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_indexscan = on
SET jit = off
AS $settle$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    whose integer;
    c notifychannel.consumer;
    mine record;
    said record;
BEGIN
    UPDATE notifychannel.claimer AS m SET
        beats = m.beats + 1,
        executions = m.executions + s.executions,
        failures = m.failures + s.failures,
        last_execution = CASE WHEN s.executions > 0 THEN clock_timestamp() ELSE m.last_execution END,
        last_error = coalesce(s.error, m.last_error)
    FROM (
        SELECT count(*) FILTER (WHERE u.outcome IN ('done', 'retry')) AS executions,
            count(*) FILTER (WHERE u.outcome = 'retry') AS failures,
            min(u.error) FILTER (WHERE u.outcome <> 'done') AS error
        FROM unnest(outcomes, errors) AS u (outcome, error)
    ) AS s
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
    RETURNING m.consumer INTO whose;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'this session is not that claimer, or not any more';
    END IF;
    SELECT o.* INTO c FROM notifychannel.consumer AS o WHERE o.id = whose;
    IF NOT FOUND OR coalesce(cardinality(keys), 0) = 0 THEN
        RETURN 0;
    END IF;

    -- Lateral, and by IS NOT DISTINCT FROM, which no index answers: one look by key for each, whatever the statistics say
    -- of a table that is empty one moment and full the next, and of which one claimer may hold all or nothing.
    SELECT count(*) AS rows, array_agg(l.ctid) AS places, array_agg(s.key) AS keys, array_agg(s.outcome) AS outcomes,
        array_agg(s.error) AS errors, array_agg(s.wait) AS waits, array_agg(l.is_gone) AS are_gone,
        array_agg(l.is_dead) AS are_dead, array_agg(l.taken_events) AS events, array_agg(l.taken_count) AS counts
    INTO mine
    FROM (
        SELECT u.* FROM unnest(keys, versions, outcomes, errors, waits) AS u (key, version, outcome, error, wait)
        ORDER BY u.key COLLATE "C"
    ) AS s
    CROSS JOIN LATERAL (
        SELECT q.ctid, s.outcome = 'done' AND q.count = 0 AND c.min_interval <= 0 AS is_gone,
            s.outcome = 'retry' AND q.count = 0 AND q.failures + 1 >= c.max_attempts AS is_dead,
            q.taken_events, q.taken_count
        FROM notifychannel.queue AS q
        WHERE q.consumer = whose AND q.key = s.key AND q.claimer IS NOT DISTINCT FROM me
            AND q.taken_version = s.version
        FOR UPDATE
    ) AS l;

    IF EXISTS (
        SELECT FROM notifychannel.audited AS a
        WHERE (a.installation, a.namespace, a.channel) = (c.installation, c.namespace, c.channel)
    ) THEN
        PERFORM notifychannel.note(
            ARRAY[whose], mine.keys,
            ARRAY(
                SELECT CASE s.outcome WHEN 'done' THEN 'delivered'
                    WHEN 'retry' THEN CASE WHEN s.is_dead THEN 'dead' ELSE 'refused' END
                    ELSE s.outcome END
                FROM unnest(mine.outcomes, mine.are_dead) WITH ORDINALITY AS s (outcome, is_dead, number)
                ORDER BY s.number
            ),
            mine.events, mine.counts, mine.errors
        );
    END IF;

    SET LOCAL enable_indexscan = off; -- until the end of this function: they are locked, so they are where they were
    DELETE FROM notifychannel.queue AS q WHERE q.ctid = ANY (ARRAY(
        SELECT s.place FROM unnest(mine.places, mine.are_gone) AS s (place, is_gone) WHERE s.is_gone
    ));
    FOR said IN
        SELECT s.outcome, s.error, s.wait, s.is_dead, array_agg(s.place) AS places
        FROM unnest(mine.places, mine.outcomes, mine.errors, mine.waits, mine.are_gone, mine.are_dead)
            AS s (place, outcome, error, wait, is_gone, is_dead)
        WHERE NOT s.is_gone
        GROUP BY s.outcome, s.error, s.wait, s.is_dead
    LOOP
        IF said.outcome = 'done' THEN
            UPDATE notifychannel.queue AS q SET
                state = CASE WHEN q.count = 0 THEN 'resting' ELSE 'pending' END,
                claimer = NULL, attempts = 0, failures = 0, alone = false, last_error = NULL, escalated_at = NULL,
                escalations = 0,
                since = q.arrived_at,
                escalate_at = CASE WHEN q.count > 0 THEN q.arrived_at + make_interval(secs => c.escalate_after) END,
                set_at = at,
                not_before = at + make_interval(secs => c.min_interval),
                due_at = CASE WHEN q.count = 0 THEN at + make_interval(secs => c.min_interval)
                    ELSE greatest(q.due_at - greatest(q.set_at - at, interval '0'),
                        at + make_interval(secs => c.min_interval)) END
            WHERE q.ctid = ANY (said.places);
        ELSE
            UPDATE notifychannel.queue AS q SET
                state = CASE
                    WHEN said.outcome <> 'retry' THEN CASE WHEN q.failures > 0 THEN 'retrying' ELSE 'pending' END
                    WHEN said.is_dead THEN 'dead'
                    ELSE 'retrying' END,
                claimer = NULL,
                events = notifychannel.united(q.taken_events, q.events),
                count = q.taken_count + q.count,
                first_us = least(q.taken_first_us, q.first_us),
                last_us = greatest(q.taken_last_us, q.last_us),
                reason = notifychannel.stronger(q.taken_reason, q.reason),
                arrived_at = q.since,
                attempts = q.attempts + (said.outcome = 'retry')::integer,
                failures = CASE
                    WHEN said.outcome <> 'retry' THEN q.failures
                    WHEN NOT said.is_dead AND q.failures + 1 >= c.max_attempts THEN 0
                    ELSE q.failures + 1 END,
                alone = q.alone OR said.outcome = 'alone',
                last_error = coalesce(said.error, q.last_error),
                died_at = CASE WHEN said.is_dead THEN clock_timestamp() END,
                set_at = at,
                not_before = CASE WHEN said.is_dead THEN at
                    ELSE at + notifychannel.pause(c, said.outcome, q.failures, said.wait, 0) END,
                due_at = CASE WHEN said.is_dead THEN at
                    ELSE at + notifychannel.pause(c, said.outcome, q.failures, said.wait, random()) END
            WHERE q.ctid = ANY (said.places);
        END IF;
    END LOOP;
    RETURN mine.rows;
END
$settle$;

-- Both in one transaction and one round trip. The last row has no key: `waited` are the seconds until another is due, as
-- of beat().
CREATE OR REPLACE FUNCTION notifychannel.turn(
    me integer, keys text[], versions bigint[], outcomes text[], errors text[], waits double precision[], most integer,
    rules text DEFAULT NULL, timeout double precision DEFAULT NULL
)
RETURNS TABLE (
    id text, key text, version bigint, events text, count bigint, first_us bigint, last_us bigint, reason text,
    attempt integer, alone boolean, waited double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $turn$
BEGIN
    PERFORM notifychannel.settle(me, keys, versions, outcomes, errors, waits);
    RETURN QUERY SELECT * FROM notifychannel.claim(me, most, rules);
    id := NULL;
    waited := notifychannel.beat(me, rules, timeout);
    RETURN NEXT;
END
$turn$;

-- Gives back whatever these claimers hold, as if it had not been taken, and forgets them but for what they have done.
CREATE OR REPLACE FUNCTION notifychannel.give_back(gone integer[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $give$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    given integer;
BEGIN
    PERFORM FROM notifychannel.claimer AS m WHERE m.id = ANY (gone) ORDER BY m.id FOR UPDATE;
    UPDATE notifychannel.consumer AS c SET
        executions = c.executions + m.executions,
        failures = c.failures + m.failures,
        last_execution = greatest(c.last_execution, m.last_execution),
        last_error = coalesce(m.last_error, c.last_error),
        low = greatest(c.low, m.low)
    FROM (
        SELECT l.consumer, sum(l.executions) AS executions, sum(l.failures) AS failures,
            max(l.last_execution) AS last_execution, max(l.low) AS low,
            (array_agg(l.last_error ORDER BY l.last_execution DESC NULLS LAST)
                FILTER (WHERE l.last_error IS NOT NULL))[1] AS last_error
        FROM notifychannel.claimer AS l WHERE l.id = ANY (gone) GROUP BY l.consumer
    ) AS m
    WHERE c.id = m.consumer AND (m.executions + (m.last_error IS NOT NULL)::integer > 0 OR m.low > c.low);
    PERFORM FROM notifychannel.queue AS q WHERE q.claimer = ANY (gone) ORDER BY q.consumer, q.key FOR UPDATE;
    PERFORM notifychannel.note(
        array_agg(q.consumer), array_agg(q.key), ARRAY['reclaimed'], array_agg(q.taken_events), array_agg(q.taken_count),
        NULL
    )
    FROM notifychannel.queue AS q WHERE q.claimer = ANY (gone);
    UPDATE notifychannel.queue AS q SET
        state = CASE WHEN q.failures > 0 THEN 'retrying' ELSE 'pending' END,
        claimer = NULL,
        events = notifychannel.united(q.taken_events, q.events),
        count = q.taken_count + q.count,
        first_us = least(q.taken_first_us, q.first_us),
        last_us = greatest(q.taken_last_us, q.last_us),
        reason = notifychannel.stronger(q.taken_reason, q.reason),
        arrived_at = q.since, set_at = at, due_at = at, not_before = at
    WHERE q.claimer = ANY (gone);
    GET DIAGNOSTICS given = ROW_COUNT;
    DELETE FROM notifychannel.claimer AS m WHERE m.id = ANY (gone);
    RETURN given;
END
$give$;

-- A claimer gives back what it holds and is none any more; how many rows that were. Not while a POST of its is under way.
CREATE OR REPLACE FUNCTION notifychannel.leave(me integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $leave$
BEGIN
    PERFORM notifychannel.is_claimer(me);
    PERFORM pg_advisory_unlock(1852008557, me);
    RETURN notifychannel.give_back(ARRAY[me]);
END
$leave$;

-- A resync for the claimer's own consumer.
CREATE OR REPLACE FUNCTION notifychannel.want_resync(me integer, why text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $want$
    SELECT notifychannel.resync(ARRAY[notifychannel.is_claimer(me)], why)
$want$;

-- What waits for a consumer, of 100,000 rows at most, those that are due longest, and as many dead ones; since when something
-- is not acknowledged, and is due.
CREATE OR REPLACE FUNCTION notifychannel.waiting(
    whose integer, OUT pending bigint, OUT claimed bigint, OUT retrying bigint, OUT dead bigint, OUT escalated bigint,
    OUT since timestamptz, OUT due_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $waiting$
    SELECT count(*) FILTER (WHERE w.state = 'pending'), count(*) FILTER (WHERE w.state = 'claimed'),
        count(*) FILTER (WHERE w.state = 'retrying'), count(*) FILTER (WHERE w.state = 'dead'),
        count(w.escalated_at), min(w.since),
        min(w.due_at) FILTER (WHERE w.state IN ('pending', 'retrying') AND w.key NOT IN (
            SELECT p.key FROM notifychannel.passed_over AS p WHERE p.consumer = whose -- these are tried anyway
        ))
    FROM (
        (
            SELECT q.* FROM notifychannel.queue AS q
            WHERE q.consumer = whose AND q.state IN ('pending', 'retrying') ORDER BY q.due_at LIMIT 100000
        )
        UNION ALL
        (
            SELECT q.* FROM notifychannel.queue AS q
            WHERE q.claimer IN (SELECT m.id FROM notifychannel.claimer AS m WHERE m.consumer = whose)
        )
        UNION ALL
        (
            SELECT q.* FROM notifychannel.queue AS q
            WHERE q.consumer = whose AND q.state = 'dead' ORDER BY q.died_at LIMIT 100000
        )
    ) AS w
$waiting$;

-- What waits for the claimer's consumer; `oldest`: for how many seconds something has not been acknowledged. And so it finds
-- what its claims could not see.
CREATE OR REPLACE FUNCTION notifychannel.consumer_look(
    me integer, OUT pending bigint, OUT claimed bigint, OUT retrying bigint, OUT dead bigint, OUT oldest double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $look$
DECLARE
    found record;
BEGIN
    SELECT w.* INTO found FROM notifychannel.waiting(notifychannel.is_claimer(me)) AS w;
    UPDATE notifychannel.claimer AS m SET low = found.due_at WHERE m.id = me AND m.low > found.due_at;
    pending := found.pending;
    claimed := found.claimed;
    retrying := found.retrying;
    dead := found.dead;
    oldest := extract(epoch FROM notifychannel.queue_time() - found.since);
END
$look$;

-- What has not been acknowledged for longer than the resource allows, dead or not, and was not escalated yet. The claimer
-- has it to itself for as long as `most` POSTs in a row may take, and ten seconds more; what is not escalated() by then is
-- anybody's again, each time after twice as long, an hour at most.
CREATE OR REPLACE FUNCTION notifychannel.escalations(me integer, most integer)
RETURNS TABLE (
    id text, key text, version bigint, events text, count bigint, first_us bigint, last_us bigint, reason text,
    attempt integer, is_dead boolean, waited double precision, error text
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $escalations$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    whose CONSTANT integer := notifychannel.is_claimer(me);
    c notifychannel.consumer;
    rest double precision;
BEGIN
    SELECT o.* INTO c FROM notifychannel.consumer AS o WHERE o.id = whose AND NOT o.suspended;
    IF NOT FOUND OR c.escalate_after IS NULL THEN
        RETURN;
    END IF;
    rest := 10 + most * greatest(c.timeout, (SELECT m.timeout FROM notifychannel.claimer AS m WHERE m.id = me));
    RETURN QUERY
        WITH late AS (
            SELECT q.ctid, q.escalate_at FROM notifychannel.queue AS q
            WHERE q.consumer = c.id AND q.escalate_at <= at
            ORDER BY q.escalate_at
            LIMIT most
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE notifychannel.queue AS q SET
                escalations = q.escalations + 1,
                escalate_at = at + make_interval(
                    secs => greatest(rest, least(3600, rest * 2.0 ^ least(q.escalations, 20)))
                )
            FROM late AS l WHERE q.ctid = l.ctid
            RETURNING q.*, l.escalate_at AS was_at
        )
        SELECT notifychannel.hint_id(c, q.key, v.version), q.key, v.version,
            notifychannel.united(v.events, q.events), v.count + q.count,
            least(v.first_us, q.first_us), greatest(v.last_us, q.last_us), notifychannel.stronger(v.reason, q.reason),
            q.attempts + (q.state = 'claimed')::integer, q.state = 'dead',
            extract(epoch FROM at - q.since)::double precision, q.last_error
        FROM taken AS q
        CROSS JOIN LATERAL (
            SELECT CASE WHEN q.state = 'claimed' THEN q.taken_version ELSE q.version END AS version,
                CASE WHEN q.state = 'claimed' THEN q.taken_events ELSE '' END AS events,
                CASE WHEN q.state = 'claimed' THEN q.taken_count ELSE 0 END AS count,
                CASE WHEN q.state = 'claimed' THEN q.taken_first_us END AS first_us,
                CASE WHEN q.state = 'claimed' THEN q.taken_last_us END AS last_us,
                CASE WHEN q.state = 'claimed' THEN q.taken_reason END AS reason
        ) AS v
        ORDER BY q.was_at;
END
$escalations$;

-- These were escalated, and are not again until they have been acknowledged; how many.
CREATE OR REPLACE FUNCTION notifychannel.escalated(me integer, keys text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $escalated$
DECLARE
    whose CONSTANT integer := notifychannel.is_claimer(me);
    marked integer;
BEGIN
    PERFORM FROM notifychannel.queue AS q
    WHERE q.consumer = whose AND q.key = ANY (keys) AND q.escalations > 0
    ORDER BY q.key FOR UPDATE;
    PERFORM notifychannel.note(ARRAY[whose], array_agg(q.key), ARRAY['escalated'], NULL, NULL, array_agg(q.last_error))
    FROM notifychannel.queue AS q WHERE q.consumer = whose AND q.key = ANY (keys) AND q.escalations > 0;
    UPDATE notifychannel.queue AS q SET escalate_at = NULL, escalated_at = clock_timestamp(), escalations = 0
    WHERE q.consumer = whose AND q.key = ANY (keys) AND q.escalations > 0;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END
$escalated$;

REVOKE ALL ON FUNCTION notifychannel.enter(text, text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.is_claimer(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.beat(integer, text, double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.claim(integer, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION
    notifychannel.pause(notifychannel.consumer, text, integer, double precision, double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.settle(integer, text[], bigint[], text[], text[], double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION
    notifychannel.turn(integer, text[], bigint[], text[], text[], double precision[], integer, text, double precision)
    FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.give_back(integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.leave(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.want_resync(integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.waiting(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.consumer_look(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.escalations(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.escalated(integer, text[]) FROM PUBLIC;

-- Who may read the counter of skipped NOTIFYs is a listener, and any listener may claim.
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
        EXECUTE 'GRANT EXECUTE ON FUNCTION notifychannel.enter(text, text, text, text, text), '
            'notifychannel.beat(integer, text, double precision), notifychannel.claim(integer, integer, text), '
            'notifychannel.settle(integer, text[], bigint[], text[], text[], double precision[]), '
            'notifychannel.turn(integer, text[], bigint[], text[], text[], double precision[], integer, text, '
            'double precision), '
            'notifychannel.leave(integer), notifychannel.want_resync(integer, text), '
            'notifychannel.consumer_look(integer), notifychannel.escalations(integer, integer), '
            'notifychannel.escalated(integer, text[]) '
            'TO ' || listener;
    END LOOP;
END $rights$;
