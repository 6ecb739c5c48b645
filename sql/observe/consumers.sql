-- The consumers of a channel as they are registered, and who claims. Run by: the installer, reading only.
-- $1, $2 text: namespace and name; $3 text: the installation, NULL for all; $4 boolean: count what waits, else only for
-- those that have left, for there may be many rows.
SELECT
    c.installation, c."group", c.pg_channel, c.rules, c.key_names, c.suspended, c.debounce, c.max_delay, c.min_interval,
    c.timeout, c.max_attempts, c.initial_delay, c.longest_delay, c.escalate_after,
    EXISTS (SELECT FROM notifychannel.fence AS f WHERE f.pg_channel = c.pg_channel AND f.since IS NULL) AS is_changing,
    w.rows, w.dead,
    CASE WHEN $4::boolean THEN (
        SELECT pg_catalog.count(*) FROM notifychannel.outbox_logged AS o WHERE o.channel = c.pg_channel
    ) ELSE 0 END AS unmerged,
    (
        SELECT pg_catalog.count(*)
        FROM notifychannel.claimer AS m
        JOIN pg_catalog.pg_locks AS l ON l.locktype = 'advisory' AND l.granted AND l.classid = 1852008557
            AND l.objsubid = 2 AND l.objid = m.id::oid
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
        WHERE m.consumer = c.id
    ) AS claimers
FROM notifychannel.consumer AS c
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE q.state = 'dead') AS dead
    FROM notifychannel.queue AS q
    WHERE q.consumer = c.id AND q.state <> 'resting' AND ($4::boolean OR c.pg_channel = '')
) AS w
WHERE c.namespace = $1::text AND c.channel = $2::text AND c.installation = coalesce($3::text, c.installation)
ORDER BY c.installation, c."group";
