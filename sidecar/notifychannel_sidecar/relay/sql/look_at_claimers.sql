-- One row at least: the server's clock is asked for, too.
-- A beat goes before it, that a relay at work is seen to be: a collapse of more bytes than there can be, which does
-- nothing else; the sequence itself is not for listeners to move. It is called before what is selected, and before what
-- is LEFT JOINed to it.
SELECT extract(epoch FROM pg_catalog.clock_timestamp())::double precision AS server_s, l.*
FROM notifychannel.collapse(9223372036854775807, '0', 0) AS beat
LEFT JOIN notifychannel.claimers_look() AS l ON true
