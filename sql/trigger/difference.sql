                        SELECT %{names}
                        FROM (
                            SELECT %{tuple}, 1 AS surplus FROM notifychannel_old AS r WHERE %{condition}
                            UNION ALL
                            SELECT %{tuple}, -1 FROM notifychannel_new AS r WHERE %{condition}
                        ) AS t
                        GROUP BY %{all_names}
                        HAVING sum(t.surplus) <> 0
