SELECT notifychannel.beat($1::integer, $2::text)
