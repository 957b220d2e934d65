//! Tests of the front end as a whole: forms, errors with positions, captured client statements, hostile input.

use sqlparser::ast;

use super::*;

fn one(text: &str) -> Statement {
    match parse_one(text, &ParseOptions::default()) {
        Ok(parsed) => (*parsed.statement).clone(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn fails(text: &str) -> SqlError {
    match parse_one(text, &ParseOptions::default()) {
        Ok(parsed) => panic!("{text}: parsed as {:?}", parsed.statement),
        Err(error) => error,
    }
}

fn expr_text(text: &str) -> String {
    paren(&parse_expr(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// Prints an expression with every operator parenthesised.
fn paren(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::BinaryOp { left, op, right } => format!("({} {op} {})", paren(left), paren(right)),
        ast::Expr::UnaryOp { op, expr } => format!("({op} {})", paren(expr)),
        ast::Expr::Nested(inner) => paren(inner),
        other => other.to_string(),
    }
}

// PG-200, PG-201: gate 1.
#[test]
fn captured_statements_parse() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/spec/captured_sql");
    let mut total = 0;
    let mut refused = Vec::new();
    let mut unsupported = 0;
    let mut files: Vec<_> = std::fs::read_dir(dir).expect("captured_sql").map(|f| f.expect("entry").path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let mut messages: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("--@") {
                messages.push((head.to_owned(), String::new()));
            } else if line.starts_with("--=") {
            } else if let Some((_, message)) = messages.last_mut() {
                message.push_str(line);
                message.push('\n');
            }
        }
        for (head, message) in messages {
            let mut offset = 0;
            loop {
                let next = split_first(&message, offset, &ParseOptions::default());
                let raw = match next {
                    Ok(Some(raw)) => raw,
                    Ok(None) => break,
                    Err(error) => {
                        refused.push(format!("{}: {error}: {message}", file.display()));
                        break;
                    }
                };
                offset = raw.next;
                total += 1;
                match parse(&message, &raw, &ParseOptions::default()) {
                    Ok(parsed) => {
                        if matches!(*parsed.statement, Statement::Unsupported(_)) {
                            unsupported += 1;
                        }
                    }
                    Err(error) if error.state() == SqlState::FEATURE_NOT_SUPPORTED => unsupported += 1,
                    // The client met the same error.
                    Err(_) if head.contains("error:42601") || head.contains("error: 42601") => {}
                    Err(error) => refused.push(format!(
                        "{}: {error}: {message}",
                        file.file_name().unwrap_or_default().to_string_lossy()
                    )),
                }
            }
        }
    }
    println!("{total} captured statements, {unsupported} unsupported, {} refused", refused.len());
    for text in &refused {
        println!("REFUSED {text}");
    }
    assert!(total > 1900, "{total}");
    assert!(refused.is_empty(), "{} refused", refused.len());
}

fn trigger(text: &str) -> TriggerSpec {
    match one(text) {
        Statement::CreateTrigger(spec) => *spec,
        other => panic!("{text}: {other:?}"),
    }
}

fn split_all(text: &str) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    let mut offset = 0;
    while let Some(raw) = split_first(text, offset, &ParseOptions::default()).expect("splits") {
        out.push((text[raw.range.clone()].to_owned(), raw.dialect));
        offset = raw.next;
    }
    out
}

// AMI-5, AMI-20, AMI-21, AMI-82, AMI-84
#[test]
fn ami_triggers() {
    for body in [
        r#""insert into A values(\"x\")""#,
        r#""insert into A values(""x"")""#,
        r#""""insert into A values("x")""""#,
        r#"'insert into A values("x")'"#,
        r#"E'insert into A values("x")'"#,
        r#"$$insert into A values("x")$$"#,
        r#"$q$insert into A values("x")$q$"#,
    ] {
        let spec = trigger(&format!(
            "CREATE TRIGGER IF NOT EXISTS MyT OFTYPE AMISCRIPT ON A, B PRIORITY -3\nUSE onDeletingScript={body}\n  canMutateRow=true x=-5;"
        ));
        assert_eq!(
            (spec.name.as_str(), spec.kind.as_str(), spec.priority, spec.if_not_exists),
            ("MyT", "amiscript", -3, true)
        );
        assert_eq!(spec.tables.iter().map(|t| t.parts.join(".")).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(
            spec.options[0],
            ("onDeletingScript".to_owned(), "insert into A values(\"x\")".to_owned()),
            "{body}"
        );
        assert_eq!(spec.options[1].1, "true");
        assert_eq!(spec.options[2].1, "-5");
    }
    let spec = trigger("create trigger t oftype amiscript on a use s=\"a\\n\\u0041\\\n   b\\${c}\"");
    assert_eq!(spec.options[0].1, "a\nAb\\${c}");
    assert_eq!(fails("CREATE TRIGGER t OFTYPE NOSUCH ON a").state(), SqlState::UNDEFINED_OBJECT);
    assert_eq!(fails("CREATE TRIGGER t OFTYPE JOIN ON a, b").state(), SqlState::INVALID_OBJECT_DEFINITION);
    assert_eq!(fails("CREATE TRIGGER t OFTYPE RELAY ON a PRIORITY 1.5").state(), SqlState::SYNTAX_ERROR);
    assert_eq!(fails("CREATE TRIGGER t OFTYPE RELAY ON a USE k=1 K=2").state(), SqlState::SYNTAX_ERROR);
    assert_eq!(fails("CREATE TRIGGER t OFTYPE RELAY ON a USE k=\"x").state(), SqlState::SYNTAX_ERROR);
    assert!(
        matches!(one("DROP TRIGGER a, `b c`"), Statement::DropTrigger { names, dialect: "ami", .. } if names == ["a", "b c"])
    );
    assert!(matches!(one("DISABLE TRIGGER a"), Statement::ToggleTrigger { enable: false, .. }));
    assert!(matches!(
        one("DROP TRIGGER a ON t CASCADE"),
        Statement::DropTrigger { dialect: "postgres", cascade: true, .. }
    ));
}

// AMI-37, AMI-51
#[test]
fn ami_tables_and_indexes() {
    let Statement::AmiCreateTable(table) = one(
        "CREATE PUBLIC TABLE IF NOT EXISTS Orders(OrderID String NoNull, qty int, d double) USE PersistEngine=\"FAST\"",
    ) else {
        panic!("table")
    };
    assert_eq!(table.name, "Orders");
    assert_eq!(
        table.columns.iter().map(|c| (c.0.as_str(), c.2)).collect::<Vec<_>>(),
        [("OrderID", true), ("qty", false), ("d", false)]
    );
    assert_eq!(table.options, [("PersistEngine".to_owned(), "FAST".to_owned())]);
    assert_eq!(fails("CREATE PUBLIC TABLE t(a nosuch)").state(), SqlState::UNDEFINED_OBJECT);
    assert_eq!(fails("CREATE PUBLIC TABLE t(a int, A int)").state(), SqlState::DUPLICATE_COLUMN);
    assert_eq!(fails("CREATE PUBLIC TABLE t").state(), SqlState::SYNTAX_ERROR);
    assert!(matches!(one("CREATE PUBLIC TABLE t AS select 1"), Statement::AmiCreateTable(t) if t.query.is_some()));
    let Statement::AmiCreateIndex(index) = one("CREATE INDEX i ON orders(id Hash, px SORT) USE Constraint=\"Primary\"")
    else {
        panic!("index")
    };
    assert_eq!(index.columns, [("id".to_owned(), "HASH".to_owned()), ("px".to_owned(), "SORT".to_owned())]);
    assert_eq!(index.options, [("Constraint".to_owned(), "Primary".to_owned())]);
    assert!(matches!(one("CREATE INDEX i ON t USING hash (a)"), Statement::Ddl(_)));
    assert!(matches!(one("CREATE INDEX i ON t (hash, sort)"), Statement::Ddl(_)));
    assert!(
        matches!(one("SYNC INTO t FROM SELECT 1"), Statement::Insert(insert) if insert.ami == AmiInsert::Sync(None))
    );
    assert!(matches!(one("RENAME TABLE a TO b"), Statement::AmiRenameTable { .. }));
    assert!(matches!(one("SHOW TRIGGERS"), Statement::Query(_)));
    assert!(matches!(one("DESCRIBE TABLE t"), Statement::Query(_)));
    assert!(matches!(one("{ int a = 1; }"), Statement::Script { dialect: "ami", .. }));
    assert!(matches!(one("CALL __SHOW_TRIGGER_ERROR(\"t\")"), Statement::AmiCall { .. }));
    assert!(matches!(one("ALTER PUBLIC TABLE t ADD a String"), Statement::AmiAlterTable { .. }));
    assert!(matches!(one("use ds=x execute select 'b'"), Statement::AmiExecute { .. }));
}

// AMI-10
#[test]
fn messages_of_several_dialects() {
    let text = "// Let's begin\nCREATE TRIGGER t OFTYPE AMISCRIPT ON a USE s=\"x;\\\"y\\\";\"; // it's done\nselect ';' ; /* ; */ ;;\nSELECT 2";
    assert_eq!(
        split_all(text),
        [
            ("CREATE TRIGGER t OFTYPE AMISCRIPT ON a USE s=\"x;\\\"y\\\";\"".to_owned(), "ami"),
            ("select ';'".to_owned(), "postgres"),
            ("SELECT 2".to_owned(), "postgres"),
        ]
    );
    let postgres = ParseOptions { dialect: DialectSetting::Postgres };
    assert_eq!(
        parse_one("CREATE TRIGGER t OFTYPE RELAY ON a", &postgres).expect_err("refused").state(),
        SqlState::SYNTAX_ERROR
    );
}

// CDB-101, CDB-301..303
#[test]
fn comdb2_procedures() {
    let body = "\nlocal function main()\n  db:exec(\"x;'}'\") -- }\nend\n";
    for text in [
        format!("CREATE PROCEDURE p VERSION 'v1' {{{body}}}"),
        format!("CREATE OR REPLACE PROCEDURE p VERSION 'v1' AS $lua${body}$lua$;"),
        format!("CREATE PROCEDURE p VERSION 'v1' $${body}$$"),
        format!("CREATE PROCEDURE p VERSION 'v1' '{}'", body.replace('\'', "''")),
    ] {
        let Statement::CreateProcedure(spec) = one(&text) else { panic!("{text}") };
        assert_eq!(
            (spec.name.as_str(), spec.version.as_deref(), spec.body.as_str()),
            ("p", Some("v1"), body),
            "{text}"
        );
    }
    assert!(
        matches!(one("CREATE PROCEDURE p {}"), Statement::CreateProcedure(spec) if spec.version.is_none() && spec.body.is_empty())
    );
    let error = fails("CREATE PROCEDURE p { local x = '}' ");
    assert_eq!((error.state(), error.message()), (SqlState::SYNTAX_ERROR, "unterminated Lua body"));
    assert!(
        matches!(one("DROP PROCEDURE p VERSION 'a'"), Statement::DropProcedure { version: Some(v), .. } if v == "a")
    );
    assert!(matches!(one("DROP PROCEDURE p 3"), Statement::DropProcedure { version: Some(v), .. } if v == "3"));
    assert!(matches!(one("PUT DEFAULT PROCEDURE p 'x'"), Statement::PutDefaultProcedure { .. }));
    assert!(matches!(one("SET SPVERSION p 2"), Statement::SetProcedureVersion { version, .. } if version == "2"));
    let Statement::ExecProcedure { name, args, columns, .. } =
        one("EXEC PROCEDURE p(1, 'a', \"b\", NULL, -2.5, x'00', $1) AS (a int, b text)")
    else {
        panic!("exec")
    };
    assert_eq!((name.as_str(), args.len(), columns.len()), ("p", 7, 2));
    assert!(matches!(one("EXECUTE PROCEDURE watch()"), Statement::ExecProcedure { .. }));
    assert!(matches!(one("EXECUTE procedure_1(1)"), Statement::Execute { .. }));
}

// CDB-501, CDB-504
#[test]
fn comdb2_triggers() {
    let spec = trigger(
        "CREATE LUA TRIGGER audit WITH SEQUENCE ON (TABLE t FOR INSERT OF i, j AND UPDATE OF j AND DELETE), (TABLE u FOR INSERT)",
    );
    assert_eq!((spec.kind.as_str(), spec.body.as_str(), spec.tag), ("lua_trigger", "audit", "CREATE LUA TRIGGER"));
    assert_eq!(spec.options, [("sequence".to_owned(), "true".to_owned())]);
    assert_eq!(spec.events[0].insert.as_deref(), Some(&["i".to_owned(), "j".to_owned()][..]));
    assert_eq!(spec.events[0].delete.as_deref(), Some(&[][..]));
    assert_eq!(spec.events[1].update, None);
    let spec = trigger("CREATE DEFAULT LUA CONSUMER w FOR (TABLE t ON INSERT INCLUDE a, b ON DELETE)");
    assert_eq!((spec.kind.as_str(), spec.options.len()), ("lua_consumer", 1));
    assert_eq!(spec.events[0].insert.as_deref().map(<[String]>::len), Some(2));
    assert_eq!(fails("CREATE LUA TRIGGER a ON (TABLE t FOR INSERT AND INSERT)").message(), "insert condition repeated");
    assert_eq!(
        fails("CREATE LUA TRIGGER a ON (TABLE t FOR INSERT), (TABLE t FOR DELETE)").message(),
        "trigger already specified table:t"
    );
    assert!(matches!(one("DROP LUA CONSUMER w"), Statement::DropTrigger { tag: "DROP LUA CONSUMER", .. }));
}

// CDB-305, CDB-306, CDB-308
#[test]
fn comdb2_scripts() {
    let text = "CREATE TABLE t(i int, j int)$$\nCREATE TABLE audit(type cstring(4), i INTEGER)$$\n\
        CREATE PROCEDURE audit VERSION 'sample' {\nlocal x = ';'\n}$$\n\
        CREATE LUA TRIGGER audit ON (TABLE t FOR INSERT)\n-- a comment\nINSERT INTO t VALUES(1,1),\n";
    let text = format!("{}(1,2)\nUPDATE t SET i = j WHERE j % 2 = 0\n", text.trim_end());
    let found: Vec<String> =
        split_all(&text).into_iter().map(|(text, _)| text.lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        found,
        [
            "CREATE TABLE t(i int, j int)",
            "CREATE TABLE audit(type cstring(4), i INTEGER)",
            "CREATE PROCEDURE audit VERSION 'sample' {",
            "CREATE LUA TRIGGER audit ON (TABLE t FOR INSERT)",
            "INSERT INTO t VALUES(1,1),(1,2)",
            "UPDATE t SET i = j WHERE j % 2 = 0",
        ]
    );
    assert_eq!(split_all("ALTER TABLE t ADD c INTEGER$$\n").len(), 1);
    // PostgreSQL text with strings on lines of their own is no script.
    let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS\n$$\nSELECT 1;\n$$;\nSELECT 2";
    assert_eq!(split_all(function).len(), 2);
    assert_eq!(split_all("DO $$\nBEGIN\n  PERFORM 1;\nEND\n$$;\nSELECT\n 1").len(), 2);
}

// PG-61: the table of wrong meanings.
#[test]
fn operators_bind_as_in_postgresql() {
    for (text, expected) in [
        ("- 2 ^ 2", "((- 2) ^ 2)"),
        ("~ 5 + 1", "(~ (5 + 1))"),
        ("@ 5 + 1", "(@ (5 + 1))"),
        ("a ~ b || c", "((a ~ b) || c)"),
        ("a || b ~ c", "((a || b) ~ c)"),
        ("- a::int", "(- a::INT)"),
        ("a + b * c ^ d", "(a + (b * (c ^ d)))"),
        ("a -> 'b' ->> 'c' = d", "(((a -> 'b') ->> 'c') = d)"),
        ("not a = b and c or d", "(((NOT (a = b)) AND c) OR d)"),
        ("a < b = (c)", ""),
        ("a = b = c", ""),
        ("a > b = c", ""),
        ("(a = b) = c", "((a = b) = c)"),
        ("a isnull and b", "(a IS NULL AND b)"),
        ("a between symmetric 2 and 1", "(a BETWEEN 2 AND 1 OR a BETWEEN 1 AND 2)"),
        ("citext 'x'", "citext 'x'"),
    ] {
        if expected.is_empty() {
            assert_eq!(parse_expr(text).expect_err(text).state(), SqlState::SYNTAX_ERROR);
        } else {
            assert_eq!(expr_text(text), expected, "{text}");
        }
    }
    assert_eq!(expr_text("'a'\n  'b'"), "'ab'");
    assert_eq!(expr_text("E'a\\n\\x41\\u00e9'"), "'a\nAé'");
    assert_eq!(expr_text("U&'\\0041!'"), "'A!'");
    for text in ["0x1F", "1_000", "1a", "$1x"] {
        assert_eq!(parse_expr(text).expect_err(text).state(), SqlState::SYNTAX_ERROR);
    }
}

// PG-63, PG-64
#[test]
fn deep_expressions() {
    // Walking, copying and dropping such trees is for threads with the stack that PG-63 asks for.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(deep_trees).expect("thread");
    thread.join().expect("no panic");
}

fn deep_trees() {
    let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    assert!(matches!(one(&nested(500)), Statement::Query(_)));
    assert_eq!(fails(&nested(10_000)).state(), SqlState::STATEMENT_TOO_COMPLEX);
    let terms = |n: usize, op: &str| format!("SELECT 1 WHERE {}", vec!["a = 1"; n].join(op));
    for op in [" OR ", " AND "] {
        let tree = one(&terms(10_000, op));
        let copy = tree.clone();
        drop((tree, copy));
    }
    for text in [
        format!("SELECT {}", vec!["1"; 10_000].join(" + ")),
        format!("SELECT {}1", "NOT ".repeat(10_000)),
        format!("SELECT {}1", "- ".repeat(10_000)),
        format!("SELECT {}1{}", "CASE WHEN ".repeat(10_000), " THEN 1 END".repeat(10_000)),
        vec!["SELECT 1, 2"; 10_000].join(" UNION "),
        format!("SELECT 1{}", "::int".repeat(10_000)),
        format!("SELECT {}", "[".repeat(10_000)),
        format!("SELECT {}'1'", "INTERVAL ".repeat(10_000)),
        format!("SELECT {}", "f(".repeat(10_000)),
    ] {
        assert_eq!(fails(&text).state(), SqlState::STATEMENT_TOO_COMPLEX, "{}", &text[..40]);
    }
    for text in [
        format!("SELECT {}1{}", "CASE WHEN ".repeat(300), " THEN 1 END".repeat(300)),
        format!("SELECT {}1", "NOT ".repeat(500)),
        format!("SELECT {}", vec!["1"; 1000].join(" + ")),
        format!("{}SELECT 1{}", "SELECT * FROM (".repeat(300), ") x".repeat(300)),
        format!("SELECT {}1{}", "f(".repeat(500), ")".repeat(500)),
    ] {
        let tree = one(&text);
        drop(tree.clone());
    }
}

// PG-65
#[test]
fn syntax_errors_name_the_place() {
    for (text, message, position) in [
        ("SELEC 1", "syntax error at or near \"SELEC\"", 0),
        ("SELECT * FRM t", "syntax error at or near \"t\"", 13),
        ("SELECT 1 +", "syntax error at end of input", 10),
        ("SELECT (1", "syntax error at end of input", 9),
        ("SELECT 1)", "syntax error at or near \")\"", 8),
        ("INSERT INTO t VALUES (1,)", "syntax error at or near \")\"", 24),
        ("SELECT 'a", "unterminated quoted string at or near \"'a\"", 7),
        ("SELECT \"a", "unterminated quoted identifier at or near \"\"a\"", 7),
        ("SELECT $$a", "unterminated dollar-quoted string at or near \"$$a\"", 7),
        ("SELECT 1 /* x", "unterminated /* comment at or near \"/* x\"", 9),
        ("/* x", "unterminated /* comment at or near \"/* x\"", 0),
        ("CREATE TABLE t (a int,)", "syntax error at or near \")\"", 22),
        ("UPDATE t SET", "syntax error at end of input", 12),
        ("BEGIN READ", "syntax error at or near \"READ\"", 6),
        ("ä1 2", "syntax error at or near \"ä1\"", 0),
        ("  SELECT 1 FROM WHERE", "syntax error at or near \"WHERE\"", 16),
        ("DELETE t", "syntax error at or near \"t\"", 7),
    ] {
        let error = fails(text);
        assert_eq!(error.state(), SqlState::SYNTAX_ERROR, "{text}");
        assert_eq!((error.message(), error.fields().position), (message, Some(Span(position))), "{text}");
    }
    let text = "SELECT 1; SELECT 1 +";
    let raw = split_first(text, 9, &ParseOptions::default()).expect("splits").expect("a second");
    let error = parse(text, &raw, &ParseOptions::default()).expect_err("refused");
    assert_eq!(error.fields().position, Some(Span(20)));
    assert_eq!(fails("SELECT 1; SELECT 2").message(), "cannot insert multiple commands into a prepared statement");
    assert!(matches!(one(" -- nothing\n ;; "), Statement::Empty));
    assert_eq!(parse_one("SELECT $2, $1, '$9'", &ParseOptions::default()).expect("parses").param_count, 2);
}

// PG-60: clauses that the library's trees lack.
#[test]
fn carried_clauses() {
    let insert = |text: &str| match one(text) {
        Statement::Insert(insert) => *insert,
        other => panic!("{text}: {other:?}"),
    };
    let plain = insert("INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)");
    assert_eq!((plain.overriding_system, plain.insert.columns.len()), (Some(true), 1));
    let plain = insert("INSERT INTO t OVERRIDING USER VALUE SELECT 1");
    assert_eq!((plain.overriding_system, plain.insert.columns.len()), (Some(false), 0));
    let upsert = insert(
        "INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a, lower(b)) WHERE a > 0 AND (b <> '') DO UPDATE SET b = excluded.b WHERE t.a < 5",
    );
    assert_eq!(upsert.conflict_exprs.len(), 1);
    assert_eq!(upsert.conflict_exprs[0].to_string(), "lower(b)");
    assert_eq!(upsert.conflict_predicate.map(|e| e.to_string()).as_deref(), Some("a > 0 AND (b <> '')"));
    let Some(ast::OnInsert::OnConflict(conflict)) = upsert.insert.on else { panic!("conflict") };
    assert!(matches!(conflict.conflict_target, Some(ast::ConflictTarget::Columns(columns)) if columns.len() == 1));
    assert!(insert("INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT x DO NOTHING").conflict_predicate.is_none());

    let locks = |text: &str| match one(text) {
        Statement::Query(query) => query.locks.iter().map(lock_clause).collect::<Vec<_>>(),
        other => panic!("{text}: {other:?}"),
    };
    let found = locks("SELECT * FROM t FOR NO KEY UPDATE OF t, s.u NOWAIT");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|l| l.strength == LockStrength::NoKeyUpdate && l.nowait && !l.skip_locked));
    assert_eq!(found[1].table.as_ref().map(|t| t.parts.join(".")).as_deref(), Some("s.u"));
    let found = locks("SELECT * FROM t FOR KEY SHARE SKIP LOCKED");
    assert_eq!(
        (found[0].strength, found[0].skip_locked, found[0].table.is_none()),
        (LockStrength::KeyShare, true, true)
    );
    assert_eq!(locks("SELECT * FROM t FOR UPDATE FOR SHARE OF t").len(), 2);
    assert!(matches!(
        one(
            "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY (START 5 CACHE 1 NO CYCLE MINVALUE 1 INCREMENT BY 2), b int)"
        ),
        Statement::Ddl(_)
    ));
}

// Section 6's table: every M form, and the N forms that are read or refused by name.
#[test]
fn forms() {
    let mut refused = Vec::new();
    for text in [
        "BEGIN",
        "BEGIN WORK",
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
        "START TRANSACTION READ WRITE, NOT DEFERRABLE",
        "BEGIN TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ ONLY",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "COMMIT AND CHAIN",
        "END",
        "ABORT",
        "ROLLBACK TO SAVEPOINT a",
        "ROLLBACK TO a",
        "RELEASE a",
        "SAVEPOINT \"A b\"",
        "SET CONSTRAINTS ALL DEFERRED",
        "SET CONSTRAINTS a, s.b IMMEDIATE",
        "FETCH c",
        "FETCH NEXT c",
        "FETCH NEXT FROM c",
        "FETCH RELATIVE -1 FROM c",
        "FETCH ABSOLUTE 3 IN c",
        "FETCH 10 c",
        "FETCH -1 FROM c",
        "FETCH ALL FROM c",
        "FETCH FORWARD ALL IN c",
        "FETCH BACKWARD 5 FROM c",
        "FETCH FORWARD FROM c",
        "FETCH LAST FROM c",
        "MOVE 5 FROM c",
        "MOVE c",
        "CLOSE c",
        "CLOSE ALL",
        "DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
        "DECLARE c CURSOR FOR VALUES (1), (2)",
        "CREATE SEQUENCE s START 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1 CYCLE OWNED BY a.b",
        "CREATE TEMP SEQUENCE IF NOT EXISTS s AS smallint CACHE 5 START WITH -3 INCREMENT -1 MINVALUE -10",
        "ALTER SEQUENCE s OWNED BY NONE",
        "ALTER SEQUENCE IF EXISTS s RESTART WITH 5 INCREMENT 2",
        "ALTER SEQUENCE s RENAME TO u",
        "ALTER SEQUENCE s OWNER TO joe",
        "COPY t FROM STDIN",
        "COPY s.t (a, \"B\") FROM STDIN WITH (FORMAT csv, HEADER match, FREEZE on, NULL 'x', FORCE_NOT_NULL (a))",
        "COPY t TO STDOUT CSV HEADER DELIMITER AS ';' FORCE QUOTE a, b",
        "COPY t FROM STDIN (FREEZE) WHERE a > 1",
        "COPY (SELECT 1, ')') TO STDOUT (FORMAT binary)",
        "COPY BINARY t TO STDOUT",
        "COPY t TO PROGRAM 'cat'",
        "VACUUM",
        "VACUUM ANALYZE t",
        "VACUUM (ANALYZE, VERBOSE off, PARALLEL 2) t (a), u",
        "ANALYZE VERBOSE t (a, b)",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (VERBOSE) DATABASE d",
        "CLUSTER t USING i",
        "CHECKPOINT",
        "DO LANGUAGE plpgsql $$BEGIN END$$",
        "DO 'BEGIN END' LANGUAGE plpgsql",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v WITH NO DATA",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA",
        "ALTER TABLE t SET SCHEMA s",
        "ALTER VIEW v RENAME TO w",
        "ALTER TRIGGER a ON t RENAME TO b",
        "ALTER INDEX i SET (fillfactor = 70)",
        "DROP INDEX CONCURRENTLY IF EXISTS a, b",
        "CREATE USER u PASSWORD 'x'",
        "CREATE ROLE r WITH LOGIN NOSUPERUSER CONNECTION LIMIT 5 VALID UNTIL 'infinity' IN ROLE a, b",
        "ALTER ROLE r SET search_path TO a, b",
        "ALTER USER r WITH ENCRYPTED PASSWORD 'y'",
        "DROP ROLE IF EXISTS a, b",
        "GRANT SELECT, UPDATE (a, b) ON TABLE t, s.u TO PUBLIC, joe WITH GRANT OPTION",
        "GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA s TO joe",
        "GRANT a, b TO c WITH ADMIN OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON t FROM joe CASCADE",
        "GRANT EXECUTE ON FUNCTION f(int, text) TO joe",
        "COMMENT ON CONSTRAINT c ON t IS 'x'",
        "COMMENT ON FUNCTION f(int) IS NULL",
        "COMMENT ON COLUMN s.t.c IS 'x'",
        "COMMENT ON TABLE t IS E'a\\nb'",
        "CREATE DATABASE d WITH OWNER x ENCODING 'utf8' TEMPLATE = t CONNECTION LIMIT 5",
        "DROP DATABASE IF EXISTS d WITH (FORCE)",
        "ALTER DATABASE d SET x.y = 'z'",
        "ALTER DATABASE d OWNER TO joe",
        "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public",
        "TABLE t",
        "TABLE s.t ORDER BY a LIMIT 1",
        "SELECT",
        "SELECT FROM t",
        "PREPARE p (int, text) AS SELECT $1, $2",
        "EXECUTE p (1, 'a')",
        "EXECUTE p",
        "DEALLOCATE PREPARE ALL",
        "DEALLOCATE p",
        "DISCARD ALL",
        "DISCARD TEMP",
        "LISTEN a",
        "UNLISTEN *",
        "NOTIFY a, 'payload'",
        "LOCK TABLE a, ONLY b IN SHARE ROW EXCLUSIVE MODE NOWAIT",
        "LOCK t",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE VERBOSE SELECT 1",
        "EXPLAIN (FORMAT json, ANALYZE on, COSTS) UPDATE t SET a = 1",
        "EXPLAIN (SELECT 1)",
        "EXPLAIN EXECUTE p(1)",
        "SET a = 1",
        "SET LOCAL a.b TO 'x'",
        "SET SESSION a TO DEFAULT",
        "SET TIME ZONE 'UTC'",
        "SET TIME ZONE -3",
        "SET TIME ZONE LOCAL",
        "SET NAMES 'utf8'",
        "SET ROLE NONE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SET role TO joe",
        "SHOW TIME ZONE",
        "SHOW TRANSACTION ISOLATION LEVEL",
        "SHOW ALL",
        "SHOW a.b",
        "RESET ALL",
        "RESET SESSION AUTHORIZATION",
        "RESET a.b",
        "TRUNCATE TABLE ONLY a, b RESTART IDENTITY CASCADE",
        "CALL p(1, 'a')",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t AS SELECT 1 WITH NO DATA",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "WITH x AS (SELECT 1) UPDATE t SET a = 1",
        "UPDATE t SET (a, b) = (SELECT 1, 2) FROM u WHERE t.a = u.a RETURNING *",
        "DELETE FROM t USING u WHERE t.a = u.a",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "CREATE TYPE e AS ENUM ('a', 'b')",
        "ALTER TYPE e ADD VALUE IF NOT EXISTS 'c' AFTER 'b'",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS c int DEFAULT 1 NOT NULL, DROP COLUMN d CASCADE, ALTER COLUMN e TYPE text USING e::text",
        "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE t DISABLE TRIGGER ALL",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t USING btree (lower(a) text_pattern_ops DESC NULLS LAST) INCLUDE (b) WHERE a IS NOT NULL",
        "CREATE SCHEMA IF NOT EXISTS s AUTHORIZATION joe",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $$ SELECT a $$",
        "CREATE TRIGGER a BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "SELECT a FROM t WHERE a NOT SIMILAR TO 'b'",
        "SELECT * FROM t FETCH FIRST 5 ROWS ONLY",
        "SELECT t.order, t.end, t.from FROM t",
        "SELECT count(DISTINCT a), trim(both 'x' from a), extract(year from b), cast(a as int) FROM t",
        "SELECT a AS order, b \"end\" FROM t",
        "SELECT ARRAY(SELECT 1), ARRAY[1, 2], EXISTS (SELECT 1), a = ANY (SELECT 1), a IN (SELECT 1)",
        "SELECT CURRENT_DATE, CURRENT_TIMESTAMP(3), CURRENT_USER, user, session_user",
        "SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS g(a, b), LATERAL (SELECT g.a) x",
        "SELECT ROW(1, 2), (1, 2) = (3, 4), (a).b FROM t",
    ] {
        match parse_one(text, &ParseOptions::default()) {
            Ok(parsed) => assert!(!matches!(*parsed.statement, Statement::Unsupported(_)), "{text}: unsupported"),
            Err(error) => refused.push(format!("{text}: {error}")),
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn column_actions_and_domains() {
    let action = |text: &str| match one(text) {
        Statement::AlterColumn { column, action, .. } => (column, action),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(
        action("ALTER TABLE t ALTER c DROP IDENTITY IF EXISTS"),
        ("c".to_owned(), ColumnAction::DropIdentity { if_exists: true })
    );
    assert_eq!(
        action("ALTER TABLE ONLY t ALTER COLUMN c SET GENERATED BY DEFAULT SET START WITH 5 RESTART").1,
        ColumnAction::Identity {
            always: Some(false),
            options: vec![SequenceOption::Start(5), SequenceOption::Restart(None)]
        }
    );
    assert_eq!(action("ALTER TABLE t ALTER c SET STATISTICS -1").1, ColumnAction::Ignored);
    assert!(matches!(one("ALTER TABLE t ALTER c SET DEFAULT 1, ALTER d DROP NOT NULL"), Statement::Ddl(_)));
    let Statement::Ddl(tree) = one("CREATE DOMAIN s.d text DEFAULT 'x' NOT NULL CONSTRAINT n CHECK (value <> '')")
    else {
        panic!("domain")
    };
    let ast::Statement::CreateDomain(domain) = *tree else { panic!("domain") };
    let checks: Vec<bool> =
        domain.constraints.iter().map(|c| matches!(c, ast::TableConstraint::Check(c) if is_not_null_mark(c))).collect();
    assert_eq!((checks, domain.default.map(|e| e.to_string()).as_deref()), (vec![true, false], Some("'x'")));
    // Noise that no tree has a place for.
    for text in [
        "CREATE INDEX i ON ONLY t (a) TABLESPACE x",
        "CREATE TABLE t (a int PRIMARY KEY USING INDEX TABLESPACE x)",
        "UPDATE ONLY t AS x SET a = 1",
        "SELECT * FROM ONLY t FETCH FIRST (5) ROWS ONLY",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql COST 1 AS 'select 1'",
        "SELECT f(VARIADIC a)",
    ] {
        one(text);
    }
    for text in ["DELETE FROM t WHERE CURRENT OF c", "SELECT * FROM f() AS (a int)"] {
        assert_eq!(fails(text).state(), SqlState::FEATURE_NOT_SUPPORTED, "{text}");
    }
}

// PG-147 and on: values as SHOW prints them.
#[test]
fn settings() {
    let set = |text: &str| match one(text) {
        Statement::Set { change, .. } => (change.name, change.value.unwrap_or_else(|| "DEFAULT".to_owned())),
        other => panic!("{text}: {other:?}"),
    };
    for (text, name, value) in [
        ("SET search_path TO a, \"B c\", public", "search_path", "a, \"B c\", public"),
        ("SET search_path = 'a,b'", "search_path", "\"a,b\""),
        ("SET search_path = ''", "search_path", "\"\""),
        ("SET DateStyle = ISO, MDY", "datestyle", "iso, mdy"),
        ("SET x.Y = -1.5", "x.y", "-1.5"),
        ("SET TIME ZONE 'Europe/Rome'", "timezone", "Europe/Rome"),
        ("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", "timezone", "<-08>+08"),
        ("SET a TO on", "a", "on"),
        ("SET standard_conforming_strings = on", "standard_conforming_strings", "on"),
        ("SET a TO DEFAULT", "a", "DEFAULT"),
    ] {
        assert_eq!(set(text), (name.to_owned(), value.to_owned()), "{text}");
    }
}

// Cut and shuffled statements never panic.
#[test]
fn hostile_input() {
    let sources = [
        "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1), (E'\\x41'), (U&'\\0041') ON CONFLICT (a, lower(b)) WHERE a > 0 DO UPDATE SET b = 1 RETURNING *",
        "SELECT * FROM t FOR NO KEY UPDATE OF a, s.b SKIP LOCKED FOR KEY SHARE",
        "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY (START 5 NO CYCLE MINVALUE 1), b numeric(10, 2) DEFAULT 'x'::text)",
        "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER match, DELIMITER ';') WHERE a BETWEEN SYMMETRIC 1 AND 2",
        "CREATE TRIGGER a OFTYPE AMISCRIPT ON b, c PRIORITY -1 USE x=\"a\\u0041\\\n b\" y=$q$ ; $q$ z='it''s'",
        "CREATE PROCEDURE p VERSION 'a' { local s = [==[ } ]==] -- }\n }",
        "CREATE LUA TRIGGER a WITH SEQUENCE ON (TABLE t FOR INSERT OF i AND DELETE), (TABLE u FOR UPDATE)",
        "CREATE TABLE t(i int)$$\nINSERT INTO t VALUES (1)\nEXEC PROCEDURE p(1, 'a')",
        "GRANT SELECT (a), ALL ON ALL TABLES IN SCHEMA s TO PUBLIC; REVOKE a FROM b; SET TIME ZONE INTERVAL '1' HOUR",
        "EXPLAIN (ANALYZE, FORMAT json) DECLARE c CURSOR FOR SELECT - 2 ^ 2, a ~ b || c, 'ä' AS \"ö\"",
        "ALTER SEQUENCE s OWNED BY a.b RESTART WITH -5; COMMENT ON FUNCTION f(int, text) IS $$x$$",
        "CREATE PUBLIC TABLE a(b String NoNull, c int) USE PersistEngine=\"FAST\"; CREATE INDEX i ON a(b HASH) USE x=1",
    ];
    let options = ParseOptions::default();
    let all = |text: &str| {
        let mut offset = 0;
        while let Ok(Some(raw)) = split_first(text, offset, &options) {
            let _ = parse(text, &raw, &options);
            assert!(raw.next > offset || raw.next == text.len(), "{text}");
            if raw.next <= offset {
                break;
            }
            offset = raw.next;
        }
        let _ = parse_one(text, &options);
        let _ = parse_expr(text);
        let _ = parse_type(text);
        let _ = normalise(text);
    };
    for source in sources {
        for end in (0..=source.len()).filter(|end| source.is_char_boundary(*end)) {
            all(&source[..end]);
            all(&source[end..]);
        }
    }
    let mut pieces: Vec<&str> = sources.iter().flat_map(|source| source.split(' ')).collect();
    pieces.extend([
        "'", "\"", "$$", "$a$", "(", ")", "[", "]", "{", "}", ";", "--", "/*", "*/", "//", "\\", "`", "\0", "E'",
        "U&\"", "$1", "1e", ".", "::", "\n", "\"\"\"",
    ]);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below as u64)).unwrap_or(0)
    };
    for _ in 0..6000 {
        let mut text = String::new();
        for _ in 0..random(14) + 1 {
            text.push_str(pieces[random(pieces.len())]);
            if random(4) > 0 {
                text.push(' ');
            }
        }
        all(&text);
    }
}

// AMI-3, AMI-4
#[test]
fn second_readings() {
    let text = "select * from t where a == \"x\" && b == null";
    let raw = split_first(text, 0, &ParseOptions::default()).expect("splits").expect("one");
    assert!(second_reading(text, &raw, "ami").is_some());
    let ami = ParseOptions { dialect: DialectSetting::Named("ami") };
    assert_eq!(parse_one(text, &ami).expect("parses").dialect, "ami");
    assert!(matches!(*parse_one("SHOW server_version", &ami).expect("parses").statement, Statement::Show(_)));
    assert!(matches!(one("insert into t (a) from select 1"), Statement::Insert(_)));
    assert!(matches!(one("insert t values(\"a\")"), Statement::Insert(_)));
}
