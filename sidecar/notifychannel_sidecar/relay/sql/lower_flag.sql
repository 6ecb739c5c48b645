SELECT pg_advisory_unlock(1852008556, 2)
