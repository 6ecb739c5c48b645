                        SELECT %{tuple}
                        FROM %{transition} AS r
                        WHERE %{condition}
