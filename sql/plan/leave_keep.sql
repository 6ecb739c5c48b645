        -- in the order of 030_queue.sql, and nothing comes from here on
        PERFORM FROM notifychannel.claimer AS m WHERE m.consumer = whose.id ORDER BY m.id FOR UPDATE;
        PERFORM FROM notifychannel.consumer AS c WHERE c.id = whose.id FOR UPDATE;
        IF EXISTS (SELECT FROM notifychannel.outbox_logged AS o WHERE o.channel = whose.pg_channel) THEN
            -- nobody merges these for it any more: a look at everything, before what waits is counted
            PERFORM notifychannel.resync(ARRAY[whose.id], 'overflow');
        END IF;
        waiting := notifychannel.drop_consumer(whose.id, false);
        IF waiting > 0 THEN -- for whoever comes back under this name, or a person; and no more of them
            UPDATE notifychannel.consumer AS c SET pg_channel = '' WHERE c.id = whose.id AND c.pg_channel <> '';
        END IF;
