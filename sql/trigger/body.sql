
-- Made by NotifyChannel; the next pass undoes what is changed by hand. Whatever fails in here becomes a resync, and
-- nothing that fails in here may fail the statement: only types of pg_catalog in DECLARE, all else in the block.
-- As few expressions as can be on the way of one row: PL/pgSQL prepares each of them anew for each transaction.
DECLARE
    nch_keys text[]; -- NULL: nothing to hint; empty: look at everything
    nch_key text;
    nch_rows bigint;
    nch_header text;
    nch_payload text;
    nch_payloads text[];%{declare}
BEGIN
    BEGIN
%{branches}
        IF nch_keys IS NULL THEN
            RETURN NULL;
        END IF;
%{guard}
        nch_payloads := CASE WHEN cardinality(nch_keys) = 1 AND octet_length(nch_keys[1]) < 7900
            THEN ARRAY[%{header} || E'\n' || nch_keys[1]] END;
        IF nch_payloads IS NULL THEN
            nch_header := %{header};
            nch_payload := nch_header;
            FOREACH nch_key IN ARRAY nch_keys LOOP
                IF octet_length(nch_header) + octet_length(nch_key) > 7998 THEN
                    RAISE EXCEPTION 'a key is too long for a payload';
                ELSIF octet_length(nch_payload) + octet_length(nch_key) > 7998 THEN
                    nch_payloads := array_append(nch_payloads, nch_payload);
                    nch_payload := nch_header;
                END IF;
                nch_payload := nch_payload || E'\n' || nch_key;
            END LOOP;
            nch_payloads := array_append(nch_payloads, nch_payload);
        END IF;
    EXCEPTION WHEN OTHERS THEN%{undo}
        BEGIN
            nch_header := %{header};
        EXCEPTION WHEN OTHERS THEN
            nch_header := '1%{rules}U0000000000000000';
        END;
        nch_payloads := ARRAY[nch_header];
%{failed}
    END;%{append}
    -- Outside the block: a subtransaction that has NOTIFYed keeps 8 KB until the user's transaction ends. It can't fail
    -- here: the right and the lengths were looked at above.
    FOREACH nch_payload IN ARRAY nch_payloads LOOP
        PERFORM pg_notify(%{channel}, nch_payload);
    END LOOP;
    RETURN NULL;
END
