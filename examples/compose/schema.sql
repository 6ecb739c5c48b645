-- What a database of yours has already: a table, and two roles for NotifyChannel with passwords of your own.
CREATE TABLE public.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL DEFAULT 'new'
);
CREATE ROLE notifychannel_installer LOGIN PASSWORD 'change-me-installer';
CREATE ROLE notifychannel_listener LOGIN PASSWORD 'change-me-listener';
