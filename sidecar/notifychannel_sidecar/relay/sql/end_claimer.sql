-- The session of one that still stands where it was seen.
SELECT pg_catalog.pg_terminate_backend(l.pid)
FROM notifychannel.claimers_look() AS l
WHERE l.claimer = $1::integer AND l.beats = $2::bigint AND l.is_alive
