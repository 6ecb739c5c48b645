-- Dead letters of these consumers, the oldest first. Run by: the installer. $1 integer[]: consumer.id; $2 integer: at most.
SELECT q.consumer, notifychannel.hint_id(c, q.key, q.version) AS id, q.key, q.attempts, q.last_error, q.died_at
FROM notifychannel.queue AS q
JOIN notifychannel.consumer AS c ON c.id = q.consumer
WHERE q.consumer = ANY ($1::integer[]) AND q.state = 'dead'
ORDER BY q.died_at, q.consumer, q.key
LIMIT $2::integer;
