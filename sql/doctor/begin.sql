-- What every question of the doctor's begins with, in its own transaction: it waits for nobody, and for nothing long.
SELECT
    pg_catalog.set_config('statement_timeout', '5s', true), pg_catalog.set_config('lock_timeout', '200ms', true);
