-- What a database of yours has already: a table. And what a DBA gives NotifyChannel: two roles, and the rights that
-- `notifychannel sql --grants` prints for orders.yaml.
\set ON_ERROR_STOP on
CREATE DATABASE shop;
\connect shop
CREATE TABLE public.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL DEFAULT 'new'
);
CREATE ROLE notifychannel_installer LOGIN PASSWORD 'change-me-installer';
CREATE ROLE notifychannel_listener LOGIN PASSWORD 'change-me-listener';
CREATE SCHEMA notifychannel AUTHORIZATION notifychannel_installer;
GRANT USAGE ON SCHEMA public TO notifychannel_installer;
GRANT TRIGGER ON TABLE public.orders TO notifychannel_installer;
GRANT USAGE ON SCHEMA notifychannel TO notifychannel_listener;
