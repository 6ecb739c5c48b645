-- Run by: the installer. $1 text: the PostgreSQL channel; $2 text: the rules; $3 text[]: what follows a payload's header.
INSERT INTO notifychannel.%{outbox} (channel, payload)
SELECT $1::text, '1' || $2::text || 'U'
    || lpad((extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint::text, 16, '0') || b.body
FROM pg_catalog.unnest($3::text[]) AS b (body);
