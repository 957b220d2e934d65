#!/usr/bin/env python3
"""psycopg 3 with its default settings: both protocols, both formats both ways, pipelines, cursors, COPY, notifications.

PG-1, PG-13, PG-25..32, PG-35..42, PG-90..92, PG-101, PG-140, PG-147, PG-170, PG-175.
"""
import datetime, decimal, ipaddress, json, os, threading, time, uuid

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb

from lib import check
from lib.check import equal, fails, section, true

D = decimal.Decimal
UTC = datetime.timezone.utc


def connect(**options):
    return psycopg.connect("", **options)


# Every type that the engine promises: (SQL type, value that psycopg gives and takes, text form).
VALUES = [
    ("bool", True, "true"), ("bool", False, "false"),
    ("int2", -32768, "-32768"), ("int4", 2147483647, "2147483647"), ("int8", -9223372036854775808, "-9223372036854775808"),
    ("float4", 1.5, "1.5"), ("float8", 0.1, "0.1"), ("float8", float("inf"), "Infinity"), ("float8", 1e300, "1e+300"),
    ("numeric", D("12345678901234567890.000123"), "12345678901234567890.000123"), ("numeric", D("0"), "0"), ("numeric", D("-0.0001"), "-0.0001"),
    ("numeric", D("10000"), "10000"), ("numeric(10,2)", D("1.50"), "1.50"), ("numeric", D("Infinity"), "Infinity"),
    ("text", "grüße 'x' \\ \n\t€", None), ("text", "", ""), ("varchar(5)", "abc", "abc"), ("bpchar", "ab", "ab"), ("char(4)", "ab  ", None), ("name", "a_name", "a_name"),
    ("bytea", b"\x00\xff\\'", "\\x00ff5c27"), ("bytea", b"", "\\x"),
    ("date", datetime.date(2024, 2, 29), "2024-02-29"), ("date", datetime.date(1, 1, 1), "0001-01-01"), ("date", datetime.date(9999, 12, 31), "9999-12-31"),
    ("time", datetime.time(23, 59, 59, 999999), "23:59:59.999999"), ("time", datetime.time(0, 0), "00:00:00"),
    ("timetz", datetime.time(12, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-3))), "12:30:00-03"),
    ("timestamp", datetime.datetime(1999, 12, 31, 23, 59, 59, 1), "1999-12-31 23:59:59.000001"),
    ("timestamp", datetime.datetime(1900, 1, 1), "1900-01-01 00:00:00"),
    ("timestamptz", datetime.datetime(2024, 7, 1, 12, 0, tzinfo=UTC), "2024-07-01 12:00:00+00"),
    ("interval", datetime.timedelta(days=3, hours=4, microseconds=5), "3 days 04:00:00.000005"), ("interval", datetime.timedelta(days=-1, seconds=1), "-1 days +00:00:01"),
    ("uuid", uuid.UUID("12345678-1234-5678-1234-567812345678"), "12345678-1234-5678-1234-567812345678"),
    ("int4[]", [1, None, 3], "{1,NULL,3}"), ("int4[]", [], "{}"), ("text[]", ['a b', '"', None, "NULL", ""], '{"a b","\\"",NULL,"NULL",""}'),
    ("numeric[]", [D("1.5"), D("2")], "{1.5,2}"), ("bool[]", [True, False], "{t,f}"), ("uuid[]", [uuid.UUID(int=1)], "{00000000-0000-0000-0000-000000000001}"),
    ("date[]", [datetime.date(2024, 1, 1)], "{2024-01-01}"), ("float8[]", [1.5, -2.0], "{1.5,-2}"), ("bytea[]", [b"\x01"], '{"\\\\x01"}'),
    ("timestamp[]", [datetime.datetime(2024, 1, 1)], '{"2024-01-01 00:00:00"}'), ("int8[]", [1 << 40], "{1099511627776}"), ("int2[]", [1], "{1}"),
    ("json", {"b": 1, "a": [1, None, "x"]}, None), ("jsonb", {"b": 1, "a": [1, None, "x"]}, '{"a": [1, null, "x"], "b": 1}'),
    ("oid", 4294967295, "4294967295"),
]


def types():
    with connect(autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, value, text in VALUES:
            parameter = {"json": Json, "jsonb": Jsonb}.get(name, lambda value: value)(value)
            for binary in (False, True):
                for mark in ("%t", "%b"):
                    label = f"{name} {value!r} {'binary' if binary else 'text'} result, {mark}"
                    try:
                        row = connection.execute(f"SELECT {mark}::{name}", [parameter], binary=binary).fetchone()
                        equal(label, row[0], value)
                    except (psycopg.Error, NotImplementedError) as error:
                        equal(label, f"{type(error).__name__}: {error}", value)
            if text is not None:
                equal(f"text of {name}", connection.execute(f"SELECT %s::{name}::text", [parameter]).fetchone()[0], text)
            equal(f"NULL of {name}", connection.execute(f"SELECT %s::{name}", [None], binary=True).fetchone()[0], None)
        equal("NaN", str(connection.execute("SELECT 'NaN'::float8, 'NaN'::numeric", binary=True).fetchone()), "(nan, Decimal('NaN'))")
        equal("long numeric", connection.execute("SELECT repeat('9', 1000)::numeric", binary=True).fetchone()[0], D("9" * 1000))
        equal("months", connection.execute("SELECT '1 year 2 mons'::interval::text").fetchone()[0], "1 year 2 mons")
        equal("\"char\"", connection.execute("SELECT 'x'::\"char\"").fetchone()[0], "x")
        equal("regclass", connection.execute("SELECT 'pg_class'::regclass::text, 'pg_class'::regclass::oid").fetchone(), ("pg_class", 1259))
        # Declared parameter types follow the value (PG-101).
        equal("int sizes", [connection.execute("SELECT pg_typeof(%s)::text", [n]).fetchone()[0] for n in (1, 70000, 1 << 40, 1 << 70)], ["smallint", "integer", "bigint", "numeric"])
        cursor = connection.execute("SELECT 1::int2 AS a, 'x'::varchar(7) AS b, 1.5::numeric(10,2) AS c")
        equal("description", [(c.name, c.type_code, c.internal_size, c.precision, c.scale) for c in cursor.description], [("a", 21, 2, None, None), ("b", 1043, None, None, None), ("c", 1700, None, 10, 2)])


def protocols():
    with connect() as connection:
        info = connection.info
        true("server version", info.server_version >= 150000)
        equal("encoding", info.encoding, "utf-8")
        equal("statuses", {name: info.parameter_status(name) for name in ("client_encoding", "DateStyle", "integer_datetimes", "standard_conforming_strings", "IntervalStyle")},
              {"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "integer_datetimes": "on", "standard_conforming_strings": "on", "IntervalStyle": "postgres"})
        connection.execute("SET TimeZone = 'Europe/Berlin'")
        equal("TimeZone follows SET", info.parameter_status("TimeZone"), "Europe/Berlin")
        connection.rollback()
        true("TimeZone follows ROLLBACK", info.parameter_status("TimeZone") != "Europe/Berlin")
        equal("backend pid", connection.execute("SELECT pg_backend_pid()").fetchone()[0], info.backend_pid)
        # Several statements in one message (PG-20).
        cursor = connection.execute("CREATE TABLE p (a int); INSERT INTO p VALUES (1), (2); SELECT a FROM p ORDER BY a; UPDATE p SET a = a + 1")
        tags = [cursor.statusmessage]
        while cursor.nextset():
            tags.append(cursor.statusmessage)
        equal("tags", tags, ["CREATE TABLE", "INSERT 0 2", "SELECT 2", "UPDATE 2"])
        equal("empty", connection.execute("  -- nothing").statusmessage, None)
        # Prepared statements (PG-25, PG-33).
        for n in range(8):
            equal("prepared", connection.execute("SELECT a FROM p WHERE a > %s ORDER BY a", [n]).fetchall(), [(a,) for a in (2, 3) if a > n])
        equal("psycopg prepared it", connection.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT a FROM p%'").fetchone()[0], 1)
        connection.execute("SELECT %s::int", [1], prepare=True)
        connection.execute("DEALLOCATE ALL")
        connection.rollback()
        # rowcount and RETURNING
        connection.execute("CREATE TABLE r (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text DEFAULT 'd')")
        cursor = connection.cursor(row_factory=dict_row)
        cursor.executemany("INSERT INTO r (a) VALUES (%s) RETURNING id, a", [("x",), ("y",)], returning=True)
        rows = [cursor.fetchone()]
        while cursor.nextset():
            rows.append(cursor.fetchone())
        equal("executemany returning", rows, [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}])
        equal("rowcount", connection.execute("UPDATE r SET a = a").rowcount, 2)
        big = "x" * 5_000_000
        equal("five megabytes", len(connection.execute("SELECT %s::text", [big]).fetchone()[0]), len(big))
        connection.rollback()


def pipelines():
    with connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE pipe (a int PRIMARY KEY)")
        with connection.pipeline():
            cursors = [connection.execute("INSERT INTO pipe VALUES (%s)", [n]) for n in range(50)]
            total = connection.execute("SELECT count(*) FROM pipe")
        equal("rows", (total.fetchone()[0], [c.rowcount for c in cursors]), (50, [1] * 50))

        def broken():
            with connection.pipeline() as pipeline:
                connection.execute("INSERT INTO pipe VALUES (100)")
                connection.execute("INSERT INTO pipe VALUES (1)")
                connection.execute("INSERT INTO pipe VALUES (101)")
                pipeline.sync()
        fails("an error inside", "23505", broken)
        # All up to the Sync is one transaction (PG-31).
        equal("nothing of it stays", connection.execute("SELECT count(*) FROM pipe WHERE a >= 100").fetchone()[0], 0)
        with connection.pipeline() as pipeline:
            with connection.transaction():
                connection.execute("INSERT INTO pipe VALUES (200)")
            pipeline.sync()
            found = connection.execute("SELECT count(*) FROM pipe WHERE a = 200")
        equal("a block in a pipeline", found.fetchone()[0], 1)
        connection.execute("DROP TABLE pipe")


def cursors():
    with connect() as connection:
        for binary in (False, True):
            with connection.cursor(name=f"big{binary}", binary=binary) as cursor:
                cursor.itersize = 100
                cursor.execute("SELECT n FROM generate_series(1, %s) AS n", [1001])
                equal("first", cursor.fetchone(), (1,))
                equal("many", [row[0] for row in cursor.fetchmany(3)], [2, 3, 4])
                equal("the rest", sum(row[0] for row in cursor), 1001 * 1002 // 2 - 10)
        with connection.cursor(name="back", scrollable=True) as cursor:
            cursor.execute("SELECT generate_series(1, 10)")
            cursor.scroll(5)
            equal("scrolled", cursor.fetchone(), (6,))
            cursor.scroll(0, mode="absolute")
            equal("back again", cursor.fetchone(), (1,))
        with connection.cursor(name="held", withhold=True) as cursor:
            cursor.execute("SELECT generate_series(1, 5)")
            connection.commit()
            equal("after commit", len(cursor.fetchall()), 5)
        streamed = [row[0] for row in connection.cursor().stream("SELECT generate_series(1, 500)")]
        equal("stream", (len(streamed), sum(streamed)), (500, 125250))
        connection.rollback()


def copies():
    with connect() as connection:
        connection.execute("CREATE TABLE c (id int, t text, n numeric, d date, b bytea)")
        rows = [(1, "plain", D("1.5"), datetime.date(2024, 1, 1), b"\x00\x01"), (2, "tab\tnew\nline\\ \"q\", 'x'", None, None, b""), (3, None, D("-3"), datetime.date(1999, 12, 31), None), (4, "\\N", D("0"), None, None)]
        for binary in (False, True):
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY c FROM STDIN {'(FORMAT binary)' if binary else ''}") as copy:
                    if binary:
                        copy.set_types(["int4", "text", "numeric", "date", "bytea"])
                    for row in rows:
                        copy.write_row(row)
                equal("COPY tag", (cursor.statusmessage, cursor.rowcount), ("COPY 4", 4))
            equal(f"copied in, binary {binary}", connection.execute("SELECT * FROM c ORDER BY id").fetchall(), rows)
            with connection.cursor().copy(f"COPY (SELECT * FROM c ORDER BY id) TO STDOUT {'(FORMAT binary)' if binary else ''}") as copy:
                copy.set_types(["int4", "text", "numeric", "date", "bytea"])
                equal(f"copied out, binary {binary}", list(copy.rows()), rows)
            connection.execute("TRUNCATE c")
        # Pieces are cut anywhere (PG-36).
        text = "".join(f"{n}\tgrüße {n}\t{n}.5\t2024-01-01\t\\\\x0{n % 10}\n" for n in range(500)).encode()
        with connection.cursor().copy("COPY c FROM STDIN") as copy:
            for at in range(0, len(text), 7):
                copy.write(text[at : at + 7])
        equal("pieces", connection.execute("SELECT count(*), sum(n), max(t) FROM c").fetchone(), (500, D("125000.0"), "grüße 99"))
        connection.execute("TRUNCATE c")
        with connection.cursor().copy("COPY c (t, id) FROM STDIN (FORMAT csv, HEADER, NULL 'nil', DELIMITER ';')") as copy:
            copy.write('t;id\n"a;""b""\nc";1\nnil;2\n"nil";3\n')
        equal("csv in", connection.execute("SELECT id, t FROM c ORDER BY id").fetchall(), [(1, 'a;"b"\nc'), (2, None), (3, "nil")])
        with connection.cursor().copy("COPY (SELECT id, t FROM c ORDER BY id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (id))") as copy:
            equal("csv out", b"".join(bytes(data) for data in copy).decode(), 'id,t\n"1","a;""b""\nc"\n"2",\n"3",nil\n')
        connection.execute("SAVEPOINT s")

        def bad():
            with connection.cursor().copy("COPY c (id, t) FROM STDIN") as copy:
                copy.write("1\tx\nzwei\ty\n")
        fails("bad number", "22P02", bad, context='COPY c, line 2, column id: "zwei"')
        connection.execute("ROLLBACK TO s")

        def short():
            with connection.cursor().copy("COPY c (id, t) FROM STDIN") as copy:
                copy.write("1\n")
        fails("missing column", "22P04", short, message_primary='missing data for column "t"')
        connection.execute("ROLLBACK TO s")

        def gave_up():
            with connection.cursor().copy("COPY c FROM STDIN") as copy:
                copy.write("1\t")
                raise KeyError("the client's own")
        try:
            gave_up()
            equal("the client's error comes out", "none", "KeyError")
        except KeyError:
            pass
        connection.execute("ROLLBACK TO s")
        equal("usable afterwards", connection.execute("SELECT count(*) FROM c").fetchone()[0], 3)
        connection.rollback()


def notifications():
    with connect(autocommit=True) as listener, connect(autocommit=True) as sender:
        listener.execute("LISTEN news")

        def send():
            time.sleep(0.2)
            sender.execute("NOTIFY news, 'one'")
            with sender.transaction():
                sender.execute("SELECT pg_notify('news', 'two')")
                sender.execute("NOTIFY news, 'two'")
            sender.execute("NOTIFY news")
        thread = threading.Thread(target=send)
        thread.start()
        # The client waits on its socket and asks nothing (PG-40).
        got = [(event.channel, event.payload, event.pid) for event in listener.notifies(timeout=10, stop_after=3)]
        thread.join()
        equal("notified", got, [("news", payload, sender.info.backend_pid) for payload in ("one", "two", "")])
        notices = []
        listener.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.message_primary)))
        listener.execute("DROP TABLE IF EXISTS no_such_table")
        equal("notice", notices, [("00000", 'table "no_such_table" does not exist, skipping')])


def errors():
    with connect(autocommit=True) as connection:
        run = connection.execute
        run("CREATE TABLE parent (id int PRIMARY KEY)")
        run("CREATE TABLE child (id int PRIMARY KEY, p int NOT NULL REFERENCES parent, n int CHECK (n > 0), v varchar(3))")
        run("INSERT INTO parent VALUES (1)")
        run("INSERT INTO child VALUES (1, 1, 1)")
        fails("unique", "23505", lambda: run("INSERT INTO child VALUES (%s, 1, 1)", [1]), message_primary='duplicate key value violates unique constraint "child_pkey"',
              message_detail="Key (id)=(1) already exists.", schema_name="public", table_name="child", constraint_name="child_pkey", severity="ERROR", severity_nonlocalized="ERROR")
        fails("foreign key", "23503", lambda: run("INSERT INTO child VALUES (2, 9, 1)"), message_primary='insert or update on table "child" violates foreign key constraint "child_p_fkey"',
              message_detail='Key (p)=(9) is not present in table "parent".', table_name="child", constraint_name="child_p_fkey")
        fails("referenced", "23503", lambda: run("DELETE FROM parent"), message_detail='Key (id)=(1) is still referenced from table "child".', table_name="child")
        fails("not null", "23502", lambda: run("INSERT INTO child (id) VALUES (3)"), message_primary='null value in column "p" of relation "child" violates not-null constraint',
              message_detail="Failing row contains (3, null, null, null).", column_name="p", table_name="child")
        fails("check", "23514", lambda: run("INSERT INTO child VALUES (4, 1, 0)"), message_primary='new row for relation "child" violates check constraint "child_n_check"', constraint_name="child_n_check")
        fails("too long", "22001", lambda: run("INSERT INTO child VALUES (5, 1, 1, 'four')"), message_primary="value too long for type character varying(3)")
        fails("syntax", "42601", lambda: run("SELEC 1"), message_primary='syntax error at or near "SELEC"', statement_position="1")
        fails("no table", "42P01", lambda: run("SELECT * FROM nosuch"), message_primary='relation "nosuch" does not exist', statement_position="15")
        fails("no column", "42703", lambda: run("SELECT id, nosuch FROM child"), message_primary='column "nosuch" does not exist', statement_position="12")
        fails("no function", "42883", lambda: run("SELECT nosuch(1)"), message_primary="function nosuch(integer) does not exist", message_hint="No function matches the given name and argument types. You might need to add explicit type casts.")
        fails("input", "22P02", lambda: run("SELECT 'x'::int"), message_primary='invalid input syntax for type integer: "x"', statement_position="8")
        fails("division", "22012", lambda: run("SELECT 1 / %s", [0]), message_primary="division by zero")
        fails("range", "22003", lambda: run("SELECT 2147483647 + 1"), message_primary="integer out of range")
        fails("out of block", "25P01", lambda: run("SAVEPOINT s"))
        fails("untyped parameter", "42P18", lambda: run("SELECT %s IS NULL", [None]))
        fails("NUL", "22021", lambda: run("SELECT convert_from('\\x00', 'UTF8')"))
        fails("drop", "2BP01", lambda: run("DROP TABLE parent"), message_hint="Use DROP ... CASCADE to drop the dependent objects too.",
              message_detail="constraint child_p_fkey on table child depends on table parent")
        run("DROP TABLE child, parent")


def transactions():
    with connect() as connection:
        connection.execute("CREATE TABLE tx (a int PRIMARY KEY)")
        connection.commit()
        with connection.transaction():
            connection.execute("INSERT INTO tx VALUES (1)")
            try:
                with connection.transaction():
                    connection.execute("INSERT INTO tx VALUES (2)")
                    connection.execute("INSERT INTO tx VALUES (1)")
            except psycopg.errors.UniqueViolation:
                pass
            with connection.transaction(force_rollback=True):
                connection.execute("INSERT INTO tx VALUES (3)")
            connection.execute("INSERT INTO tx VALUES (4)")
        equal("savepoints", connection.execute("SELECT array_agg(a ORDER BY a) FROM tx").fetchone()[0], [1, 4])
        equal("status", connection.info.transaction_status.name, "INTRANS")
        fails("in a block", "22012", lambda: connection.execute("SELECT 1/0"))
        equal("status", connection.info.transaction_status.name, "INERROR")
        fails("failed block", "25P02", lambda: connection.execute("SELECT 1"))
        connection.rollback()
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        connection.read_only = True
        equal("characteristics", connection.execute("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')").fetchone(), ("serializable", "on"))
        fails("read only", "25006", lambda: connection.execute("INSERT INTO tx VALUES (5)"))
        connection.rollback()
    with connect(autocommit=True) as connection:
        connection.execute("DROP TABLE tx")
    try:
        psycopg.connect("dbname=no_such_database")
        equal("unknown database", "connected", "refused")
    except psycopg.OperationalError as error:
        true("unknown database", 'database "no_such_database" does not exist' in str(error))


def cancels():
    with connect(autocommit=True) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        began = time.monotonic()
        fails("cancelled", "57014", lambda: connection.execute("SELECT pg_sleep(30)"), message_primary="canceling statement due to user request")
        true("at once", time.monotonic() - began < 5)
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        fails("cancelled while it computes", "57014", lambda: connection.execute("SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b"))
        equal("usable afterwards", connection.execute("SELECT 1").fetchone(), (1,))
        connection.execute("SET statement_timeout = 200")
        fails("timeout", "57014", lambda: connection.execute("SELECT pg_sleep(30)"), message_primary="canceling statement due to statement timeout")
    with connect(autocommit=True) as one, connect(autocommit=True) as two:
        equal("terminate", two.execute("SELECT pg_terminate_backend(%s)", [one.info.backend_pid]).fetchone()[0], True)
        fails("terminated", "57P01", lambda: [time.sleep(0.2), one.execute("SELECT 1")])


for part in (types, protocols, pipelines, cursors, copies, notifications, errors, transactions, cancels):
    section(part.__name__, part)
check.finish()
