"""Every type of the server, accepted in a key or refused with a sentence; the accepted print the same for everybody.

The listings in golden/ are what a person reads; `UPDATE_GOLDEN=1 pytest …` writes them anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from notifychannel_operator import observe
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.spec import Event, Source
from notifychannel_operator.triggers import keys
from tests.integration.hints.stage import key, rule

GOLDEN = Path(__file__).parent / "golden"
MADE = """
    CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"');
    CREATE DOMAIN price AS money CHECK (value > '0');
    CREATE TYPE pair AS (a int, b text);
    CREATE TYPE floats AS RANGE (subtype = float8);
"""
SAMPLES = {
    "bit": "101", "bool": "t", "box": "(0.1,0.1),(0,0)", "bpchar": "a b ", "bytea": "\\x00ff5c", "char": "x",
    "cid": "7", "cidr": "10.0.0.0/8", "circle": "<(0.1,0.3),0.7>", "date": "2026-02-01", "datemultirange":
    "{[2026-02-01,2026-03-04)}", "daterange": "[2026-02-01,2026-03-04)", "float4": "0.1", "float8":
    "0.30000000000000004", "floats": "[0.1,0.30000000000000004]", "floatsmultirange": "{}", "floats_multirange":
    "{[0.1,0.30000000000000004]}", "inet": "10.0.0.1/8", "int2": "-7", "int2vector": "1 2", "int4": "7",
    "int4multirange": "{[1,3)}", "int4range": "[1,3)", "int8": "9007199254740993", "int8multirange": "{[1,3)}",
    "int8range": "[1,3)", "interval": "-1 year -2 days +3:04:05.6", "json": '{"b" : 1.0, "a": null}', "jsonb":
    '{"b" : 1.0, "a": null}', "jsonpath": "$.a ? (@ > 1)", "line": "{0.1,2,3}", "lseg": "[(0.1,0),(1,1)]", "macaddr":
    "08:00:2b:01:02:03", "macaddr8": "08:00:2b:01:02:03:04:05", "money": "1234567.89", "mood": 'it\'s "ok"', "name":
    "Ünï", "numeric": "12345678901234567890.10", "nummultirange": "{[1.10,2)}", "numrange": "[1.10,2)", "oid":
    "4294967295", "oid8": "7", "oidvector": "1 2", "path": "[(0.1,0),(1,1)]", "pg_lsn": "16/B374D848", "pg_snapshot":
    "10:20:10,14,15", "point": "(0.1,0.30000000000000004)", "polygon": "((0.1,0),(1,1))", "price": "3.50", "refcursor":
    "c", "text": "line\nbreak \"q\" \\ ' é \u2028", "tid": "(1,2)", "time": "04:05:06.7", "timestamp":
    "2026-02-01 04:05:06.7", "timestamptz": "2026-02-01 04:05:06.7+00", "timetz": "04:05:06.7-03", "tsmultirange":
    "{[2026-02-01,2026-03-04)}", "tsquery": "'a' & 'b'", "tsrange": "[2026-02-01,2026-03-04)", "tstzmultirange":
    "{[2026-02-01 00:00Z,2026-03-04 00:00Z)}", "tstzrange": "[2026-02-01 00:00Z,2026-03-04 00:00Z)", "tsvector":
    "'a':1 'b':2", "txid_snapshot": "10:20:10,14,15", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "varbit": "101",
    "varchar": "abc", "xid": "7", "xid8": "7", "cardinal_number": "7", "character_data": "c", "sql_identifier": "c",
    "time_stamp": "2026-02-01 04:05:06.7+00", "yes_or_no": "YES",
}  # fmt: skip
WITHOUT_INPUT = {"xml"}
"""The embedded server is built without libxml."""
COMPOSITE = "is a composite: name its fields, as generated columns, instead"
SESSIONS = (
    "RESET ALL",
    """SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard';
       SET bytea_output = 'escape'; SET extra_float_digits = -15; SET search_path = 'nowhere'; SET array_nulls = off;
       SET standard_conforming_strings = off; SET quote_all_identifiers = on; SET transform_null_equals = on;
       SET escape_string_warning = off; SET plpgsql.variable_conflict = 'use_variable'; SET xmloption = 'document'""",
    """SET TimeZone = 'America/St_Johns'; SET DateStyle = 'German, YMD'; SET IntervalStyle = 'iso_8601';
       SET extra_float_digits = 3; SET search_path = 'public, pg_catalog'; SET lc_monetary = 'POSIX';
       SET enable_hashagg = off; SET enable_sort = off; SET plpgsql.variable_conflict = 'use_column'""",
    """SET TimeZone = 'Europe/Berlin'; SET DateStyle = 'Postgres, MDY'; SET IntervalStyle = 'postgres_verbose';
       SET extra_float_digits = 0; SET role = DEFAULT; SET row_security = off""",
)


async def every_type(stage):
    """Type of pg_type → Type; row types of tables and views are all alike, and arrays are judged by their elements."""
    rows = await stage.admin.fetch("""
        SELECT t.oid FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = t.typrelid
        WHERE t.typsubscript <> 'array_subscript_handler'::regproc AND coalesce(c.relkind, 'c') = 'c'
        ORDER BY t.typname COLLATE "C"
    """)
    oids = [row["oid"] for row in rows] + await stage.admin.fetchval(
        "SELECT array_agg(oid) FROM pg_type WHERE typname IN ('int2vector', 'oidvector')"
    )
    return await observe.types(stage.admin, oids)


@pytest.mark.slow
async def test_every_type_prints_the_same_in_every_session_or_is_refused_with_a_sentence(stage):
    """Mutants in keys.py: any line of PINS left out; SAFE_INTEGER = 2**53 + 1."""
    await stage.tables(MADE)
    types = sorted(await every_type(stage), key=lambda type_: type_.name)
    accepted = [type_ for type_ in types if keys.refusal(type_) is None]
    usable = [type_ for type_ in accepted if type_.name not in WITHOUT_INPUT]
    sources = []
    for type_ in usable:
        value = SAMPLES[type_.name].replace("'", "''")
        await stage.app.execute(f"""
            CREATE TABLE "s {type_.name}" AS SELECT E'{value.replace(chr(92), chr(92) * 2)}'::{type_.sql} AS c
            UNION ALL SELECT NULL;
            CREATE TABLE "t {type_.name}" (c {type_.sql});
        """)
        sources.append(Source(schema="public", table=f"t {type_.name}", key=key("c"), rules=(rule(Event.INSERT),)))
    await stage.install(*sources)
    await stage.admin.execute("GRANT SET ON PARAMETER plpgsql.variable_conflict TO PUBLIC")
    printed = {}
    for settings in SESSIONS:
        writer = await stage.database.connect(stage.app_role)
        await writer.execute(settings)
        for type_ in usable:
            await writer.execute(f'INSERT INTO public."t {type_.name}" SELECT c FROM public."s {type_.name}"')
            [payload] = await stage.raw(writer=writer)
            lines = sorted(payload.split("\n")[1:])
            assert [json.loads(line) for line in lines if line == "[null]"] == [[None]], type_.name
            assert printed.setdefault(type_.name, lines) == lines, (type_.name, settings)
    listing = "".join(f"{describe(type_, printed)}\n" for type_ in types)
    path = GOLDEN / f"key_types_{stage.database.server.version}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(listing)
    assert listing == path.read_text()


def describe(type_, printed):
    if why := keys.refusal(type_):
        return f"{type_.sql} refused: its type {type_.sql} {why}"
    sample = next((line for line in printed.get(type_.name, ()) if line != "[null]"), "(not in this build)")
    pins = ", ".join(f"{name}={value}" for name, value in sorted(keys.pins(type_)))
    return f"{type_.sql} accepted: {sample}" + (f" with {pins}" if pins else "")


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        ("int8", ["9007199254740991", "9007199254740992", "-9007199254740991", "-9007199254740992"],
         [9007199254740991, "9007199254740992", -9007199254740991, "-9007199254740992"]),
        ("float8", ["NaN", "Infinity", "-Infinity", "1e300", "0.1", "-0", "1e-7"],
         ["NaN", "Infinity", "-Infinity", "1e+300", 0.1, 0, 1e-07]),
        ("numeric", ["1.0", "1.00", "NaN", "1e30"], ["1.0", "1.00", "NaN", "1" + "0" * 30]),
        ("boolean", ["true", "false"], [True, False]),
        ("text[]", ['{a,NULL,"b,c"}'], ['{a,NULL,"b,c"}']),
        ("timestamptz[]", ["{2026-01-01 00:00:00+05}"], ['{"2025-12-31 19:00:00+00"}']),
        ("price", ["1.5"], ["$1.50"]),
    ],
)  # fmt: skip
async def test_numbers_are_numbers_only_where_every_json_reader_holds_them_exactly(stage, type_, values, expected):
    await stage.tables(MADE + f"CREATE TABLE t (c {type_})")
    await stage.install(Source(schema="public", table="t", key=key("c"), rules=(rule(Event.INSERT),)))
    for value, wanted in zip(values, expected, strict=True):
        assert await stage.hear(f"INSERT INTO t VALUES ('{value}')") == [("insert", [[wanted]])]


async def test_a_refused_type_names_column_type_and_remedy(stage):
    await stage.tables(MADE + "CREATE TABLE t (a pair, b regclass, c pair[], d int)")
    with pytest.raises(PlanError) as error:
        await stage.install(
            Source(schema="public", table="t", key=key("a", "b", "c", "d"), rules=(rule(Event.INSERT),))
        )
    assert error.value.problems == (
        *(
            f"public.t: column {column} can't stand in the key: its type {type_} {why}"
            for column, type_, why in (
                ("a", "public.pair", COMPOSITE),
                ("b", "regclass", "prints a name, which depends on search_path and changes"),
                ("c", "public.pair[]", f"is made of public.pair, which {COMPOSITE}"),
            )
        ),
    )


async def test_a_type_of_an_extension_prints_with_everything_pinned(stage):
    """Citext is the one such type that the embedded servers may lack, so a base type is made of text's functions."""
    await stage.admin.execute("""
        CREATE TYPE public.shout;
        CREATE FUNCTION shout_in(cstring) RETURNS shout LANGUAGE internal IMMUTABLE STRICT AS 'textin';
        CREATE FUNCTION shout_out(shout) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
        CREATE TYPE shout (INPUT = shout_in, OUTPUT = shout_out, LIKE = text);
    """)
    await stage.tables("CREATE TABLE t (c shout)")
    table = (await observe.tables(stage.admin, [("public", "t")]))["public", "t"]
    assert keys.pins(table.columns[0].type) == frozenset(keys.ALL_PINS)
    await stage.install(Source(schema="public", table="t", key=key("c"), rules=(rule(Event.INSERT),)))
    assert await stage.hear("INSERT INTO t VALUES ('hey')") == [("insert", [["hey"]])]
