SELECT last, more, held FROM notifychannel.drain($1::xid8, '{}', $2::integer)
