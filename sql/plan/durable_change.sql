DO %{tag}
DECLARE
    told CONSTANT integer[] := ARRAY(
        SELECT c.id FROM notifychannel.consumer AS c WHERE c.pg_channel = %{channel} ORDER BY c.id
    );
BEGIN
    -- The same for those who are told by the queue, whether anybody listens or not.%{fence}
    PERFORM notifychannel.resync(told, 'rules');
END %{tag}
