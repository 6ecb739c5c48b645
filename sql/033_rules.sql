-- When rules change: who is told by the queue is told once more when nobody writes under the old rules any longer, though
-- nobody listens.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 033_rules.sql    (after 032_upkeep.sql)
-- Run by: the installer.

-- PostgreSQL channels whose rules are being changed (NULL), and since which transaction everybody writes under the new ones.
CREATE TABLE IF NOT EXISTS notifychannel.fence (
    pg_channel text PRIMARY KEY,
    since xid8
);
REVOKE ALL ON TABLE notifychannel.fence FROM PUBLIC;

-- Asks for the resyncs that are due, and says of how many channels. A statement that writes counts as running since its
-- snapshot, as in the listeners' round trip: one that has not changed a row yet has no transaction id. A fence of another
-- cluster's, which a dump takes along, is over. For the relay, each second, and for a pass.
CREATE OR REPLACE FUNCTION notifychannel.rules_settled() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $settled$
DECLARE
    ours bigint;
    oldest bigint;
    told text;
    channels integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM notifychannel.fence AS f WHERE f.since IS NOT NULL) THEN
        RETURN 0;
    END IF;
    ours := pg_current_xact_id()::text::bigint;
    oldest := least(
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
        (
            SELECT min(ours - (((ours - a.backend_xmin::text::bigint + 2147483648) & 4294967295) - 2147483648)) - 1
            FROM pg_stat_activity AS a
            WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()
                AND a.pid IN (
                    SELECT l.pid FROM pg_locks AS l
                    WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
                )
        )
    );
    FOR told IN
        SELECT f.pg_channel FROM notifychannel.fence AS f
        WHERE f.since::text::bigint <= oldest OR f.since::text::bigint > ours
        ORDER BY f.pg_channel
        FOR UPDATE SKIP LOCKED
    LOOP
        DELETE FROM notifychannel.fence AS f WHERE f.pg_channel = told;
        PERFORM notifychannel.resync(
            ARRAY(SELECT c.id FROM notifychannel.consumer AS c WHERE c.pg_channel = told ORDER BY c.id), 'rules'
        );
        channels := channels + 1;
    END LOOP;
    RETURN channels;
END
$settled$;
REVOKE ALL ON FUNCTION notifychannel.rules_settled() FROM PUBLIC;

-- Who may read the counter of skipped NOTIFYs is a listener, and any listener may have to be the relay.
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
        EXECUTE 'GRANT EXECUTE ON FUNCTION notifychannel.rules_settled() TO ' || listener;
    END LOOP;
END $rights$;
