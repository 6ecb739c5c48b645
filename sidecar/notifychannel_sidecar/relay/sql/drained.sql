SELECT notifychannel.relay_drained($1::xid8)
