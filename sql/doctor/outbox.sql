-- The outbox from outside, and whether something waits that nobody drains. Run by: the installer, where there is one.
SELECT
    s.rows, s.bytes AS size_bytes,
    l.holder IS NULL AND notifychannel.relay_waiting() AS is_left
FROM notifychannel.outbox_size() AS s CROSS JOIN notifychannel.relay_look() AS l;
