-- Who is the relay, whether it has anything to do, and how large the outbox is. Run by: the installer, reading only.
SELECT l.holder, s.bytes, s.rows, l.holder IS NULL AND notifychannel.relay_waiting() AS waits
FROM notifychannel.relay_look() AS l, notifychannel.outbox_size() AS s;
