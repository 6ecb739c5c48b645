(SELECT %{picked} FROM %{table} AS l WHERE %{matches})
