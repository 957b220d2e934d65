#!/usr/bin/env python3
"""Tripline beside PostgreSQL 15: the same scripts on both, in turn, on this machine; medians and ratios.

    tests/benches/compare/run.py [--reps 3] [--seconds 4] [--rows 1000000] [--limit 300] [--only NAME,NAME] [--list]

Both servers are durable (fsync on), both listen on 127.0.0.1 TCP, PostgreSQL with shared_buffers=1GB. Every repetition
runs one server after the other, so that a slow minute of the machine hits both. CPU is user + system time of the
server's processes from /proc, divided by the operations. Needs pgbench and PostgreSQL 15 (`./tests/run` installs them)
and a release build (`cargo build --release`). Nothing here is a test: figures are read, not asserted.
"""
import argparse, os, pathlib, random, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
BIN = next((p for p in map(pathlib.Path, ("/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/local/bin")) if (p / "initdb").exists()), None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_of(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / TICKS


class Server:
    def psql(self, sql, check=True):
        run = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "admin", "postgres"],
                             input=sql, text=True, capture_output=True)
        if check and run.returncode:
            raise RuntimeError(f"{self.name}: {run.stderr.strip()[:2000]}")
        return run.stdout


class Postgres(Server):
    name = "postgres"

    def __init__(self, folder):
        self.port, self.folder = free_port(), folder / "postgres"
        self.folder.mkdir()
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            folder.chmod(0o755)
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        self.run(["initdb", "-A", "trust", "-U", "admin", "-E", "UTF8", "--locale=C", "-D", data])
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=1GB -c max_connections=200"
        self.run(["pg_ctl", "-w", "-D", data, "-l", self.folder / "log", "-o", options, "start"])
        self.data = data

    def run(self, words):
        subprocess.run([*self.user, str(BIN / words[0]), *map(str, words[1:])], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def pids(self):
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(main)], capture_output=True, text=True).stdout.split()
        return [main, *map(int, children)]

    def stop(self):
        self.run(["pg_ctl", "-m", "immediate", "-D", self.data, "stop"])


class Tripline(Server):
    name = "tripline"

    def __init__(self, folder):
        self.folder = folder / "tripline"
        self.start()

    def start(self):
        self.port = free_port()
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.log = open(self.folder.with_suffix(".log"), "a")
        began = time.monotonic()
        self.process = subprocess.Popen([target / "release" / "tripline", "serve", "--data-dir", self.folder, "--listen", f"127.0.0.1:{self.port}",
                                         "--http-listen", f"127.0.0.1:{free_port()}"], stdout=self.log, stderr=self.log)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                # The port is taken before the directory is open: what counts is the first answer.
                self.psql("SELECT 1")
                return time.monotonic() - began
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("tripline ended: " + self.folder.with_suffix(".log").read_text()[-2000:])
                time.sleep(0.005)

    def pids(self):
        return [self.process.pid]

    def memory(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) * 1024

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def pgbench(server, script, clients, seconds, mode="prepared", extra=()):
    """TPS and server CPU microseconds per transaction."""
    source = ["-S"] if script == "-S" else ["-b", "tpcb-like"] if script == "tpcb" else ["-f", str(HERE / script)]
    before = cpu_of(server.pids())
    run = subprocess.run([str(BIN / "pgbench"), "-n", "-h", "127.0.0.1", "-p", str(server.port), "-U", "admin", "-M", mode, "-c", str(clients), "-j", "1",
                          "-T", str(seconds), *source, *extra, "postgres"], capture_output=True, text=True)
    after = cpu_of(server.pids())
    found = re.search(r"number of transactions actually processed: (\d+)", run.stdout)
    if run.returncode or not found:
        raise RuntimeError(f"{server.name}: {run.stderr.strip()[-1500:]}")
    tps = float(re.search(r"tps = ([\d.]+) \(without", run.stdout)[1])
    return tps, (after - before) / max(int(found[1]), 1) * 1e6


def timed(server, options, sql=None, file=None):
    """Seconds and server CPU seconds; `None` for both when the statement was stopped at the time limit."""
    began, cpu = time.monotonic(), cpu_of(server.pids())
    with open(file) if file else tempfile.TemporaryFile("w+") as source:
        # The server stops the statement, so that nothing of it runs beside the next measurement.
        run = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(server.port), "-U", "admin", *(["-c", sql] if sql else []), "postgres"],
                             stdin=source, capture_output=True, text=True, env={**os.environ, "PGOPTIONS": f"-c statement_timeout={options.limit}s"})
    if "statement timeout" in run.stderr:
        return None, None
    if run.returncode:
        raise RuntimeError(f"{server.name}: {run.stderr.strip()[:1500]}")
    return time.monotonic() - began, cpu_of(server.pids()) - cpu


def bulk_figures(server, options, rows, **source):
    """Rows per second and CPU microseconds per row, and whether the rows per second are only an upper bound."""
    elapsed, cpu = timed(server, options, **source)
    if elapsed is None:
        return rows / options.limit, 0.0, True
    return rows / elapsed, cpu / rows * 1e6, False


SCHEMA = (HERE / "schema.sql").read_text()


def trigger_sql(server, case):
    return (HERE / f"{case}.{server.name}.sql").read_text() if case else ""


def prepare(server, case=None):
    server.psql(SCHEMA)
    server.psql(trigger_sql(server, case))


def bench_workload(script, clients, case=None, setup=None):
    def once(server, options):
        return pgbench(server, script, clients, options.seconds)

    def ready(server):
        if script in ("-S", "tpcb"):
            done = getattr(server, "initialised", False)
            if not done:
                subprocess.run([str(BIN / "pgbench"), "-i", "-q", "-s", "10", "-h", "127.0.0.1", "-p", str(server.port), "-U", "admin", "postgres"], check=True, capture_output=True)
                server.initialised = True
        else:
            prepare(server, case)
    return ready, once, "tps"


def bench_copy(case, statement=False):
    def ready(server):
        pass

    def once(server, options):
        prepare(server, case if not (statement and server.name == "postgres") else case + "_statement")
        return bulk_figures(server, options, options.rows, sql="\\copy ord(grp,sym,px,qty,note) from '%s'" % options.rows_file)
    return ready, once, "rows/s"


def bench_update(case=None, clients=16):
    """One row of 100,000 by its key; they are there before, in a hundred transactions."""
    fill = "".join(f"INSERT INTO ord(grp,sym,px,qty,note) SELECT i % 100 + 1, i % 1000 + 1, i % 97 + 1, i % 100 + 1, 'note-note-note-note-note-note-note-note' "
                   f"FROM generate_series({first}, {first + 999}) AS i;\n" for first in range(1, 100_001, 1000))

    def ready(server):
        prepare(server, case)
        server.psql(fill)

    def once(server, options):
        return pgbench(server, "update.pgbench", clients, options.seconds)
    return ready, once, "tps"


def bench_values(case=None, statement=False):
    def ready(server):
        pass

    def once(server, options):
        prepare(server, case if not (statement and server.name == "postgres") else case + "_statement")
        return bulk_figures(server, options, 100_000, file=options.values_file)
    return ready, once, "rows/s"


WORKLOADS = {
    "select1_c16": bench_workload("select1.pgbench", 16),
    "select_point_c16": bench_workload("-S", 16),
    "insert_c1": bench_workload("insert.pgbench", 1),
    "insert_c16": bench_workload("insert.pgbench", 16),
    "aggregate_c16": bench_workload("insert.pgbench", 16, "aggregate"),
    "aggregate_c64": bench_workload("insert.pgbench", 64, "aggregate"),
    "mutating_c16": bench_workload("insert.pgbench", 16, "mutating"),
    "projection_c16": bench_workload("insert.pgbench", 16, "projection"),
    "join_c16": bench_workload("insert.pgbench", 16, "join"),
    "views_c16": bench_workload("insert.pgbench", 16, "views"),
    "tpcb_c16": bench_workload("tpcb", 16),
    "tpcb_c64": bench_workload("tpcb", 64),
    "copy_plain": bench_copy(None),
    "copy_aggregate_statement": bench_copy("aggregate", statement=True),
    "copy_aggregate_row": bench_copy("aggregate"),
    "copy_projection_statement": bench_copy("projection", statement=True),
    "copy_projection_row": bench_copy("projection"),
    "copy_join_statement": bench_copy("join", statement=True),
    "copy_join_row": bench_copy("join"),
    "copy_views_statement": bench_copy("views", statement=True),
    "copy_views_row": bench_copy("views"),
    "values_100k": bench_values(),
    "values_aggregate_statement": bench_values("aggregate", statement=True),
    "values_aggregate_row": bench_values("aggregate"),
    "update_c16": bench_update(),
    "update_aggregate_c16": bench_update("aggregate"),
    "update_join_c16": bench_update("join"),
    "update_views_c16": bench_update("views"),
}


def write_inputs(folder, options):
    options.rows_file = folder / "rows.tsv"
    rng = random.Random(1)
    note = "note-note-note-note-note-note-note-note"
    with open(options.rows_file, "w") as out:
        for _ in range(options.rows):
            out.write(f"{rng.randint(1,100)}\t{rng.randint(1,1000)}\t{rng.randint(1,97)}\t{rng.randint(1,100)}\t{note}\n")
    options.values_file = folder / "values.sql"
    rows = ",".join(f"({rng.randint(1,100)},{rng.randint(1,1000)},{rng.randint(1,97)},{rng.randint(1,100)},'{note}')" for _ in range(100_000))
    options.values_file.write_text(f"INSERT INTO ord(grp,sym,px,qty,note) VALUES {rows};\n")
    folder.chmod(0o755)


def reopen(tripline, options):
    """Memory of one million rows with one index, and the time to open them after kill -9."""
    prepare(tripline)
    tripline.psql("DROP TABLE ord CASCADE; CREATE TABLE wide (id bigint PRIMARY KEY, a int, b int, c float8, d int, note text);")
    tripline.stop(); tripline.start()
    before = tripline.memory()
    tripline.psql("INSERT INTO wide SELECT i, i % 100, i % 1000, i * 0.5, i % 7, 'note-note-note-note-note-note-note-note' FROM generate_series(1,1000000) i;")
    raw = 1_000_000 * (8 + 4 + 4 + 8 + 4 + 39)
    used = tripline.memory() - before
    times = []
    for _ in range(options.reps):
        tripline.kill()
        times.append(tripline.start())
        count = tripline.psql("SELECT count(*) FROM wide;")
        assert "1000000" in count, count
    settled = tripline.memory()
    print(f"memory of 1M rows: {used / 1e6:.0f} MB grown while loading, {settled / 1e6:.0f} MB resident after reopening, raw {raw / 1e6:.0f} MB: {used / raw:.2f}x / {settled / raw:.2f}x")
    print(f"reopen 1M rows after kill -9: median {statistics.median(times):.3f} s (process start to the first answered query, psql's own start included), {[round(t, 3) for t in times]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of a COPY")
    parser.add_argument("--limit", type=int, default=300, help="seconds after which a bulk statement is stopped; its rows per second are then an upper bound")
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join([*WORKLOADS, "reopen"]))
        return
    if BIN is None:
        sys.exit("PostgreSQL 15 is not installed (apt-get install postgresql-15)")
    wanted = [name for name in options.only.split(",") if name] or [*WORKLOADS, "reopen"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
    servers = []
    try:
        write_inputs(folder, options)
        servers = [Postgres(folder), Tripline(folder)]
        print(f"{'workload':26} {'unit':7} {'PostgreSQL':>12} {'Tripline':>12} {'ratio':>7}   CPU us/op: PG, Tripline, ratio", flush=True)
        for name in wanted:
            if name == "reopen":
                continue
            ready, once, unit = WORKLOADS[name]
            figures = {server.name: [] for server in servers}
            try:
                for server in servers:
                    ready(server)
                for _ in range(options.reps):
                    for server in servers:
                        if not (name.endswith("_row") and server.name == "postgres" and figures["postgres"]):
                            figures[server.name].append(once(server, options))
            except (RuntimeError, subprocess.CalledProcessError) as error:
                print(f"{name:26} failed: {error}", flush=True)
                continue
            value = {k: statistics.median(v[0] for v in f) for k, f in figures.items()}
            cpu = {k: statistics.median(v[1] for v in f) for k, f in figures.items()}
            stopped = {k: any(len(v) > 2 and v[2] for v in f) for k, f in figures.items()}
            if stopped["tripline"]:
                print(f"{name:26} failed: Tripline did not finish in {options.limit} s", flush=True)
                continue
            less, more = ("<", ">") if stopped["postgres"] else ("", "")
            ratios = f"not finished in {options.limit} s, {cpu['tripline']:.2f}" if less else f"{cpu['postgres']:.2f}, {cpu['tripline']:.2f}, {cpu['tripline'] / max(cpu['postgres'], 1e-9):.2f}"
            print(f"{name:26} {unit:7} {less + format(value['postgres'], ',.0f'):>12} {value['tripline']:12,.0f} {more + format(value['tripline'] / value['postgres'], '.2f'):>7}   {ratios}", flush=True)
        if "reopen" in wanted:
            reopen(servers[1], options)
    finally:
        for server in servers:
            try:
                server.stop()
            except Exception as error:
                print(error, file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
