#!/usr/bin/env python3
"""asyncpg: everything prepared and binary; introspection of types; cursors; COPY; pool with reset.

PG-1, PG-5, PG-25..33, PG-35, PG-40, PG-90, PG-91, PG-130, PG-152, PG-170.
"""
import asyncio, datetime, decimal, io, ipaddress, traceback, uuid

import asyncpg

from lib import check
from lib.check import equal, true

D = decimal.Decimal
UTC = datetime.timezone.utc


async def fails(name, code, awaitable, **fields):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        equal(f"{name}: {error}", error.sqlstate, code)
        for field, expected in fields.items():
            equal(f"{name}: {field}", getattr(error, field), expected)
        return
    equal(name, "no error", code)


async def types(c):
    await c.execute("SET TimeZone = 'UTC'")
    for name, value in [
        ("bool", True), ("int2", -32768), ("int4", 7), ("int8", 1 << 62), ("float4", 1.5), ("float8", 0.1), ("numeric", D("12345678901234567890.000123")), ("numeric", D("-0.00010")), ("numeric", D("10000")), ("text", "grüße €"), ("varchar", "v"), ("bpchar", "c"), ("name", "n"),
        ("bytea", b"\x00\xff"), ("date", datetime.date(2024, 2, 29)), ("time", datetime.time(1, 2, 3, 4)), ("timestamp", datetime.datetime(1999, 12, 31, 23, 59, 59, 1)),
        ("timestamptz", datetime.datetime(2024, 7, 1, 12, tzinfo=UTC)), ("timetz", datetime.time(12, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-3)))), ("interval", datetime.timedelta(days=3, microseconds=5)), ("uuid", uuid.UUID(int=99)), ("json", '{"b":1, "a":2}'), ("jsonb", '{"a": 2, "b": 1}'),
        ("int4[]", [1, None, 3]), ("text[]", ["a", None, ""]), ("numeric[]", [D("1.5")]), ("int4[]", []), ("uuid[]", [uuid.UUID(int=1)]), ("timestamptz[]", [datetime.datetime(2024, 1, 1, tzinfo=UTC)]), ("bool[]", [True, False, None]), ("oid", 4294967295),
    ]:
        equal(f"{name} {value!r}", await c.fetchval(f"SELECT $1::{name}", value), value)
        equal(f"NULL of {name}", await c.fetchval(f"SELECT $1::{name}", None), None)
    equal("infinity", await c.fetchrow("SELECT 'infinity'::timestamp, '-infinity'::date"), (datetime.datetime.max, datetime.date.min))
    equal("\"char\"", await c.fetchval("SELECT 'x'::\"char\""), b"x")
    row = await c.fetchrow("SELECT relname, relkind, oid, relnatts FROM pg_class WHERE relname = 'pg_class'")
    equal("catalog columns in binary", tuple(row)[:3], ("pg_class", b"r", 1259))
    equal("record", await c.fetchval("SELECT ROW(1, 'x'::text, NULL::int)"), (1, "x", None))
    await c.set_type_codec("jsonb", schema="pg_catalog", encoder=lambda value: "[" + ",".join(map(str, value)) + "]", decoder=lambda text: text.count(","), format="text")
    equal("codec", await c.fetchval("SELECT $1::jsonb", [1, 2, 3]), 2)
    await c.reset_type_codec("jsonb", schema="pg_catalog")


async def statements(c):
    await c.execute("CREATE TABLE ap (id serial PRIMARY KEY, name text NOT NULL, n numeric(10,2))")
    equal("tag", await c.execute("INSERT INTO ap (name) VALUES ($1)", "x"), "INSERT 0 1")
    await c.executemany("INSERT INTO ap (name, n) VALUES ($1, $2)", [(f"r{n}", D(n)) for n in range(200)])
    equal("rows", await c.fetchval("SELECT count(*) FROM ap"), 201)
    statement = await c.prepare("SELECT id, name, n FROM ap WHERE id = ANY($1) ORDER BY id")
    equal("parameters", [p.name for p in statement.get_parameters()], ["int4[]"])
    equal("attributes", [(a.name, a.type.name) for a in statement.get_attributes()], [("id", "int4"), ("name", "text"), ("n", "numeric")])
    equal("run", [tuple(r) for r in await statement.fetch([2, 3])], [(2, "r0", D("0.00")), (3, "r1", D("1.00"))])
    # The plan is told of a changed result (PG-33): asyncpg prepares anew by itself outside its own statements.
    await c.execute("ALTER TABLE ap ADD e int")
    equal("after ALTER", (await c.fetchrow("SELECT * FROM ap WHERE id = 2"))["e"], None)
    await c.execute("ALTER TABLE ap DROP e")
    equal("after ALTER again", len(await c.fetchrow("SELECT * FROM ap WHERE id = 2")), 3)
    await fails("unique", "23505", c.execute("INSERT INTO ap (id, name) VALUES (1, 'y')"), constraint_name="ap_pkey", table_name="ap", schema_name="public", detail="Key (id)=(1) already exists.")
    await fails("not null", "23502", c.execute("INSERT INTO ap (n) VALUES ($1)", D(1)), column_name="name")
    await fails("no table", "42P01", c.fetch("SELECT * FROM nosuch"), position="15")
    await fails("no statement", "42601", c.fetch("SELEC 1"))
    equal("many rows", len(await c.fetch("SELECT generate_series(1, 20000)")), 20000)
    equal("several statements", await c.execute("CREATE TABLE ap2 (a int); INSERT INTO ap2 VALUES (1); DROP TABLE ap2"), "DROP TABLE")
    notices = []
    c.add_log_listener(lambda _, message: notices.append((message.sqlstate, message.message)))
    await c.execute("CREATE TABLE IF NOT EXISTS ap (a int)")
    await asyncio.sleep(0.05)
    equal("notice", notices, [("42P07", 'relation "ap" already exists, skipping')])


async def blocks(c):
    async with c.transaction():
        cursor = await c.cursor("SELECT n FROM generate_series(1, 100) AS n")
        equal("fetch", [r[0] for r in await cursor.fetch(3)], [1, 2, 3])
        equal("fetchrow", (await cursor.fetchrow())[0], 4)
        equal("forward", await cursor.forward(10), 10)
        equal("after forward", (await cursor.fetchrow())[0], 15)
        equal("others run meanwhile", await c.fetchval("SELECT 1"), 1)
        equal("and it goes on", (await cursor.fetchrow())[0], 16)
        total = 0
        async for row in c.cursor("SELECT generate_series(1, $1::int)", 1000, prefetch=7):
            total += row[0]
        equal("iterated", total, 500500)
        try:
            async with c.transaction():
                await c.execute("DELETE FROM ap")
                raise KeyError
        except KeyError:
            pass
        equal("savepoint", await c.fetchval("SELECT count(*) > 0 FROM ap"), True)
    async with c.transaction(isolation="serializable", readonly=True, deferrable=True):
        equal("isolation", await c.fetchval("SHOW transaction_isolation"), "serializable")
        await_error = None
        try:
            async with c.transaction():
                await c.execute("DELETE FROM ap")
        except asyncpg.PostgresError as error:
            await_error = error.sqlstate
        equal("read only", await_error, "25006")


async def copies(c):
    await c.execute("CREATE TABLE ac (a int, b text, c timestamptz, d numeric, e bytea, f int[])")
    rows = [(n, None if n % 3 == 0 else f"t{n}\n", datetime.datetime(2024, 1, 1, tzinfo=UTC), D(n) / 4, bytes([n % 256]), [n, n + 1]) for n in range(1000)]
    equal("records", await c.copy_records_to_table("ac", records=rows), "COPY 1000")
    equal("they are there", [tuple(r) for r in await c.fetch("SELECT * FROM ac ORDER BY a")], rows)
    out = io.BytesIO()
    equal("out", await c.copy_from_query("SELECT a, b FROM ac WHERE a < $1 ORDER BY a", 3, output=out, format="csv", header=True), "COPY 3")
    equal("csv", out.getvalue(), b'a,b\n0,\n1,"t1\n"\n2,"t2\n"\n')
    binary = io.BytesIO()
    await c.copy_from_table("ac", output=binary, format="binary")
    await c.execute("TRUNCATE ac")
    binary.seek(0)
    equal("binary back", await c.copy_to_table("ac", source=binary, format="binary"), "COPY 1000")
    equal("sum", await c.fetchval("SELECT sum(a) FROM ac"), 499500)
    await fails("broken", "22P02", c.copy_to_table("ac", source=io.BytesIO(b"x\n"), columns=["a"]))
    await c.execute("DROP TABLE ac")


async def introspection(c):
    await c.execute("CREATE TABLE shape (a int, b text)")
    await c.execute("INSERT INTO shape VALUES (1, 'x')")
    row = await c.fetchval("SELECT shape FROM shape")
    equal("row of a table", (row["a"], row["b"]), (1, "x"))
    await c.execute("DROP TABLE shape")


async def events(c, other):
    heard = asyncio.Queue()
    await c.add_listener("ap", lambda connection, pid, channel, payload: heard.put_nowait((pid, channel, payload)))
    await other.execute("SELECT pg_notify('ap', 'hello')")
    equal("heard", await asyncio.wait_for(heard.get(), 5), (other.get_server_pid(), "ap", "hello"))
    await c.reset()
    try:
        await c.execute("SELECT pg_sleep(30)", timeout=0.3)
        equal("timeout", "none", "TimeoutError")
    except asyncio.TimeoutError:
        pass
    equal("usable after a timeout", await c.fetchval("SELECT 1"), 1)


async def pools():
    async with asyncpg.create_pool(min_size=2, max_size=4) as pool:
        async def work(n):
            async with pool.acquire() as c:
                await c.execute(f"SET application_name = 'w{n}'")
                await c.fetchval("SELECT pg_advisory_lock($1)", n)
                async with c.transaction():
                    return await c.fetchval("SELECT $1::int * 2", n)
        equal("results", await asyncio.gather(*(work(n) for n in range(30))), [n * 2 for n in range(30)])
        # Given back, a connection is reset: settings, locks, listens (PG-152).
        equal("locks", await pool.fetchval("SELECT bool_and(pg_try_advisory_lock(n)) FROM generate_series(0, 29) n"), True)
        equal("settings", await pool.fetchval("SHOW application_name"), "")


async def main():
    c, other = await asyncpg.connect(), await asyncpg.connect()
    for part, arguments in [(types, (c,)), (statements, (c,)), (blocks, (c,)), (copies, (c,)), (introspection, (c,)), (events, (c, other)), (pools, ())]:
        try:
            await asyncio.wait_for(part(*arguments), 60)
        except Exception:
            equal(part.__name__, traceback.format_exc(), "no exception")
    await c.execute("DROP TABLE ap")
    await c.close()
    await other.close()
    check.finish()


asyncio.run(main())
