-- What the application has already: notes on a map, what people write about them, and the table that analysts read.
CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    country text NOT NULL,
    region text NOT NULL,
    status text NOT NULL DEFAULT 'open'
);
CREATE TABLE note_comments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    note_id bigint NOT NULL REFERENCES notes (id),
    country text NOT NULL,
    region text NOT NULL,
    event text NOT NULL,
    body text NOT NULL DEFAULT '',
    stars text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE bulk_imports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    completed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE facts (
    comment_id bigint PRIMARY KEY REFERENCES note_comments (id),
    note_id bigint NOT NULL,
    country text NOT NULL,
    event text NOT NULL,
    note_status text NOT NULL,
    words integer NOT NULL,
    stars integer,
    processed_by text NOT NULL,
    processed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON note_comments (note_id);
