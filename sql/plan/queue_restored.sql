DO %{tag}
DECLARE
    made CONSTANT text := pg_catalog.obj_description(
        pg_catalog.to_regprocedure('notifychannel.claimers_look()'), 'pg_proc'
    );
BEGIN
    -- The note says where these tables were made, and it was not here: they came with a dump, in which rows are older than
    -- what applications have seen.
    IF made LIKE '%% in %%' AND made NOT LIKE '%% in ' || (
%{home}
    ) THEN
        PERFORM notifychannel.resync(ARRAY(SELECT c.id FROM notifychannel.consumer AS c ORDER BY c.id), 'reconnect');
    END IF;
END %{tag}
