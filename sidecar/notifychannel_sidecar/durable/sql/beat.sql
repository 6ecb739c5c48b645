SELECT notifychannel.beat($1::integer)
