
    -- Outside the block: a subtransaction that writes takes a transaction id.
    IF nch_rings IS NOT NULL THEN
        FOREACH nch_key IN ARRAY array_append(nch_payloads, nch_payload) LOOP
            INSERT INTO notifychannel.%{outbox} (channel, payload) VALUES (%{channel}, nch_key);
        END LOOP;
        IF nch_rings THEN
            PERFORM pg_notify('notifychannel_relay', '');
        END IF;
        RETURN NULL;
    END IF;
