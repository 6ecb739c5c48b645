DO %{tag}
DECLARE
    ours CONSTANT text := 'rules of database system '
        || (SELECT system_identifier FROM pg_catalog.pg_control_system());
    shared CONSTANT oid := (
        SELECT p.oid
        FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'notifychannel' AND p.proname = 'skipped' AND p.pronargs = 0
    );
BEGIN
    -- The change is committed: whoever wrote under the old rules has an id below ours.
    IF pg_catalog.obj_description(shared, 'pg_proc') = ours || ' are being changed' THEN
        EXECUTE 'COMMENT ON FUNCTION notifychannel.skipped() IS '
            || pg_catalog.quote_literal(ours || ' since transaction ' || pg_catalog.pg_current_xact_id()::text);
    END IF;
END %{tag}
