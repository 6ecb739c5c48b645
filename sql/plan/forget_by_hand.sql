SELECT notifychannel.drop_consumer(id, true) FROM notifychannel.consumer WHERE (installation, namespace, channel) = (%{owner})%{group};
