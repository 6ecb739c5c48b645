DO %{tag}
BEGIN
    -- What waited in a table of jobs that is gone is told by a look at everything.
    IF pg_catalog.to_regclass('notifychannel.outbox_logged') IS NULL
        AND pg_catalog.to_regclass('notifychannel.queue') IS NOT NULL
        AND pg_catalog.to_regprocedure('notifychannel.resync(integer[], text)') IS NOT NULL
    THEN
        PERFORM notifychannel.resync(ARRAY(SELECT c.id FROM notifychannel.consumer AS c ORDER BY c.id), 'rules');
    END IF;
END %{tag}
