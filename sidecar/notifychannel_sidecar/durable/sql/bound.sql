-- Until this transaction ends.
SELECT set_config('statement_timeout', '1s', true)
