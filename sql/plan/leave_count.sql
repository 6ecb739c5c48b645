(
                SELECT pg_catalog.count(*) FROM notifychannel.queue AS q
                WHERE q.consumer = whose.id AND q.state <> 'resting'
            )
