-- Whether there is an outbox and this role may be its relay, looked up where everybody may look.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'notifychannel' AND p.proname = 'relay_look' AND p.pronargs = 0
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
)
