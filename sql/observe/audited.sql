-- Whether a channel's changes leave a row each. Run by: the installer, reading only. $1, $2, $3 text: whose.
-- The version before has no key_names.
SELECT a.pg_channel, a.retention,
    ARRAY(SELECT pg_catalog.jsonb_array_elements_text(pg_catalog.to_jsonb(a) -> 'key_names')) AS key_names
FROM notifychannel.audited AS a
WHERE (a.installation, a.namespace, a.channel) = ($1::text, $2::text, $3::text);
