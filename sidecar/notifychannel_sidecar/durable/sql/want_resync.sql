SELECT notifychannel.want_resync($1::integer, $2::text)
