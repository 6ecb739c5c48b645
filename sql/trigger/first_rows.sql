                        SELECT %{tuple}
                        FROM %{transition} AS r
                        WHERE %{condition}
                        LIMIT %{max_keys} + 1
