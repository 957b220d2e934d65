"""Checks that print what differed and go on; the program fails at its end if any did."""
import atexit, os, sys, traceback

failures = []
count = 0


def equal(name, actual, expected):
    global count
    count += 1
    if actual != expected:
        failures.append(name)
        print(f"{name}\n    expected {expected!r}\n    actual   {actual!r}", flush=True)


def true(name, actual):
    equal(name, bool(actual), True)


def fails(name, code, run, **fields):
    """`run` raises a driver's error with this SQLSTATE; `fields` are attributes of its diagnostics (psycopg names)."""
    try:
        run()
    except Exception as error:
        found = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if found is None:
            traceback.print_exc()
        equal(f"{name}: SQLSTATE of {error}", found, code)
        for field, expected in fields.items():
            equal(f"{name}: {field}", getattr(error.diag, field), expected)
        return error
    equal(name, "no error", code)


def section(name, run):
    """One group of checks: an exception fails it and the next group goes on."""
    global count
    count += 1
    try:
        run()
    except Exception:
        failures.append(name)
        print(f"{name}: unexpected", flush=True)
        traceback.print_exc()


def finish():
    print(f"{count} checks, {len(failures)} failed")
    sys.stdout.flush()
    if failures or not count:
        sys.exit(1)
