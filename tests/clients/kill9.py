#!/usr/bin/env python3
"""`kill -9` under load, again and again, on the release binary with a directory and a port of its own.

Writers insert numbered rows, one or three to a transaction, and move a counter; an AGGREGATE trigger sums the rows and a
Lua trigger audits them. After each kill the server is started on the same directory, and then: every acknowledged row is
there, no transaction is there in part, the counter and the aggregate are what the rows say, and once the queue is drained
there is exactly one audit row per row. On a binary without triggers (`--plain`, for other servers) only the rows count.

PG-148, PG-154; AMI-99, AMI-100, AMI-127, AMI-189; CDB-507, CDB-603, CDB-606.
"""
import os, pathlib, random, signal, socket, subprocess, sys, tempfile, threading, time

import psycopg

from lib import check
from lib.check import equal, true

ROUNDS = int(os.environ.get("TRIPLINE_ROUNDS", "6")) * (10 if os.environ.get("TRIPLINE_LONG") else 1)
WRITERS = 6
LEAST_ROWS = 40
SEED = int(os.environ.get("TRIPLINE_SEED", random.SystemRandom().randrange(1 << 32)))
TRIGGERS = "--plain" not in sys.argv

SET_UP = """
CREATE TABLE events (writer int NOT NULL, batch bigint NOT NULL, part int NOT NULL, amount bigint NOT NULL, note text, PRIMARY KEY (writer, batch, part));
CREATE TABLE counters (writer int PRIMARY KEY, batches bigint NOT NULL);
CREATE TABLE totals (grp int, cnt bigint, total bigint, low bigint, high bigint);
CREATE TABLE audit (kind text, writer int, batch bigint, part int);
CREATE INDEX events_amount_idx ON events (amount)"""
AGGREGATE = "CREATE TRIGGER kill_agg OFTYPE AGGREGATE ON events,totals USE groupBys='grp=writer' selects='cnt=count(*),total=sum(amount),low=min(amount),high=max(amount)'"
PROCEDURE = """CREATE PROCEDURE kill_audit VERSION 'one' $lua$
local function main(event)
    local audit = db:table('audit')
    return audit:insert({kind = event.type, writer = event.new.writer, batch = event.new.batch, part = event.new.part})
end
$lua$"""
LUA = "CREATE LUA TRIGGER kill_audit WITH SEQUENCE ON (TABLE events FOR INSERT)"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None

    def start(self):
        began = time.monotonic()
        command = [os.environ["TRIPLINE_BINARY"], "serve", "--data-dir", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}", "--http-listen", f"127.0.0.1:{free_port()}"]
        with open(self.folder / "server.log", "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while True:
            try:
                self.connect(connect_timeout=2).close()
                return time.monotonic() - began
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() - began > 30:
                    raise SystemExit(f"seed {SEED}: the server did not start again\n" + (self.folder / "server.log").read_text()[-4000:])
                time.sleep(0.02)

    def connect(self, **options):
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=admin dbname=postgres", autocommit=True, **options)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def write(server, writer, acknowledged, unknown, stop, rng):
    """Inserts until the server is gone. A batch is acknowledged, or unknown when its answer never came."""
    try:
        with server.connect() as connection:
            batch = connection.execute("SELECT coalesce(max(batch), 0) FROM events WHERE writer = %s", [writer]).fetchone()[0]
            while not stop.is_set():
                batch += 1
                parts = rng.choice((1, 1, 3))
                unknown[writer] = (batch, parts)
                rows = [(writer, batch, part, rng.randrange(1000), "x" * rng.randrange(200)) for part in range(parts)]
                with connection.transaction():
                    for row in rows:
                        connection.execute("INSERT INTO events VALUES (%s, %s, %s, %s, %s)", row)
                    connection.execute("INSERT INTO counters VALUES (%s, 1) ON CONFLICT (writer) DO UPDATE SET batches = counters.batches + 1", [writer])
                    undone = rng.random() < 0.1
                    if undone:
                        raise psycopg.Rollback()
                if undone:
                    batch -= 1
                else:
                    acknowledged[writer, batch] = parts
                unknown[writer] = None
    except (psycopg.OperationalError, psycopg.Rollback):
        pass  # Rollback comes out when the server went while it was under way.
    except psycopg.Error as error:
        equal(f"seed {SEED}, writer {writer}: {error}", error.sqlstate, None)


def verify(server, label, acknowledged, unknown):
    with server.connect() as connection:
        ask = lambda query: connection.execute(query).fetchall()
        found = {(writer, batch): parts for writer, batch, parts in ask("SELECT writer, batch, count(*) FROM events GROUP BY writer, batch")}
        equal(f"{label}: acknowledged and gone", sorted(set(acknowledged) - set(found))[:10], [])
        equal(f"{label}: in part", {key: (found[key], parts) for key, parts in acknowledged.items() if found.get(key, parts) != parts}, {})
        extra = {key: parts for key, parts in found.items() if key not in acknowledged}
        allowed = {(writer, last[0]): last[1] for writer, last in unknown.items() if last}
        equal(f"{label}: rows that nobody committed", {key: parts for key, parts in extra.items() if allowed.get(key) != parts}, {})
        acknowledged.update(extra)
        equal(f"{label}: counters", sorted(ask("SELECT * FROM counters")), sorted(ask("SELECT writer, count(DISTINCT batch) FROM events GROUP BY writer")))
        equal(f"{label}: the index and the table", ask("SELECT count(*), sum(amount) FROM events WHERE amount >= 0"), ask("SELECT count(*), sum(amount) FROM events"))
        if not TRIGGERS:
            return
        fresh = sorted(ask("SELECT writer, count(*), sum(amount)::bigint, min(amount), max(amount) FROM events GROUP BY writer"))
        equal(f"{label}: the aggregate and a recomputation", sorted(ask("SELECT grp, cnt, total, low, high FROM totals")), fresh)
        rows = ask("SELECT count(*) FROM events")
        deadline = time.monotonic() + 20
        while ask("SELECT count(*) FROM audit") < rows and time.monotonic() < deadline:
            time.sleep(0.05)
        equal(f"{label}: audit rows", ask("SELECT count(*) FROM audit"), rows)
        doubled = ask("SELECT writer, batch, part, count(*) FROM audit GROUP BY 1, 2, 3 HAVING count(*) <> 1")
        equal(f"{label}: rows audited more than once", doubled[:10], [])
        missing = ask("SELECT writer, batch, part FROM events EXCEPT SELECT writer, batch, part FROM audit")
        equal(f"{label}: rows never audited", missing[:10], [])
        equal(f"{label}: the queue", ask("SELECT depth, attempts > 1 FROM tripline.subscriptions WHERE name = 'kill_audit'"), [(0, False)])


def main():
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as name:
        server = Server(pathlib.Path(name))
        server.start()
        with server.connect() as connection:
            connection.execute(SET_UP)
            for statement in (AGGREGATE, PROCEDURE, LUA) if TRIGGERS else ():
                connection.execute(statement)
        acknowledged = {}
        for turn in range(ROUNDS):
            unknown, stop, before = {}, threading.Event(), len(acknowledged)
            threads = [threading.Thread(target=write, args=(server, n, acknowledged, unknown, stop, random.Random(rng.random()))) for n in range(WRITERS)]
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.3, 2.5))
            server.kill()
            stop.set()
            for thread in threads:
                thread.join()
            seconds = server.start()
            print(f"round {turn}: {len(acknowledged) - before} transactions, started again in {seconds:.2f} s", flush=True)
            verify(server, f"seed {SEED}, round {turn}", acknowledged, unknown)
            if turn % 2:
                # Killed while it recovers, or right after: nothing may depend on a quiet start.
                server.kill()
                server.start()
                verify(server, f"seed {SEED}, round {turn}, again", acknowledged, {})
        true("there was a load", len(acknowledged) >= LEAST_ROWS)
        server.process.terminate()
        equal("clean end", server.process.wait(20), 0)
        true("no panic", "panicked" not in (server.folder / "server.log").read_text())
    check.finish()


main()
