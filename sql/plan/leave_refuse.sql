        waiting := (SELECT pg_catalog.count(*) FROM notifychannel.outbox_logged AS o WHERE o.channel = whose.pg_channel)
            + %{queued};
        IF waiting > 0 THEN
            RAISE EXCEPTION '%% keys or rows of the outbox wait for the group %%: let them be delivered, or use --force',
                waiting, whose."group";
        END IF;
