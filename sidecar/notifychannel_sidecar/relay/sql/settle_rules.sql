SELECT notifychannel.rules_settled()
