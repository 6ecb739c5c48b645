SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
    pg_catalog.string_agg(it.what, E'\n' ORDER BY it.what COLLATE "C"), 'UTF8'
)), 'hex') || ' in ' || (
%{home}
)
FROM (
    SELECT pg_catalog.format(
        'function %%s(%%s) of %%s returns %%s: %%s %%s %%s %%s %%s %%s', p.proname, pg_catalog.pg_get_function_arguments(p.oid),
        p.proowner::regrole, pg_catalog.pg_get_function_result(p.oid), l.lanname, p.provolatile, p.prosecdef,
        p.proconfig, pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE'), p.prosrc
    ) AS what
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
    WHERE n.nspname = 'notifychannel' AND p.proname = ANY (%{routines})
    UNION ALL
    SELECT pg_catalog.format(
        'relation %%s %%s %%s %%s of %%s: %%s %%s %%s %%s', c.relname, c.relkind, c.relpersistence, c.relreplident,
        c.relowner::regrole, c.reloptions, CASE c.relkind WHEN 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END,
        s.seqincrement, s.seqcycle
    )
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = c.oid
    WHERE n.nspname = 'notifychannel' AND c.relname = ANY (%{relations})
    UNION ALL
    SELECT pg_catalog.format(
        'column %%s.%%s: %%s %%s %%s %%s %%s', c.relname, a.attname, a.atttypid::regtype, a.attnotnull, a.attstorage,
        a.attidentity, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    )
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE n.nspname = 'notifychannel' AND c.relname = ANY (%{relations}) AND c.relkind = 'r'
    UNION ALL
    SELECT pg_catalog.format('index %%s: %%s', c.relname, pg_catalog.pg_get_indexdef(i.indexrelid))
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    WHERE n.nspname = 'notifychannel' AND c.relname = ANY (%{relations})
    UNION ALL
    SELECT pg_catalog.format('constraint %%s of %%s: %%s', k.conname, c.relname, pg_catalog.pg_get_constraintdef(k.oid))
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid AND k.contype <> 'n' -- as columns above, where it is one
    WHERE n.nspname = 'notifychannel' AND c.relname = ANY (%{relations})
) AS it
