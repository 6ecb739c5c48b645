-- The flag is for writers: while it is up they do not ring. Asked for again until it is ours, for a writer that looks
-- at it holds it for a moment.
SELECT CASE WHEN $4::boolean THEN pg_try_advisory_lock(1852008556, 2) END AS raised, d.*
FROM notifychannel.drain($1::xid8, $2::xid8[], $3::integer) AS d
