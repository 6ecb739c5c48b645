SELECT notifychannel.trim_queue($1::integer)
