DO %{tag}
BEGIN
    -- who looked may not have seen them
    IF EXISTS (SELECT FROM notifychannel.consumer) THEN
        RAISE EXCEPTION 'the queue has consumers, for whom something may wait: see the view notifychannel.consumers';
    END IF;
END %{tag}
