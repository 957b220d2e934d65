#!/usr/bin/env python3
"""psycopg2: simple protocol only, client-side parameters, cursors by DECLARE, COPY, polling for notifications.

PG-1, PG-20, PG-24, PG-35, PG-40, PG-42, PG-92, PG-146, PG-147, PG-149, PG-170.
"""
import datetime, decimal, io, select, threading, time, uuid

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

from lib import check
from lib.check import equal, fails, section, true

D = decimal.Decimal


def connect(autocommit=False):
    connection = psycopg2.connect("")
    connection.autocommit = autocommit
    return connection


def one(cursor, query, parameters=None):
    cursor.execute(query, parameters)
    return cursor.fetchone()


def types():
    psycopg2.extras.register_uuid()
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        day = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
        for name, value in [
            ("bool", True), ("int2", -5), ("int4", 1 << 30), ("int8", 1 << 60), ("float8", 0.1), ("numeric", D("123.4500")), ("text", "it's \\ ü"), ("date", day.date()), ("time", day.time()),
            ("timestamp", day), ("timestamptz", day.replace(tzinfo=datetime.timezone.utc)), ("interval", datetime.timedelta(days=1, seconds=2.5)), ("uuid", uuid.UUID(int=7)),
            ("int4[]", [1, 2, None]), ("text[]", ["a", 'b"', None]),
        ]:
            equal(name, one(cursor, f"SELECT %s::{name}", [value])[0], value)
        equal("bytea", bytes(one(cursor, "SELECT %s::bytea", [psycopg2.Binary(b"\x00\xffx")])[0]), b"\x00\xffx")
        equal("jsonb", one(cursor, "SELECT %s::jsonb", [psycopg2.extras.Json({"b": [1, None], "a": 1.5})])[0], {"a": 1.5, "b": [1, None]})
        equal("description", [(c.name, c.type_code) for c in (one(cursor, "SELECT 1 AS a, 'x'::text AS b"), cursor.description)[1]], [("a", 23), ("b", 25)])
        psycopg2.extras.register_hstore  # the oid look-up below is what it does
        equal("no hstore", psycopg2.extras.HstoreAdapter.get_oids(connection), ((), ()))


def cursors():
    with connect() as connection:
        with connection.cursor("named") as cursor:
            cursor.itersize = 50
            cursor.execute("SELECT generate_series(1, %s)", [1000])
            equal("rows", sum(row[0] for row in cursor), 500500)
        with connection.cursor("scrolled", scrollable=True) as cursor:
            cursor.execute("SELECT generate_series(1, 10)")
            equal("many", cursor.fetchmany(4), [(1,), (2,), (3,), (4,)])
            cursor.scroll(-2)
            equal("back", cursor.fetchone(), (3,))
        connection.commit()
        with connection.cursor("held", withhold=True) as cursor:
            cursor.execute("SELECT generate_series(1, 3)")
            connection.commit()
            equal("held", len(cursor.fetchall()), 3)


def blocks():
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE two (a int PRIMARY KEY, b text)")
    equal("tag", cursor.statusmessage, "CREATE TABLE")
    psycopg2.extras.execute_values(cursor, "INSERT INTO two VALUES %s RETURNING a", [(n, f"row {n}") for n in range(1000)], page_size=300)
    psycopg2.extras.execute_batch(cursor, "UPDATE two SET b = %s WHERE a = %s", [("x", n) for n in range(10)])
    equal("batch", one(cursor, "SELECT count(*) FROM two WHERE b = 'x'")[0], 10)
    connection.commit()
    error = fails("unique", "23505", lambda: cursor.execute("INSERT INTO two VALUES (1, 'y')"), constraint_name="two_pkey", table_name="two", message_detail="Key (a)=(1) already exists.")
    true("class", isinstance(error, psycopg2.errors.UniqueViolation))
    equal("failed", connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_INERROR)
    fails("failed block", "25P02", lambda: cursor.execute("SELECT 1"))
    connection.rollback()
    cursor.execute("SAVEPOINT s")
    cursor.execute("DELETE FROM two")
    equal("deleted", cursor.rowcount, 1000)
    cursor.execute("ROLLBACK TO s")
    equal("still there", one(cursor, "SELECT count(*) FROM two")[0], 1000)
    connection.rollback()
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    equal("session", one(cursor, "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')"), ("serializable", "on", "on"))
    connection.rollback()
    connection.set_session(isolation_level="READ COMMITTED", readonly=False, deferrable=False)
    connection.set_client_encoding("UTF8")
    # COPY as text and csv.
    cursor.execute("TRUNCATE two")
    cursor.copy_from(io.StringIO("1\tone\n2\t\\N\n3\ta\\tb\n"), "two", columns=("a", "b"))
    out = io.StringIO()
    cursor.copy_to(out, "two", sep="|", null="-")
    equal("copy_to", out.getvalue(), "1|one\n2|-\n3|a\\tb\n")
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT b, a FROM two ORDER BY a DESC) TO STDOUT WITH CSV HEADER", out)
    equal("csv", out.getvalue(), "b,a\na\tb,3\n,2\none,1\n")
    fails("csv in", "22P02", lambda: cursor.copy_expert("COPY two FROM STDIN WITH CSV", io.StringIO("x,y\n")))
    connection.rollback()
    cursor.execute("DROP TABLE two")
    equal("notices", connection.notices, [])
    cursor.execute("DROP TABLE IF EXISTS two")
    equal("notice", connection.notices, ['NOTICE:  table "two" does not exist, skipping\n'])
    connection.commit()
    connection.close()


def notifications():
    listener, sender = connect(True), connect(True)
    listener.cursor().execute("LISTEN two")
    sender.cursor().execute("NOTIFY two, 'hello'")
    true("readable without a query", select.select([listener], [], [], 5)[0])
    listener.poll()
    equal("event", [(event.channel, event.payload, event.pid) for event in listener.notifies], [("two", "hello", sender.info.backend_pid)])
    threading.Timer(0.3, listener.cancel).start()
    fails("cancel", "57014", lambda: listener.cursor().execute("SELECT pg_sleep(30)"))
    listener.close()
    sender.close()


for part in (types, cursors, blocks, notifications):
    section(part.__name__, part)
check.finish()
