-- Whether there is a queue, all of it.
SELECT pg_catalog.to_regprocedure('notifychannel.rules_settled()') IS NOT NULL
    AND pg_catalog.to_regprocedure('notifychannel.claimers_look()') IS NOT NULL
