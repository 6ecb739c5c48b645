-- Keys that wait for these consumers, or are dead; what is due next first, and what is dead last. Run by: the installer.
-- $1 integer[]: consumer.id; $2 integer: at most.
SELECT j.consumer, j.id, j.key, j.state, j.attempts, j.waits_since, j.next_attempt_at, j.last_error, j.died_at, j.escalated_at
FROM notifychannel.jobs AS j
WHERE j.consumer = ANY ($1::integer[])
ORDER BY j.state = 'dead', j.next_attempt_at NULLS FIRST, j.consumer, j.key
LIMIT $2::integer;
