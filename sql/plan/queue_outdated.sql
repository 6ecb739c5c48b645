DO %{tag}
DECLARE
    older regprocedure;
BEGIN
    -- An older version's beside the one that was just made, with other arguments: a call could mean either.
    FOR older IN
        SELECT p.oid FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'notifychannel' AND p.proname = ANY (%{routines}) AND EXISTS (
            SELECT FROM pg_catalog.pg_proc AS younger
            WHERE younger.pronamespace = n.oid AND younger.proname = p.proname AND younger.oid > p.oid
        )
    LOOP
        EXECUTE 'DROP ROUTINE ' || older || ' CASCADE';
    END LOOP;
END %{tag}
