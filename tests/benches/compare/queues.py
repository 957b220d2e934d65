#!/usr/bin/env python3
"""Queues: Tripline's consumers and Lua triggers beside what one builds on PostgreSQL 15.

    tests/benches/compare/queues.py [--reps 3] [--seconds 3] [--only NAME,NAME] [--list]

PostgreSQL's side is an outbox table, written by a trigger of the watched table in the same transaction, with a client that
takes rows from it (`DELETE … FOR UPDATE SKIP LOCKED … RETURNING`) and waits by LISTEN, by polling, or not at all. Tripline's side
is a Lua consumer read by row-limited Execute, or a Lua trigger. Both durable. Producers are pgbench's; consumers speak the
protocol themselves, so that a driver's cost is on neither side. Delays are from the INSERT's clock_timestamp() to the moment the
consumer's client has the bytes of the row; what it does with them is on neither side. Figures are read, not asserted.
"""
import argparse, os, pathlib, re, select, socket, statistics, struct, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from run import BIN, Postgres, Tripline, cpu_of

TABLE = "CREATE TABLE t (id bigserial PRIMARY KEY, sent double precision, body text);"
OUTBOX = TABLE + """
CREATE TABLE outbox (seq bigserial PRIMARY KEY, id bigint, sent double precision, body text);
CREATE FUNCTION enqueue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO outbox (id, sent, body) VALUES (NEW.id, NEW.sent, NEW.body); {notify} RETURN NULL; END $$;
CREATE TRIGGER enqueue AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION enqueue();
"""
TAKE = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT {n} FOR UPDATE SKIP LOCKED) RETURNING id, sent"
CONSUMER = TABLE + """
CREATE PROCEDURE q VERSION 'a' $lua$
local function main()
  db:setmaxinstructions(1000000000)
  db:num_columns(2) db:column_name('id', 1) db:column_type('longlong', 1) db:column_name('sent', 2) db:column_type('double', 2)
  local c = db:consumer()
  while true do
    local e = c:get()
%s  end
end
$lua$;
CREATE LUA CONSUMER q ON (TABLE t FOR INSERT);
"""
SINGLE = CONSUMER % """\
    c:emit(e.new.id, e.new.sent)
    c:consume()
"""
BATCH = CONSUMER % """\
    db:begin()
    local n = 1
    while true do
      c:next()
      local following = n < 100 and c:poll(0) or nil
      if following == nil then break end
      db:emit(e.new.id, e.new.sent)
      e, n = following, n + 1
    end
    c:emit(e.new.id, e.new.sent)
    db:commit()
"""
COPY = TABLE + """
CREATE TABLE done (id bigint, body text);
CREATE PROCEDURE q VERSION 'a' $lua$
local done = db:table('done')
local function main(e) return done:insert({ id = e.new.id, body = e.new.body }) end
$lua$;
CREATE LUA TRIGGER q ON (TABLE t FOR INSERT);
"""
DROP = {"tripline": "DROP LUA TRIGGER IF EXISTS q; DROP TABLE IF EXISTS t, done;", "postgres": "DROP TABLE IF EXISTS t, outbox CASCADE; DROP FUNCTION IF EXISTS enqueue;"}
BODY = "x" * 100
INSERT = f"INSERT INTO t (sent, body) VALUES (extract(epoch FROM clock_timestamp()), '{BODY}');\n"
UPDATE = "\\set id random(1, 10000)\nUPDATE t SET sent = extract(epoch FROM clock_timestamp()) WHERE id = :id;\n"
SLICES = 5


def percentiles(delays):
    delays = sorted(delays)
    return delays[len(delays) // 2] * 1e6, delays[int(len(delays) * 0.99)] * 1e6


class Client:
    """Just enough of the protocol, with binary results."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        body = struct.pack("!I", 196608) + b"user\0admin\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self.answer()

    @staticmethod
    def message(kind, body):
        return kind + struct.pack("!I", len(body) + 4) + body

    def answer(self):
        """Rows (id, sent) up to ReadyForQuery."""
        rows, data = [], self.buffer
        at = 0
        while True:
            while len(data) - at >= 5:
                size = int.from_bytes(data[at + 1:at + 5], "big")
                if len(data) - at <= size:
                    break
                kind = data[at]
                if kind == 68:
                    rows.append(struct.unpack_from("!qid", data, at + 11))
                elif kind == 69:
                    raise RuntimeError(data[at + 5:at + size].decode(errors="replace"))
                elif kind == 65:
                    self.woken = True
                at += size + 1
                if kind == 90:
                    self.buffer = data[at:]
                    return rows
            more = self.socket.recv(1 << 18)
            self.came = time.time()
            if not more:
                raise RuntimeError("the server closed the connection")
            data = data[at:] + more
            at = 0

    def query(self, sql):
        self.socket.sendall(self.message(b"Q", sql.encode() + b"\0"))
        return self.answer()

    def prepare(self, sql, portal):
        bind = portal + b"\0s\0" + struct.pack("!HHHH", 0, 0, 1, 1)
        self.bind = self.message(b"B", bind)
        self.socket.sendall(self.message(b"P", b"s\0" + sql.encode() + b"\0\0\0") + self.bind + self.message(b"S", b""))
        self.answer()

    def execute(self, portal, rows, bind=False):
        self.socket.sendall((self.bind if bind else b"") + self.message(b"E", portal + b"\0" + struct.pack("!I", rows)) + self.message(b"S", b""))
        return self.answer()

    def close(self):
        self.socket.close()


# ---- consumers: `step` gives the rows of one round trip -------------------------------------------------------------------

class Portal:
    """EXEC PROCEDURE behind a portal, so many rows an Execute."""

    def __init__(self, server, rows):
        self.client, self.rows = Client(server), rows
        self.client.prepare("EXEC PROCEDURE q() AS (id bigint, sent double precision)", b"w")

    def step(self, end):
        # A wait for the next event ends by itself only when there is one.
        self.client.socket.settimeout(max(end - time.time(), 0.05))
        try:
            return self.client.execute(b"w", self.rows)
        except TimeoutError:
            return None

    def close(self):
        self.client.close()


class Outbox:
    """DELETE … RETURNING; when there is nothing: LISTEN, sleep, or at once again."""

    def __init__(self, server, rows, wait):
        self.client, self.wait = Client(server), wait
        self.client.woken = False
        if wait == "listen":
            self.client.query("LISTEN outbox")
        self.client.prepare(TAKE.format(n=rows), b"")

    def step(self, end):
        client = self.client
        client.woken = False
        rows = client.execute(b"", 0, bind=True)
        if rows or client.woken:
            return rows
        if self.wait == "listen":
            if select.select([client.socket], [], [], max(min(end - time.time(), 0.2), 0))[0]:
                client.buffer += client.socket.recv(1 << 16)
        elif self.wait:
            time.sleep(self.wait)
        return rows

    def close(self):
        self.client.close()


def consume(make, server, seconds, until=None):
    """Runs a consumer for so long, or until it has had so many rows: rows, seconds, delays."""
    delays, got = [], 0
    consumer = make(server)
    began = time.time()
    end = began + seconds
    while time.time() < end and (until is None or got < until):
        rows = consumer.step(end)
        if rows is None:
            break
        came = consumer.client.came
        got += len(rows)
        delays.extend(came - row[2] for row in rows)
    spent = time.time() - began
    consumer.close()
    return got, spent, delays


def producers(server, many, seconds, rate=None, sql=INSERT):
    """pgbench with so many clients; gives what it made when it has ended."""
    script = tempfile.NamedTemporaryFile("w", suffix=".pgbench")
    script.write(sql)
    script.flush()
    words = [str(BIN / "pgbench"), "-n", "-h", "127.0.0.1", "-p", str(server.port), "-U", "admin", "-M", "prepared", "-c", str(many), "-j", "1", "-T", str(int(seconds)), "-f", script.name]
    run = subprocess.Popen([*words, *(["-R", str(rate)] if rate else []), "postgres"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end():
        out, errors = run.communicate()
        script.close()
        found = re.search(r"number of transactions actually processed: (\d+)", out)
        if run.returncode or not found:
            raise RuntimeError(f"{server.name}: {errors.strip()[-1500:]}")
        return int(found[1])
    return end


def number(server, sql):
    """A number by SQL."""
    return float(server.psql("\\pset format unaligned\n\\pset tuples_only\n" + sql))


def set_up(server, sql):
    server.psql(DROP[server.name])
    server.psql(sql)


def fill(server, rows):
    """Events that wait, in commits of 1,000."""
    insert = f"INSERT INTO t (sent, body) SELECT extract(epoch FROM clock_timestamp()), '{BODY}' FROM generate_series(1, 1000);\n"
    server.psql(insert * (rows // 1000))


# ---- the questions -----------------------------------------------------------------------------------------------------

def latency(servers, options):
    """p50 and p99 in microseconds from before the INSERT is sent until the consumer's client has the row, 1,000 events/s."""
    variants = [
        ("tripline", SINGLE, lambda s: Portal(s, 1)),
        ("pg LISTEN", OUTBOX.format(notify="PERFORM pg_notify('outbox', '');"), lambda s: Outbox(s, 100, "listen")),
        ("pg 1 ms polling", OUTBOX.format(notify=""), lambda s: Outbox(s, 100, 0.001)),
    ]
    return compare(servers, options, variants, lambda make, server: paced_run(make, server, options))


def paced_run(make, server, options):
    end = producers(server, 1, options.seconds + 1, rate=1000)
    rows, seconds, delays = consume(make, server, options.seconds)
    end()
    p50, p99 = percentiles(delays[len(delays) // 5:])
    return {"p50 us": p50, "p99 us": p99, "rows/s": rows / seconds}


def throughput(servers, options):
    """8 producers as fast as they can, 1 consumer: rows/s that the consumer had, and what the producers made."""
    variants = [
        ("tripline", BATCH, lambda s: Portal(s, 1000)),
        ("pg SKIP LOCKED", OUTBOX.format(notify=""), lambda s: Outbox(s, 100, 0.0005)),
    ]

    def once(make, server):
        end = producers(server, 8, options.seconds)
        rows, seconds, delays = consume(make, server, options.seconds - 0.2)
        made = end()
        p50, p99 = percentiles(delays) if delays else (0, 0)
        return {"rows/s": rows / seconds, "made/s": made / options.seconds, "p50 us": p50, "p99 us": p99}
    return compare(servers, options, variants, once)


def acknowledged(servers, options):
    """Rows/s from a queue of 60,000 with each row acknowledged by itself."""
    variants = [
        ("tripline", SINGLE, lambda s: Portal(s, 1)),
        ("pg single rows", OUTBOX.format(notify=""), lambda s: Outbox(s, 1, None)),
    ]
    return compare(servers, options, variants, lambda make, server: drained(make, server, 60_000, options.seconds))


def batched(servers, options):
    """Rows/s from a queue of 300,000, batches of 100."""
    variants = [
        ("tripline", BATCH, lambda s: Portal(s, 1000)),
        ("pg batches of 100", OUTBOX.format(notify=""), lambda s: Outbox(s, 100, None)),
    ]
    return compare(servers, options, variants, lambda make, server: drained(make, server, 300_000, options.seconds))


def drained(make, server, rows, seconds):
    fill(server, rows)
    got, spent, _ = consume(make, server, seconds, until=rows)
    return {"rows/s": got / spent}


def drain(servers, options):
    """Events/s of a Lua trigger that copies each row, one durable commit each, beside PostgreSQL's single-row consumer."""
    def once(make, server):
        if server.name == "postgres":
            return drained(make, server, 30_000, options.seconds)
        # The events are made while the procedure is away.
        server.psql("DROP PROCEDURE q 'a'")
        fill(server, 100_000)
        client = Client(server)

        def done():
            client.prepare("SELECT count(*), 0::double precision FROM done", b"")
            count = client.execute(b"", 0, bind=True)[0][0]
            client.query("DEALLOCATE ALL")
            return count
        cpu = cpu_of(server.pids())
        server.psql(COPY[COPY.index("CREATE PROCEDURE"):COPY.index("CREATE LUA TRIGGER")])
        began, before = time.time(), done()
        while (now := done()) < 100_000 and time.time() < began + options.seconds:
            time.sleep(0.05)
        spent = time.time() - began
        client.close()
        return {"rows/s": (now - before) / spent, "cpu us/row": (cpu_of(server.pids()) - cpu) / max(now, 1) * 1e6}
    variants = [("tripline", COPY, None), ("pg single rows", OUTBOX.format(notify=""), lambda s: Outbox(s, 1, None))]
    return compare(servers, options, variants, once)


def keeps_up(servers, options):
    """A Lua trigger while 16 clients insert: rows/s made, and how many events wait at the end."""
    def once(_, server):
        made = producers(server, 16, options.seconds)()
        waits = number(server, "SELECT depth FROM comdb2_queues WHERE spname = 'q'")
        return {"made/s": made / options.seconds, "waiting": waits}
    return compare(servers, options, [("tripline", COPY, None)], once)


def million(servers, options):
    """One million events wait: memory, time to the first row, and latency of a new consumer beside an empty queue's."""
    def fresh(server):
        # What runs before left is not to serve what is measured.
        server.stop()
        server.start()
        return server.memory()

    def timed(server, rows):
        before = fresh(server)
        fill(server, rows)
        grown = server.memory() - before
        portal = Portal(server, 1)
        began = time.time()
        portal.step(began + 60)
        head, began = time.time() - began, time.time()
        for _ in range(2000):
            portal.step(began + 60)
        each = (time.time() - began) / 2000
        portal.close()
        return {"head ms": head * 1e3, "each us": each * 1e6, "MB grown": grown / 1e6, "MB at the end": (server.memory() - before) / 1e6}

    def empty(_, server):
        return timed(server, 3000)

    def once(_, server):
        return timed(server, 1_000_000)

    def table_only(_, server):
        before = fresh(server)
        fill(server, 1_000_000)
        return {"MB grown": (server.memory() - before) / 1e6}
    out = compare(servers, options, [("empty queue", SINGLE, None)], empty)
    options.reps = 1
    out += compare(servers, options, [("a million", SINGLE, None)], once)
    return out + compare(servers, options, [("no queue", TABLE, None)], table_only)


def idle(servers, options):
    """Writers' rate with 16 clients that update 10,000 rows: without a consumer, and with one that sits in a row for all of
    `--seconds` (an hour: 3600); at the beginning and at the end, with the server's memory and the log that it keeps."""
    def once(sits, server):
        fill(server, 10_000)
        holder = None
        if sits:
            server.psql("UPDATE t SET sent = 0 WHERE id = 1")
            holder = Portal(server, 1)
            holder.step(time.time() + 5)
        seconds = max(options.seconds / SLICES, 1)
        rates, costs, began = [], [], server.memory()
        for _ in range(SLICES):
            cpu = cpu_of(server.pids())
            made = producers(server, 16, seconds, sql=UPDATE)()
            rates.append(made / int(seconds))
            costs.append((cpu_of(server.pids()) - cpu) / max(made, 1) * 1e6)
        log = sum(file.stat().st_size for file in (server.folder / "log").iterdir())
        if holder:
            holder.close()
        return {"made/s": statistics.mean(rates), "first/s": rates[0], "last/s": rates[-1], "first us/row": costs[0], "last us/row": costs[-1],
                "MB grown": (server.memory() - began) / 1e6, "log MB": log / 1e6}
    updates = SINGLE.replace("FOR INSERT", "FOR UPDATE")
    return compare(servers, options, [("no consumer", TABLE, False), ("consumer that sits", updates, True)], once)


def compare(servers, options, variants, once):
    found = {name: [] for name, *_ in variants}
    for _ in range(options.reps):
        for name, sql, make in variants:
            server = servers["postgres" if name.startswith("pg ") else "tripline"]
            set_up(server, sql)
            found[name].append(once(make, server))
            print(f"    {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    return [(name, {key: statistics.median(run[key] for run in runs) for key in runs[0]}) for name, runs in found.items()]


QUESTIONS = [latency, throughput, acknowledged, batched, drain, keeps_up, million, idle]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    wanted = [q for q in QUESTIONS if not options.only or q.__name__ in options.only.split(",")]
    if options.list:
        for question in wanted:
            print(f"{question.__name__}: {question.__doc__}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        servers = {"tripline": Tripline(folder), "postgres": Postgres(folder)}
        try:
            for question in wanted:
                print(f"{question.__name__}: {question.__doc__}", flush=True)
                for variant, figures in question(servers, options):
                    print(f"  {variant:20}", "  ".join(f"{key} {value:,.1f}" for key, value in figures.items()), flush=True)
        finally:
            for server in servers.values():
                server.stop()


if __name__ == "__main__":
    main()
