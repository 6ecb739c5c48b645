-- As drain.sql, but for what waits for the queue: asked for only after a drain that has said that the queue is blocked.
SELECT CASE WHEN $4::boolean THEN pg_try_advisory_lock(1852008556, 2) END AS raised, d.*
FROM notifychannel.drain($1::xid8, $2::xid8[], $3::integer, logged => false) AS d
