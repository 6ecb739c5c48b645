-- The registry with what waits, for a person. Run by: the installer. $1, $2, $3, $4 text: installation, namespace, channel
-- and group, each NULL for any.
SELECT c.id, c.installation, c.namespace, c.channel, c."group", c.key_names, c.suspended, c.active, c.pending, c.claimed,
    c.retrying, c.dead, c.escalated, c.executions, c.failures, c.last_execution, c.last_error,
    CASE WHEN c.oldest_at IS NOT NULL THEN greatest(
        0, extract(epoch FROM pg_catalog.clock_timestamp() - c.oldest_at)
    )::float8 END AS oldest_s
FROM notifychannel.consumers AS c
WHERE ($1::text IS NULL OR c.installation = $1::text) AND ($2::text IS NULL OR c.namespace = $2::text)
    AND ($3::text IS NULL OR c.channel = $3::text) AND ($4::text IS NULL OR c."group" = $4::text)
ORDER BY c.installation, c.namespace, c.channel, c."group";
