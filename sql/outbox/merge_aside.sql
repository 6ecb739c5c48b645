SELECT merged, waits FROM notifychannel.merge_aside()
