-- Run by: the installer. $1 integer: consumer.id; $2, $3 text: id of a hint, key as payloads have it, each NULL for any;
-- $4 boolean: only count.
SELECT notifychannel.redrive($1::integer, $2::text, $3::text, $4::boolean);
