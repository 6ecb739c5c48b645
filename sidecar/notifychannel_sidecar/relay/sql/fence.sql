-- All that have an id by now have a lower one. Asked when the flag is down, for who came while it was up did not ring.
SELECT pg_current_xact_id()
