-- Whose rules have settled is told. Run by: the installer, where there is a queue.
SELECT notifychannel.rules_settled();
