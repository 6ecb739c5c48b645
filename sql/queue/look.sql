-- What waits for each consumer of a channel, and for how long. Run by: the installer. $1, $2, $3 text: whose.
SELECT c."group", c.pending + c.claimed + c.retrying AS rows, c.dead, c.escalated, c.last_error,
    greatest(0, coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - c.oldest_at), 0))::float8 AS oldest_s
FROM notifychannel.consumers AS c
WHERE (c.installation, c.namespace, c.channel) = ($1::text, $2::text, $3::text)
ORDER BY c."group";
