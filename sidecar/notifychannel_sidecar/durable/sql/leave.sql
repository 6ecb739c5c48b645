SELECT notifychannel.leave($1::integer)
