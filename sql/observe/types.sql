-- The given types and all they are made of: base of a domain, elements of an array, subtype of a range.
-- Needs search_path = pg_catalog, pg_temp, so that format_type() qualifies every other schema's types.
-- Run by: the installer, reading only. $1 oid[]: types.
WITH RECURSIVE made_of AS (
    SELECT t.oid FROM pg_catalog.pg_type AS t WHERE t.oid = ANY ($1::oid[])
    UNION
    SELECT element.oid
    FROM made_of
    JOIN pg_catalog.pg_type AS t ON t.oid = made_of.oid
    LEFT JOIN pg_catalog.pg_range AS ranges ON t.oid IN (ranges.rngtypid, ranges.rngmultitypid)
    CROSS JOIN LATERAL (
        VALUES
            (CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc THEN t.typelem END),
            (CASE WHEN t.typtype = 'd' THEN t.typbasetype END),
            (ranges.rngsubtype)
    ) AS element (oid)
    WHERE element.oid IS NOT NULL
)
SELECT
    t.oid,
    n.nspname::text AS schema,
    t.typname::text AS name,
    -- without a modifier: a cast to varchar(3) cuts, and then different values look equal
    pg_catalog.format_type(t.oid, -1) AS sql,
    t.typtype::text AS kind,
    t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc AS is_array,
    CASE
        WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc THEN t.typelem
        WHEN t.typtype = 'd' THEN t.typbasetype
        ELSE (
            SELECT ranges.rngsubtype FROM pg_catalog.pg_range AS ranges
            WHERE t.oid IN (ranges.rngtypid, ranges.rngmultitypid)
        )
    END AS element,
    t.typsend <> 0 AS sendable,
    operators.equality,
    coalesce(operators.ordering, false) AS ordering,
    coalesce(operators.equal_is_same, false) AS equal_is_same,
    coalesce(operators.equal_is_same_where_deterministic, false) AS equal_is_same_where_deterministic
FROM made_of
JOIN pg_catalog.pg_type AS t ON t.oid = made_of.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
CROSS JOIN LATERAL (
    -- equalimage (support function 4): equal values are the same bytes,
    -- https://www.postgresql.org/docs/current/btree.html#BTREE-SUPPORT-FUNCS
    SELECT
        pg_catalog.count(*) > 0 AS equality,
        pg_catalog.bool_or(m.amname = 'btree') AS ordering,
        pg_catalog.bool_or(p.amproc = 'pg_catalog.btequalimage'::regproc) AS equal_is_same,
        pg_catalog.bool_or(p.amproc = 'pg_catalog.btvarstrequalimage'::regproc) AS equal_is_same_where_deterministic
    FROM pg_catalog.pg_opclass AS o
    JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod AND m.amname IN ('btree', 'hash')
    LEFT JOIN pg_catalog.pg_amproc AS p
        ON p.amprocfamily = o.opcfamily AND p.amprocnum = 4 AND m.amname = 'btree'
        AND p.amproclefttype = o.opcintype AND p.amprocrighttype = o.opcintype
    WHERE o.opcdefault AND CASE
        -- its own operators come before those of a type it may be read as (citext is not text)
        WHEN EXISTS (SELECT FROM pg_catalog.pg_opclass AS own WHERE own.opcdefault AND own.opcintype = t.oid)
            THEN o.opcintype = t.oid
        WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
            THEN o.opcintype = 'pg_catalog.anyarray'::regtype
        WHEN t.typtype = 'e' THEN o.opcintype = 'pg_catalog.anyenum'::regtype
        WHEN t.typtype = 'r' THEN o.opcintype = 'pg_catalog.anyrange'::regtype
        WHEN t.typtype = 'm' THEN o.opcintype = 'pg_catalog.anymultirange'::regtype
        WHEN t.typtype = 'b' THEN EXISTS (
            SELECT FROM pg_catalog.pg_cast AS k
            WHERE k.castsource = t.oid AND k.casttarget = o.opcintype
                AND k.castmethod = 'b' AND k.castcontext = 'i'
        )
        ELSE false
    END
) AS operators;
