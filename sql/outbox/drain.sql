SELECT last, more, held, blocked FROM notifychannel.drain(greatest($1::xid8, notifychannel.relay_drained()), '{}', $2::integer)
