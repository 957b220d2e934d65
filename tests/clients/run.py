#!/usr/bin/env python3
"""Starts the release binary on a fresh directory and runs every client program of this folder against it.

A client program is an executable file `*.py` or `*.sh` here, called with host and port in PGHOST and PGPORT (user admin,
database postgres); it exits 0 when all it checks holds. Each gets a server of its own.
"""
import argparse, os, pathlib, socket, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(binary, folder, port):
    log = open(folder / "server.log", "a")
    command = [binary, "serve", "--data-dir", str(folder / "data"), "--listen", f"127.0.0.1:{port}", "--http-listen", f"127.0.0.1:{free_port()}", "--ami-listen", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.025)
    process.kill()
    raise SystemExit("the server did not start:\n" + (folder / "server.log").read_text()[-4000:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.binary).resolve())
    passed, failed = 0, []
    for program in sorted([*HERE.glob("*.py"), *HERE.glob("*.sh")]):
        if program.name == "run.py" or options.only not in program.name:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder, port = pathlib.Path(name), free_port()
            process = start(binary, folder, port)
            env = dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(port), PGUSER="admin", PGDATABASE="postgres", TRIPLINE_BINARY=binary, TRIPLINE_DATA=str(folder / "data"), TRIPLINE_PID=str(process.pid))
            words = [sys.executable, str(program)] if program.suffix == ".py" else ["bash", str(program)]
            began = time.monotonic()
            try:
                run = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)
                good, output = run.returncode == 0, run.stdout + run.stderr
            except subprocess.TimeoutExpired as error:
                good, output = False, f"still running after 300 s\n{error.stdout}\n{error.stderr}"
            process.terminate()
            try:
                ended = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                good, ended, output = False, None, output + "\nthe server did not end within 20 s of SIGTERM"
            log = (folder / "server.log").read_text()
            if ended not in (0, None, -9) or "panicked" in log:
                good, output = False, output + f"\nserver ended with {ended}\n{log[-3000:]}"
        print(f"{'ok    ' if good else 'FAILED'} {program.name} ({time.monotonic() - began:.1f} s)", flush=True)
        if good:
            passed += 1
        else:
            failed.append(program.name)
            print(output[-6000:], flush=True)
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed or not passed else 0)


main()
