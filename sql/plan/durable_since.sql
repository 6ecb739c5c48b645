DO %{tag}
BEGIN
    -- The change is committed: whoever wrote under the old rules has an id below ours, or will have looked before.
    UPDATE notifychannel.fence AS f SET since = pg_catalog.pg_current_xact_id()
    WHERE f.pg_channel = %{channel} AND f.since IS NULL;
END %{tag}
