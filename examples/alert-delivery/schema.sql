-- What the application has already. NotifyChannel alters none of it.
CREATE TABLE webhooks (
    name text PRIMARY KEY,
    url text NOT NULL
);
CREATE TABLE alert_notification_queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook text NOT NULL REFERENCES webhooks (name),
    severity text NOT NULL DEFAULT 'warning',
    message text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- The application's own mark: what a webhook has taken. So who looks at everything knows what is left to do.
CREATE TABLE alert_deliveries (
    alert_id bigint PRIMARY KEY REFERENCES alert_notification_queue (id),
    delivered_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE alert_escalations (
    alert_id bigint PRIMARY KEY REFERENCES alert_notification_queue (id),
    escalated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE alert_statistics (
    severity text PRIMARY KEY,
    alerts bigint NOT NULL
);

INSERT INTO webhooks (name, url) VALUES
    ('chat', 'http://127.0.0.1:8082/chat'),
    ('pager', 'http://127.0.0.1:8082/pager');
