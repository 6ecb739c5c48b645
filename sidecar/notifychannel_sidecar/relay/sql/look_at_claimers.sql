-- One row at least: the server's clock is asked for, too.
SELECT extract(epoch FROM pg_catalog.clock_timestamp())::double precision AS server_s, l.*
FROM (VALUES (1)) AS once (it) LEFT JOIN notifychannel.claimers_look() AS l ON true
