        PERFORM notifychannel.drop_consumer(whose.id, true);
