SELECT notifychannel.redrive(id, NULL, NULL, false) FROM notifychannel.consumer WHERE (installation, namespace, channel, "group") = (%{whose});
