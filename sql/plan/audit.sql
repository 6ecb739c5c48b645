DO %{tag}
BEGIN
    -- Whose changes, and deliveries, leave a row each, for how many seconds, and by which names their keys are asked for.
    PERFORM notifychannel.put_audit(%{owner}, %{pg_channel}, %{retention}, %{key_names});
END %{tag}
