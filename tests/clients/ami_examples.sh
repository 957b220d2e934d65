#!/usr/bin/env bash
# The manual's AMI examples as a user sends them: each text unchanged by `psql -c`, and in the form that psql's own prompt
# passes through (a pipe). Each example begins with an empty database.
#
# AMI-10, AMI-11, AMI-13, AMI-20, AMI-192 (S1), AMI-193 (S2), AMI-194 (S3), AMI-195 (S4), AMI-196 (S5), AMI-129 and
# AMI-197 (S6), AMI-198 (S11), AMI-199 (S12).
set -u
export PSQLRC=/dev/null PGTZ=UTC
failed=0 checks=0
c() { psql -X -q -At -F' ' -c "$1" 2>&1; }
fresh() {
    psql -X -q -At -c "SELECT name FROM tripline.triggers" | while read -r name; do c "DROP TRIGGER \`$name\`"; done
    psql -X -q -At -c "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'" |
        while read -r name; do c "DROP TABLE \"$name\" CASCADE"; done
}
is() { # is NAME EXPECTED ACTUAL
    checks=$((checks + 1))
    [ "$2" = "$3" ] && return
    echo "$1: expected"; echo "$2"; echo "found"; echo "$3"; failed=$((failed + 1))
}

# S1: \" inside a script, surplus values with their warning.
fresh
is "S1 set-up" "" "$(c 'CREATE PUBLIC TABLE MyTable(id int,price double); CREATE PUBLIC TABLE MyAlert(type String,id int,diff double);')"
is "S1 trigger" "" "$(c 'CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON MyTable USE
onDeletingScript="insert into MyAlert(type,id) values(\"RECORD DELETED\",id,0-price)"
onUpdatingScript="insert into MyAlert(type,id,diff) values(\"CHANGE\",id,new_price - old_price)"')"
c 'insert into MyTable values(1,10.0),(2,20.0);'
c 'update MyTable set price=12.5 where id=1;'
is "S1 surplus" 'WARNING:  INSERT names 2 columns but supplies 3 values; the surplus was assigned to "diff"' "$(c 'delete from MyTable where id=2;')"
is "S1" "CHANGE 1 2.5
RECORD DELETED 2 -20" "$(c 'SELECT * FROM MyAlert')"

# S1 in the form that psql's prompt passes through.
fresh
psql -X -q <<'END'
CREATE PUBLIC TABLE MyTable(id int,price double); CREATE PUBLIC TABLE MyAlert(type String,id int,diff double);
CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON MyTable USE onDeletingScript='insert into MyAlert(type,id,diff) values("RECORD DELETED",id,0-price)' onUpdatingScript='insert into MyAlert(type,id,diff)
values("CHANGE",id,new_price - old_price)';
insert into MyTable values(1,10.0),(2,20.0);
update MyTable set price=12.5 where id=1;
delete from MyTable where id=2;
END
is "S1 piped" "CHANGE 1 2.5
RECORD DELETED 2 -20" "$(c 'SELECT * FROM MyAlert')"

# S2: a script that changes the row.
fresh
c 'CREATE PUBLIC TABLE MutateSample(px double, qty int, val double);
CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON MutateSample USE canMutateRow="true" onInsertingScript="val=px*qty" onUpdatingScript="new_val=new_px*new_qty"'
c 'INSERT INTO MutateSample VALUES (125.2,100,0)'
is "S2 insert" "125.2 100 12520" "$(c 'SELECT * FROM MutateSample')"
c 'UPDATE MutateSample set qty=qty+10'
is "S2 update" "125.2 110 13772" "$(c 'SELECT * FROM MutateSample')"

# S3: a deferred statement, its data source filled in; after the commit one row is in the log.
fresh
c 'CREATE PUBLIC TABLE MutateSample(px double, qty int, val double); CREATE PUBLIC TABLE log(what String);
CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON MutateSample USE canMutateRow="true"
onUpdatingScript="new_val=new_px*new_qty; use ds=\"AMI\" execute insert into log values(\"u\")"; // done'
c 'INSERT INTO MutateSample VALUES (2.0,3,0); UPDATE MutateSample set qty=4'
is "S3 row" "2 4 8" "$(c 'SELECT * FROM MutateSample')"
for _ in $(seq 50); do [ "$(c 'SELECT count(*) FROM log')" = 1 ] && break; sleep 0.1; done
is "S3 deferred" "u" "$(c 'SELECT * FROM log')"

# S4: rowVar.
fresh
c 'CREATE PUBLIC TABLE src(id long, sym String); CREATE PUBLIC TABLE tgt(rows String, arg1 String, arg2 String);
CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON src USE rowVar="_row" onInsertingScript="insert into tgt values(_row.toJson(),_row.get(\"id\"),_row.get(\"sym\"))"'
c 'insert into src values(123,"aapl")'
is "S4" '{"id":123,"sym":"aapl"} 123 aapl' "$(c 'SELECT * FROM tgt')"

# S5: rowVar around an update: all columns in the upsert, only the changed one in a direct update.
fresh
c 'CREATE PUBLIC TABLE orders(id String, val int); CREATE INDEX pk ON orders(id HASH) USE CONSTRAINT="PRIMARY"; CREATE PUBLIC TABLE alerts(msg String);
CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON orders USE rowVar="_row" onUpdatingScript="insert into alerts values(\"newrow: \" + new__row + \"oldrow: \" + old__row + \"containVal?: \" + new__row.containsKey(\"val\"))"'
c 'insert into orders values("order1",2),("order1",3)'
c 'update orders set val=10'
is "S5" "newrow: [id=order1, val=3]oldrow: [id=order1, val=2]containVal?: true
newrow: [val=10]oldrow: [id=order1, val=3]containVal?: true" "$(c 'SELECT * FROM alerts')"

# S6: AGGREGATE, comments skipped.
fresh
psql -X -q <<'END'
// the manual's aggregate
CREATE PUBLIC TABLE Accounts(account String,region String,qty int,px double);
CREATE PUBLIC TABLE Summary(act String,region String,cnt int,value double);
CREATE TRIGGER MyTrigger OFTYPE AGGREGATE ON Accounts,Summary USE groupBys="act=account,region=region" selects="cnt=count(*),value=sum(qty*px)";
INSERT INTO Accounts VALUES("a1","US",10,2.0),("a1","US",5,4.0),("a2",null,1,1.0);
UPDATE Accounts SET qty=6 WHERE qty==5;
UPDATE Accounts SET account="a2",region=null WHERE qty==6;
END
is "S6" "a1 US 1 20
a2  2 25" "$(c 'SELECT * FROM Summary ORDER BY act')"

# S11: DROP TRIGGER, all or none.
is "S11" "" "$(c 'DROP TRIGGER MyTrigger')"
is "S11 again" 'ERROR:  trigger "MyTrigger" does not exist' "$(c 'DROP TRIGGER MyTrigger')"

# S12: each trigger case of the manual's table, by the events that it logs, on the fixture of three rows.
script='"insert into log values(\"EVENT\")"'
setup() {
    fresh
    c 'CREATE PUBLIC TABLE ORDERS(OrderID String, LeavesQty Integer, AvgPx Double); CREATE PUBLIC TABLE log(what String);
CREATE INDEX pk ON ORDERS(OrderID HASH) USE CONSTRAINT="PRIMARY"'
    [ "$1" = empty ] || c 'insert into ORDERS values ("ord01",100,75.0),("ord02",125,60.0),("ord03",10,1.0)'
    text='CREATE TRIGGER w OFTYPE AMISCRIPT ON ORDERS USE'
    for event in onInserting onInserted onUpdating onUpdated onDeleting; do text="$text ${event}Script=${script/EVENT/$event}"; done
    c "$text"
}
case_() { # case_ NUMBER COMMAND EVENTS, each event with its count
    setup "$([ "$1" = 1 ] && echo empty || echo full)"
    c "$2" >"${TMPDIR:-/tmp}/ami_case.$$"; grep -E '^(ERROR|WARNING)' "${TMPDIR:-/tmp}/ami_case.$$"; rm -f "${TMPDIR:-/tmp}/ami_case.$$"
    is "S12 case $1" "$3" "$(c "SELECT string_agg(what || ' ' || n, ' ' ORDER BY what) FROM (SELECT what, count(*) AS n FROM log GROUP BY what) x")"
}
case_ 1 'insert into ORDERS values ("ord01", 100, 75.0)' "onInserted 1 onInserting 1"
case_ 2 'insert into ORDERS values ("ord01", 100, 75.0)' "onInserting 1"
case_ 3 'insert into ORDERS values ("ord01", 100, 92.0)' "onInserting 1 onUpdated 1 onUpdating 1"
case_ 4 'update ORDERS set AvgPx=75 where OrderID == "ord01"' ""
case_ 5 'update ORDERS set AvgPx=100 where OrderID == "ord02"' "onUpdated 1 onUpdating 1"
case_ 6 'delete from ORDERS where OrderID=="ord05"' ""
case_ 7 'delete from ORDERS where OrderID=="ord03"' "onDeleting 1"
case_ 8 'sync into ORDERS(OrderID, LeavesQty, AvgPx) from select "ord01", 100, 75.0' "onDeleting 2"
case_ 9 'sync into ORDERS from select "ord02", 125, 75.0' "onDeleting 3 onInserted 1 onInserting 1"
case_ 10 'sync into ORDERS(OrderID, LeavesQty, AvgPx) on (OrderID) from select "ord01", 100, 75.0' "onDeleting 2"
case_ 11 'sync into ORDERS(OrderID, LeavesQty, AvgPx) on (OrderID) from select "ord02", 130, 75.0' "onDeleting 2 onUpdated 1 onUpdating 1"
case_ 12 'truncate ORDERS' "onDeleting 3"
case_ 13 'ALTER TABLE ORDERS ADD Sym String' ""
case_ 14 'ALTER TABLE ORDERS ADD Sym="ABC"' "onUpdated 3 onUpdating 3"
case_ 15 'ALTER TABLE ORDERS DROP AvgPx' ""
case_ 16 'ALTER TABLE ORDERS RENAME LeavesQty To LeavesQuantity' ""
case_ 17 'ALTER TABLE ORDERS MODIFY AvgPx AS AvgPrice Int' ""
case_ 18 'Drop Table ORDERS' ""

# Two results for two statements in one text.
is "AMI-10" "1
2" "$(c 'CREATE PUBLIC TABLE o1(a Int); CREATE PUBLIC TABLE o2(a Int); insert into o1 values(1); insert into o2 values(2); select * from o1;select * from o2;')"

# Command tags (AMI-13).
fresh
is "tags" "CREATE TABLE
CREATE INDEX
CREATE TRIGGER
INSERT 0 2
UPDATE 1
SYNC 2
ALTER TABLE
TRUNCATE TABLE
DELETE 0
DROP TRIGGER" "$(psql -X -c 'CREATE PUBLIC TABLE t(a Int, b String); CREATE INDEX i ON t(a HASH) USE CONSTRAINT="UNIQUE"; CREATE TRIGGER w OFTYPE AMISCRIPT ON t USE onDeletingScript="int x = 1;";
insert into t values(1,"x"),(2,"y"); update t set b="z" where a == 2; sync into t from select 1, "w" union select 2, "z";
ALTER TABLE t ADD c String = b BEFORE b; truncate t; delete from t where a == 9; DROP TRIGGER w')"

echo "$checks checks, $failed failed"
[ "$failed" = 0 ]
