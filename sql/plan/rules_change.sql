DO %{tag}
BEGIN
    -- With the change, and only with it: who subscribes from here on may meet a transaction that wrote under the old
    -- rules. Its id may be above ours, so ours says nothing; the id in the step after this one does. Named with the
    -- cluster, for a dump takes comments along.
    EXECUTE 'COMMENT ON FUNCTION notifychannel.skipped() IS ' || pg_catalog.quote_literal(
        'rules of database system ' || (SELECT system_identifier FROM pg_catalog.pg_control_system())
        || ' are being changed'
    );
END %{tag}
