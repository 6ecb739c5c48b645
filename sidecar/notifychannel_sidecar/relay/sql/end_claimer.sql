-- The session of one that still stands where it was seen. A beat goes before it, as in look_at_claimers.sql.
SELECT pg_catalog.pg_terminate_backend(l.pid)
FROM notifychannel.collapse(9223372036854775807, '0', 0) AS beat
LEFT JOIN notifychannel.claimers_look() AS l ON l.claimer = $1::integer AND l.beats = $2::bigint AND l.is_alive
