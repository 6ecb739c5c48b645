
    -- The step after this one notes from which transaction on everybody writes under these rules, and when all before it
    -- are over they are told again.
    INSERT INTO notifychannel.fence (pg_channel) SELECT %{channel} WHERE pg_catalog.cardinality(told) > 0
    ON CONFLICT (pg_channel) DO UPDATE SET since = NULL;
