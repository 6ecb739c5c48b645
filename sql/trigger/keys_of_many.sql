            -- Most statements touch one row, which needs no more than this.
%{one}
            IF cardinality(nch_keys) <> 1 OR nch_keys[1] IS NULL THEN
            IF cardinality(nch_keys) = 0 THEN
                RETURN NULL;
            END IF;
            -- A bulk statement shows in its first rows that it has too many keys: the others need not be read.
%{first}
            IF nch_rows > %{max_keys} AND cardinality(nch_keys) > 0 THEN
%{all}
            END IF;
            END IF;
