-- Since which transaction everybody in this cluster writes under the rules of our triggers as they are; whether that is
-- not known yet, for they are being changed. A pass writes it into a comment, which everybody may read and which may
-- say anything or be missing; one that a dump has brought from another cluster says nothing here.
-- Run by the listener, who needs no right for it but CONNECT.
SELECT pg_catalog.substring(said.comment, '^' || said.ours || ' since transaction ([0-9]{1,18})$')::bigint AS since,
       coalesce(said.comment = said.ours || ' are being changed', false) AS are_changing
FROM (
    SELECT 'rules of database system ' || (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS ours,
           (
               SELECT pg_catalog.obj_description(p.oid, 'pg_proc')
               FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
               WHERE n.nspname = 'notifychannel' AND p.proname = 'skipped' AND p.pronargs = 0
           ) AS comment
) AS said
