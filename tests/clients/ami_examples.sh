#!/usr/bin/env bash
# The manual's AMI examples as a user sends them: each text unchanged by `psql -c`, and in the form that psql's own prompt
# passes through (a pipe). Each example begins with an empty database.
#
# AMI-10, AMI-11, AMI-13, AMI-20, AMI-192 (S1), AMI-193 (S2), AMI-194 (S3), AMI-195 (S4), AMI-196 (S5), AMI-129, AMI-136,
# AMI-142, AMI-149, AMI-161 and AMI-197 (S6 to S10), AMI-198 (S11), AMI-199 (S12).
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

# both NAME EXPECTED QUERY TEXT: the text by -c, and again through a pipe, which is what the prompt does.
both() {
    fresh
    c "$4" >/dev/null
    is "$1 by -c" "$2" "$(c "$3")"
    fresh
    printf '%s\n' "$4" | psql -X -q -At >/dev/null 2>&1
    is "$1 piped" "$2" "$(c "$3")"
}

# S2: a script that changes the row, as printed.
both "S2" "125.2 110 13772" 'SELECT * FROM MutateSample' 'CREATE PUBLIC TABLE MutateSample(px double,qty int,val double);
CREATE TRIGGER MutateTrigger OFTYPE AMISCRIPT ON MutateSample USE
canMutateRow="true" onInsertingScript="val=px*qty"
onUpdatingScript="new_val=new_px*new_qty";
INSERT INTO MutateSample(px,qty) VALUES(125.2,100);
SELECT * from MutateSample;
UPDATE MutateSample set qty=qty+10;
SELECT * from MutateSample;'
fresh
is "S2 results" "125.2 100 12520
125.2 110 13772" "$(c 'CREATE PUBLIC TABLE MutateSample(px double,qty int,val double);
CREATE TRIGGER MutateTrigger OFTYPE AMISCRIPT ON MutateSample USE
canMutateRow="true" onInsertingScript="val=px*qty"
onUpdatingScript="new_val=new_px*new_qty";
INSERT INTO MutateSample(px,qty) VALUES(125.2,100);
SELECT * from MutateSample;
UPDATE MutateSample set qty=qty+10;
SELECT * from MutateSample;')"

# S3: a deferred statement, its data source filled in; after the commit one row is in the log.
fresh
c 'CREATE PUBLIC TABLE MutateSample(px double, qty int, val double); CREATE PUBLIC TABLE log(what String);
CREATE TRIGGER MyTrigger OFTYPE AMISCRIPT ON MutateSample USE canMutateRow="true"
onUpdatingScript="new_val=new_px*new_qty; use ds=\"AMI\" execute insert into log values(\"u\")"; // done'
c 'INSERT INTO MutateSample VALUES (2.0,3,0); UPDATE MutateSample set qty=4'
is "S3 row" "2 4 8" "$(c 'SELECT * FROM MutateSample')"
for _ in $(seq 50); do [ "$(c 'SELECT count(*) FROM log')" = 1 ] && break; sleep 0.1; done
is "S3 deferred" "u" "$(c 'SELECT * FROM log')"

# As printed, with its placeholders, it is refused.
fresh
c 'CREATE PUBLIC TABLE MutateSample(px double,qty int,val double);'
is "S3 placeholders" 'ERROR:  onUpdatingScript, line 2: syntax error at or near "<"' "$(c 'CREATE TRIGGER MutateTriggerWithDeferredStatement OFTYPE AMISCRIPT ON MutateSample USE
canMutateRow="true" onInsertingScript="val=px*qty"
onUpdatingScript="new_val=new_px*new_qty;
use ds=<another_datasource> execute ....;";//must be placed after the mutation')"

# S4: rowVar, as printed; its \" gets through -c, in the prompt single quotes do.
fresh
is "S4" '{"id":123,"sym":"aapl"} 123 aapl' "$(c 'CREATE PUBLIC TABLE src(id long, sym string);
CREATE PUBLIC TABLE tgt(rows string, arg1 string, arg2 string);

CREATE TRIGGER t1 OFTYPE AMISCRIPT ON src USE
rowVar="_row"
onInsertingScript="insert into tgt values(_row.toJson(),_row.get(\"id\"),_row.get(\"sym\"))";

INSERT INTO src VALUES(123,"aapl");
SELECT * FROM tgt;')"
fresh
is "S4 piped" '{"id":123,"sym":"aapl"} 123 aapl' "$(psql -X -q -At -F' ' <<'END'
CREATE PUBLIC TABLE src(id long, sym string);
CREATE PUBLIC TABLE tgt(rows string, arg1 string, arg2 string);
CREATE TRIGGER t1 OFTYPE AMISCRIPT ON src USE rowVar="_row"
onInsertingScript='insert into tgt values(_row.toJson(),_row.get("id"),_row.get("sym"))';
INSERT INTO src VALUES(123,"aapl");
SELECT * FROM tgt;
END
)"

# S5: rowVar around an update, as printed: all columns in the upsert, only the changed one in a direct update.
both "S5" "newrow: [id=order1, val=3]oldrow: [id=order1, val=2]containVal?: true
newrow: [val=10]oldrow: [id=order1, val=3]containVal?: true" 'SELECT * FROM alerts' 'create public table orders(id string, val int);
create index idx on orders(id HASH) use CONSTRAINT="PRIMARY";
create public table alerts(comments string);

create trigger rowVarTrigger oftype amiscript on orders use rowVar="row"
onUpdatingScript="""
if(new_row.containsKey("val")){
insert into alerts values("newrow: "+new_row+ "oldrow: " + old_row + "containVal?: " + new_row.containsKey("val"));
}""";
insert into orders values("order1",2),("order1",3);//trigger upsert
select * from alerts;
update orders set val=10;
select * from alerts;'

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

fresh
c 'CREATE PUBLIC TABLE t(a int); CREATE TRIGGER t1 OFTYPE AMISCRIPT ON t USE onInsertedScript="int x = 1"; CREATE TRIGGER t2 OFTYPE AMISCRIPT ON t USE onInsertedScript="int x = 1"'
is "S11 unknown" 'ERROR:  trigger "t3" does not exist' "$(c 'DROP TRIGGER t1, t3')"
is "S11 both" "" "$(c 'DROP TRIGGER t1, t2')"
is "S11 none left" "0" "$(c 'SELECT count(*) FROM tripline.triggers')"

# S7: PROJECTION, as printed, then what AMI-136 does with it.
both "S7" "b1 4.5
a2 1" 'SELECT * FROM MissingRegion' '// Lets assume the three tables exist:
CREATE PUBLIC TABLE Accounts1(account String,region String,qty int,px double);
CREATE PUBLIC TABLE Accounts2(account String,region String,qty int,px double);
CREATE PUBLIC TABLE MissingRegion(account String, value double);

// The below trigger will build a realtime view of accounts that have a null region:
// (try inserting into the Accounts1 table and then take a look at the MissingRegions table)
CREATE TRIGGER MyTrigger OFTYPE PROJECTION ON Accounts1,Accounts2,MissingRegion USE wheres="region==null" selects="account=account,value=qty * px";
INSERT INTO Accounts1 VALUES("a1",null,10,2.0),("a2","US",1,1.0);
INSERT INTO Accounts2 VALUES("b1",null,3,1.5);
UPDATE Accounts1 SET region="EU" WHERE account=="a1";
UPDATE Accounts1 SET region=null WHERE account=="a2";'
is "S7 read-only" 'ERROR:  cannot modify table "MissingRegion": it is maintained by trigger "MyTrigger"' "$(c 'DELETE FROM MissingRegion' | head -1)"

# S8: JOIN, as printed.
both "S8" "a1 
 a3
 a2" 'SELECT * FROM UnmatchedAccounts' '// Lets assume the three tables exist:
CREATE PUBLIC TABLE Accounts1(account String,region String,qty int,px double);
CREATE PUBLIC TABLE Accounts2(account String,region String,qty int,px double);
CREATE PUBLIC TABLE UnmatchedAccounts(account1 String, account2 String);

// The below trigger will build a realtime view of accounts that only in the Accounts1 table
// or only in the Accounts2 table.(1)
// (try inserting into the Accounts1 table and then take a look at the UnmatchedAccounts table)
CREATE TRIGGER MyTrigger OFTYPE JOIN ON Accounts1,Accounts2, UnmatchedAccounts USE type="OUTER ONLY"
on="Accounts1.account==Accounts2.account" selects="account1=Accounts1.account, account2=Accounts2.account";
INSERT INTO Accounts1 VALUES("a1","US",1,1.0),("a2","US",1,1.0);
INSERT INTO Accounts2 VALUES("a2","US",1,1.0),("a3","US",1,1.0);
DELETE FROM Accounts1 WHERE account=="a2";'

# S9: DECORATE, as printed: an apostrophe in its comment and no last semicolon, so by -c.
fresh
c "// Let's assume the two tables exist:
create public table MktData(sym String,price double);
create public table Orders(id String,sym String,price double); 

// When the MktData is updated, all Orders with the same symbol will now have the price updated
create trigger tt oftype decorate on MktData,Orders use on=\"Orders.sym==MktData.sym\" selects=\"price=price\""
c 'insert into MktData values("IBM",100.0);
insert into Orders values("o1","IBM",null),("o2","AAPL",5.0);
update MktData set price=101.5 where sym=="IBM";
delete from MktData;
insert into Orders values("o3","IBM",7.0);'
is "S9" "o1 IBM 101.5
o2 AAPL 5
o3 IBM 7" "$(c 'SELECT * FROM Orders ORDER BY id')"

# S10: RELAY, as printed but for the port of this server, and the rows that pass its condition afterwards.
port=$(c 'SHOW tripline.ami_listen')
relay='CREATE PUBLIC TABLE orders1(id Integer,date Integer,name String,price Double) USE PersistEngine="FAST";
CREATE INDEX orders1_idx2 ON orders1(date HASH) USE Constraint="NONE";
CREATE INDEX orders1_idx1 ON orders1(id HASH) USE Constraint="PRIMARY";

CREATE PUBLIC TABLE orders2(id Integer,date Integer,name String,price Double) USE PersistEngine="FAST";
CREATE INDEX orders2_idx2 ON orders2(date HASH) USE Constraint="NONE";
CREATE INDEX orders2_idx1 ON orders2(id HASH) USE Constraint="PRIMARY";

create trigger relayTrigger oftype relay on orders1 use host="localhost" port="'${port##*:}'" login="demo" target="orders2" derivedValues="id=id,date=date,name=name,price=price" updates="id,name" where="price>100.0";

insert into orders1 values(2,2000,"hello", 50.75);
insert into orders1 values(3,2000,"hello", 50.75);
insert into orders1 values(4,2000,"hello", 50.75);

update orders1 set name="test",price=99.9 where id == 3;

// Results:
select * from orders1;select * from orders2;'
shown="2 2000 hello 50.75
3 2000 test 99.9
4 2000 hello 50.75"
fresh
is "S10 by -c" "$shown" "$(c "$relay" | sort)"
fresh
is "S10 piped" "$shown" "$(printf '%s\n' "$relay" | psql -X -q -At -F' ' | sort)"
for n in $(seq 100); do # dropped until the relay is connected
    c "insert into orders1 values($((n + 100)),2000,'big',150.0)"
    sleep 0.1
    [ "$(c 'SELECT count(*) > 0 FROM orders2')" = t ] && break
done
c 'delete from orders1 where id > 100; insert into orders1 values(5,2000,"big",150.0); update orders1 set name="x",price=160.0 where id==5'
for _ in $(seq 50); do [ "$(c 'SELECT * FROM orders2')" = "5 2000 x 150" ] && break; sleep 0.1; done
is "S10 relayed" "5 2000 x 150" "$(c 'SELECT * FROM orders2')"
c 'delete from orders1 where id==5'
for _ in $(seq 50); do [ -z "$(c 'SELECT * FROM orders2')" ] && break; sleep 0.1; done
is "S10 removed" "" "$(c 'SELECT * FROM orders2')"

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
