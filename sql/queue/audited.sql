-- Channels whose history is kept. Run by: the installer. $1, $2, $3 text: installation, namespace, channel, each NULL for any.
SELECT a.id, a.installation, a.namespace, a.channel, a.retention,
    a.key_names
FROM notifychannel.audited AS a
WHERE ($1::text IS NULL OR a.installation = $1::text) AND ($2::text IS NULL OR a.namespace = $2::text)
    AND ($3::text IS NULL OR a.channel = $3::text)
ORDER BY a.installation, a.namespace, a.channel;
