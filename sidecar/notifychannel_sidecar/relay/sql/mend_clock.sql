-- A beat goes before it, as in look_at_claimers.sql.
SELECT notifychannel.mend_clock($1::integer) FROM notifychannel.collapse(9223372036854775807, '0', 0) AS beat
