(
                SELECT pg_catalog.count(*) FROM (
                    SELECT FROM notifychannel.queue AS q
                    WHERE q.consumer = whose.id AND q.state <> 'resting' LIMIT 100000
                ) AS w
            )
