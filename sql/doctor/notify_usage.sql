-- How full the NOTIFY queue is, 0 to 1, and how many pages it may have (a setting since 17, this number before).
-- Run by: anybody.
SELECT
    pg_catalog.pg_notification_queue_usage() AS usage,
    coalesce(pg_catalog.current_setting('max_notify_queue_pages', true)::int, 1048576) AS pages;
