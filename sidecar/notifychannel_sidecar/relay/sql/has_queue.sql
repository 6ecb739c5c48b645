-- Whether there is a queue, all of it. A beat goes before it, as in look_at_claimers.sql.
SELECT pg_catalog.to_regprocedure('notifychannel.rules_settled()') IS NOT NULL
    AND pg_catalog.to_regprocedure('notifychannel.claimers_look()') IS NOT NULL
FROM notifychannel.collapse(9223372036854775807, '0', 0) AS beat
