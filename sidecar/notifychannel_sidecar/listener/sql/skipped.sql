-- How often a trigger of ours has not NOTIFYed because the queue was too full. Run by the listener: EXECUTE.
SELECT notifychannel.skipped()
