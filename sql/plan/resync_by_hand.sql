SELECT pg_catalog.pg_notify(%{channel}, '100000000T' || pg_catalog.lpad((EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint::text, 16, '0'));
