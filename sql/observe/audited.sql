-- Whether a channel's changes leave a row each. Run by: the installer, reading only. $1, $2, $3 text: whose.
SELECT a.pg_channel, a.retention FROM notifychannel.audited AS a
WHERE (a.installation, a.namespace, a.channel) = ($1::text, $2::text, $3::text);
