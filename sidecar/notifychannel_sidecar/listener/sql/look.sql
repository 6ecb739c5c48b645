SELECT at, holder, beats, rounds, bytes FROM notifychannel.relay_look()
