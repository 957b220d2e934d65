//! Generated statements on PostgreSQL 15 and on Tripline: the same columns, rows, tags and SQLSTATEs (PG-203).
//!
//! Both sides get the same tables and the same statements; queries of every clause, and changes that later queries see.
//! Rows are compared without order, except where LIMIT makes the order matter: there the query orders by all it returns.
//! The suite runs fixed seeds; `TRIPLINE_SEED` runs one, `TRIPLINE_LONG=1` many new ones.

use std::fmt::Write as _;
use std::net::SocketAddr;

use harness::postgres::Postgres;
use harness::raw::Raw;
use harness::server::TestServer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const STATEMENTS: usize = 700;

/// Types of generated expressions.
#[derive(Clone, Copy, PartialEq)]
enum Ty {
    Int,
    Big,
    Numeric,
    Text,
    Date,
    Bool,
    IntArray,
}

const SCALARS: [Ty; 6] = [Ty::Int, Ty::Big, Ty::Numeric, Ty::Text, Ty::Date, Ty::Bool];

struct Generator {
    rng: StdRng,
}

impl Generator {
    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn scalar(&mut self) -> Ty {
        SCALARS[self.below(SCALARS.len())]
    }

    fn literal(&mut self, ty: Ty) -> String {
        if self.below(12) == 0 {
            let name = ["int", "bigint", "numeric", "text", "date", "bool", "int[]"][ty as usize];
            return format!("NULL::{name}");
        }
        match ty {
            Ty::Int => self.rng.random_range(-9..20_i32).to_string(),
            Ty::Big => format!("{}::bigint", self.rng.random_range(-9..20_i32)),
            Ty::Numeric => format!("{}.{}", self.rng.random_range(0..30), self.rng.random_range(0..100)),
            Ty::Text => format!("'{}'", self.pick(&["", "a", "ab", "B", "zz top", "10", "x_y", "a_b_c"])),
            Ty::Date => format!("date '2024-0{}-{}'", self.rng.random_range(1..9), self.rng.random_range(10..29)),
            Ty::Bool => self.pick(&["true", "false"]).to_owned(),
            Ty::IntArray => format!("ARRAY[{}, {}, NULL]", self.below(5), self.below(20)),
        }
    }

    /// A column of `a` (as named in the query) of this type.
    fn column(&mut self, table: &str, ty: Ty) -> String {
        let name = match ty {
            Ty::Int => self.pick(&["id", "i", "k"]),
            Ty::Big => "b",
            Ty::Numeric => "n",
            Ty::Text => self.pick(&["t", "u"]),
            Ty::Date => "d",
            Ty::Bool => "ok",
            Ty::IntArray => "arr",
        };
        format!("{table}.{name}")
    }

    /// An expression over one of the tables.
    fn expr(&mut self, tables: &[&str], ty: Ty, depth: usize) -> String {
        if depth == 0 || self.below(5) == 0 {
            let table = tables[self.below(tables.len())];
            return if self.below(4) == 0 { self.literal(ty) } else { self.column(table, ty) };
        }
        let depth = depth - 1;
        let mut e = |ty: Ty| self.expr(tables, ty, depth);
        match ty {
            Ty::Int => {
                let (x, y) = (e(Ty::Int), e(Ty::Int));
                let (text, date, array) = (e(Ty::Text), e(Ty::Date), e(Ty::IntArray));
                match self.below(13) {
                    0 => format!("({x} + {y})"),
                    1 => format!("({x} - {y})"),
                    2 => format!("({x} % nullif({y}, 0))"),
                    3 => format!("({x} / nullif({y}, 0))"),
                    4 => format!("length({text})"),
                    5 => format!("coalesce({x}, {y})"),
                    6 => format!("greatest({x}, {y})"),
                    7 => format!("({date} - date '2024-03-01')"),
                    8 => format!("cardinality({array})"),
                    9 => format!("({array})[{}]", self.below(4)),
                    10 => format!("extract(day from {date})::int"),
                    11 => format!("strpos({text}, 'a')"),
                    _ => self.case(tables, &x, &y, depth),
                }
            }
            Ty::Big => {
                let (x, y, z) = (e(Ty::Big), e(Ty::Big), e(Ty::Int));
                match self.below(6) {
                    0 => format!("({x} + {z})"),
                    1 => format!("({x} * 2)"),
                    2 => format!("abs({x})"),
                    3 => format!("({x} & {y})"),
                    4 => format!("(SELECT count(*) FROM b x WHERE x.k = {z})"),
                    _ => self.case(tables, &x, &y, depth),
                }
            }
            Ty::Numeric => {
                let (x, y, z) = (e(Ty::Numeric), e(Ty::Numeric), e(Ty::Int));
                match self.below(9) {
                    0 => format!("({x} + {y})"),
                    1 => format!("({x} - {z})"),
                    2 => format!("({x} * {y})"),
                    3 => format!("round({x}, 1)"),
                    4 => format!("trunc({x})"),
                    5 => format!("({x} / nullif({z}, 0))"),
                    6 => format!("(SELECT avg(x.i) FROM b x WHERE x.k < {z})"),
                    7 => format!("({z})::numeric(9, 2)"),
                    _ => self.case(tables, &x, &y, depth),
                }
            }
            Ty::Text => {
                let (x, y) = (e(Ty::Text), e(Ty::Text));
                let (int, date, number, truth) = (e(Ty::Int), e(Ty::Date), e(Ty::Numeric), e(Ty::Bool));
                match self.below(16) {
                    0 => format!("({x} || {y})"),
                    1 => format!("upper({x})"),
                    2 => format!("substr({x}, 2, 3)"),
                    3 => format!("({int})::text"),
                    4 => format!("({date})::text"),
                    5 => format!("({number})::text"),
                    6 => format!("({truth})::text"),
                    7 => format!("concat({x}, '-', {int})"),
                    8 => format!("left({x}, {int} % 4)"),
                    9 => format!("replace({x}, 'a', {y})"),
                    10 => format!("to_char({date}, 'YYYY/MM DY')"),
                    11 => format!("lpad({x}, 4, '*')"),
                    12 => format!("reverse(trim({x}))"),
                    13 => format!("(SELECT max(x.t) FROM b x WHERE x.i = {int})"),
                    14 => format!("split_part({x}, '_', 1)"),
                    _ => self.case(tables, &x, &y, depth),
                }
            }
            Ty::Date => {
                let (x, y, z) = (e(Ty::Date), e(Ty::Date), e(Ty::Int));
                match self.below(5) {
                    0 => format!("({x} + {z} % 40)"),
                    1 => format!("least({x}, {y})"),
                    2 => format!("date_trunc('month', {x})::date"),
                    3 => format!("({x} + interval '1 month')::date"),
                    _ => self.case(tables, &x, &y, depth),
                }
            }
            Ty::IntArray => {
                let (x, y, z) = (e(Ty::IntArray), e(Ty::IntArray), e(Ty::Int));
                match self.below(5) {
                    0 => format!("({x} || {y})"),
                    1 => format!("array_append({x}, {z})"),
                    2 => format!("array_remove({x}, {z})"),
                    3 => format!("ARRAY(SELECT x.k FROM b x WHERE x.i > {z} ORDER BY x.id)"),
                    _ => format!("({x})[1:2]"),
                }
            }
            Ty::Bool => self.truth(tables, depth),
        }
    }

    fn case(&mut self, tables: &[&str], x: &str, y: &str, depth: usize) -> String {
        let when = self.expr(tables, Ty::Bool, depth);
        format!("CASE WHEN {when} THEN {x} ELSE {y} END")
    }

    fn truth(&mut self, tables: &[&str], depth: usize) -> String {
        let ty = self.scalar();
        let (x, y) = (self.expr(tables, ty, depth), self.expr(tables, ty, depth));
        let (p, q) = (self.expr(tables, Ty::Bool, depth), self.expr(tables, Ty::Bool, depth));
        let (int, array) = (self.expr(tables, Ty::Int, depth), self.expr(tables, Ty::IntArray, depth));
        let text = self.expr(tables, Ty::Text, depth);
        match self.below(16) {
            0 => format!("({p} AND {q})"),
            1 => format!("({p} OR {q})"),
            2 => format!("(NOT {p})"),
            3 => format!("({x} IS NULL)"),
            4 => format!("({x} IS DISTINCT FROM {y})"),
            5 => format!("({x} IN ({y}, {}))", self.literal(ty)),
            6 => format!("({int} IN (SELECT x.i FROM b x WHERE x.k = {int}))"),
            7 => format!("EXISTS (SELECT 1 FROM b x WHERE x.k = {int} AND x.t >= {text})"),
            8 => format!("({x} BETWEEN {y} AND {})", self.literal(ty)),
            9 => format!("({text} LIKE '%{}%')", self.pick(&["a", "_", "b", "1"])),
            10 => format!("({int} = ANY ({array}))"),
            11 => format!("({int} NOT IN (SELECT x.k FROM b x WHERE x.id < 6))"),
            12 => format!("({p} IS NOT TRUE)"),
            13 => format!("(({int}, {x}) < (3, {y}))"),
            _ => format!("({x} {} {y})", self.pick(&["=", "<>", "<", ">=", ">", "<="])),
        }
    }

    fn source(&mut self) -> (String, Vec<&'static str>) {
        match self.below(7) {
            0 => ("a".to_owned(), vec!["a"]),
            1 => ("a JOIN b ON a.id = b.k".to_owned(), vec!["a", "b"]),
            2 => ("a LEFT JOIN b ON a.k = b.i AND b.ok".to_owned(), vec!["a", "b"]),
            3 => ("a FULL JOIN b ON a.i = b.k".to_owned(), vec!["a", "b"]),
            4 => ("(SELECT * FROM a WHERE id % 2 = 0) a CROSS JOIN (SELECT * FROM b LIMIT 0) b".to_owned(), vec!["a"]),
            5 => {
                let lateral = "SELECT x.* FROM b x WHERE x.k = a.i ORDER BY x.id LIMIT 2";
                (format!("a LEFT JOIN LATERAL ({lateral}) b ON true"), vec!["a", "b"])
            }
            _ => ("a RIGHT JOIN b USING (id)".replace("USING (id)", "ON a.id = b.id"), vec!["a", "b"]),
        }
    }

    fn select(&mut self, types: &[Ty]) -> String {
        let (from, tables) = self.source();
        let outputs: Vec<String> = types.iter().map(|ty| self.expr(&tables, *ty, 2)).collect();
        let distinct = if self.below(6) == 0 { "DISTINCT " } else { "" };
        let mut sql = format!("SELECT {distinct}{} FROM {from}", outputs.join(", "));
        if self.below(3) > 0 {
            let _ = write!(sql, " WHERE {}", self.expr(&tables, Ty::Bool, 2));
        }
        sql
    }

    fn ordered(&mut self, sql: String, width: usize) -> String {
        if self.below(3) > 0 {
            return sql;
        }
        let order: Vec<String> = (1..=width)
            .map(|place| format!("{place}{}", self.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])))
            .collect();
        format!("{sql} ORDER BY {} LIMIT {} OFFSET {}", order.join(", "), self.below(9), self.below(4))
    }

    fn types(&mut self) -> Vec<Ty> {
        (0..=self.below(4)).map(|_| self.scalar()).collect()
    }

    fn aggregate(&mut self) -> String {
        let (from, tables) = self.source();
        let ty = self.scalar();
        let key = self.expr(&tables, ty, 1);
        let mut outputs = vec![format!("{key} AS key")];
        for _ in 0..=self.below(3) {
            let (int, text) = (self.expr(&tables, Ty::Int, 1), self.expr(&tables, Ty::Text, 1));
            let (number, truth) = (self.expr(&tables, Ty::Numeric, 1), self.expr(&tables, Ty::Bool, 1));
            outputs.push(match self.below(12) {
                0 => "count(*)".to_owned(),
                1 => format!("count({text})"),
                2 => format!("count(DISTINCT {int})"),
                3 => format!("sum({int})"),
                4 => format!("sum({number}) FILTER (WHERE {truth})"),
                5 => format!("avg({int})"),
                6 => format!("min({text})"),
                7 => format!("max({number})"),
                8 => format!("bool_or({truth})"),
                9 => format!("string_agg({text}, ',' ORDER BY {text})"),
                10 => format!("array_agg({int} ORDER BY {int})"),
                _ => format!("max({int}) - min({int})"),
            });
        }
        let width = outputs.len();
        let mut sql = format!("SELECT {} FROM {from}", outputs.join(", "));
        if self.below(2) == 0 {
            let _ = write!(sql, " WHERE {}", self.expr(&tables, Ty::Bool, 1));
        }
        sql.push_str(" GROUP BY 1");
        if self.below(3) == 0 {
            let _ = write!(sql, " HAVING count(*) > {}", self.below(3));
        }
        self.ordered(sql, width)
    }

    fn window(&mut self) -> String {
        let (int, text) = (self.expr(&["a"], Ty::Int, 1), self.expr(&["a"], Ty::Text, 1));
        let part = match self.below(3) {
            0 => String::new(),
            _ => format!("PARTITION BY {} ", self.expr(&["a"], Ty::Bool, 1)),
        };
        let frame = self.pick(&[
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
            " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
        ]);
        let over = format!("OVER ({part}ORDER BY a.k, a.id{frame})");
        let plain = format!("OVER ({part}ORDER BY a.k, a.id)");
        let call = match self.below(8) {
            0 => format!("row_number() {plain}"),
            1 => format!("rank() OVER ({part}ORDER BY {int})"),
            2 => format!("dense_rank() OVER ({part}ORDER BY {text})"),
            3 => format!("lag({int}) {plain}"),
            4 => format!("lead({text}, 2, 'none') {plain}"),
            5 => format!("first_value({text}) {over}"),
            6 => format!("sum({int}) {over}"),
            _ => format!("ntile(3) {plain}"),
        };
        format!("SELECT a.id, {call} FROM a")
    }

    fn query(&mut self) -> String {
        let types = self.types();
        match self.below(9) {
            0 | 1 => self.aggregate(),
            2 => self.window(),
            3 => {
                // Which of two equal numbers stays, 1.5 or 1.50, nobody promises.
                let types: Vec<Ty> = types.iter().map(|ty| if *ty == Ty::Numeric { Ty::Big } else { *ty }).collect();
                let op = self.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"]);
                let (left, right) = (self.select(&types), self.select(&types));
                let sql = format!("({left}) {op} ({right})");
                self.ordered(sql, types.len())
            }
            4 => {
                let (inner, tail) = (self.select(&[Ty::Int, Ty::Text]), self.below(3));
                let hint = self.pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "]);
                format!(
                    "WITH w (x, y) AS {hint}({inner}) SELECT w.x, count(*), max(w.y) FROM w LEFT JOIN w v ON v.x = w.x + {tail} GROUP BY w.x"
                )
            }
            _ => {
                let sql = self.select(&types);
                self.ordered(sql, types.len())
            }
        }
    }

    fn row(&mut self, id: usize) -> String {
        let values: Vec<String> =
            [Ty::Int, Ty::Int, Ty::Big, Ty::Numeric, Ty::Text, Ty::Text, Ty::Date, Ty::Bool, Ty::IntArray]
                .into_iter()
                .map(|ty| self.literal(ty))
                .collect();
        format!("({id}, {})", values.join(", "))
    }

    fn change(&mut self) -> String {
        let table = self.pick(&["a", "b"]);
        let (int, text) = (self.expr(&[table], Ty::Int, 2), self.expr(&[table], Ty::Text, 1));
        let truth = self.expr(&[table], Ty::Bool, 2);
        let returning = if self.below(2) == 0 { " RETURNING *" } else { "" };
        let id = self.below(60);
        match self.below(8) {
            0 => format!("INSERT INTO {table} VALUES {}{returning}", self.row(id)),
            1 => {
                let row = self.row(id);
                format!(
                    "INSERT INTO {table} AS o VALUES {row} ON CONFLICT (id) DO UPDATE SET i = o.i + 1, u = excluded.t{returning}"
                )
            }
            2 => format!("UPDATE {table} SET i = ({int}) % 50, u = left({text}, 20) WHERE {truth}{returning}"),
            3 => format!("UPDATE a SET k = b.i, ok = b.ok FROM b WHERE b.id = a.id AND b.i < {}", self.below(20)),
            4 => format!("DELETE FROM {table} WHERE {truth} AND id % 7 = {}{returning}", self.below(7)),
            5 => format!("DELETE FROM a USING b WHERE a.id = b.k AND b.id = {id}{returning}"),
            6 => format!(
                "INSERT INTO {table} (id, i, t) SELECT id + 100, i, t FROM a WHERE {} AND id < 50 ON CONFLICT DO NOTHING",
                self.expr(&["a"], Ty::Bool, 1)
            ),
            _ => format!("INSERT INTO {table} VALUES {}, {}", self.row(id), self.row(id + 60)),
        }
    }
}

/// What a server said to a simple message, in a form that can be compared: columns, rows in order of their text, tags,
/// SQLSTATE.
fn outcome(raw: &mut Raw, sql: &str) -> String {
    raw.query(sql);
    raw.go();
    let messages = raw.until_ready();
    let mut rows: Vec<String> = Vec::new();
    let mut rest = Vec::new();
    for message in &messages {
        match message.kind {
            b'D' => rows.push(message.shown()),
            b'T' => {
                let types: Vec<u32> = message.columns().into_iter().map(|(_, oid, _)| oid).collect();
                rest.push(format!("{} {types:?}", message.shown()));
            }
            b'C' | b'E' | b'Z' => rest.push(message.shown()),
            _ => {}
        }
    }
    rows.sort_unstable();
    rest.extend(rows);
    rest.join("\n    ")
}

fn run(seed: u64, postgres: &Postgres, statements: usize, differences: &mut Vec<String>) {
    let database = format!("differential_{seed}");
    postgres.recreate_database(&database).unwrap();
    let server = TestServer::start();
    let login = |address: SocketAddr, database: &str| {
        let mut raw = Raw::connect(address);
        raw.startup(&[("user", "admin"), ("database", database)]);
        raw.until_ready();
        raw
    };
    let mut theirs = login(([127, 0, 0, 1], postgres.port()).into(), &database);
    let mut ours = login(server.address(), "postgres");
    let mut generator = Generator { rng: StdRng::seed_from_u64(seed) };
    let mut both = |sql: &str| {
        let (expected, actual) = (outcome(&mut theirs, sql), outcome(&mut ours, sql));
        if expected != actual && !actual.contains("E(25P02)") && differences.len() < 20 {
            let (theirs, ours): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
            let only = |of: &[&str], other: &[&str]| {
                of.iter()
                    .filter(|line| !other.contains(line))
                    .take(4)
                    .fold(String::new(), |all, line| all + "\n  " + line)
            };
            let (expected, actual) = (only(&theirs, &ours), only(&ours, &theirs));
            differences.push(format!("seed {seed}: {sql}\n  expected{expected}\n  actual{actual}"));
        }
        expected
    };
    let columns = "id int PRIMARY KEY, i int, k int, b bigint, n numeric(12, 3), t text, u varchar(20), d date, ok bool, arr int[]";
    for table in ["a", "b"] {
        let columns =
            if table == "a" { columns.to_owned() } else { columns.replace("ok bool", "ok bool DEFAULT true") };
        both(&format!("CREATE TABLE {table} ({columns})"));
        let rows: Vec<String> = (1..30).map(|id| generator.row(id)).collect();
        both(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")));
    }
    both("CREATE INDEX a_k ON a (k)");
    both("CREATE INDEX b_k ON b (k, t)");
    let mut failed = 0;
    for at in 0..statements {
        let open = at % 40 == 20;
        if open {
            both("BEGIN");
        }
        let sql = if generator.below(5) == 0 { generator.change() } else { generator.query() };
        failed += usize::from(both(&sql).starts_with('E'));
        if at % 40 == 30 {
            both(if at % 80 == 30 { "ROLLBACK" } else { "COMMIT" });
        }
    }
    both("SELECT * FROM a");
    both("SELECT * FROM b");
    // A generator whose statements fail proves little.
    assert!(failed * 5 < statements, "seed {seed}: {failed} of {statements} statements failed");
    server.stop();
}

#[test]
fn generated_statements_answer_as_on_postgresql() {
    let postgres = Postgres::start(&[("fsync", "off")]).expect("PostgreSQL 15 is installed");
    let seeds: Vec<u64> = match std::env::var("TRIPLINE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None if std::env::var("TRIPLINE_LONG").is_ok() => {
            (0..60).map(|_| rand::rng().random_range(0..1 << 40)).collect()
        }
        None => vec![1, 2, 3],
    };
    let mut differences = Vec::new();
    for seed in &seeds {
        run(*seed, &postgres, STATEMENTS, &mut differences);
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
