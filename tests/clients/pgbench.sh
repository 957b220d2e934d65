#!/usr/bin/env bash
# pgbench at its smallest scale in its three modes, then the books must balance: accounts, tellers, branches and history
# add up to the same sum. PG-1, PG-34, PG-140, PG-148, PG-202.
set -euo pipefail
pgbench -i -s 1 -q 2>&1 | tail -1
count() { psql -X -Atc "$1"; }
[ "$(count 'SELECT count(*) FROM pgbench_accounts')" = 100000 ] || { echo "the accounts are not there"; exit 1; }
check() {
    local sums; sums=$(count "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)")
    IFS='|' read -r a t b h <<<"$sums"
    if [ "$a" != "$t" ] || [ "$t" != "$b" ] || [ "$b" != "$h" ]; then echo "$1: the books do not balance: $sums"; exit 1; fi
    echo "$1: $(count 'SELECT count(*) FROM pgbench_history') transactions, sum $h"
}
run() { # run NAME pgbench arguments
    local name=$1 out; shift
    out=$(pgbench -n -T 2 "$@" 2>&1) || { echo "$name failed"; echo "$out"; exit 1; }
    grep -q 'number of failed transactions: 0 ' <<<"$out" || { echo "$name: $out"; exit 1; }
    grep -E 'tps' <<<"$out"
    check "$name"
}
for mode in simple extended prepared; do
    run "$mode, 4 clients" -M $mode -c 4 -j 2
done
run "several statements in one message" -M simple -c 4 -f <(printf '%s\n' '\set aid random(1, 100000)' '\set d random(-5000, 5000)' \
    'BEGIN; UPDATE pgbench_accounts SET abalance = abalance + :d WHERE aid = :aid; UPDATE pgbench_tellers SET tbalance = tbalance + :d WHERE tid = 1; UPDATE pgbench_branches SET bbalance = bbalance + :d WHERE bid = 1; INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, :d, CURRENT_TIMESTAMP); END;')
run "read only, prepared" -M prepared -S -c 4 -j 2
# Every history row belongs to an account that exists, and each account's balance is what its history says.
[ "$(count 'SELECT count(*) FROM pgbench_accounts a LEFT JOIN (SELECT aid, sum(delta) AS d FROM pgbench_history GROUP BY aid) h USING (aid) WHERE a.abalance <> coalesce(h.d, 0)')" = 0 ] || { echo "an account does not follow from its history"; exit 1; }
