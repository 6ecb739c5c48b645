"""`notifychannel-injector`: the webhook that adds the sidecar to pods; a server around `inject.decide`, no more."""
