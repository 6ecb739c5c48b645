-- The outbox from outside. Run by: the installer, where there is one.
-- How many rows wait is an estimate, and none is none.
SELECT s.bytes, l.holder IS NOT NULL AS has_relay,
    CASE WHEN EXISTS (SELECT FROM notifychannel.outbox AS o WHERE o.xid >= d.low)
        OR EXISTS (SELECT FROM notifychannel.outbox_logged AS o WHERE o.xid >= d.low)
    THEN greatest(s.rows, 1) ELSE 0 END AS rows
FROM notifychannel.outbox_size() AS s CROSS JOIN notifychannel.relay_look() AS l
CROSS JOIN (SELECT notifychannel.relay_drained() AS low OFFSET 0) AS d;
