DO %{tag}
BEGIN
    -- Whose changes, and deliveries, leave a row each, and for how many seconds.
    PERFORM notifychannel.put_audit(%{owner}, %{pg_channel}, %{retention});
END %{tag}
