-- The outbox from outside. Run by: the installer, where there is one.
SELECT s.bytes, s.rows, l.holder IS NOT NULL AS has_relay
FROM notifychannel.outbox_size() AS s CROSS JOIN notifychannel.relay_look() AS l;
