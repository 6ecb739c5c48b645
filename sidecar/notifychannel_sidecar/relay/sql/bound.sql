-- Until this transaction ends.
SELECT set_config('statement_timeout', $1::text, true), set_config('lock_timeout', '50ms', true)
