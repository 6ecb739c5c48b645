-- Whether the queue has a consumer of anybody else's. Run by: the installer, reading only.
-- $1, $2, $3 text[]: installation, namespace and name of each who is not.
SELECT EXISTS (
    SELECT FROM notifychannel.consumer AS c
    WHERE (c.installation, c.namespace, c.channel) NOT IN (
        SELECT u.installation, u.namespace, u.name
        FROM unnest($1::text[], $2::text[], $3::text[]) AS u (installation, namespace, name)
    )
);
