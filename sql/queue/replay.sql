DECLARE notifychannel_replay SCROLL CURSOR WITH HOLD FOR
SELECT DISTINCT %{printed} AS key
FROM (SELECT %{tuple} FROM %{table} AS r WHERE %{condition}) AS d
