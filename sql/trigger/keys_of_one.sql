            SELECT array_agg(k.key) INTO nch_keys
            FROM (
                SELECT %{printed} AS key
                FROM (
%{rows}
                ) AS d
                OFFSET 0
            ) AS k;
