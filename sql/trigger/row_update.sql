            IF %{condition} THEN
                SELECT CASE WHEN count(*) > count(k.key) THEN '{}' ELSE array_agg(DISTINCT k.key) END
                INTO nch_keys
                FROM (VALUES (%{printed_old}), (%{printed_new})) AS k (key);
            END IF;
