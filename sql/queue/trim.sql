-- $1 integer: so many rows of each kind that nobody needs any more are deleted at most; how many were. Run by: the installer.
SELECT notifychannel.trim_queue($1::integer);
