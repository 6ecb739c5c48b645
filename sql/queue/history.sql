-- The latest first. Run by: the installer. $1 integer: audited.id; $2 text: a key as payloads have it, NULL for every key;
-- $3 integer: at most.
SELECT h.at, h."group", h.source, h.key, h.step, h.events, h.count, h.error
FROM notifychannel.history($1::integer, $2::text, $3::integer) AS h;
