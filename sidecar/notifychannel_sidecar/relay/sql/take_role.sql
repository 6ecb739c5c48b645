SELECT pg_try_advisory_lock(1852008556, 1)
