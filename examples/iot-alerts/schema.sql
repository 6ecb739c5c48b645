-- What the application has already: what devices send, what they are, and who is to know when one of them is too hot.
CREATE TABLE telemetry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL,
    device_id text NOT NULL,
    celsius real NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    -- Not "which id came last": ids become visible in another order than they were given out.
    evaluated boolean NOT NULL DEFAULT false
);
CREATE INDEX ON telemetry (tenant_id, device_id) WHERE NOT evaluated;
CREATE TABLE device_state (
    tenant_id integer NOT NULL,
    device_id text NOT NULL,
    state text NOT NULL,
    celsius real,
    telemetry_id bigint NOT NULL DEFAULT 0, -- the newest that was evaluated: what is committed late is not the state
    evaluations bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, device_id)
);
CREATE TABLE fleet_alert (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL,
    device_id text NOT NULL,
    telemetry_id bigint NOT NULL REFERENCES telemetry (id),
    message text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    dispatched boolean NOT NULL DEFAULT false,
    delivered_at timestamptz,
    cleared_at timestamptz
);
CREATE UNIQUE INDEX one_alert_at_a_time ON fleet_alert (tenant_id, device_id) WHERE cleared_at IS NULL;
CREATE INDEX ON fleet_alert (id) WHERE NOT dispatched;
CREATE TABLE recipients (
    tenant_id integer NOT NULL,
    phone text NOT NULL,
    PRIMARY KEY (tenant_id, phone)
);
CREATE TABLE delivery_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL,
    alert_id bigint NOT NULL REFERENCES fleet_alert (id),
    phone text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'failed', 'delivered')),
    delivered_at timestamptz,
    UNIQUE (alert_id, phone)
);
CREATE INDEX ON delivery_jobs (id) WHERE status = 'pending';

INSERT INTO recipients (tenant_id, phone) VALUES (1, '+49 30 1234567'), (2, '+55 11 7654321');
INSERT INTO device_state (tenant_id, device_id, state, celsius) VALUES
    (1, 'pump-1', 'normal', 41), (1, 'pump-2', 'normal', 38), (1, 'furnace', 'normal', 64), (2, 'chiller', 'normal', 7);
