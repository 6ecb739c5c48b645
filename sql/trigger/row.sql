            IF %{condition} THEN
                nch_keys := array_remove(ARRAY[%{printed}], NULL);
            END IF;
