            SELECT
                CASE WHEN count(*) > %{max_keys} OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END,
                sum(k.seen)
            INTO nch_keys, nch_rows
            FROM (
                SELECT %{printed} AS key, d.seen
                FROM (
                    SELECT %{names}, count(*) AS seen
                    FROM (
%{rows}
                    ) AS t
                    GROUP BY %{names}
                    LIMIT %{max_keys} + 1
                ) AS d
                OFFSET 0
            ) AS k;
