SELECT notifychannel.beat($1::integer, $2::text, $3::double precision)
