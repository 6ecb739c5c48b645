DO %{tag}
BEGIN
    -- Every listener looks at everything once this is committed, for what changed before was not heard: a payload
    -- without keys, with the hash of no rules.
    PERFORM pg_catalog.pg_notify(
        %{channel},
        '100000000T' || pg_catalog.lpad(
            (EXTRACT(epoch FROM pg_catalog.statement_timestamp()) * 1000000)::bigint::text, 16, '0'
        )
    );
END %{tag}
