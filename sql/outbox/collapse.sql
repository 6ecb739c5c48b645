SELECT taken, last, more FROM notifychannel.collapse($1::bigint, greatest($2::xid8, notifychannel.relay_drained()), $3::integer)
