-- Whoever holds the role, if it is still that one and it still stands still.
SELECT pg_terminate_backend(l.holder) FROM notifychannel.relay_look() AS l WHERE l.holder = $1 AND l.beats = $2
