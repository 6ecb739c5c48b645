SELECT notifychannel.relay_waiting()
