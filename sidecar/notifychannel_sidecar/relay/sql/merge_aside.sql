-- A beat goes before it, as in look_at_claimers.sql.
SELECT a.waits FROM notifychannel.collapse(9223372036854775807, '0', 0) AS beat
LEFT JOIN notifychannel.merge_aside() AS a ON true
