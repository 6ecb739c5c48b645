-- In the shape of a claim, which it is not.
SELECT e.id, e.key, e.version, e.events, e.count, e.first_us, e.last_us, e.reason, e.attempt, true, e.waited
FROM notifychannel.escalations($1::integer, $2::integer) AS e
