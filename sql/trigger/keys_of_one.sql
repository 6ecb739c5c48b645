            nch_keys := ARRAY(
                SELECT %{printed}
                FROM %{transition} AS r
                WHERE %{condition}
                LIMIT 2
            );
