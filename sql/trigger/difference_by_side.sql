                        SELECT %{names}
                        FROM (
                            SELECT %{names}, t.either, t.was, t.becomes, sum(t.surplus) AS surplus
                            FROM (
                                SELECT %{tuple}, %{flags}, 1 AS surplus FROM notifychannel_old AS r
                                UNION ALL
                                SELECT %{tuple}, %{flags}, -1 FROM notifychannel_new AS r
                                OFFSET 0
                            ) AS t
                            GROUP BY %{groups}, t.either, t.was, t.becomes
                            HAVING sum(t.surplus) <> 0
                        ) AS t
                        GROUP BY %{names}
                        HAVING bool_or(t.either)
                            AND (bool_or(t.was AND t.surplus > 0) OR NOT bool_or(t.surplus > 0))
                            AND (bool_or(t.becomes AND t.surplus < 0) OR NOT bool_or(t.surplus < 0))
