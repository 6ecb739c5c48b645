        waiting := notifychannel.drop_consumer(whose.id, false);
        IF waiting > 0 THEN -- for whoever comes back under this name, or a person; and no more of them
            UPDATE notifychannel.consumer AS c SET pg_channel = '' WHERE c.id = whose.id AND c.pg_channel <> '';
        END IF;
