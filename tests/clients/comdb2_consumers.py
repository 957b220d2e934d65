#!/usr/bin/env python3
"""Comdb2 procedures and consumers from psql, psycopg and asyncpg: the founding scripts as typed, request-by-request
acknowledgement, what happens when a client dies, waits, is slow, or has its consumer dropped (CDB-308, CDB-701 … CDB-911)."""
import asyncio, os, pathlib, socket, struct, subprocess, sys, threading, time

import asyncpg, psycopg

HERE = pathlib.Path(__file__).resolve().parent


def check(what, good, found=None):
    if not good:
        raise SystemExit(f"{what}: {found!r}")


def connect():
    return psycopg.connect("", autocommit=True)


def psql(*words):
    return subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", *words], capture_output=True, text=True, timeout=60)


def one(connection, sql):
    return connection.execute(sql).fetchone()[0]


def eventually(what, test, seconds=5.0):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def founding_scripts():
    """CDB-308, CDB-406, 13.1 and 13.2: both scripts as typed, through psql -f."""
    run = psql("-f", str(HERE / "comdb2_audit.sql"))
    check("audit.sql", run.returncode == 0, run.stderr)
    with connect() as c:
        eventually("audit rows", lambda: one(c, "SELECT count(*) FROM audit") == 8)
        rows = c.execute("SELECT type, tbl, i, j, old_i, old_j FROM audit ORDER BY logtime").fetchall()
        wanted = [("add", "t", n, m, None, None) for n, m in [(1, 1), (1, 2), (1, 3), (1, 4)]]
        wanted += [("upd", "t", 2, 2, 1, 2), ("upd", "t", 4, 4, 1, 4), ("del", "t", None, None, 1, 1), ("del", "t", None, None, 1, 3)]
        check("audit", rows == wanted, rows)
        c.execute("DROP LUA TRIGGER audit")
        c.execute("DROP TABLE t")
    run = psql("-f", str(HERE / "comdb2_watch.sql"))
    check("watch.sql", run.returncode == 0, run.stderr)
    script = "DECLARE w CURSOR FOR EXEC PROCEDURE watch();\n" + "FETCH 1 FROM w;\n" * 3
    out = psql("-At", "-c", "SET IntervalStyle = postgres", *[w for line in script.splitlines() for w in ("-c", line)])
    lines = [line.split("|") for line in out.stdout.splitlines() if line.startswith("t|")]
    check("watch", [line[:3] for line in lines] == [["t", "add", "1"], ["t", "upd", "4"], ["t", "del", ""]], out)
    check("watch's blob and interval", lines[1][5] == "\\x600dc0de" and lines[1][7] == "5 mons", lines)


WATCH = """CREATE PROCEDURE {name} VERSION 'a' $lua$
local function main(timeout)
  db:num_columns(2)
  db:column_name('kind', 1) db:column_type('text', 1)
  db:column_name('i', 2) db:column_type('int', 2)
  local consumer = db:consumer()
  if timeout then consumer:emit_timeout(timeout) end
  while true do
    local event = consumer:get()
    consumer:emit({{ kind = event.type, i = event.new.i }})
    consumer:consume()
  end
end
$lua$"""


def make(c, name, table):
    c.execute(f"CREATE TABLE {table} (i int)")
    c.execute(WATCH.format(name=name))
    c.execute(f"CREATE LUA CONSUMER {name} ON (TABLE {table} FOR INSERT)")


def depth(c, name):
    return one(c, f"SELECT depth FROM comdb2_queues WHERE spname = '{name}'")


def redelivery(c):
    """CDB-706, CDB-711, CDB-901 to CDB-907: acknowledged by the next request only; FETCH of any size stops at the row."""
    make(c, "w1", "t1")
    c.execute("INSERT INTO t1 VALUES (1), (2), (3)")
    a = connect()
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w1()")
    check("first", a.execute("FETCH 100 FROM w").fetchall() == [("add", 1)])
    check("other statements between two fetches", one(a, "SELECT 1") == 1)
    eventually("depth 3", lambda: depth(c, "w1") == 3)
    check("second", a.execute("FETCH 1 FROM w").fetchall() == [("add", 2)])
    eventually("depth 2", lambda: depth(c, "w1") == 2)
    a.close()
    with connect() as b:
        b.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w1()")
        check("again", b.execute("FETCH 1 FROM w").fetchall() == [("add", 2)])
        check("move is a request", b.execute("MOVE 1 FROM w").statusmessage == "MOVE 1")
        b.execute("CLOSE w")
    eventually("close does not acknowledge", lambda: depth(c, "w1") == 1)


def hand_over(c):
    """CDB-704, CDB-715: one at a time; the next goes on within 100 ms of the holder's disconnect."""
    make(c, "w2", "t2")
    c.execute("INSERT INTO t2 VALUES (1), (2)")
    a, b = connect(), connect()
    for connection in (a, b):
        connection.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w2()")
    check("a holds", a.execute("FETCH 1 FROM w").fetchall() == [("add", 1)])
    a.execute("DECLARE w9 CURSOR FOR EXEC PROCEDURE w2()")
    try:
        a.execute("FETCH 1 FROM w9")
        check("a second registration of one connection", False)
    except psycopg.errors.ObjectInUse:
        pass
    got = []
    thread = threading.Thread(target=lambda: got.append((b.execute("FETCH 1 FROM w").fetchall(), time.monotonic())))
    thread.start()
    eventually("b waits", lambda: one(c, "SELECT waiters FROM comdb2_trigger_status WHERE name = 'w2'") == 1)
    check("the holder is shown", one(c, "SELECT holder_pid FROM comdb2_trigger_status WHERE name = 'w2'") == a.info.backend_pid)
    time.sleep(0.2)
    check("b still waits", not got)
    began = time.monotonic()
    a.close()
    thread.join(5)
    check("b goes on", got and got[0][0] == [("add", 1)], got)
    check("within 300 ms", got[0][1] - began < 0.3, got[0][1] - began)
    b.close()


def emit_timeout(c):
    """CDB-716 to CDB-719: a slow client loses the queue to one that waits, and cannot consume any more."""
    make(c, "w3", "t3")
    c.execute("INSERT INTO t3 VALUES (1)")
    a, b = connect(), connect()
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w3(300)")
    b.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w3(300)")
    check("a", a.execute("FETCH 1 FROM w").fetchall() == [("add", 1)])
    began = time.monotonic()
    check("b gets the same event", b.execute("FETCH 1 FROM w").fetchall() == [("add", 1)])
    check("not before the time is over", 0.2 < time.monotonic() - began < 3, time.monotonic() - began)
    try:
        a.execute("FETCH 1 FROM w")
        check("a cannot consume", False)
    except psycopg.errors.SerializationFailure:
        pass
    a.close()
    b.close()


def waiting(c):
    """CDB-705, CDB-714, CDB-908: a waiting consumer hinders nobody, hears of commits at once, and can be cancelled."""
    make(c, "w4", "t4")
    a = connect()
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w4()")
    got = []
    thread = threading.Thread(target=lambda: got.append((a.execute("FETCH 1 FROM w").fetchall(), time.monotonic())))
    thread.start()
    eventually("a waits", lambda: one(c, "SELECT state FROM comdb2_trigger_status WHERE name = 'w4'") == "waiting")
    c.execute("ALTER TABLE t4 ADD COLUMN more text")
    began = time.monotonic()
    c.execute("INSERT INTO t4 VALUES (7, 'x')")
    thread.join(5)
    check("woken", got and got[0][0] == [("add", 7)] and got[0][1] - began < 0.1, got)
    failures = []

    def blocked():
        try:
            a.execute("FETCH 1 FROM w")
        except psycopg.Error as error:
            failures.append(error.sqlstate)

    thread = threading.Thread(target=blocked)
    thread.start()
    time.sleep(0.2)
    a.cancel()
    thread.join(5)
    check("cancelled", failures == ["57014"], failures)
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w4()")
    a.execute("SET statement_timeout = 200")
    thread = threading.Thread(target=blocked)
    thread.start()
    thread.join(5)
    check("timed out", failures == ["57014"] * 2, failures)
    a.execute("SET statement_timeout = 0")
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w4()")
    thread = threading.Thread(target=blocked)
    thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    c.execute("DROP LUA CONSUMER w4")
    check("the drop waits for nobody", time.monotonic() - began < 2)
    thread.join(5)
    check("dropped (CDB-713)", failures[2:] == ["55000"], failures)
    a.close()


def dead_while_waiting(c):
    """CDB-704: a client that vanishes while its procedure waits frees the queue."""
    make(c, "w5", "t5")
    a, b = connect(), connect()
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w5()")
    b.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w5()")
    raw = socket.socket(fileno=os.dup(a.pgconn.socket))
    message = b"FETCH 1 FROM w\0"
    raw.sendall(b"Q" + struct.pack("!I", len(message) + 4) + message)
    eventually("a waits", lambda: one(c, "SELECT state FROM comdb2_trigger_status WHERE name = 'w5'") == "waiting")
    raw.shutdown(socket.SHUT_RDWR)
    raw.close()
    a.close()
    eventually("freed", lambda: one(c, "SELECT holder_pid IS NULL FROM comdb2_trigger_status WHERE name = 'w5'"), 2)
    c.execute("INSERT INTO t5 VALUES (1)")
    check("b", b.execute("FETCH 1 FROM w").fetchall() == [("add", 1)])
    b.close()


def atomic(c):
    """CDB-708, 13.3: the write, the row and the consumption are one; nothing of it happens when the client dies."""
    c.execute("CREATE TABLE t6 (i int)")
    c.execute("CREATE TABLE audit6 (i int)")
    c.execute("""CREATE PROCEDURE w6 VERSION 'a' $lua$
local function main()
  local audit, consumer = db:table('audit6'), db:consumer()
  while true do
    local event = consumer:get()
    db:begin()
    audit:insert({ i = event.new.i })
    consumer:emit(event.new.i)
    consumer:consume()
    db:commit()
  end
end
$lua$""")
    c.execute("CREATE LUA CONSUMER w6 ON (TABLE t6 FOR INSERT)")
    c.execute("INSERT INTO t6 VALUES (1), (2)")
    a = connect()
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w6()")
    check("row 1", a.execute("FETCH 1 FROM w").fetchall() == [(1.0,)])
    check("not yet", one(c, "SELECT count(*) FROM audit6") == 0)
    a.close()
    eventually("released", lambda: one(c, "SELECT holder_pid IS NULL FROM comdb2_trigger_status WHERE name = 'w6'"))
    check("nothing happened", (one(c, "SELECT count(*) FROM audit6"), depth(c, "w6")) == (0, 2))
    a = connect()
    a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE w6()")
    check("row 1 again", a.execute("FETCH 1 FROM w").fetchall() == [(1.0,)])
    check("row 2", a.execute("FETCH 1 FROM w").fetchall() == [(2.0,)])
    check("both at once", (one(c, "SELECT array_agg(i) FROM audit6"), depth(c, "w6")) == ([1], 1))
    a.close()


def own_transactions(c):
    """CDB-211: in a client's block a consumer has transactions of its own; CDB-903: its cursor goes with the block."""
    make(c, "w7", "t7")
    c.execute("INSERT INTO t7 VALUES (1), (2), (3)")
    with psycopg.connect("") as a:
        a.execute("DECLARE k CURSOR FOR EXEC PROCEDURE w7()")
        check("in a block", a.execute("FETCH 1 FROM k").fetchall() == [("add", 1)])
        check("in a block", a.execute("FETCH 1 FROM k").fetchall() == [("add", 2)])
        a.rollback()
        eventually("not undone with the block", lambda: depth(c, "w7") == 2)
        try:
            a.execute("FETCH 1 FROM k")
            check("closed with the block", False)
        except psycopg.errors.InvalidCursorName:
            a.rollback()


def prepared(c):
    """CDB-203, CDB-909: bound parameters arrive typed; Describe of a portal runs to the first row."""
    c.execute("CREATE PROCEDURE kinds VERSION 'a' $lua$ local function main(a, b, c, d) db:emit(type(a), type(b), type(c), tostring(d)) end $lua$")
    rows = c.execute("EXEC PROCEDURE kinds(%s, %s, %s, %s)", (5, "x", b"\x01", [1, 2])).fetchall()
    check("parameters", rows[0][:3] == ("number", "string", "blob"), rows)


async def asyncpg_client():
    """CDB-901, CDB-910: row-limited Execute; a default consumer and an AS list are described."""
    c = await asyncpg.connect()
    await c.execute("CREATE TABLE t8 (i int, c cstring(8))")
    await c.execute("CREATE DEFAULT LUA CONSUMER w8 ON (TABLE t8 FOR INSERT AND UPDATE)")
    await c.execute("INSERT INTO t8 VALUES (1, 'a'), (2, 'b')")
    await c.execute("UPDATE t8 SET c = 'z' WHERE i = 2")
    a = await asyncpg.connect()
    async with a.transaction():
        cursor = await a.cursor("""EXEC PROCEDURE w8('{"with_id":false}')""")
        rows = []
        for _ in range(4):
            rows += [tuple(row) for row in await cursor.fetch(1)]
    check("default consumer", rows == [("add", 1, "a"), ("add", 2, "b"), ("old", 2, "b"), ("new", 2, "z")], rows)
    await c.execute("CREATE PROCEDURE count8 VERSION 'a' $lua$ local function main(n) for i = 1, n do db:emit(i) end end $lua$")
    rows = await a.fetch("EXEC PROCEDURE count8(3) AS (n bigint)")
    check("AS list", [row["n"] for row in rows] == [1, 2, 3], rows)
    try:
        await a.fetch("EXEC PROCEDURE count8(1)")
        check("undeclared columns", False)
    except asyncpg.FeatureNotSupportedError:
        pass
    await a.close()
    await c.close()


def main():
    founding_scripts()
    with connect() as c:
        for test in (redelivery, hand_over, emit_timeout, waiting, dead_while_waiting, atomic, own_transactions, prepared):
            test(c)
    asyncio.run(asyncpg_client())
    print("comdb2 consumers: all good")


main()
