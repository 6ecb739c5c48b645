SELECT notifychannel.set_clock($1::double precision)
