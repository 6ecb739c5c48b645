SELECT notifychannel.mend_clock($1::integer)
