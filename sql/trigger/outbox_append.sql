
    -- Outside the block: a subtransaction that writes takes a transaction id.
    IF nch_rings IS NOT NULL THEN
        FOREACH nch_payload IN ARRAY nch_payloads LOOP
            INSERT INTO notifychannel.%{outbox} (channel, payload%{column}) VALUES (%{channel}, nch_payload%{source});
        END LOOP;
        IF nch_rings THEN
            PERFORM pg_notify('notifychannel_relay', '');
        END IF;
        RETURN NULL;
    END IF;
