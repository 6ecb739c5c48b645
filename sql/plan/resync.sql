-- Every listener looks at everything once this is committed: what changed before was not heard. The payload has no
-- keys and the hash of no rules.
SELECT pg_catalog.pg_notify(
    %{channel},
    '100000000T' || pg_catalog.lpad(
        (EXTRACT(epoch FROM pg_catalog.statement_timestamp()) * 1000000)::bigint::text, 16, '0'
    )
)
