-- Who may read the counter of skipped NOTIFYs is a listener, and any listener may claim, or have to be the relay.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 035_rights.sql    (after 034_aside.sql)
-- Run by: the installer.

DO $rights$
DECLARE
    listener text;
BEGIN
    FOR listener IN
        SELECT DISTINCT pg_catalog.quote_ident(r.rolname)
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS acl
        JOIN pg_catalog.pg_roles AS r ON r.oid = acl.grantee
        WHERE n.nspname = 'notifychannel' AND p.proname = 'skipped' AND p.pronargs = 0
            AND acl.privilege_type = 'EXECUTE' AND acl.grantee <> p.proowner
    LOOP
        EXECUTE 'GRANT EXECUTE ON FUNCTION notifychannel.enter(text, text, text, text, text), '
            'notifychannel.beat(integer, text, double precision), notifychannel.claim(integer, integer, text), '
            'notifychannel.settle(integer, text[], bigint[], text[], text[], double precision[]), '
            'notifychannel.turn(integer, text[], bigint[], text[], text[], double precision[], integer, text, '
            'double precision), '
            'notifychannel.leave(integer), notifychannel.want_resync(integer, text), '
            'notifychannel.consumer_look(integer), notifychannel.escalations(integer, integer), '
            'notifychannel.escalated(integer, text[]), '
            'notifychannel.claimers_look(), notifychannel.reclaim(integer[], bigint[]), '
            'notifychannel.set_clock(double precision), notifychannel.mend_clock(integer), '
            'notifychannel.trim_queue(integer), notifychannel.rules_settled(), notifychannel.merge_aside() '
            'TO ' || listener;
    END LOOP;
END $rights$;
