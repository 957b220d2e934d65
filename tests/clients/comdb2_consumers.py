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


WATCHED = [("t", "add", 1, 3.142857, "hello", b"\xde\xad\xbe\xef", None, None, None, None),
           ("t", "upd", 4, 4.142857, "hello", b"\x60\x0d\xc0\xde", 1, 3.142857, "hello", b"\xde\xad\xbe\xef"),
           ("t", "del", None, None, None, None, 4, 4.142857, "hello", b"\x60\x0d\xc0\xde")]


def shown(row):
    """tbl, type, i, d, c, b and the old ones of a row of watch()."""
    digits = lambda value: None if value is None else round(value, 6)
    return (row[0], row[1], row[2], digits(row[3]), row[4], row[5], row[8], digits(row[9]), row[10], row[11])


def again():
    """The watch script from the beginning."""
    with connect() as c:
        c.execute("DROP LUA CONSUMER IF EXISTS watch")
        c.execute("DROP TABLE IF EXISTS t")
    run = psql("-f", str(HERE / "comdb2_watch.sql"))
    check("watch.sql again", run.returncode == 0, run.stderr)


def watch_by_fetch_count():
    """CDB-905, 13.2: psql's FETCH_COUNT; a cursor's rows through psycopg, named cursor and plain."""
    again()
    with connect() as a:
        a.execute("DECLARE w CURSOR FOR EXEC PROCEDURE watch()")
        rows = [a.execute("FETCH 1 FROM w").fetchone() for _ in range(3)]
        check("psycopg", [shown(row) for row in rows] == WATCHED, rows)
    again()
    # Streaming: psql with FETCH_COUNT prints rows as they come where it can (17 and later), else at the end.
    words = ["psql", "-X", "-At", "-v", "FETCH_COUNT=1", "-c", "SET statement_timeout = 2000", "-c", "EXEC PROCEDURE watch()"]
    run = subprocess.run(words, capture_output=True, text=True, timeout=30)
    check("FETCH_COUNT ends with the statement's time", "canceling statement due to statement timeout" in run.stderr, run)
    with connect() as c:
        # What a streaming execution sent counts as asked for.
        eventually("streamed rows are consumed", lambda: depth(c, "watch") == 0)
    again()
    words[-1] = "DECLARE w CURSOR FOR EXEC PROCEDURE watch()"
    words += ["-c", "FETCH 10 FROM w", "-c", "FETCH 10 FROM w", "-c", "FETCH 10 FROM w"]
    run = subprocess.run(words, capture_output=True, text=True, timeout=30)
    kinds = [line.split("|")[1] for line in run.stdout.splitlines() if line.startswith("t|")]
    check("FETCH_COUNT and a cursor", kinds == ["add", "upd", "del"], run)


async def watch_by_asyncpg():
    """CDB-901, 13.2 through asyncpg's cursors."""
    again()
    a = await asyncpg.connect()
    names = "tbl text, type text, i int8, d float8, c text, b bytea, t timestamptz, y interval"
    old = ", ".join("old_" + column.strip() for column in names.split(",")[2:])
    async with a.transaction():
        cursor = await a.cursor(f"EXEC PROCEDURE watch() AS ({names}, {old})")
        rows = [tuple((await cursor.fetch(1))[0]) for _ in range(3)]
    check("asyncpg", [shown(row) for row in rows] == WATCHED, rows)
    await a.close()


def metadata(c):
    """CDB-802, CDB-803: columns of a default consumer with their types; the two rows of an update have one id."""
    c.execute("CREATE TABLE m (s smallint, i int, d double, x text, b blob, n numeric)")
    c.execute("CREATE DEFAULT LUA CONSUMER m ON (TABLE m FOR INSERT AND UPDATE)")
    c.execute("INSERT INTO m VALUES (1, 2, 1.5, 'x', x'0a', 1.25)")
    c.execute("UPDATE m SET i = 3")
    a = connect()
    a.execute("""DECLARE w CURSOR FOR EXEC PROCEDURE m('{"with_tid":true,"with_sequence":true,"with_epoch":true}')""")
    cursor = a.execute("FETCH 1 FROM w")
    names = [column.name for column in cursor.description]
    check("names", names == ["comdb2_event", "comdb2_id", "comdb2_tid", "comdb2_sequence", "comdb2_epoch", "s", "i", "d", "x", "b", "n"], names)
    types = [column.type_code for column in cursor.description]
    check("types", types == [25, 17, 20, 20, 20, 20, 20, 701, 25, 17, 25], types)
    first = cursor.fetchone()
    check("no sequence", first[3] is None and abs(first[4] - time.time()) < 60 and first[5:] == (1, 2, 1.5, "x", b"\x0a", "1.25"), first)
    rows = a.execute("FETCH 10 FROM w").fetchall()
    check("an update", [row[0] for row in rows] == ["old", "new"] and rows[0][1:3] == rows[1][1:3], rows)
    check("its own id and tid", rows[0][1] != first[1] and rows[0][2] != first[2] and len(first[1]) == 8, rows)
    a.close()


def failures_are_logged(c):
    """CDB-516: in the server's log and in comdb2_trigger_status."""
    c.execute("CREATE TABLE f (i int)")
    c.execute("CREATE PROCEDURE failing VERSION 'a' { local function main(e) error('wrong as told') end }")
    c.execute("CREATE LUA TRIGGER failing ON (TABLE f FOR INSERT)")
    c.execute("INSERT INTO f VALUES (1)")
    status = "SELECT state, retries > 0, last_error LIKE '%wrong as told%', last_error_time IS NOT NULL FROM comdb2_trigger_status WHERE name = 'failing'"
    eventually("status", lambda: c.execute(status).fetchone() == ("retrying", True, True, True))
    check("the operator's view", one(c, "SELECT count(*) FROM tripline.subscriptions WHERE name = 'failing' AND attempts > 0 AND last_error LIKE '%wrong as told%'") == 1)
    log = pathlib.Path(os.environ["TRIPLINE_DATA"]).parent / "server.log"
    eventually("log", lambda: any("failing" in line and "wrong as told" in line for line in log.read_text().splitlines()))
    c.execute("DROP LUA TRIGGER failing")


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
        for test in (redelivery, hand_over, emit_timeout, waiting, dead_while_waiting, atomic, own_transactions, prepared, metadata, failures_are_logged):
            test(c)
    asyncio.run(asyncpg_client())
    watch_by_fetch_count()
    asyncio.run(watch_by_asyncpg())
    print("comdb2 consumers: all good")


main()
