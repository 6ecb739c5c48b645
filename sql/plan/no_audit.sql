DO %{tag}
BEGIN
    PERFORM notifychannel.drop_audit(%{owner});
END %{tag}
