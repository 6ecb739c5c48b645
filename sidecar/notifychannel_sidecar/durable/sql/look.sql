SELECT pending, claimed, retrying, dead, oldest FROM notifychannel.consumer_look($1::integer)
