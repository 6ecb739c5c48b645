SELECT notifychannel.reclaim($1::integer[], $2::bigint[])
