-- The outbox and its relay from outside.
SELECT at, holder, beats, rounds, bytes FROM notifychannel.relay_look()
