-- What the application has already: a scraper's runs and what they log.
CREATE TABLE runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    spider text NOT NULL,
    state text NOT NULL DEFAULT 'running'
);
CREATE TABLE log_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES runs (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    level text NOT NULL DEFAULT 'INFO',
    line text NOT NULL,
    -- Which transaction wrote it: so lines.py knows which lines a reader has seen, in whatever order they were committed.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX ON log_lines (run_id, xid, id);
