            SELECT CASE WHEN count(*) > %{max_keys} OR count(*) > count(k.key) THEN '{}' ELSE array_agg(k.key) END
            INTO nch_keys
            FROM (
                SELECT %{printed} AS key
                FROM (
                    SELECT DISTINCT %{names}
                    FROM (
%{rows}
                    ) AS t
                    LIMIT %{max_keys} + 1
                ) AS d
                OFFSET 0
            ) AS k;
