SELECT taken, last, more FROM notifychannel.collapse($1::bigint, $2::xid8, $3::integer)
