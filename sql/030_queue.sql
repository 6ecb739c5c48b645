-- The durable queue: one row per consumer and key that its application has not acknowledged. Made for the first channel
-- with `delivery: AtLeastOnce`, or with `audit`.
-- This file has the tables and how changes come in, 031_claims.sql how they go out, 032_upkeep.sql the rest.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 030_queue.sql    (after 020_outbox.sql)
-- Run by: the installer.
--
--     merge ──► pending ──due──► claim ──► claimed ── done ──► gone, or resting (minInterval); changed meanwhile: pending
--                  ▲                          │
--                  │                          ├── back, alone ──► pending
--                  └──── due ◄── retrying ◄── retry ── too often ──► dead ── redriven, or changed ──► pending
--
-- Clocks: rows are due by queue_time(), which goes on evenly when the server's clock is set. Who may hold a claim is no
-- matter of clocks: a claimer is a session with an advisory lock, and the relay counts by its own how long it stands still.
-- Locks are taken in the order claimer, consumer, queue, and rows of the queue in the order (consumer, key). Whoever makes
-- rows due and may be long until his commit shares the advisory lock (1852008558, consumer) before he looks at the clock:
-- no claim puts its `low` behind what it can't see yet.

-- What waits here is never dropped: who has altered a table by hand has to put it right; but a column behind ours that may
-- be NULL is a later version's, from which somebody has rolled back. Functions of another shape, of an older version or
-- somebody's, can't be replaced.
DO $outdated$
DECLARE
    ours record;
    theirs regprocedure;
BEGIN
    -- of the version before: goes on with what is in it
    IF EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = pg_catalog.to_regclass('notifychannel.claimer') AND a.attname = 'full_look_at'
            AND NOT a.attisdropped
    ) THEN
        ALTER TABLE notifychannel.consumer
            DROP COLUMN escalated_after, ADD COLUMN low timestamptz NOT NULL DEFAULT '-infinity';
        ALTER TABLE notifychannel.claimer
            DROP COLUMN full_look_at, ADD COLUMN timeout double precision NOT NULL DEFAULT 0;
        ALTER TABLE notifychannel.queue ADD COLUMN escalations integer NOT NULL DEFAULT 0;
        ALTER TABLE notifychannel.queue_clock ADD COLUMN walks_consumer integer, ADD COLUMN walks_key text COLLATE "C";
    END IF;
    IF (
        SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = pg_catalog.to_regclass('notifychannel.audit') AND a.attnum > 0 AND NOT a.attisdropped
    ) = ARRAY['channel', 'at', 'group', 'key', 'step', 'events', 'count', 'error'] THEN
        ALTER TABLE notifychannel.audit ADD COLUMN source text;
        ALTER TABLE notifychannel.audited ADD COLUMN key_names text[] NOT NULL DEFAULT '{}';
    END IF;

    FOR ours IN
        SELECT * FROM (VALUES
            ('consumer', 'id integer, installation text, namespace text, channel text, group text, pg_channel text, '
                'rules text, key_names text[], suspended boolean, debounce double precision, '
                'max_delay double precision, min_interval double precision, timeout double precision, '
                'max_attempts integer, initial_delay double precision, longest_delay double precision, '
                'escalate_after double precision, executions bigint, failures bigint, '
                'last_execution timestamp with time zone, last_error text, low timestamp with time zone'),
            ('queue', 'consumer integer, key text, state text, version bigint, events text, count bigint, '
                'first_us bigint, last_us bigint, reason text, arrived_at timestamp with time zone, '
                'taken_events text, taken_count bigint, taken_first_us bigint, taken_last_us bigint, '
                'taken_version bigint, taken_reason text, claimer integer, since timestamp with time zone, '
                'set_at timestamp with time zone, due_at timestamp with time zone, '
                'not_before timestamp with time zone, attempts integer, failures integer, alone boolean, '
                'last_error text, died_at timestamp with time zone, escalate_at timestamp with time zone, '
                'escalated_at timestamp with time zone, escalations integer'),
            ('claimer', 'id integer, consumer integer, role text, pid integer, session_name text, '
                'entered_at timestamp with time zone, beats bigint, executions bigint, failures bigint, '
                'last_execution timestamp with time zone, last_error text, low timestamp with time zone, '
                'timeout double precision'),
            ('audited', 'id integer, installation text, namespace text, channel text, pg_channel text, '
                'retention double precision, key_names text[]'),
            ('audit', 'channel integer, at timestamp with time zone, group text, key text, step text, events text, '
                'count bigint, error text, source text'),
            ('queue_clock', 'is_only boolean, ahead interval, walks_consumer integer, walks_key text'),
            ('passed_over', 'consumer integer, key text')
        ) AS t (name, columns)
    LOOP
        IF ours.columns <> (
            SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, NULL), ', '
                ORDER BY a.place)
            FROM (
                SELECT *, pg_catalog.row_number() OVER (ORDER BY attnum) AS place
                FROM pg_catalog.pg_attribute
                WHERE attrelid = pg_catalog.to_regclass('notifychannel.' || ours.name)
                    AND attnum > 0 AND NOT attisdropped
            ) AS a
            WHERE a.place <= pg_catalog.cardinality(pg_catalog.string_to_array(ours.columns, ', ')) OR a.attnotnull
        ) THEN
            RAISE EXCEPTION 'notifychannel.% was altered by hand: put it right, or drop it', ours.name;
        END IF;
    END LOOP;

    FOR theirs IN
        SELECT p.oid
        FROM (VALUES
            ('queue_time', '', 'timestamp with time zone'),
            ('renew_versions', '', 'void'),
            ('united', 'one text, other text', 'text'),
            ('stronger', 'one text, other text', 'text'),
            ('hint_id', 'whose notifychannel.consumer, key text, version bigint', 'text'),
            ('note', 'whose integer[], keys text[], '
                'steps text[], events text[], counts bigint[], errors text[]', 'void'),
            ('merge', 'channels text[], payloads text[], sources text[] DEFAULT NULL::text[]', 'integer'),
            ('resync', 'whose integer[], why text', 'integer')
        ) AS f (name, arguments, result)
        JOIN pg_catalog.pg_proc AS p ON p.proname = f.name
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'notifychannel'
        WHERE (f.arguments, f.result)
            <> (pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid))
    LOOP
        EXECUTE 'DROP ROUTINE ' || theirs;
    END LOOP;
END $outdated$;

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
    -- what claimers have done that are gone
    executions bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    last_execution timestamptz,
    last_error text,
    -- as a claimer's, of those that are gone
    low timestamptz NOT NULL DEFAULT '-infinity',
    UNIQUE (installation, namespace, channel, "group")
);
CREATE INDEX IF NOT EXISTS consumer_pg_channel ON notifychannel.consumer (pg_channel);

-- Each merge is a version of its own, and no two rows ever share one: ids are made of it. It begins with the microseconds
-- since 1970, so that a queue that was dropped and made again does not repeat what applications have remembered.
DO $versions$
BEGIN
    IF pg_catalog.to_regclass('notifychannel.versions') IS NULL THEN
        EXECUTE pg_catalog.format('CREATE SEQUENCE notifychannel.versions AS bigint START %s CACHE 100',
            (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint);
    END IF;
END $versions$;

-- Lets the next version be one that nobody has had, also where this database is an older state of itself: restored, or a
-- standby that had not got all. Below the clock's microseconds any may have been used, above them none. Each fifth of a
-- second at most: so many as lie in that are not drawn while somebody is between his look and his setval. That lock is not
-- kept to the commit, for a sequence does not wait for it, and by nobody who fails in between.
CREATE OR REPLACE FUNCTION notifychannel.renew_versions() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $renew$
DECLARE
    behind_us CONSTANT bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 200000;
BEGIN
    IF (SELECT s.last_value FROM notifychannel.versions AS s) < behind_us THEN
        BEGIN
            PERFORM pg_advisory_xact_lock(1852008558, 0); -- of no consumer
            IF (SELECT s.last_value FROM notifychannel.versions AS s) < behind_us THEN
                PERFORM setval('notifychannel.versions', behind_us + 200000);
            END IF;
            RAISE SQLSTATE 'NCH00';
        EXCEPTION WHEN SQLSTATE 'NCH00' THEN -- the lock goes, and a sequence does not go back
            NULL;
        END;
    END IF;
END
$renew$;

-- What is to be delivered. `key` is the payload's JSON array, and empty for a resync. `_us`: microseconds since 1970, as in
-- payloads. `_at` are queue_time()s, but for died_at and escalated_at, which people read.
CREATE TABLE IF NOT EXISTS notifychannel.queue (
    consumer integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'claimed', 'retrying', 'dead', 'resting')),
    version bigint NOT NULL DEFAULT pg_catalog.nextval('notifychannel.versions'),
    -- changes that nobody has been told of; of a claimed row, those since its claim
    events text NOT NULL,
    count bigint NOT NULL,
    first_us bigint,
    last_us bigint,
    reason text,
    arrived_at timestamptz NOT NULL,
    -- what a claim has taken
    taken_events text,
    taken_count bigint,
    taken_first_us bigint,
    taken_last_us bigint,
    taken_version bigint,
    taken_reason text,
    claimer integer,
    -- since when something of it is not acknowledged
    since timestamptz NOT NULL,
    -- when it is due, when that was decided, and what it must not be due before
    set_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    not_before timestamptz NOT NULL,
    -- how it went: POSTs of this version that count, failures in a row of this key
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    alone boolean NOT NULL DEFAULT false,
    last_error text,
    died_at timestamptz,
    -- when it is to be escalated (NULL: not, or done); when it was; how often somebody has begun to
    escalate_at timestamptz,
    escalated_at timestamptz,
    escalations integer NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer, key)
);
ALTER TABLE notifychannel.queue SET (
    fillfactor = 50, autovacuum_enabled = true, vacuum_truncate = false,
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1
);
CREATE INDEX IF NOT EXISTS queue_due ON notifychannel.queue (consumer, due_at) WHERE state IN ('pending', 'retrying');
CREATE INDEX IF NOT EXISTS queue_claimer ON notifychannel.queue (claimer) WHERE claimer IS NOT NULL;
CREATE INDEX IF NOT EXISTS queue_resting ON notifychannel.queue (due_at) WHERE state = 'resting';
CREATE INDEX IF NOT EXISTS queue_escalate ON notifychannel.queue (consumer, escalate_at) WHERE escalate_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS queue_dead ON notifychannel.queue (consumer, died_at) WHERE state = 'dead';

-- Sessions that claim. One lives as long as it holds the advisory lock (1852008557, id). Rows due before `low` were taken, or
-- passed over.
CREATE TABLE IF NOT EXISTS notifychannel.claimer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer integer NOT NULL,
    role text NOT NULL,
    pid integer NOT NULL,
    session_name text NOT NULL,
    entered_at timestamptz NOT NULL,
    beats bigint NOT NULL DEFAULT 0,
    executions bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    last_execution timestamptz,
    last_error text,
    low timestamptz NOT NULL DEFAULT '-infinity',
    -- of one POST of its
    timeout double precision NOT NULL DEFAULT 0
);
ALTER TABLE notifychannel.claimer SET (
    fillfactor = 50, autovacuum_enabled = true, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0
);

-- Rows due before somebody's `low` that a claim could not take, for they were locked: each claim tries again.
CREATE TABLE IF NOT EXISTS notifychannel.passed_over (
    consumer integer NOT NULL,
    key text COLLATE "C" NOT NULL
);

-- Channels whose history is kept, for `retention` seconds; and the history, in which "group" is NULL for what was captured,
-- and `source` is the table that changed, NULL for all that comes after, and for what a person replays.
CREATE TABLE IF NOT EXISTS notifychannel.audited (
    id integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    installation text NOT NULL,
    namespace text NOT NULL,
    channel text NOT NULL,
    pg_channel text NOT NULL,
    retention double precision NOT NULL,
    key_names text[] NOT NULL DEFAULT '{}', -- unknown, where an older version wrote the row
    PRIMARY KEY (installation, namespace, channel)
);
CREATE TABLE IF NOT EXISTS notifychannel.audit (
    channel integer NOT NULL,
    at timestamptz NOT NULL,
    "group" text,
    key text COLLATE "C" NOT NULL,
    step text NOT NULL,
    events text,
    count bigint,
    error text,
    source text
);
ALTER TABLE notifychannel.audit SET (
    autovacuum_enabled = true, vacuum_truncate = false, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX IF NOT EXISTS audit_at ON notifychannel.audit (channel, at);
CREATE INDEX IF NOT EXISTS audit_key ON notifychannel.audit (channel, key, at);

-- As outbox_logged: without a primary key nobody may delete from them while a publication FOR ALL TABLES exists.
DO $identity$
DECLARE
    it regclass;
BEGIN
    FOR it IN
        SELECT c.oid FROM pg_catalog.pg_class AS c
        WHERE c.relreplident <> 'f' AND c.oid IN (
            pg_catalog.to_regclass('notifychannel.audit'), pg_catalog.to_regclass('notifychannel.passed_over')
        )
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', it);
    END LOOP;
END $identity$;

-- By how much queue_time() is ahead of the server's clock: the relay sees to it that the sum goes on evenly. And where the
-- walk is that puts the times of all rows right, behind which row; NULL: at its end.
CREATE TABLE IF NOT EXISTS notifychannel.queue_clock (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    ahead interval NOT NULL,
    walks_consumer integer,
    walks_key text COLLATE "C"
);
INSERT INTO notifychannel.queue_clock (ahead) VALUES ('0') ON CONFLICT DO NOTHING;

REVOKE ALL ON TABLE notifychannel.consumer, notifychannel.queue, notifychannel.claimer, notifychannel.audited,
    notifychannel.audit, notifychannel.queue_clock, notifychannel.passed_over FROM PUBLIC;

-- The clock by which rows are due.
CREATE OR REPLACE FUNCTION notifychannel.queue_time() RETURNS timestamptz
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $time$
    SELECT clock_timestamp() + c.ahead FROM notifychannel.queue_clock AS c
$time$;

-- The events of both, each once.
CREATE OR REPLACE FUNCTION notifychannel.united(one text, other text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $united$
    SELECT one || pg_catalog.translate(other, one, '')
$united$;

-- The reason that two merged resyncs keep: the more of the channel was unheard, the stronger.
CREATE OR REPLACE FUNCTION notifychannel.stronger(one text, other text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $stronger$
    SELECT CASE WHEN one IS NULL THEN other WHEN other IS NULL THEN one
        WHEN coalesce(pg_catalog.array_position(by_strength.names, one), 9)
            <= coalesce(pg_catalog.array_position(by_strength.names, other), 9)
        THEN one ELSE other END
    FROM (VALUES (ARRAY['start', 'rules', 'reconnect', 'skipped', 'overflow', 'bulk', 'poll'])) AS by_strength (names)
$stronger$;

-- What a hint is called towards applications: of channel, group, key and version and of nothing else, so the same over
-- retries, restarts and take-overs. The version in it is unique by itself.
CREATE OR REPLACE FUNCTION notifychannel.hint_id(whose notifychannel.consumer, key text, version bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $id$
    SELECT pg_catalog.to_hex(version) || '-' || pg_catalog.left(pg_catalog.md5(
        whose.installation || E'\n' || whose.namespace || E'\n' || whose.channel || E'\n' || whose."group" || E'\n' || key
    ), 12)
$id$;

-- Writes the history of these consumers' keys, where it is kept. `whose` and `steps` are one for all where they have one
-- element.
CREATE OR REPLACE FUNCTION notifychannel.note(
    whose integer[], keys text[], steps text[], events text[], counts bigint[], errors text[]
) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $note$
    INSERT INTO notifychannel.audit (channel, at, "group", key, step, events, count, error)
    SELECT a.id, clock_timestamp(), c."group", s.key, coalesce(s.step, steps[1]), s.events, s.count, s.error
    FROM unnest(whose, keys, steps, events, counts, errors) AS s (consumer, key, step, events, count, error)
    JOIN notifychannel.consumer AS c ON c.id = coalesce(s.consumer, whose[1])
    JOIN notifychannel.audited AS a USING (installation, namespace, channel)
    WHERE s.key IS NOT NULL
$note$;

-- Merges payloads of the logged outbox into the queue, in the relay's transaction, which waits for nobody who has locked a
-- row; how many rows that touched. Payloads of
-- other rules than the consumer's, those without keys, and keys too long for an index become a resync. `sources`: the table
-- that each is of, for the history.
CREATE OR REPLACE FUNCTION notifychannel.merge(channels text[], payloads text[], sources text[] DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' SET jit = off
AS $merge$
DECLARE
    at timestamptz;
    merged integer;
BEGIN
    IF EXISTS (SELECT FROM notifychannel.audited AS a WHERE a.pg_channel = ANY (channels)) THEN
        INSERT INTO notifychannel.audit (channel, at, source, key, step, events, count)
        SELECT a.id, clock_timestamp(), o.source, k.key, 'captured',
            CASE WHEN bool_or(substr(o.payload, 10, 1) = 'I') THEN 'I' ELSE '' END
            || CASE WHEN bool_or(substr(o.payload, 10, 1) = 'U') THEN 'U' ELSE '' END
            || CASE WHEN bool_or(substr(o.payload, 10, 1) = 'D') THEN 'D' ELSE '' END
            || CASE WHEN bool_or(substr(o.payload, 10, 1) = 'T') THEN 'T' ELSE '' END,
            count(*)
        FROM unnest(channels, payloads, sources) AS o (channel, payload, source)
        CROSS JOIN LATERAL unnest(CASE WHEN octet_length(o.payload) < 28 THEN ARRAY['']
            ELSE string_to_array(substr(o.payload, 28), E'\n') END) AS p (key)
        CROSS JOIN LATERAL (SELECT CASE WHEN octet_length(p.key) <= 2000 THEN p.key ELSE '' END) AS k (key)
        JOIN notifychannel.audited AS a ON a.pg_channel = o.channel
        GROUP BY a.id, o.source, k.key;
    END IF;

    -- none of them goes while rows of its come
    PERFORM pg_advisory_xact_lock_shared(1852008558, c.id) FROM notifychannel.consumer AS c
    WHERE c.pg_channel = ANY (channels) ORDER BY c.id FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    at := notifychannel.queue_time();
    PERFORM notifychannel.renew_versions();
    INSERT INTO notifychannel.queue AS q (
        consumer, key, state, events, count, first_us, last_us, reason, arrived_at, since, set_at, due_at, not_before,
        escalate_at
    )
    SELECT f.consumer, f.key, 'pending', f.events, f.count, f.first_us, f.last_us, f.reason, at, at, at,
        at + make_interval(secs => least(f.debounce, f.max_delay)), at, at + make_interval(secs => f.escalate_after)
    FROM (
        SELECT c.id AS consumer, c.debounce, c.max_delay, c.escalate_after, k.key,
            -- the stronger of the two
            CASE WHEN k.key = '' THEN CASE WHEN bool_or(g.rules <> c.rules) THEN 'rules' ELSE 'bulk' END END AS reason,
            CASE WHEN bool_or(g.event = 'I') THEN 'I' ELSE '' END || CASE WHEN bool_or(g.event = 'U') THEN 'U' ELSE '' END
            || CASE WHEN bool_or(g.event = 'D') THEN 'D' ELSE '' END
            || CASE WHEN bool_or(g.event = 'T') THEN 'T' ELSE '' END AS events,
            count(*) AS count, min(g.at_us) AS first_us, max(g.at_us) AS last_us
        FROM (
            SELECT o.channel, CASE WHEN o.is_ours THEN substr(o.payload, 2, 8) ELSE '' END AS rules,
                substr(o.payload, 10, 1) AS event,
                CASE WHEN o.is_ours THEN substr(o.payload, 11, 16)::bigint END AS at_us, p.key
            FROM (
                SELECT w.channel, w.payload, w.payload ~ '^1.{9}[0-9]{16}(\n|$)' AS is_ours
                FROM unnest(channels, payloads) AS w (channel, payload)
            ) AS o
            CROSS JOIN LATERAL unnest(CASE WHEN octet_length(o.payload) < 28 THEN ARRAY['']
                ELSE string_to_array(substr(o.payload, 28), E'\n') END) AS p (key)
        ) AS g
        JOIN notifychannel.consumer AS c ON c.pg_channel = g.channel
        CROSS JOIN LATERAL (
            SELECT CASE WHEN g.rules = c.rules AND octet_length(g.key) <= 2000 THEN g.key ELSE '' END
        ) AS k (key)
        GROUP BY c.id, k.key
    ) AS f
    ORDER BY f.consumer, f.key COLLATE "C"
    ON CONFLICT (consumer, key) DO UPDATE SET
        version = excluded.version,
        state = CASE WHEN q.state IN ('dead', 'resting') THEN 'pending' ELSE q.state END,
        events = notifychannel.united(q.events, excluded.events),
        count = q.count + excluded.count,
        first_us = least(q.first_us, excluded.first_us),
        last_us = greatest(q.last_us, excluded.last_us),
        reason = CASE WHEN q.count = 0 THEN excluded.reason ELSE notifychannel.stronger(q.reason, excluded.reason) END,
        arrived_at = CASE WHEN q.count = 0 THEN at ELSE least(q.arrived_at, at) END,
        since = CASE WHEN q.state = 'resting' THEN at ELSE q.since END,
        escalate_at = CASE WHEN q.state = 'resting' THEN excluded.escalate_at ELSE q.escalate_at END,
        failures = CASE WHEN q.state = 'dead' THEN 0 ELSE q.failures END,
        died_at = NULL,
        -- what a clock ahead has written is no reason to wait for the time that it showed
        set_at = CASE WHEN q.state = 'retrying' THEN q.set_at ELSE at END,
        not_before = CASE WHEN q.state = 'retrying' THEN q.not_before
            ELSE q.not_before - greatest(q.set_at - at, interval '0') END,
        due_at = CASE WHEN q.state = 'retrying' THEN q.due_at ELSE greatest(
            q.not_before - greatest(q.set_at - at, interval '0'),
            CASE WHEN q.state = 'dead' THEN at END, -- not in the past, where nobody looks any more
            least(
                excluded.due_at,
                CASE WHEN q.count = 0 THEN at ELSE least(q.arrived_at, at) END + (
                    SELECT make_interval(secs => c.max_delay) FROM notifychannel.consumer AS c WHERE c.id = q.consumer
                )
            )
        ) END;
    GET DIAGNOSTICS merged = ROW_COUNT;
    RETURN merged;
END
$merge$;

-- A resync for each of these consumers, due at once (but not before the backoff of one that is refused); how many there
-- are. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.resync(whose integer[], why text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $resync$
DECLARE
    at timestamptz;
    now_us CONSTANT bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    them integer[];
BEGIN
    IF why <> ALL (ARRAY['start', 'rules', 'reconnect', 'skipped', 'overflow', 'bulk', 'poll']) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'not a reason for a resync';
    END IF;
    them := ARRAY(
        SELECT c.id FROM notifychannel.consumer AS c
        WHERE c.id = ANY (whose)
        ORDER BY c.id FOR KEY SHARE
    );
    PERFORM pg_advisory_xact_lock_shared(1852008558, id) FROM unnest(them) AS id;
    at := notifychannel.queue_time();
    PERFORM notifychannel.renew_versions();
    INSERT INTO notifychannel.queue AS q (
        consumer, key, state, events, count, first_us, last_us, reason, arrived_at, since, set_at, due_at, not_before,
        escalate_at
    )
    SELECT c.id, '', 'pending', '', 1, now_us, now_us, why, at, at, at, at, at,
        at + make_interval(secs => c.escalate_after)
    FROM notifychannel.consumer AS c
    WHERE c.id = ANY (them)
    ORDER BY c.id
    ON CONFLICT (consumer, key) DO UPDATE SET
        version = excluded.version,
        state = CASE WHEN q.state IN ('dead', 'resting') THEN 'pending' ELSE q.state END,
        count = q.count + 1,
        first_us = least(q.first_us, excluded.first_us),
        last_us = greatest(q.last_us, excluded.last_us),
        reason = CASE WHEN q.count = 0 THEN excluded.reason ELSE notifychannel.stronger(q.reason, excluded.reason) END,
        arrived_at = CASE WHEN q.count = 0 THEN at ELSE least(q.arrived_at, at) END,
        since = CASE WHEN q.state = 'resting' THEN at ELSE q.since END,
        escalate_at = CASE WHEN q.state = 'resting' THEN excluded.escalate_at ELSE q.escalate_at END,
        failures = CASE WHEN q.state = 'dead' THEN 0 ELSE q.failures END,
        died_at = NULL,
        set_at = CASE WHEN q.state = 'retrying' THEN q.set_at ELSE at END,
        not_before = CASE WHEN q.state = 'retrying' THEN q.not_before
            ELSE q.not_before - greatest(q.set_at - at, interval '0') END,
        due_at = CASE WHEN q.state = 'retrying' THEN q.due_at
            ELSE greatest(q.not_before - greatest(q.set_at - at, interval '0'), at) END;
    PERFORM notifychannel.note(them, ARRAY(SELECT '' FROM unnest(them)), ARRAY['resync'], NULL, NULL, ARRAY[why]);
    RETURN cardinality(them);
END
$resync$;

REVOKE ALL ON FUNCTION notifychannel.queue_time() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.renew_versions() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.united(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.stronger(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.hint_id(notifychannel.consumer, text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.note(integer[], text[], text[], text[], bigint[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.merge(text[], text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.resync(integer[], text) FROM PUBLIC;
