//! The AMI message port as any client meets it.

use crate::node::{Messages, Node, Sql};

const ORDERS: &str = "CREATE PUBLIC TABLE orders2(id Integer,date Integer,name String,price Double); \
                      CREATE INDEX orders2_pk ON orders2(id HASH) USE Constraint=\"PRIMARY\"";

// AMI-178
#[test]
fn the_example_exchange() {
    let node = Node::start();
    node.sql.run(ORDERS);
    let mut client = node.messages();
    assert_eq!(client.ask("L|I=\"demo\""), "M|Q=0|S=0|M=\"OK\"");
    assert_eq!(client.ask(r#"O|T="orders2"|id=9|date=2000|name="n\"q"|price=101.5D"#), "M|Q=1|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT * FROM orders2"), "9|2000|n\"q|101.5");
    assert_eq!(client.ask("O|T=\"nosuch\"|x=1"), "M|Q=2|S=2|M=\"unknown table: nosuch\"");
    assert_eq!(client.ask("D|T=\"orders2\"|id=9"), "M|Q=3|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT count(*) FROM orders2"), "0");
}

// AMI-168, AMI-169, AMI-170, AMI-176
#[test]
fn login_numbers_and_statuses() {
    let node = Node::start();
    node.sql.run(ORDERS);
    let mut client = node.messages();
    assert_eq!(client.ask("O|T=\"orders2\"|id=1"), "M|Q=0|S=5|M=\"not logged in\"");
    let mut client = node.messages();
    assert_eq!(client.ask("L|O=\"LOG\""), "M|Q=0|S=1|M=\"Missing required Fields: I\"");
    assert!(client.ask("L|I=\"demo\"|PL=\"x\"").starts_with("M|Q=1|S=6|"));
    assert!(client.ask("L|I=\"demo\"|O=\"LOUD\"").starts_with("M|Q=2|S=1|"));
    assert_eq!(client.ask("L|I=\"demo\"|O=\"LOG,UNIX\"|host=\"h\""), "M|Q=3|S=0|M=\"OK\"");
    assert_eq!(client.ask("O#4@1422059533454|T=\"orders2\"|id=1"), "M|Q=4|S=0|M=\"OK\"");
    assert_eq!(client.ask("O#9|T=\"orders2\"|id=2"), "M|Q=9|S=7|M=\"wrong sequence number: 9, expected 5\"");
    assert_eq!(client.ask("O#10|T=\"orders2\"|id=3"), "M|Q=10|S=0|M=\"OK\"");
    assert_eq!(client.ask("O|T=\"orders2\"|nosuch=3"), "M|Q=11|S=3|M=\"unknown column: nosuch\"");
    assert!(client.ask("O|id=3").starts_with("M|Q=12|S=1|M=\"Missing required Fields: T"));
    assert!(client.ask("O|T=\"orders2\"|id=").starts_with("M|Q=13|S=1|"));
    assert!(client.ask("Z|T=\"orders2\"").starts_with("M|Q=14|S=6|"));
    for ignored in ["S", "A|I=\"x\"", "C|I=\"x\"", "R"] {
        assert!(client.ask(ignored).ends_with("|S=0|M=\"ignored\""), "{ignored}");
    }
    assert!(client.ask("H").starts_with("M|Q=19|S=0|M=\"TYPE"));
    assert!(client.ask("D|T=\"orders2\"").starts_with("M|Q=20|S=1|"));
    assert_eq!(client.ask("P|D=150"), "M|Q=21|S=0|M=\"OK\"");
    let began = std::time::Instant::now();
    assert_eq!(client.ask("X"), "M|Q=22|S=0|M=\"OK\"");
    assert!(began.elapsed() >= std::time::Duration::from_millis(100), "the pause is kept");
    assert_eq!(client.read(), "", "X closes");
    assert_eq!(node.sql.run("SELECT id FROM orders2 ORDER BY id"), "1;3");
}

// AMI-162, AMI-168
#[test]
fn line_ends_and_quiet() {
    let node = Node::start();
    node.sql.run(ORDERS);
    let mut client = node.messages();
    client.send(b"L|I=\"demo\"|O=\"WINDOWS\"\r\n\r\n");
    assert_eq!(client.read(), "M|Q=0|S=0|M=\"OK\"\r");
    // In pieces, two lines in one, and half a line at the end: that is nothing.
    for piece in [&b"O|T=\"ord"[..], b"ers2\"|id=1\nO|T=\"orders2\"|id=2\nO|T=\"orders2\"|id=3"] {
        client.send(piece);
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    assert_eq!((client.read(), client.read()), ("M|Q=1|S=0|M=\"OK\"\r".to_owned(), "M|Q=2|S=0|M=\"OK\"\r".to_owned()));
    drop(client);
    let mut quiet = node.messages();
    quiet.send(b"L|I=\"demo\"|O=\"QUIET\"\nO|T=\"orders2\"|id=7\nO|T=\"nosuch\"|id=7\nX\n");
    assert_eq!(quiet.read(), "", "no answers under QUIET");
    node.sql.eventually("SELECT id FROM orders2 ORDER BY id", "1;2;7");
}

// AMI-163, AMI-165, AMI-173
#[test]
fn values_meet_their_columns() {
    let node = Node::start();
    node.sql.run(
        "CREATE PUBLIC TABLE v(i Int,l Long,f Float,d Double,s String,b Boolean,t UTC,x Binary,n BigDecimal,h Short NONULL)",
    );
    let mut client = node.messages().login();
    let good = r#"O|T="v"|ZZ=1|i=1|l=2L|f=1.5F|d=0.1|s='e\u0041'|b=true|t=1422059533454T|x="AQID"U|n="12.34"|h=7"#;
    assert_eq!(client.ask(good), "M|Q=1|S=0|M=\"OK\"");
    assert_eq!(
        node.sql.run("SELECT i,l,f,d,s,b,extract(epoch from t)::numeric(20,3),x,n,h FROM v"),
        "1|2|1.5|0.1|eA|t|1422059533.454|\\x010203|12.34|7"
    );
    // An impossible cast is null; null into NONULL is refused; the connection goes on.
    assert_eq!(client.ask(r#"O|T="v"|i="abc"|d=null|h=1"#), "M|Q=2|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT count(*) FROM v WHERE i IS NULL AND d IS NULL AND h = 1"), "1");
    assert!(client.ask(r#"O|T="v"|h="abc""#).starts_with("M|Q=3|S=4|M=\"null value in column"));
    assert_eq!(client.ask(r#"O|T="V"|h=3"#), "M|Q=4|S=0|M=\"OK\"", "names are found without case");
}

// AMI-173
#[test]
fn columns_that_are_not_there() {
    let node = Node::start();
    node.sql.run(
        "CREATE PUBLIC TABLE i(a Int) USE OnUndefColumn=\"IGNORE\"; CREATE PUBLIC TABLE w(a Int) USE OnUndefColumn=\"ADD\"; \
         CREATE PUBLIC TABLE r(a Int) USE OnUndefColumn=\"REJECT\"",
    );
    let mut client = node.messages().login();
    assert_eq!(client.ask("O|T=\"i\"|a=1|b=2"), "M|Q=1|S=0|M=\"OK\"");
    assert_eq!(client.ask("O|T=\"w\"|a=1|b=2.5D|c=3L|d=\"x\""), "M|Q=2|S=0|M=\"OK\"");
    assert_eq!(client.ask("O|T=\"w\"|a=2|b=3.5D"), "M|Q=3|S=0|M=\"OK\"");
    assert_eq!(client.ask("O|T=\"r\"|a=1|b=2"), "M|Q=4|S=3|M=\"unknown column: b\"");
    assert_eq!(node.sql.run("SELECT * FROM i"), "1");
    assert_eq!(node.sql.run("SELECT * FROM w ORDER BY a"), "1|2.5|3|x;2|3.5|NULL|NULL");
    assert_eq!(
        node.sql
            .run("SELECT data_type FROM information_schema.columns WHERE table_name = 'w' ORDER BY ordinal_position"),
        "integer;double precision;bigint;text"
    );
    assert_eq!(node.sql.run("SELECT count(*) FROM r"), "0");
}

// AMI-171, AMI-188
#[test]
fn objects_fire_as_inserts_and_update_by_key() {
    let node = Node::start();
    node.sql.run(ORDERS);
    node.sql.run(
        "CREATE PUBLIC TABLE log(what String); \
         CREATE TRIGGER watch OFTYPE AMISCRIPT ON orders2 USE onInsertingScript='insert into log values(\"inserting \"+id)' \
         onInsertedScript='insert into log values(\"inserted \"+id)' onUpdatedScript='insert into log values(\"updated \"+id)' \
         onDeletingScript='insert into log values(\"deleting \"+id)'",
    );
    let mut client = node.messages().login();
    assert_eq!(client.ask("O|T=\"orders2\"|id=1|date=2|name=\"a\"|price=1D"), "M|Q=1|S=0|M=\"OK\"");
    let by_message = node.sql.run("SELECT what FROM log");
    assert_eq!(by_message, "inserting 1;inserted 1");
    // Only the given columns change.
    assert_eq!(client.ask("O|T=\"orders2\"|id=1|name=\"b\""), "M|Q=2|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT * FROM orders2"), "1|2|b|1");
    assert_eq!(client.ask("D|T=\"orders2\"|id=1|name=\"other\""), "M|Q=3|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT what FROM log OFFSET 2"), "inserting 1;updated 1;deleting 1");
    // The same by a statement's parameters and by COPY.
    node.sql.run("DELETE FROM log; INSERT INTO orders2 VALUES (1, 2, 'a', 1)");
    assert_eq!(node.sql.run("SELECT what FROM log"), by_message);
    // A key of PostgreSQL's making is met in the same way.
    node.sql.run("CREATE TABLE p (a int, b int DEFAULT 5, c text, PRIMARY KEY (a))");
    assert_eq!(client.ask("O|T=\"p\"|a=1|c=\"x\""), "M|Q=4|S=0|M=\"OK\"");
    assert_eq!(client.ask("O|T=\"p\"|a=1|c=\"y\""), "M|Q=5|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT * FROM p"), "1|5|y");
}

// AMI-188: whatever way a row comes, the same events: a new row, a known key with changes, one without, one that is vetoed,
// and one that another trigger follows into a derived table.
#[test]
fn every_way_in_fires_the_same_events() {
    let node = Node::start();
    node.sql.run(ORDERS);
    node.sql.run(
        "CREATE PUBLIC TABLE log(what String); CREATE PUBLIC TABLE sums(name String,n Long,total Double); \
         CREATE TRIGGER watch OFTYPE AMISCRIPT ON orders2 USE canMutateRow=\"true\" \
         onInsertingScript='insert into log values(\"inserting \"+id+\" \"+name); if (price < 0) return false; date = date + 1' \
         onInsertedScript='insert into log values(\"inserted \"+id+\" \"+date)' \
         onUpdatingScript='insert into log values(\"updating \"+old_price+\" to \"+new_price)' \
         onUpdatedScript='insert into log values(\"updated \"+id+\" \"+price)' \
         onDeletingScript='insert into log values(\"deleting \"+id)'; \
         CREATE TRIGGER sum OFTYPE AGGREGATE ON orders2,sums USE groupBys='name=name' selects='n=count(*),total=sum(price)'",
    );
    let rows = [(1, 2000, "a", 1.5), (1, 2000, "a", 2.5), (1, 2000, "a", 2.5), (2, 7, "b", -1.0), (3, 7, "b", 4.0)];
    let expected = "inserting 1 a;inserted 1 2001;inserting 1 a;updating 1.5 to 2.5;updated 1 2.5;inserting 1 a;\
                    inserting 2 b;inserting 3 b;inserted 3 8";
    let sums = "a|1|2.5;b|1|4";
    let mut client = node.messages().login();
    for way in ["statement", "rows of one statement", "AMI's statement", "parameters", "COPY", "message"] {
        match way {
            "statement" => {
                for (id, date, name, price) in rows {
                    node.sql.run(&format!("INSERT INTO orders2 VALUES ({id}, {date}, '{name}', {price})"));
                }
            }
            "rows of one statement" => {
                let list = rows.map(|(id, date, name, price)| format!("({id}, {date}, '{name}', {price})"));
                node.sql.run(&format!("INSERT INTO orders2 VALUES {}", list.join(", ")));
            }
            "AMI's statement" => {
                for (id, date, name, price) in rows {
                    node.sql.run(&format!("insert orders2 values({id}, {date}, \"{name}\", {price})"));
                }
            }
            "parameters" => {
                for (id, date, name, price) in rows {
                    node.sql.execute("INSERT INTO orders2 VALUES ($1, $2, $3, $4)", &[&id, &date, &name, &price]);
                }
            }
            "COPY" => {
                let lines = rows.map(|(id, date, name, price)| format!("{id}\t{date}\t{name}\t{price}\n"));
                node.sql.copy("COPY orders2 FROM STDIN", &lines.concat());
            }
            _ => {
                for (id, date, name, price) in rows {
                    let line = format!("O|T=\"orders2\"|id={id}|date={date}|name=\"{name}\"|price={price:?}D");
                    let _ = client.ask(&line);
                }
            }
        }
        assert_eq!(node.sql.run("SELECT what FROM log"), expected, "{way}");
        assert_eq!(node.sql.run("SELECT * FROM sums ORDER BY name"), sums, "{way}");
        // A delete by message and by statement.
        node.sql.run("DELETE FROM log");
        if way == "message" {
            assert!(client.ask("D|T=\"orders2\"|id=1").contains("|S=0|"));
            assert!(client.ask("D|T=\"orders2\"|id=3").contains("|S=0|"));
        } else {
            node.sql.run("DELETE FROM orders2");
        }
        assert_eq!(node.sql.run("SELECT what FROM log"), "deleting 1;deleting 3", "{way}");
        assert_eq!(node.sql.run("SELECT count(*) FROM sums"), "0", "{way}");
        node.sql.run("DELETE FROM log");
    }
}

// AMI-40, AMI-41, AMI-171, AMI-172: the columns I, E and P of a message, beside those that the server fills.
#[test]
fn reserved_columns_of_messages() {
    let node = Node::start();
    node.sql.run(
        "CREATE PUBLIC TABLE o(I String,P String,E Long,V Int,T String,x Int); CREATE PUBLIC TABLE i(I String,x Int); \
         CREATE PUBLIC TABLE none(x Int)",
    );
    let mut first = node.messages();
    assert_eq!(first.ask("L|I=\"ann\""), "M|Q=0|S=0|M=\"OK\"");
    let mut second = node.messages();
    assert_eq!(second.ask("L|I=\"bob\""), "M|Q=0|S=0|M=\"OK\"");
    assert!(first.ask("O|T=\"o\"|I=\"k\"|E=0L|x=1").contains("|S=0|"));
    assert!(second.ask("O|T=\"o\"|I=\"k\"|x=2").contains("|S=0|"));
    // The same login and key is the same row.
    assert!(first.ask("O|T=\"o\"|I=\"k\"|x=3").contains("|S=0|"));
    assert_eq!(
        node.sql.run("SELECT \"I\",\"P\",\"E\",\"V\",\"T\",x FROM o ORDER BY x"),
        "k|bob|NULL|0|o|2;k|ann|0|1|o|3"
    );
    // Without P any login means the row; without a key none does.
    assert!(first.ask("O|T=\"i\"|I=\"k\"|x=1").contains("|S=0|"));
    assert!(second.ask("O|T=\"i\"|I=\"k\"|x=2").contains("|S=0|"));
    assert!(second.ask("O|T=\"i\"|x=3").contains("|S=0|"));
    assert!(second.ask("O|T=\"i\"|x=3").contains("|S=0|"));
    assert_eq!(node.sql.run("SELECT * FROM i ORDER BY x"), "k|2;NULL|3;NULL|3");
    // Where they are not declared they are nothing.
    assert!(first.ask("O|T=\"none\"|I=\"k\"|E=5L|x=1").contains("|S=0|"));
    assert_eq!(node.sql.run("SELECT * FROM none"), "1");
    // A delete by I takes this login's row.
    assert!(first.ask("D|T=\"o\"|I=\"k\"").contains("|S=0|"));
    assert_eq!(node.sql.run("SELECT \"P\" FROM o"), "bob");
    assert!(first.ask("D|T=\"i\"|I=\"k\"").contains("|S=0|"));
    assert_eq!(node.sql.run("SELECT count(*) FROM i"), "2");
    // A row whose time comes goes, and its trigger fires (AMI-42).
    node.sql.run(
        "CREATE PUBLIC TABLE log(what String); \
         CREATE TRIGGER gone OFTYPE AMISCRIPT ON o USE onDeletingScript='insert into log values(\"gone \"+I)'",
    );
    assert!(first.ask("O|T=\"o\"|I=\"short\"|E=-50L|x=9").contains("|S=0|"));
    node.sql.eventually("SELECT what FROM log", "gone short");
    assert_eq!(node.sql.run("SELECT \"P\" FROM o"), "bob");
}

// AMI-172
#[test]
fn deletes_find_their_row() {
    let node = Node::start();
    node.sql.run("CREATE PUBLIC TABLE k(a Int,b String); INSERT INTO k VALUES (1,'x'),(1,'x'),(2,NULL),(3,'z')");
    node.sql.run("CREATE TABLE u (a int UNIQUE, b text); INSERT INTO u VALUES (1, 'x'), (2, 'y')");
    let mut client = node.messages().login();
    assert_eq!(client.ask("D|T=\"k\"|a=1|b=\"x\""), "M|Q=1|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT a FROM k ORDER BY a"), "1;2;3", "the first row equal in all columns, one row");
    assert_eq!(client.ask("D|T=\"k\"|a=2|b=null"), "M|Q=2|S=0|M=\"OK\"");
    assert_eq!(client.ask("D|T=\"k\"|a=3|b=\"y\""), "M|Q=3|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT a FROM k ORDER BY a"), "1;3", "no row is no error");
    assert_eq!(client.ask("D|T=\"u\"|a=2|b=\"else\""), "M|Q=4|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT a FROM u"), "1", "by the unique index alone");
}

// AMI-174
#[test]
fn unknown_tables_by_configuration() {
    use tripline_triggers::relay::UnknownTable;
    let node = Node::start_with(|config| config.ami_unknown_table = UnknownTable::Ignore);
    assert_eq!(node.messages().login().ask("O|T=\"n\"|a=1"), "M|Q=1|S=0|M=\"OK\"");
    assert!(node.sql.refused("SELECT * FROM n").starts_with("42P01"));
    let node = Node::start_with(|config| config.ami_unknown_table = UnknownTable::CreateTable);
    assert_eq!(node.messages().login().ask("O|T=\"n\"|a=1|b=\"x\"|c=2.5D|d=9L"), "M|Q=1|S=0|M=\"OK\"");
    assert_eq!(node.sql.run("SELECT * FROM n"), "1|x|2.5|9");
}

// AMI-175, AMI-170
#[test]
fn refused_rows_leave_the_connection_open() {
    let node = Node::start();
    node.sql.run(
        "CREATE PUBLIC TABLE src(a Int,b Int); CREATE PUBLIC TABLE tgt(a Int,c Long); \
         CREATE TRIGGER agg OFTYPE AGGREGATE ON src,tgt USE groupBys='a=a' selects='c=count(*)'; \
         CREATE TABLE chk (a int CHECK (a > 0), b int UNIQUE)",
    );
    let mut client = node.messages().login();
    assert!(client.ask("O|T=\"tgt\"|a=1|c=1L").starts_with("M|Q=1|S=4|"));
    assert!(client.ask("O|T=\"chk\"|a=0").starts_with("M|Q=2|S=4|"));
    assert!(client.ask("O|T=\"chk\"|a=1|b=1").starts_with("M|Q=3|S=0|"));
    assert!(client.ask("O|T=\"chk\"|a=2|b=1").starts_with("M|Q=4|S=4|M=\"duplicate key"));
    assert!(client.ask("O|T=\"src\"|a=1|b=1").starts_with("M|Q=5|S=0|"));
    assert_eq!(node.sql.run("SELECT * FROM tgt"), "1|1");
}

// AMI-177
#[test]
fn a_line_too_long_ends_the_connection() {
    let node = Node::start();
    node.sql.run("CREATE PUBLIC TABLE big(s String)");
    let mut client = node.messages().login();
    // Up to the limit it is taken.
    let fits = format!("O|T=\"big\"|s=\"{}\"", "x".repeat((16 << 20) - 20));
    assert_eq!(client.ask(&fits), "M|Q=1|S=0|M=\"OK\"");
    let mut socket = Messages::connect(node.ami_port()).login();
    let long = "x".repeat((16 << 20) + 100_000);
    // The server may close before all of it was sent.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| socket.send(long.as_bytes())));
    assert_eq!(socket.read(), "M|Q=1|S=1|M=\"the line is too long\"");
    assert_eq!(node.sql.run("SELECT length(s) FROM big"), ((16 << 20) - 20).to_string());
}

// AMI-167
#[test]
fn a_port_that_is_taken_does_not_stop_the_server() {
    let first = Node::start();
    let taken = first.ami_port();
    let second = harness::server::TestServer::start_with(|config| {
        config.ami_listen = Some(([127, 0, 0, 1], taken).into());
    });
    assert!(second.server().is_some_and(|server| server.ami_address().is_none()));
    let address = second.address();
    let sql = Sql::connect(&format!("host=127.0.0.1 port={} user=admin dbname=postgres", address.port()));
    assert_eq!(sql.run("SHOW tripline.ami_listen"), "");
    assert_eq!(first.sql.run("SHOW tripline.ami_listen"), format!("127.0.0.1:{taken}"));
}

// AMI-167
#[test]
fn only_listed_addresses_may_send() {
    let node = Node::start_with(|config| config.ami_allow = vec!["192.0.2.1".parse().unwrap()]);
    assert_eq!(node.messages().read(), "", "closed without a word");
}
