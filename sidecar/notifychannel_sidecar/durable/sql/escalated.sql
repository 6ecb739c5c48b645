SELECT notifychannel.escalated($1::integer, $2::text[])
