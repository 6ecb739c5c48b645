DROP FUNCTION IF EXISTS
    notifychannel.drain(xid8, xid8[], integer, boolean),
    notifychannel.drain(xid8, xid8[], integer), -- of an older version
    notifychannel.collapse(bigint, xid8, integer),
    notifychannel.relay_look(), notifychannel.relay_waiting(), notifychannel.relay_drained(xid8),
    notifychannel.outbox_size();
DROP SEQUENCE IF EXISTS notifychannel.relay_beats, notifychannel.relay_rounds, notifychannel.relay_position;
DROP TABLE IF EXISTS notifychannel.outbox, notifychannel.outbox_logged;
