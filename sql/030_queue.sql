-- The durable queue: one row per consumer and key that its application has not acknowledged. Made for the first channel
-- with `delivery: AtLeastOnce`, or with `audit`.
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
-- Locks are taken in the order claimer, consumer, queue, and rows of the queue in the order (consumer, key).

-- What waits here is never dropped: who has altered a table by hand has to put it right. Functions of another shape, of an
-- older version or somebody's, can't be replaced.
DO $outdated$
DECLARE
    ours record;
    theirs regprocedure;
    taken CONSTANT text := 'TABLE(id text, key text, version bigint, events text, count bigint, first_us bigint, '
        'last_us bigint, reason text, attempt integer, alone boolean, waited double precision)';
BEGIN
    FOR ours IN
        SELECT * FROM (VALUES
            ('consumer', 'id integer, installation text, namespace text, channel text, group text, pg_channel text, '
                'rules text, key_names text[], suspended boolean, debounce double precision, '
                'max_delay double precision, min_interval double precision, timeout double precision, '
                'max_attempts integer, initial_delay double precision, longest_delay double precision, '
                'escalate_after double precision, is_changing boolean, fence xid8, left_at timestamp with time zone, '
                'escalated_after double precision, executions bigint, failures bigint, '
                'last_execution timestamp with time zone, last_error text'),
            ('queue', 'consumer integer, key text, state text, version bigint, events text, count bigint, '
                'first_us bigint, last_us bigint, reason text, arrived_at timestamp with time zone, '
                'taken_events text, taken_count bigint, taken_first_us bigint, taken_last_us bigint, '
                'taken_version bigint, taken_reason text, claimer integer, since timestamp with time zone, '
                'set_at timestamp with time zone, due_at timestamp with time zone, '
                'not_before timestamp with time zone, attempts integer, failures integer, alone boolean, '
                'last_error text, died_at timestamp with time zone, escalate_at timestamp with time zone, '
                'escalated_at timestamp with time zone'),
            ('claimer', 'id integer, consumer integer, role text, pid integer, session_name text, '
                'entered_at timestamp with time zone, beats bigint, executions bigint, failures bigint, '
                'last_execution timestamp with time zone, last_error text, low timestamp with time zone, '
                'full_look_at timestamp with time zone'),
            ('audited', 'id integer, installation text, namespace text, channel text, pg_channel text, '
                'retention double precision'),
            ('audit', 'channel integer, at timestamp with time zone, group text, key text, step text, events text, '
                'count bigint, error text'),
            ('queue_clock', 'is_only boolean, ahead interval')
        ) AS t (name, columns)
    LOOP
        IF ours.columns <> (
            SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, NULL), ', '
                ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = pg_catalog.to_regclass('notifychannel.' || ours.name)
                AND a.attnum > 0 AND NOT a.attisdropped
        ) THEN
            RAISE EXCEPTION 'notifychannel.% was altered by hand: put it right, or drop it', ours.name;
        END IF;
    END LOOP;

    FOR theirs IN
        SELECT p.oid
        FROM (VALUES
            ('queue_time()', '', 'timestamp with time zone'),
            ('united(text, text)', 'one text, other text', 'text'),
            ('stronger(text, text)', 'one text, other text', 'text'),
            ('hint_id(notifychannel.consumer, text, bigint)', 'whose notifychannel.consumer, key text, version bigint',
                'text'),
            ('note(integer[], text[], text[], text[], bigint[], text[])', 'whose integer[], keys text[], '
                'steps text[], events text[], counts bigint[], errors text[]', 'void'),
            ('merge(text[], text[])', 'channels text[], payloads text[]', 'integer'),
            ('ask_resync(integer, text, text)', 'whose integer, of_channel text, why text', 'integer'),
            ('rules_settled()', '', 'integer'),
            ('enter(text, text, text, text, text)',
                'installation text, namespace text, channel text, "group" text, session_name text', 'integer'),
            ('is_claimer(integer)', 'me integer', 'integer'),
            ('beat(integer)', 'me integer', 'double precision'),
            ('claim(integer, integer)', 'me integer, most integer', taken),
            ('settle(integer, text[], bigint[], text[], text[], double precision[])', 'me integer, keys text[], '
                'versions bigint[], outcomes text[], errors text[], waits double precision[]', 'integer'),
            ('turn(integer, text[], bigint[], text[], text[], double precision[], integer)',
                'me integer, keys text[], versions bigint[], outcomes text[], errors text[], '
                'waits double precision[], most integer', taken),
            ('give_back(integer[])', 'gone integer[]', 'integer'),
            ('leave(integer)', 'me integer', 'integer'),
            ('want_resync(integer, text)', 'me integer, why text', 'void'),
            ('consumer_look(integer)', 'me integer, OUT pending bigint, OUT claimed bigint, OUT retrying bigint, '
                'OUT dead bigint, OUT oldest double precision', 'record'),
            ('escalations(integer, integer)', 'me integer, most integer', 'TABLE(id text, key text, version bigint, '
                'events text, count bigint, first_us bigint, last_us bigint, reason text, attempt integer, '
                'is_dead boolean, waited double precision, error text)'),
            ('escalated(integer, text[])', 'me integer, keys text[]', 'integer'),
            ('claimers_look()', '', 'TABLE(claimer integer, pid integer, is_alive boolean, holds boolean, '
                'beats bigint, timeout double precision)'),
            ('reclaim(integer[], bigint[])', 'gone integer[], seen bigint[]', 'integer'),
            ('set_clock(double precision)', 'jumped double precision', 'void'),
            ('mend_clock(integer)', 'most integer', 'integer'),
            ('trim_queue(integer)', 'most integer', 'integer'),
            ('redrive(integer, text, text, boolean)', 'whose integer, id text, key text, dry_run boolean', 'bigint'),
            ('history(integer, text, integer)', 'of_channel integer, of_key text, most integer',
                'TABLE(at timestamp with time zone, "group" text, key text, step text, events text, count bigint, '
                'error text)')
        ) AS f (signature, arguments, result)
        JOIN pg_catalog.pg_proc AS p ON p.oid = pg_catalog.to_regprocedure('notifychannel.' || f.signature)
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
    -- the rules are being changed; since then everybody writes under the ones above, which a resync tells when all who
    -- ran before are over (NULL: told)
    is_changing boolean NOT NULL DEFAULT false,
    fence xid8,
    -- its group is gone from the resource while rows of it wait: nothing more is merged
    left_at timestamptz,
    -- by which escalate_after its rows know when they are to be escalated
    escalated_after double precision,
    -- what claimers have done that are gone
    executions bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    last_execution timestamptz,
    last_error text,
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
    -- when it is to be escalated (NULL: not, or done); when it was
    escalate_at timestamptz,
    escalated_at timestamptz,
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

-- Sessions that claim. One lives as long as it holds the advisory lock (1852008557, id). Rows due before `low` were taken or
-- passed over; a look at all of them is due at `full_look_at`.
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
    full_look_at timestamptz NOT NULL DEFAULT '-infinity'
);
ALTER TABLE notifychannel.claimer SET (
    fillfactor = 50, autovacuum_enabled = true, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0
);

-- Channels whose history is kept, for `retention` seconds; and the history, in which "group" is NULL for what was captured.
CREATE TABLE IF NOT EXISTS notifychannel.audited (
    id integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    installation text NOT NULL,
    namespace text NOT NULL,
    channel text NOT NULL,
    pg_channel text NOT NULL,
    retention double precision NOT NULL,
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
    error text
);
ALTER TABLE notifychannel.audit SET (
    autovacuum_enabled = true, vacuum_truncate = false, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX IF NOT EXISTS audit_at ON notifychannel.audit (channel, at);
CREATE INDEX IF NOT EXISTS audit_key ON notifychannel.audit (channel, key, at);

-- By how much queue_time() is ahead of the server's clock: the relay sees to it that the sum goes on evenly.
CREATE TABLE IF NOT EXISTS notifychannel.queue_clock (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    ahead interval NOT NULL
);
INSERT INTO notifychannel.queue_clock (ahead) VALUES ('0') ON CONFLICT DO NOTHING;

REVOKE ALL ON TABLE notifychannel.consumer, notifychannel.queue, notifychannel.claimer, notifychannel.audited,
    notifychannel.audit, notifychannel.queue_clock FROM PUBLIC;

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

-- Merges payloads of the logged outbox into the queue, in the relay's transaction; how many rows that touched. Payloads of
-- other rules than the consumer's, those without keys, and keys too long for an index become a resync.
CREATE OR REPLACE FUNCTION notifychannel.merge(channels text[], payloads text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $merge$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    merged integer;
BEGIN
    IF EXISTS (SELECT FROM notifychannel.audited AS a WHERE a.pg_channel = ANY (channels)) THEN
        INSERT INTO notifychannel.audit (channel, at, key, step, events, count)
        SELECT a.id, clock_timestamp(), k.key, 'captured',
            CASE WHEN bool_or(substr(o.payload, 10, 1) = 'I') THEN 'I' ELSE '' END
            || CASE WHEN bool_or(substr(o.payload, 10, 1) = 'U') THEN 'U' ELSE '' END
            || CASE WHEN bool_or(substr(o.payload, 10, 1) = 'D') THEN 'D' ELSE '' END
            || CASE WHEN bool_or(substr(o.payload, 10, 1) = 'T') THEN 'T' ELSE '' END,
            count(*)
        FROM unnest(channels, payloads) AS o (channel, payload)
        CROSS JOIN LATERAL unnest(CASE WHEN octet_length(o.payload) < 28 THEN ARRAY['']
            ELSE string_to_array(substr(o.payload, 28), E'\n') END) AS p (key)
        CROSS JOIN LATERAL (SELECT CASE WHEN octet_length(p.key) <= 2000 THEN p.key ELSE '' END) AS k (key)
        JOIN notifychannel.audited AS a ON a.pg_channel = o.channel
        GROUP BY a.id, k.key;
    END IF;

    -- none of them goes while rows of its come
    PERFORM FROM notifychannel.consumer AS c WHERE c.pg_channel = ANY (channels) ORDER BY c.id FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    INSERT INTO notifychannel.queue AS q (
        consumer, key, state, events, count, first_us, last_us, reason, arrived_at, since, set_at, due_at, not_before,
        escalate_at
    )
    SELECT f.consumer, f.key, 'pending', f.events, f.count, f.first_us, f.last_us, f.reason, at, at, at,
        at + make_interval(secs => least(f.debounce, f.max_delay)), at, at + make_interval(secs => f.escalated_after)
    FROM (
        SELECT c.id AS consumer, c.debounce, c.max_delay, c.escalated_after, k.key,
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
        JOIN notifychannel.consumer AS c ON c.pg_channel = g.channel AND c.left_at IS NULL
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
        arrived_at = CASE WHEN q.count = 0 THEN at ELSE q.arrived_at END,
        since = CASE WHEN q.state = 'resting' THEN at ELSE q.since END,
        escalate_at = CASE WHEN q.state = 'resting' THEN excluded.escalate_at ELSE q.escalate_at END,
        failures = CASE WHEN q.state = 'dead' THEN 0 ELSE q.failures END,
        died_at = NULL,
        set_at = CASE WHEN q.state = 'retrying' THEN q.set_at ELSE at END,
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

-- A resync for one consumer, or where `whose` is NULL for all of a PostgreSQL channel, due at once (but not before the
-- backoff of one that is refused); how many there are. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.ask_resync(whose integer, of_channel text, why text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $ask$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    now_us CONSTANT bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    them integer[];
BEGIN
    them := ARRAY(
        SELECT c.id FROM notifychannel.consumer AS c
        WHERE c.id = whose OR whose IS NULL AND c.pg_channel = of_channel AND c.left_at IS NULL
        ORDER BY c.id FOR KEY SHARE
    );
    INSERT INTO notifychannel.queue AS q (
        consumer, key, state, events, count, first_us, last_us, reason, arrived_at, since, set_at, due_at, not_before,
        escalate_at
    )
    SELECT c.id, '', 'pending', '', 1, now_us, now_us, why, at, at, at, at, at,
        at + make_interval(secs => c.escalated_after)
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
        arrived_at = CASE WHEN q.count = 0 THEN at ELSE q.arrived_at END,
        since = CASE WHEN q.state = 'resting' THEN at ELSE q.since END,
        escalate_at = CASE WHEN q.state = 'resting' THEN excluded.escalate_at ELSE q.escalate_at END,
        failures = CASE WHEN q.state = 'dead' THEN 0 ELSE q.failures END,
        died_at = NULL,
        set_at = CASE WHEN q.state = 'retrying' THEN q.set_at ELSE at END,
        due_at = CASE WHEN q.state = 'retrying' THEN q.due_at ELSE greatest(q.not_before, at) END;
    PERFORM notifychannel.note(them, ARRAY(SELECT '' FROM unnest(them)), ARRAY['resync'], NULL, NULL, ARRAY[why]);
    RETURN cardinality(them);
END
$ask$;

-- Whose rules changed gets a resync more when everybody who may have written under the old ones is over, though nobody
-- listened; how many did. A statement that writes counts as running since its snapshot, as in the listeners' round trip:
-- one that has not changed a row yet has no transaction id. For the relay, each second, and a pass. A fence of another
-- cluster's (a dump takes it along) is over.
CREATE OR REPLACE FUNCTION notifychannel.rules_settled() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $settled$
DECLARE
    ours bigint;
    oldest bigint;
    whose integer;
    told integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM notifychannel.consumer AS c WHERE c.fence IS NOT NULL) THEN
        RETURN 0;
    END IF;
    ours := pg_current_xact_id()::text::bigint;
    oldest := least(
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
        (
            SELECT min(ours - (((ours - a.backend_xmin::text::bigint + 2147483648) & 4294967295) - 2147483648)) - 1
            FROM pg_stat_activity AS a
            WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()
                AND a.pid IN (
                    SELECT l.pid FROM pg_locks AS l
                    WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
                )
        )
    );
    FOR whose IN
        SELECT c.id FROM notifychannel.consumer AS c
        WHERE c.fence IS NOT NULL AND (c.fence::text::bigint <= oldest OR c.fence::text::bigint > ours)
        ORDER BY c.id
        FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE notifychannel.consumer SET fence = NULL WHERE id = whose;
        PERFORM notifychannel.ask_resync(whose, NULL, 'rules');
        told := told + 1;
    END LOOP;
    RETURN told;
END
$settled$;

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
    INSERT INTO notifychannel.claimer AS m (consumer, role, pid, session_name, entered_at)
    SELECT c.id, session_user, pg_backend_pid(), enter.session_name, clock_timestamp()
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

-- A sign of life; the seconds until the next row is due: NULL when none waits, 0 when one is due already.
CREATE OR REPLACE FUNCTION notifychannel.beat(me integer) RETURNS double precision
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $beat$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    began CONSTANT timestamptz := clock_timestamp();
    whose CONSTANT integer := notifychannel.is_claimer(me);
    start timestamptz;
    due timestamptz;
BEGIN
    IF NOT EXISTS (SELECT FROM notifychannel.consumer AS c WHERE c.id = whose AND NOT c.suspended) THEN
        RETURN NULL;
    END IF;
    SELECT CASE WHEN m.full_look_at BETWEEN at AND at + interval '1 h' THEN m.low ELSE '-infinity' END
    INTO start FROM notifychannel.claimer AS m WHERE m.id = me;
    due := (
        SELECT q.due_at FROM notifychannel.queue AS q
        WHERE q.consumer = whose AND q.state IN ('pending', 'retrying') AND q.due_at >= start
        ORDER BY q.due_at LIMIT 1
    );
    IF start = '-infinity' AND (due IS NULL OR due > at) THEN -- as a claim that finds nothing
        UPDATE notifychannel.claimer AS m SET
            low = at - interval '1 s',
            full_look_at = at + greatest(interval '1 s', (clock_timestamp() - began) * 20)
        WHERE m.id = me;
    END IF;
    RETURN greatest(0, extract(epoch FROM due - at));
END
$beat$;

-- Takes up to `most` due rows for a claimer and returns them, those that are due longest first; what another one is taking
-- is passed over. `key` is '' for a resync, of which `reason` says why. `attempt` is that of the POST to come; what has to go
-- `alone` does; `waited`: seconds since its first change has arrived here.
-- Rows that are dead, but that somebody's old snapshot keeps, lie in front of the index. So it begins at `low`, below which
-- all was taken by then, but for what is committed late or was locked just then: a look at everything follows each second,
-- or so often that it takes a twentieth of the time.
CREATE OR REPLACE FUNCTION notifychannel.claim(me integer, most integer)
RETURNS TABLE (
    id text, key text, version bigint, events text, count bigint, first_us bigint, last_us bigint, reason text,
    attempt integer, alone boolean, waited double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off
AS $claim$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    began CONSTANT timestamptz := clock_timestamp();
    mine notifychannel.claimer;
    c notifychannel.consumer;
    is_full boolean;
BEGIN
    SELECT m.* INTO mine FROM notifychannel.claimer AS m
    WHERE m.id = me AND m.role = session_user AND m.pid = pg_backend_pid()
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'this session is not that claimer, or not any more';
    END IF;
    is_full := mine.full_look_at <= at OR mine.full_look_at > at + interval '1 h';
    SELECT o.* INTO c FROM notifychannel.consumer AS o WHERE o.id = mine.consumer AND NOT o.suspended;
    IF NOT FOUND OR most <= 0 THEN
        UPDATE notifychannel.claimer AS m SET beats = m.beats + 1 WHERE m.id = me;
        RETURN;
    END IF;
    RETURN QUERY
        WITH due AS MATERIALIZED (
            SELECT d.consumer, d.key, d.due_at FROM notifychannel.queue AS d
            WHERE d.consumer = c.id AND d.state IN ('pending', 'retrying') AND d.due_at <= at
                AND d.due_at >= CASE WHEN is_full THEN '-infinity' ELSE mine.low END
            ORDER BY d.due_at
            LIMIT most
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE notifychannel.queue AS q SET
                state = 'claimed', claimer = me,
                taken_events = q.events, taken_count = q.count, taken_first_us = q.first_us,
                taken_last_us = q.last_us, taken_version = q.version, taken_reason = q.reason,
                attempts = CASE WHEN q.taken_version = q.version THEN q.attempts ELSE 0 END,
                events = '', count = 0, first_us = NULL, last_us = NULL, reason = NULL
            FROM due
            WHERE q.consumer = due.consumer AND q.key = due.key
            RETURNING q.*, due.due_at AS was_due_at
        ), looked AS ( -- after all that
            UPDATE notifychannel.claimer AS m SET
                beats = m.beats + 1,
                low = CASE
                    WHEN d.taken < most THEN at - interval '1 s'
                    WHEN is_full THEN m.low
                    ELSE greatest(m.low, d.last - interval '1 s') END,
                full_look_at = CASE
                    WHEN is_full THEN at + greatest(interval '1 s', (clock_timestamp() - began) * 20)
                    ELSE m.full_look_at END
            FROM (SELECT count(*) AS taken, max(due.due_at) AS last FROM due) AS d
            WHERE m.id = me
        )
        SELECT notifychannel.hint_id(c, t.key, t.taken_version), t.key, t.taken_version, t.taken_events,
            t.taken_count, t.taken_first_us, t.taken_last_us, t.taken_reason, t.attempts + 1, t.alone,
            extract(epoch FROM at - t.since)::double precision
        FROM taken AS t ORDER BY t.was_due_at;
END
$claim$;

-- What became of rows that a claimer has taken, one outcome for each key and version; how many were still its own.
--   done   acknowledged: gone, unless it has changed meanwhile
--   retry  refused, which is an attempt: again after its backoff, or dead
--   back   the endpoint was in trouble: as if it had not been taken, in `wait` seconds
--   alone  its batch was refused: at once, by itself, no attempt
-- An error is a status or one of our words, never a text of the application's.
CREATE OR REPLACE FUNCTION notifychannel.settle(
    me integer, keys text[], versions bigint[], outcomes text[], errors text[], waits double precision[]
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off
AS $settle$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    whose integer;
    c notifychannel.consumer;
    mine integer;
    gone integer;
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
    IF coalesce(cardinality(keys), 0) = 0 THEN
        RETURN 0;
    END IF;
    SELECT o.* INTO c FROM notifychannel.consumer AS o WHERE o.id = whose;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    PERFORM FROM (SELECT u.key, u.version FROM unnest(keys, versions) AS u (key, version) ORDER BY u.key COLLATE "C") AS s
    JOIN notifychannel.queue AS q ON q.consumer = whose AND q.key = s.key AND q.claimer = me
        AND q.taken_version = s.version
    ORDER BY q.key
    FOR UPDATE OF q;
    GET DIAGNOSTICS mine = ROW_COUNT;

    IF EXISTS (
        SELECT FROM notifychannel.audited AS a
        WHERE (a.installation, a.namespace, a.channel) = (c.installation, c.namespace, c.channel)
    ) THEN
        PERFORM notifychannel.note(
            ARRAY[whose], array_agg(q.key),
            array_agg(CASE s.outcome WHEN 'done' THEN 'delivered'
                WHEN 'retry' THEN CASE WHEN q.failures + 1 >= c.max_attempts THEN 'dead' ELSE 'refused' END
                ELSE s.outcome END),
            array_agg(q.taken_events), array_agg(q.taken_count), array_agg(s.error)
        )
        FROM unnest(keys, versions, outcomes, errors) AS s (key, version, outcome, error)
        JOIN notifychannel.queue AS q ON q.consumer = whose AND q.key = s.key AND q.claimer = me
            AND q.taken_version = s.version;
    END IF;

    IF c.min_interval <= 0 THEN
        DELETE FROM notifychannel.queue AS q
        USING unnest(keys, versions, outcomes) AS s (key, version, outcome)
        WHERE q.consumer = whose AND q.key = s.key AND q.claimer = me AND q.taken_version = s.version
            AND s.outcome = 'done' AND q.count = 0;
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone = mine THEN
            RETURN mine;
        END IF;
    END IF;

    UPDATE notifychannel.queue AS q SET
        state = CASE WHEN q.count = 0 THEN 'resting' ELSE 'pending' END,
        claimer = NULL, attempts = 0, failures = 0, alone = false, last_error = NULL, escalated_at = NULL,
        since = q.arrived_at,
        escalate_at = CASE WHEN q.count > 0 THEN q.arrived_at + make_interval(secs => c.escalated_after) END,
        set_at = at,
        not_before = at + make_interval(secs => c.min_interval),
        due_at = CASE WHEN q.count = 0 THEN at + make_interval(secs => c.min_interval)
            ELSE greatest(q.due_at, at + make_interval(secs => c.min_interval)) END
    FROM unnest(keys, versions, outcomes) AS s (key, version, outcome)
    WHERE q.consumer = whose AND q.key = s.key AND q.claimer = me AND q.taken_version = s.version AND s.outcome = 'done';

    UPDATE notifychannel.queue AS q SET
        state = CASE
            WHEN s.outcome <> 'retry' THEN CASE WHEN q.failures > 0 THEN 'retrying' ELSE 'pending' END
            WHEN q.failures + 1 >= c.max_attempts THEN 'dead'
            ELSE 'retrying' END,
        claimer = NULL,
        events = notifychannel.united(q.taken_events, q.events),
        count = q.taken_count + q.count,
        first_us = least(q.taken_first_us, q.first_us),
        last_us = greatest(q.taken_last_us, q.last_us),
        reason = notifychannel.stronger(q.taken_reason, q.reason),
        arrived_at = q.since,
        attempts = q.attempts + (s.outcome = 'retry')::integer,
        failures = q.failures + (s.outcome = 'retry')::integer,
        alone = q.alone OR s.outcome = 'alone',
        last_error = coalesce(s.error, q.last_error),
        died_at = CASE WHEN s.outcome = 'retry' AND q.failures + 1 >= c.max_attempts THEN clock_timestamp() END,
        set_at = at,
        not_before = at + make_interval(secs => w.seconds),
        due_at = at + make_interval(secs => w.seconds)
    FROM unnest(keys, versions, outcomes, errors, waits) AS s (key, version, outcome, error, wait)
    CROSS JOIN LATERAL (SELECT r.failures FROM notifychannel.queue AS r WHERE r.consumer = whose AND r.key = s.key) AS f
    CROSS JOIN LATERAL (SELECT CASE
        WHEN s.outcome = 'retry' AND f.failures + 1 < c.max_attempts THEN (0.5 + random() / 2)
            * least(c.longest_delay, c.initial_delay * 2.0 ^ least(f.failures, 40))
        WHEN s.outcome = 'back' THEN greatest(0, least(s.wait, 3600))
        ELSE 0 END AS seconds) AS w
    WHERE q.consumer = whose AND q.key = s.key AND q.claimer = me AND q.taken_version = s.version AND s.outcome <> 'done';
    RETURN mine;
END
$settle$;

-- Both in one transaction and one round trip. The last row has no key: `waited` are the seconds until another is due, as
-- of beat().
CREATE OR REPLACE FUNCTION notifychannel.turn(
    me integer, keys text[], versions bigint[], outcomes text[], errors text[], waits double precision[], most integer
)
RETURNS TABLE (
    id text, key text, version bigint, events text, count bigint, first_us bigint, last_us bigint, reason text,
    attempt integer, alone boolean, waited double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $turn$
BEGIN
    PERFORM notifychannel.settle(me, keys, versions, outcomes, errors, waits);
    RETURN QUERY SELECT * FROM notifychannel.claim(me, most);
    id := NULL;
    waited := notifychannel.beat(me);
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
        last_error = coalesce(m.last_error, c.last_error)
    FROM (
        SELECT l.consumer, sum(l.executions) AS executions, sum(l.failures) AS failures,
            max(l.last_execution) AS last_execution,
            (array_agg(l.last_error ORDER BY l.last_execution DESC NULLS LAST)
                FILTER (WHERE l.last_error IS NOT NULL))[1] AS last_error
        FROM notifychannel.claimer AS l WHERE l.id = ANY (gone) GROUP BY l.consumer
    ) AS m
    WHERE c.id = m.consumer AND m.executions + (m.last_error IS NOT NULL)::integer > 0;
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
    SELECT notifychannel.ask_resync(notifychannel.is_claimer(me), NULL, why)
$want$;

-- What waits for the claimer's consumer; `oldest`: for how many seconds something has not been acknowledged. Walks all of it.
CREATE OR REPLACE FUNCTION notifychannel.consumer_look(
    me integer, OUT pending bigint, OUT claimed bigint, OUT retrying bigint, OUT dead bigint, OUT oldest double precision
)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $look$
    SELECT count(*) FILTER (WHERE q.state = 'pending'), count(*) FILTER (WHERE q.state = 'claimed'),
        count(*) FILTER (WHERE q.state = 'retrying'), count(*) FILTER (WHERE q.state = 'dead'),
        extract(epoch FROM notifychannel.queue_time() - min(q.since))
    FROM notifychannel.queue AS q
    WHERE q.consumer = (SELECT notifychannel.is_claimer(me)) AND q.state <> 'resting'
$look$;

-- What has not been acknowledged for longer than the resource allows, dead or not, and was not escalated yet; for one
-- claimer of each consumer, whose session keeps an advisory lock (1852008558, consumer) for that from then on.
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
BEGIN
    SELECT o.* INTO c FROM notifychannel.consumer AS o WHERE o.id = whose AND NOT o.suspended;
    IF NOT FOUND OR c.escalate_after IS NULL AND c.escalated_after IS NULL THEN
        RETURN;
    END IF;
    -- once, for each one more would have to be given back
    IF NOT EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.granted AND l.pid = pg_backend_pid() AND l.classid = 1852008558
            AND l.objid = c.id::oid AND l.objsubid = 2
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    ) AND NOT pg_try_advisory_lock(1852008558, c.id) THEN
        RETURN;
    END IF;
    IF c.escalate_after IS DISTINCT FROM c.escalated_after THEN -- another resource: so another time for all that wait
        UPDATE notifychannel.consumer AS o SET escalated_after = o.escalate_after WHERE o.id = whose;
        PERFORM FROM notifychannel.queue AS q WHERE q.consumer = whose ORDER BY q.key FOR UPDATE;
        UPDATE notifychannel.queue AS q SET escalate_at = q.since + make_interval(secs => c.escalate_after)
        WHERE q.consumer = whose AND q.escalated_at IS NULL AND q.state <> 'resting';
    END IF;
    RETURN QUERY
        SELECT notifychannel.hint_id(c, q.key, v.version), q.key, v.version,
            notifychannel.united(v.events, q.events), v.count + q.count,
            least(v.first_us, q.first_us), greatest(v.last_us, q.last_us), notifychannel.stronger(v.reason, q.reason),
            q.attempts + (q.state = 'claimed')::integer, q.state = 'dead',
            extract(epoch FROM at - q.since)::double precision, q.last_error
        FROM notifychannel.queue AS q
        CROSS JOIN LATERAL (
            SELECT CASE WHEN q.state = 'claimed' THEN q.taken_version ELSE q.version END AS version,
                CASE WHEN q.state = 'claimed' THEN q.taken_events ELSE '' END AS events,
                CASE WHEN q.state = 'claimed' THEN q.taken_count ELSE 0 END AS count,
                CASE WHEN q.state = 'claimed' THEN q.taken_first_us END AS first_us,
                CASE WHEN q.state = 'claimed' THEN q.taken_last_us END AS last_us,
                CASE WHEN q.state = 'claimed' THEN q.taken_reason END AS reason
        ) AS v
        WHERE q.consumer = c.id AND q.escalate_at <= at
        ORDER BY q.escalate_at
        LIMIT most;
END
$escalations$;

-- These were escalated, and are not again until they have been acknowledged; how many.
CREATE OR REPLACE FUNCTION notifychannel.escalated(me integer, keys text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $escalated$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    whose CONSTANT integer := notifychannel.is_claimer(me);
    marked integer;
BEGIN
    PERFORM FROM notifychannel.queue AS q
    WHERE q.consumer = whose AND q.key = ANY (keys) AND q.escalate_at <= at
    ORDER BY q.key FOR UPDATE;
    PERFORM notifychannel.note(ARRAY[whose], array_agg(q.key), ARRAY['escalated'], NULL, NULL, array_agg(q.last_error))
    FROM notifychannel.queue AS q WHERE q.consumer = whose AND q.key = ANY (keys) AND q.escalate_at <= at;
    UPDATE notifychannel.queue AS q SET escalate_at = NULL, escalated_at = clock_timestamp()
    WHERE q.consumer = whose AND q.key = ANY (keys) AND q.escalate_at <= at;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END
$escalated$;

-- Of each claimer: whether its session lives, whether it holds rows, how far its beats are, and how many seconds one POST of
-- its may take. For the relay, which counts by its own clock how long one stands still.
CREATE OR REPLACE FUNCTION notifychannel.claimers_look()
RETURNS TABLE (claimer integer, pid integer, is_alive boolean, holds boolean, beats bigint, timeout double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
AS $look$
    SELECT m.id, m.pid, l.objid IS NOT NULL, EXISTS (SELECT FROM notifychannel.queue AS q WHERE q.claimer = m.id),
        m.beats, coalesce(c.timeout, 0)
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
    UPDATE notifychannel.queue_clock SET ahead = ahead - make_interval(secs => jumped);
END
$set$;

-- Rows whose due time was decided in what is now the future: between a jump of the clock and set_clock(), or by a clock that
-- was set back while nobody was the relay. They wait from now on for as long as they were meant to; how many of `most`.
CREATE OR REPLACE FUNCTION notifychannel.mend_clock(most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $mend$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    mended integer;
BEGIN
    WITH ahead AS MATERIALIZED (
        SELECT q.consumer, q.key FROM notifychannel.queue AS q
        WHERE q.set_at > at + interval '1 s' OR q.arrived_at > at + interval '1 s' OR q.since > at + interval '1 s'
        ORDER BY q.consumer, q.key
        LIMIT most
        FOR UPDATE
    )
    UPDATE notifychannel.queue AS q SET
        due_at = CASE WHEN q.set_at > at THEN at + (q.due_at - q.set_at) ELSE q.due_at END,
        not_before = CASE WHEN q.set_at > at THEN at + (q.not_before - q.set_at) ELSE q.not_before END,
        escalate_at = CASE WHEN q.since > at THEN at + (q.escalate_at - q.since) ELSE q.escalate_at END,
        set_at = least(q.set_at, at),
        arrived_at = least(q.arrived_at, at),
        since = least(q.since, at)
    FROM ahead AS a
    WHERE q.consumer = a.consumer AND q.key = a.key;
    GET DIAGNOSTICS mended = ROW_COUNT;
    UPDATE notifychannel.claimer AS m SET low = '-infinity', full_look_at = '-infinity' WHERE m.low > at;
    RETURN mended;
END
$mend$;

-- Deletes up to `most` rows each of what nobody needs: history past its retention, and keys that have rested; how many. To be
-- called again while it is as many.
CREATE OR REPLACE FUNCTION notifychannel.trim_queue(most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $trim$
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    kept notifychannel.audited;
    trimmed integer;
    old integer;
BEGIN
    DELETE FROM notifychannel.queue AS q
    USING (
        SELECT r.consumer, r.key FROM notifychannel.queue AS r
        WHERE r.state = 'resting' AND r.due_at <= at
        ORDER BY r.due_at LIMIT most
        FOR UPDATE SKIP LOCKED
    ) AS rested
    WHERE q.consumer = rested.consumer AND q.key = rested.key AND q.state = 'resting';
    GET DIAGNOSTICS trimmed = ROW_COUNT;
    FOR kept IN SELECT * FROM notifychannel.audited LOOP
        DELETE FROM notifychannel.audit WHERE ctid = ANY (ARRAY(
            SELECT a.ctid FROM notifychannel.audit AS a
            WHERE a.channel = kept.id AND a.at < clock_timestamp() - make_interval(secs => kept.retention)
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
    RETURN greatest(trimmed, old);
END
$trim$;

-- Dead letters of one consumer, of the id or the key if one is given: due at once, with all their attempts before them; how
-- many there are. For the installer.
CREATE OR REPLACE FUNCTION notifychannel.redrive(whose integer, id text, key text, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $redrive$
#variable_conflict use_column
DECLARE
    at CONSTANT timestamptz := notifychannel.queue_time();
    them text[];
BEGIN
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
RETURNS TABLE (at timestamptz, "group" text, key text, step text, events text, count bigint, error text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $history$
#variable_conflict use_column
BEGIN
    IF of_key IS NULL THEN
        RETURN QUERY
            SELECT a.at, a."group", a.key, a.step, a.events, a.count, a.error FROM notifychannel.audit AS a
            WHERE a.channel = of_channel ORDER BY a.at DESC LIMIT most;
    ELSE
        RETURN QUERY
            SELECT a.at, a."group", a.key, a.step, a.events, a.count, a.error FROM notifychannel.audit AS a
            WHERE a.channel = of_channel AND a.key = of_key ORDER BY a.at DESC LIMIT most;
    END IF;
END
$history$;

-- The registry: who consumes, how many sessions claim for it, how it went, and what waits. `oldest_at`: since when something
-- is not acknowledged, by this server's clock as it is now.
CREATE OR REPLACE VIEW notifychannel.consumers AS
SELECT c.id, c.installation, c.namespace, c.channel, c."group", c.pg_channel, c.key_names, c.suspended,
    coalesce(m.active, 0) AS active,
    greatest(c.last_execution, m.last_execution) AS last_execution,
    coalesce(m.last_error, c.last_error) AS last_error,
    c.executions + coalesce(m.executions, 0) AS executions,
    c.failures + coalesce(m.failures, 0) AS failures,
    coalesce(q.pending, 0) AS pending, coalesce(q.claimed, 0) AS claimed, coalesce(q.retrying, 0) AS retrying,
    coalesce(q.dead, 0) AS dead, coalesce(q.escalated, 0) AS escalated,
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
LEFT JOIN (
    SELECT r.consumer,
        count(*) FILTER (WHERE r.state = 'pending') AS pending,
        count(*) FILTER (WHERE r.state = 'claimed') AS claimed,
        count(*) FILTER (WHERE r.state = 'retrying') AS retrying,
        count(*) FILTER (WHERE r.state = 'dead') AS dead,
        count(*) FILTER (WHERE r.escalated_at IS NOT NULL) AS escalated,
        min(r.since) AS since
    FROM notifychannel.queue AS r WHERE r.state <> 'resting' GROUP BY r.consumer
) AS q ON q.consumer = c.id;

REVOKE ALL ON TABLE notifychannel.consumers FROM PUBLIC;

REVOKE ALL ON FUNCTION notifychannel.queue_time() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.united(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.stronger(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.hint_id(notifychannel.consumer, text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.note(integer[], text[], text[], text[], bigint[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.merge(text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.ask_resync(integer, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.rules_settled() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.enter(text, text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.is_claimer(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.beat(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.claim(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.settle(integer, text[], bigint[], text[], text[], double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.turn(integer, text[], bigint[], text[], text[], double precision[], integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.give_back(integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.leave(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.want_resync(integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.consumer_look(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.escalations(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.escalated(integer, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.claimers_look() FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.reclaim(integer[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.set_clock(double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.mend_clock(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.trim_queue(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.redrive(integer, text, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION notifychannel.history(integer, text, integer) FROM PUBLIC;

-- Who may read the counter of skipped NOTIFYs is a listener, and any listener may claim, and may have to be the relay.
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
            'notifychannel.beat(integer), notifychannel.claim(integer, integer), '
            'notifychannel.settle(integer, text[], bigint[], text[], text[], double precision[]), '
            'notifychannel.turn(integer, text[], bigint[], text[], text[], double precision[], integer), '
            'notifychannel.leave(integer), notifychannel.want_resync(integer, text), '
            'notifychannel.consumer_look(integer), notifychannel.escalations(integer, integer), '
            'notifychannel.escalated(integer, text[]), notifychannel.claimers_look(), '
            'notifychannel.reclaim(integer[], bigint[]), notifychannel.set_clock(double precision), '
            'notifychannel.mend_clock(integer), notifychannel.trim_queue(integer), notifychannel.rules_settled() '
            'TO ' || listener;
    END LOOP;
END $rights$;
