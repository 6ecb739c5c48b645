DO %{tag}
DECLARE
    whose record;
    waiting bigint;
BEGIN
    FOR whose IN
        SELECT c.id, c."group", c.pg_channel FROM notifychannel.consumer AS c
        WHERE (c.installation, c.namespace, c.channel) = (%{owner}) AND %{groups}
        ORDER BY c.id
    LOOP
%{what}
    END LOOP;
END %{tag}
