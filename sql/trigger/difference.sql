                        SELECT %{names}
                        FROM (
                            SELECT %{tuple}, 1 AS surplus FROM notifychannel_old AS r WHERE %{condition}
                            UNION ALL
                            SELECT %{tuple}, -1 FROM notifychannel_new AS r WHERE %{condition}
                            OFFSET 0
                        ) AS t
                        GROUP BY %{groups}
                        HAVING sum(t.surplus) <> 0
