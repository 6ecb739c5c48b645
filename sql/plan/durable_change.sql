DO %{tag}
DECLARE
    told CONSTANT integer[] := ARRAY(
        SELECT c.id FROM notifychannel.consumer AS c WHERE c.pg_channel = %{channel} ORDER BY c.id
    );
BEGIN
    -- The same for those who are told by the queue, whether anybody listens or not; the step after this one notes from
    -- which transaction on everybody writes under these rules, and when all before it are over they are told again.
    INSERT INTO notifychannel.fence (pg_channel) SELECT %{channel} WHERE pg_catalog.cardinality(told) > 0
    ON CONFLICT (pg_channel) DO UPDATE SET since = NULL;
    PERFORM notifychannel.resync(told, 'rules');
END %{tag}
