-- The durable queue: one row per consumer and key that its application has not acknowledged. Made for the first channel
-- with `delivery: AtLeastOnce`.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 030_queue.sql    (after 020_outbox.sql)
-- Run by: the installer.
--
--     merge ──► pending ──due──► claim ──► claimed ── done ──► (gone; or pending, when it has changed meanwhile)
--                  ▲                          │
--                  │                          ├── back, alone ──► pending
--                  └──── due ◄── retrying ◄── retry ── too often ──► dead ── redriven, or changed ──► pending
--
-- Clocks: rows are due by this server's clock, and the relay, which counts by its own, shifts them when that clock is
-- set. Who may hold a claim is never a matter of clocks: a claimer is a session with an advisory lock.

-- Who wants what, as the pass writes it from the resource. Durations are seconds.
CREATE TABLE IF NOT EXISTS notifychannel.consumer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    installation text NOT NULL,
    namespace text NOT NULL,
    channel text NOT NULL,
    "group" text NOT NULL,
    pg_channel text NOT NULL,
    rules text NOT NULL,
    key_names text[] NOT NULL,
    suspended boolean NOT NULL,
    debounce double precision NOT NULL,
    max_delay double precision NOT NULL,
    min_interval double precision NOT NULL,
    timeout double precision NOT NULL,
    max_attempts integer NOT NULL,
    initial_delay double precision NOT NULL,
    longest_delay double precision NOT NULL,
    escalate_after double precision,
    UNIQUE (installation, namespace, channel, "group")
);
CREATE INDEX IF NOT EXISTS consumer_pg_channel ON notifychannel.consumer (pg_channel);

-- Each merge is a version of its own, and no two rows share one, not even one after the other: ids are made of it.
CREATE SEQUENCE IF NOT EXISTS notifychannel.versions AS bigint CACHE 100;

-- What is to be delivered. `key` is the payload's JSON array, and empty for a resync.
CREATE TABLE IF NOT EXISTS notifychannel.queue (
    consumer integer NOT NULL,
    key text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'claimed', 'retrying', 'dead', 'resting')),
    version bigint NOT NULL DEFAULT pg_catalog.nextval('notifychannel.versions'),
    -- changes that nobody has been told of; of a claimed row, those since its claim
    events text NOT NULL,
    count bigint NOT NULL,
    first_at timestamptz,
    last_at timestamptz,
    reason text,
    arrived_at timestamptz NOT NULL,
    -- what a claim has taken
    taken_events text,
    taken_count bigint,
    taken_first_at timestamptz,
    taken_last_at timestamptz,
    taken_version bigint,
    taken_arrived_at timestamptz,
    claimer integer,
    -- when it is due, and what it must not be due before
    due_at timestamptz NOT NULL,
    not_before timestamptz NOT NULL,
    -- how it went: POSTs of this version that count, failures in a row of this key
    attempts integer NOT NULL,
    failures integer NOT NULL,
    alone boolean NOT NULL,
    last_error text,
    died_at timestamptz,
    escalated_at timestamptz,
    PRIMARY KEY (consumer, key)
) WITH (
    fillfactor = 50, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_threshold = -1
);
CREATE INDEX IF NOT EXISTS queue_due ON notifychannel.queue (consumer, due_at) WHERE state IN ('pending', 'retrying');
CREATE INDEX IF NOT EXISTS queue_claimer ON notifychannel.queue (claimer) WHERE claimer IS NOT NULL;

-- Sessions that claim. One lives as long as it holds the advisory lock (1852008557, id).
CREATE TABLE IF NOT EXISTS notifychannel.claimer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer integer NOT NULL,
    role text NOT NULL,
    pid integer NOT NULL,
    session_name text NOT NULL,
    entered_at timestamptz NOT NULL,
    beats bigint NOT NULL,
    executions bigint NOT NULL,
    failures bigint NOT NULL,
    last_execution timestamptz,
    last_error text
) WITH (fillfactor = 50);

-- Merges rows of the logged outbox into the queue, in the relay's transaction. Rows are locked in the order of
-- (consumer, key), here and below, so that nobody deadlocks.
CREATE OR REPLACE FUNCTION notifychannel.merge(batch notifychannel.outbox[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $merge$
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    merged integer;
BEGIN
    INSERT INTO notifychannel.queue AS q (
        consumer, key, state, events, count, first_at, last_at, reason, arrived_at, due_at, not_before,
        attempts, failures, alone
    )
    SELECT f.consumer, f.key, 'pending', f.events, f.count, f.first_at, f.last_at, f.reason, at,
        at + make_interval(secs => least(f.debounce, f.max_delay)), at, 0, 0, false
    FROM (
        SELECT c.id AS consumer, c.debounce, c.max_delay,
            CASE WHEN g.rules = c.rules THEN g.key ELSE '' END AS key,
            CASE WHEN g.rules <> c.rules THEN 'rules' WHEN g.key = '' THEN 'bulk' END AS reason,
            string_agg(DISTINCT g.event, '') AS events,
            count(*) AS count,
            to_timestamp(min(g.at_us) / 1e6) AS first_at,
            to_timestamp(max(g.at_us) / 1e6) AS last_at
        FROM (
            SELECT o.channel, substr(o.payload, 2, 8) AS rules, substr(o.payload, 10, 1) AS event,
                substr(o.payload, 11, 16)::bigint AS at_us, k.key
            FROM unnest(batch) AS o
            CROSS JOIN LATERAL unnest(string_to_array(
                CASE WHEN octet_length(o.payload) < 28 THEN '' ELSE substr(o.payload, 28) END || E'\n', E'\n'
            )) WITH ORDINALITY AS k (key, number)
            WHERE k.key <> '' OR k.number = 1
        ) AS g
        JOIN notifychannel.consumer AS c ON c.pg_channel = g.channel
        GROUP BY 1, 2, 3, 4, 5
    ) AS f
    ORDER BY f.consumer, f.key COLLATE "C"
    ON CONFLICT (consumer, key) DO UPDATE SET
        version = excluded.version,
        state = CASE WHEN q.state IN ('dead', 'resting') THEN 'pending' ELSE q.state END,
        events = notifychannel.united(q.events, excluded.events),
        count = q.count + excluded.count,
        first_at = least(q.first_at, excluded.first_at),
        last_at = greatest(q.last_at, excluded.last_at),
        reason = excluded.reason,
        arrived_at = CASE WHEN q.count = 0 THEN excluded.arrived_at ELSE q.arrived_at END,
        failures = CASE WHEN q.state = 'dead' THEN 0 ELSE q.failures END,
        died_at = NULL,
        escalated_at = CASE WHEN q.state = 'resting' THEN NULL ELSE q.escalated_at END,
        due_at = CASE WHEN q.state = 'retrying' THEN q.due_at ELSE greatest(
            q.not_before,
            least(
                excluded.due_at,
                CASE WHEN q.count = 0 THEN at ELSE q.arrived_at END + (
                    SELECT make_interval(secs => c.max_delay) FROM notifychannel.consumer AS c WHERE c.id = q.consumer
                )
            )
        ) END;
    GET DIAGNOSTICS merged = ROW_COUNT;
    RETURN merged;
END
$merge$;

-- The events of both, each once, in the order of their arrival.
CREATE OR REPLACE FUNCTION notifychannel.united(one text, other text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $united$
    SELECT one || pg_catalog.translate(other, one, '')
$united$;

-- A session begins to claim for one consumer: its number, or NULL where there is no such consumer. The claimer lives
-- until `leave`, or until its session ends.
CREATE OR REPLACE FUNCTION notifychannel.enter(
    installation text, namespace text, channel text, "group" text, session_name text
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $enter$
DECLARE
    me integer;
BEGIN
    INSERT INTO notifychannel.claimer AS m (
        consumer, role, pid, session_name, entered_at, beats, executions, failures
    )
    SELECT c.id, session_user, pg_backend_pid(), enter.session_name, clock_timestamp(), 0, 0, 0
    FROM notifychannel.consumer AS c
    WHERE c.installation = enter.installation AND c.namespace = enter.namespace AND c.channel = enter.channel
        AND c."group" = enter."group"
    RETURNING m.id INTO me;
    IF me IS NOT NULL THEN
        PERFORM pg_advisory_lock(1852008557, me);
    END IF;
    RETURN me;
END
$enter$;

-- A claimer's sign of life: false when it is none any more (its claims were given to others), so that it must not go on.
CREATE OR REPLACE FUNCTION notifychannel.beat(me integer) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $beat$
    UPDATE notifychannel.claimer SET beats = beats + 1
    WHERE id = me AND role = session_user AND pid = pg_backend_pid()
    RETURNING true
$beat$;

-- Takes up to `most` due rows for a claimer, those that are due longest first; what another one is taking is passed
-- over. A row that must go alone is told so. `attempt` is that of the POST to come.
CREATE OR REPLACE FUNCTION notifychannel.claim(me integer, most integer)
RETURNS TABLE (
    key text, version bigint, events text, count bigint, first_at timestamptz, last_at timestamptz, reason text,
    attempt integer, alone boolean, waited double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $claim$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    whose integer;
BEGIN
    UPDATE notifychannel.claimer AS m SET beats = m.beats + 1
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
    RETURNING m.consumer INTO whose;
    RETURN QUERY
        UPDATE notifychannel.queue AS q SET
            state = 'claimed', claimer = me,
            taken_events = q.events, taken_count = q.count, taken_first_at = q.first_at, taken_last_at = q.last_at,
            taken_version = q.version, taken_arrived_at = q.arrived_at,
            attempts = CASE WHEN q.taken_version = q.version THEN q.attempts ELSE 0 END,
            events = '', count = 0, first_at = NULL, last_at = NULL
        FROM (
            SELECT d.consumer, d.key FROM notifychannel.queue AS d
            WHERE d.consumer = whose AND d.state IN ('pending', 'retrying') AND d.due_at <= at
            ORDER BY d.due_at
            LIMIT most
            FOR UPDATE SKIP LOCKED
        ) AS due
        WHERE q.consumer = due.consumer AND q.key = due.key
        RETURNING q.key, q.taken_version, q.taken_events, q.taken_count, q.taken_first_at, q.taken_last_at, q.reason,
            q.attempts + 1, q.alone, extract(epoch FROM at - q.arrived_at)::double precision;
END
$claim$;

-- Seconds until the next row of this claimer's consumer is due; NULL when none waits, 0 when one is due.
CREATE OR REPLACE FUNCTION notifychannel.next_due(me integer) RETURNS double precision
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $next$
    SELECT greatest(0, extract(epoch FROM min(d.due_at) - clock_timestamp()))::double precision
    FROM (
        SELECT q.due_at FROM notifychannel.queue AS q
        WHERE q.consumer = (
                SELECT m.consumer FROM notifychannel.claimer AS m
                WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
            )
            AND q.state IN ('pending', 'retrying')
        ORDER BY q.due_at LIMIT 1
    ) AS d
$next$;

-- What became of rows that a claimer has taken; how many were still its own.
--   done   acknowledged: gone, unless it has changed meanwhile
--   retry  refused: an attempt; later again, or dead
--   back   the endpoint was in trouble: as if it had not been taken, in `wait` seconds
--   alone  its batch was refused: at once, by itself, no attempt
-- `error` is a status or one of our words, never a text of the application's.
CREATE OR REPLACE FUNCTION notifychannel.settle(
    me integer, outcome text, keys text[], error text, wait double precision
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $settle$
#variable_conflict use_variable
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    c notifychannel.consumer;
    mine text[];
BEGIN
    UPDATE notifychannel.claimer AS m SET
        beats = m.beats + 1,
        executions = m.executions + (outcome IN ('done', 'retry'))::integer,
        failures = m.failures + (outcome = 'retry')::integer,
        last_execution = CASE WHEN outcome IN ('done', 'retry') THEN at ELSE m.last_execution END,
        last_error = CASE WHEN outcome = 'done' THEN m.last_error ELSE error END
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid();
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT of.* INTO c FROM notifychannel.consumer AS of
    JOIN notifychannel.claimer AS m ON m.consumer = of.id WHERE m.id = me;
    SELECT array_agg(l.key) INTO mine
    FROM (
        SELECT q.key FROM notifychannel.queue AS q
        WHERE q.consumer = c.id AND q.key = ANY (keys) AND q.claimer = me
        ORDER BY q.key COLLATE "C"
        FOR UPDATE
    ) AS l;
    IF outcome = 'done' THEN
        DELETE FROM notifychannel.queue AS q
        WHERE q.consumer = c.id AND q.key = ANY (mine) AND q.count = 0 AND c.min_interval = 0;
        UPDATE notifychannel.queue AS q SET
            state = CASE WHEN q.count = 0 THEN 'resting' ELSE 'pending' END,
            claimer = NULL, attempts = 0, failures = 0, alone = false, last_error = NULL, escalated_at = NULL,
            not_before = at + make_interval(secs => c.min_interval),
            due_at = greatest(q.due_at, at + make_interval(secs => c.min_interval))
        WHERE q.consumer = c.id AND q.key = ANY (mine);
    ELSE
        UPDATE notifychannel.queue AS q SET
            state = CASE
                WHEN outcome <> 'retry' THEN CASE WHEN q.failures > 0 THEN 'retrying' ELSE 'pending' END
                WHEN q.failures + 1 >= c.max_attempts THEN 'dead'
                ELSE 'retrying' END,
            claimer = NULL,
            events = notifychannel.united(q.taken_events, q.events),
            count = q.taken_count + q.count,
            first_at = least(q.taken_first_at, q.first_at),
            last_at = greatest(q.taken_last_at, q.last_at),
            arrived_at = q.taken_arrived_at,
            attempts = q.attempts + (outcome = 'retry')::integer,
            failures = q.failures + (outcome = 'retry')::integer,
            alone = q.alone OR outcome = 'alone',
            last_error = error,
            died_at = CASE WHEN outcome = 'retry' AND q.failures + 1 >= c.max_attempts THEN at END,
            not_before = next.at, due_at = next.at
        FROM (
            SELECT r.key, at + make_interval(secs => CASE outcome
                WHEN 'retry' THEN (0.5 + random() / 2)
                    * least(c.longest_delay, c.initial_delay * 2.0 ^ least(r.failures, 40))
                WHEN 'back' THEN wait
                ELSE 0 END) AS at
            FROM notifychannel.queue AS r WHERE r.consumer = c.id AND r.key = ANY (mine)
        ) AS next
        WHERE q.consumer = c.id AND q.key = next.key;
    END IF;
    RETURN coalesce(cardinality(mine), 0);
END
$settle$;

-- Gives back whatever these claimers hold, as if it had not been taken, and forgets them. For the relay, of claimers that
-- have died, and for one that leaves.
CREATE OR REPLACE FUNCTION notifychannel.reclaim(gone integer[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $reclaim$
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    given integer;
BEGIN
    PERFORM FROM notifychannel.queue AS q WHERE q.claimer = ANY (gone) ORDER BY q.consumer, q.key COLLATE "C" FOR UPDATE;
    UPDATE notifychannel.queue AS q SET
        state = CASE WHEN q.failures > 0 THEN 'retrying' ELSE 'pending' END,
        claimer = NULL,
        events = notifychannel.united(q.taken_events, q.events),
        count = q.taken_count + q.count,
        first_at = least(q.taken_first_at, q.first_at),
        last_at = greatest(q.taken_last_at, q.last_at),
        arrived_at = q.taken_arrived_at,
        due_at = at, not_before = at
    WHERE q.claimer = ANY (gone);
    GET DIAGNOSTICS given = ROW_COUNT;
    DELETE FROM notifychannel.claimer AS m WHERE m.id = ANY (gone);
    RETURN given;
END
$reclaim$;

-- Of each claimer: whether its session lives, how far its beats are, what it holds, and for how many seconds a POST of
-- its may still be under way after its last beat. For the relay, which counts by its own clock how long one stands still.
CREATE OR REPLACE FUNCTION notifychannel.claimers_look()
RETURNS TABLE (claimer integer, pid integer, is_alive boolean, beats bigint, claims bigint, timeout double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $look$
    SELECT m.id, m.pid, l.objid IS NOT NULL, m.beats,
        (SELECT count(*) FROM notifychannel.queue AS q WHERE q.claimer = m.id),
        coalesce(c.timeout, 0)
    FROM notifychannel.claimer AS m
    LEFT JOIN notifychannel.consumer AS c ON c.id = m.consumer
    LEFT JOIN pg_locks AS l ON l.locktype = 'advisory' AND l.granted AND l.classid = 1852008557 AND l.objsubid = 2
        AND l.objid = m.id AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
$look$;

-- A claimer gives back what it holds and is none any more.
CREATE OR REPLACE FUNCTION notifychannel.leave(me integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $leave$
    SELECT notifychannel.reclaim(array_agg(m.id)) FROM notifychannel.claimer AS m
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
$leave$;

-- A resync for one consumer, or for all of a PostgreSQL channel where `whose` is NULL; the stronger reason stays.
CREATE OR REPLACE FUNCTION notifychannel.ask_resync(whose integer, of_channel text, why text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $ask$
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    asked integer;
BEGIN
    INSERT INTO notifychannel.queue AS q (
        consumer, key, state, events, count, first_at, last_at, reason, arrived_at, due_at, not_before, attempts,
        failures, alone
    )
    SELECT c.id, '', 'pending', '', 1, at, at, why, at, at, at, 0, 0, false
    FROM notifychannel.consumer AS c
    WHERE c.id = whose OR whose IS NULL AND c.pg_channel = of_channel
    ORDER BY c.id
    ON CONFLICT (consumer, key) DO UPDATE SET
        version = excluded.version,
        state = CASE WHEN q.state IN ('dead', 'resting') THEN 'pending' ELSE q.state END,
        count = q.count + 1, first_at = least(q.first_at, at), last_at = at, reason = excluded.reason,
        arrived_at = CASE WHEN q.count = 0 THEN at ELSE q.arrived_at END,
        failures = CASE WHEN q.state = 'dead' THEN 0 ELSE q.failures END, died_at = NULL,
        due_at = CASE WHEN q.state = 'retrying' THEN q.due_at ELSE at END;
    GET DIAGNOSTICS asked = ROW_COUNT;
    RETURN asked;
END
$ask$;

-- The server's clock was set by that much: what waits is due when it would have been.
CREATE OR REPLACE FUNCTION notifychannel.shift_clock(by interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $shift$
DECLARE
    shifted bigint;
BEGIN
    PERFORM FROM notifychannel.queue AS q ORDER BY q.consumer, q.key COLLATE "C" FOR UPDATE;
    UPDATE notifychannel.queue AS q SET
        arrived_at = q.arrived_at + by, taken_arrived_at = q.taken_arrived_at + by,
        due_at = q.due_at + by, not_before = q.not_before + by;
    GET DIAGNOSTICS shifted = ROW_COUNT;
    RETURN shifted;
END
$shift$;
