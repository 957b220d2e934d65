//! AMI data statements as standard SQL text (AMI-3 step 4, AMI-7, AMI-55 to AMI-64).
//!
//! The result is parsed by the standard front end, so its trees are the ones that everything above knows; what standard
//! SQL has no words for travels beside the text (`Beside`). Names are quoted as written: the binder looks them up without
//! case (AMI-8). This is the one translation of AMI's SQL; scripts that run statements as text come here too.

use sqlparser::ast;

use super::cursor::{Cursor, literal, quoted, quoted_table};
use super::lexer::Token;
use crate::error::{Result, SqlError};
use crate::parse::{AmiInsert, Statement};

/// What a statement has beside its standard text.
enum Beside {
    Nothing,
    Insert(AmiInsert),
    /// Joins of UPDATE and DELETE as the FROM clause of a query, and LIMIT with its rows to skip.
    Write {
        from: Option<String>,
        skip: Option<String>,
        limit: Option<String>,
    },
}

/// Reads a statement token by token and writes standard SQL.
pub(super) struct Translator<'a> {
    pub(super) c: Cursor<'a>,
    pub(super) depth: usize,
}

/// Reads a data statement; `None` if the text starts with none of their words. The number is the highest `$n`.
pub(super) fn statement(text: &str) -> Result<Option<(Statement, usize)>> {
    let mut t = Translator { c: Cursor::new(text, false)?, depth: 0 };
    if !["select", "insert", "update", "delete", "sync", "show", "describe"].iter().any(|word| t.c.is(0, word)) {
        return Ok(None);
    }
    let (sql, beside) = t.data()?;
    t.c.expect_end()?;
    // Places in the translation mean nothing to the client.
    standard(&sql, beside).map(Some).map_err(|mut error| {
        error.fields_mut().position = None;
        error
    })
}

/// The SELECT that stands at the start of a text, as standard SQL, and what follows it.
pub(super) fn query_text(text: &str) -> Result<String> {
    let mut t = Translator { c: Cursor::new(text, false)?, depth: 0 };
    let sql = t.query()?;
    t.c.expect_end()?;
    Ok(sql)
}

/// An expression over a table's columns, as standard SQL.
pub(super) fn expression(text: &str) -> Result<String> {
    let mut t = Translator { c: Cursor::new(text, false)?, depth: 0 };
    let sql = t.value()?;
    t.c.expect_end()?;
    Ok(sql)
}

fn standard(sql: &str, beside: Beside) -> Result<(Statement, usize)> {
    let (mut statement, mut params) = crate::parse::standard::statement(sql)?;
    match (&mut statement, beside) {
        (Statement::Insert(insert), Beside::Insert(form)) => insert.ami = form,
        (Statement::Update(tree), Beside::Write { from, skip, limit }) => {
            if let ast::Statement::Update(update) = tree.as_mut() {
                update.table.joins = joins(from, &mut params)?;
                update.limit = limits(skip, limit, &mut params)?;
            }
        }
        (Statement::Delete(tree), Beside::Write { from, skip, limit }) => {
            if let ast::Statement::Delete(delete) = tree.as_mut() {
                if let ast::FromTable::WithFromKeyword(tables) | ast::FromTable::WithoutKeyword(tables) =
                    &mut delete.from
                    && let Some(table) = tables.first_mut()
                {
                    table.joins = joins(from, &mut params)?;
                }
                delete.limit = limits(skip, limit, &mut params)?;
            }
        }
        _ => {}
    }
    Ok((statement, params))
}

/// A part that has to be read as a query of its own.
fn select(sql: &str, params: &mut usize) -> Result<Box<ast::Select>> {
    let (statement, count) = crate::parse::standard::statement(sql)?;
    *params = count.max(*params);
    match statement {
        Statement::Query(query) => match *query.body {
            ast::SetExpr::Select(select) => Ok(select),
            _ => Err(SqlError::internal("a part of a statement is no query")),
        },
        _ => Err(SqlError::internal("a part of a statement is no query")),
    }
}

fn joins(from: Option<String>, params: &mut usize) -> Result<Vec<ast::Join>> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut select = select(&format!("SELECT 1 FROM {from}"), params)?;
    Ok(if select.from.is_empty() { Vec::new() } else { select.from.swap_remove(0).joins })
}

/// `LIMIT n`, or `LIMIT skip, n` as a pair.
fn limits(skip: Option<String>, limit: Option<String>, params: &mut usize) -> Result<Option<ast::Expr>> {
    let mut one = |sql: String| -> Result<ast::Expr> {
        match select(&format!("SELECT {sql}"), params)?.projection.pop() {
            Some(ast::SelectItem::UnnamedExpr(expr)) => Ok(expr),
            _ => Err(SqlError::internal("a limit is no expression")),
        }
    };
    let Some(limit) = limit else { return Ok(None) };
    let limit = one(limit)?;
    Ok(Some(match skip {
        Some(skip) => ast::Expr::Tuple(vec![one(skip)?, limit]),
        None => limit,
    }))
}

impl Translator<'_> {
    fn data(&mut self) -> Result<(String, Beside)> {
        if self.c.is(0, "select") {
            return Ok((self.query()?, Beside::Nothing));
        }
        if self.c.word("insert") {
            return self.insert();
        }
        if self.c.word("sync") {
            return self.sync();
        }
        if self.c.word("update") {
            return self.update();
        }
        if self.c.word("show") {
            return self.show();
        }
        if self.c.word("describe") {
            return self.describe();
        }
        self.c.expect("delete")?;
        self.delete()
    }

    // AMI-55
    fn insert(&mut self) -> Result<(String, Beside)> {
        self.c.word("into");
        let table = self.c.table()?;
        let mut sql = format!("INSERT INTO {}", quoted_table(&table));
        let columns = self.columns()?;
        sql.push_str(&columns);
        if self.c.word("values") {
            sql.push_str(" VALUES ");
            loop {
                self.c.expect_mark('(')?;
                sql.push('(');
                loop {
                    sql.push_str(&self.cell()?);
                    if !self.c.mark(',') {
                        break;
                    }
                    sql.push_str(", ");
                }
                self.c.expect_mark(')')?;
                sql.push(')');
                if !self.c.mark(',') {
                    break;
                }
                sql.push_str(", ");
            }
            sql.push_str(&self.limit()?);
            return Ok((sql, Beside::Insert(AmiInsert::Values)));
        }
        let by_name = self.c.word("byname");
        self.c.word("from");
        sql.push(' ');
        sql.push_str(&self.query()?);
        Ok((sql, Beside::Insert(if by_name { AmiInsert::ByName } else { AmiInsert::Values })))
    }

    /// A value of VALUES; DEFAULT is what the column has when it is not named.
    fn cell(&mut self) -> Result<String> {
        if self.c.word("default") {
            return Ok("DEFAULT".to_owned());
        }
        self.value()
    }

    fn columns(&mut self) -> Result<String> {
        if !self.c.mark('(') {
            return Ok(String::new());
        }
        let names = self.c.list(|c| c.name())?;
        self.c.expect_mark(')')?;
        Ok(format!("({})", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")))
    }

    // AMI-61
    fn sync(&mut self) -> Result<(String, Beside)> {
        self.c.word("into");
        let table = self.c.table()?;
        let mut sql = format!("INSERT INTO {}", quoted_table(&table));
        let columns = self.columns()?;
        sql.push_str(&columns);
        let mut keys = None;
        if self.c.word("on") {
            self.c.expect_mark('(')?;
            keys = Some(self.c.list(|c| c.name())?);
            self.c.expect_mark(')')?;
        }
        self.c.word("from");
        sql.push(' ');
        sql.push_str(&self.query()?);
        Ok((sql, Beside::Insert(AmiInsert::Sync(keys))))
    }

    /// `[[LEFT [ONLY]] JOIN u ON e]` after the table of UPDATE and DELETE.
    fn write_join(&mut self, table: &str) -> Result<Option<String>> {
        let mut from = String::new();
        while self.c.is(0, "left") || self.c.is(0, "join") {
            self.join(&mut from)?;
        }
        Ok((!from.is_empty()).then(|| format!("{table}{from}")))
    }

    fn write_limit(&mut self) -> Result<(Option<String>, Option<String>)> {
        if !self.c.word("limit") {
            return Ok((None, None));
        }
        let first = self.value()?;
        if self.c.mark(',') { Ok((Some(first), Some(self.value()?))) } else { Ok((None, Some(first))) }
    }

    // AMI-57
    fn update(&mut self) -> Result<(String, Beside)> {
        let table = quoted_table(&self.c.table()?);
        let from = self.write_join(&table)?;
        self.c.expect("set")?;
        let mut sql = format!("UPDATE {table} SET ");
        loop {
            let mut column = quoted(&self.c.name()?);
            if self.c.mark('.') {
                // `t.col`: the target's own.
                column = quoted(&self.c.name()?);
            }
            self.c.expect_mark('=')?;
            sql.push_str(&column);
            sql.push_str(" = ");
            sql.push_str(&self.cell()?);
            if !self.c.mark(',') {
                break;
            }
            sql.push_str(", ");
        }
        sql.push_str(&self.filter()?);
        let (skip, limit) = self.write_limit()?;
        Ok((sql, Beside::Write { from, skip, limit }))
    }

    // AMI-58
    fn delete(&mut self) -> Result<(String, Beside)> {
        self.c.word("from");
        let table = quoted_table(&self.c.table()?);
        let from = self.write_join(&table)?;
        let sql = format!("DELETE FROM {table}{}", self.filter()?);
        let (skip, limit) = self.write_limit()?;
        Ok((sql, Beside::Write { from, skip, limit }))
    }

    fn filter(&mut self) -> Result<String> {
        Ok(if self.c.word("where") { format!(" WHERE {}", self.condition()?) } else { String::new() })
    }

    fn limit(&mut self) -> Result<String> {
        let (skip, limit) = self.write_limit()?;
        Ok(match (skip, limit) {
            (Some(skip), Some(limit)) => format!(" LIMIT {limit} OFFSET {skip}"),
            (_, Some(limit)) => format!(" LIMIT {limit}"),
            _ => String::new(),
        })
    }

    // AMI-60
    pub(super) fn query(&mut self) -> Result<String> {
        self.depth += 1;
        let sql = stacker::maybe_grow(96 * 1024, 1024 * 1024, || self.query_inner());
        self.depth -= 1;
        sql
    }

    fn query_inner(&mut self) -> Result<String> {
        let mut sql = self.select()?;
        let mut parts = 1;
        while self.c.word("union") {
            // UNION keeps duplicates.
            self.c.word("all");
            if parts == 1 && sql.contains(" ORDER BY ") | sql.contains(" LIMIT ") {
                sql = format!("({sql})");
            }
            sql = format!("{sql} UNION ALL {}", self.select()?);
            parts += 1;
        }
        Ok(sql)
    }

    fn select(&mut self) -> Result<String> {
        self.c.expect("select")?;
        let mut sql = String::from("SELECT ");
        if self.c.word("distinct") {
            sql.push_str("DISTINCT ");
        }
        loop {
            sql.push_str(&self.item()?);
            if !self.c.mark(',') {
                break;
            }
            sql.push_str(", ");
        }
        if self.c.word("from") {
            sql.push_str(" FROM ");
            sql.push_str(&self.from()?);
        }
        sql.push_str(&self.filter()?);
        if self.c.words(&["group", "by"]) {
            sql.push_str(" GROUP BY ");
            sql.push_str(&self.values()?);
        }
        if self.c.word("having") {
            sql.push_str(" HAVING ");
            sql.push_str(&self.condition()?);
        }
        if self.c.words(&["order", "by"]) {
            sql.push_str(" ORDER BY ");
            loop {
                sql.push_str(&self.value()?);
                // Null is less than any value.
                sql.push_str(if self.c.word("desc") {
                    " DESC NULLS LAST"
                } else {
                    self.c.word("asc");
                    " ASC NULLS FIRST"
                });
                if !self.c.mark(',') {
                    break;
                }
                sql.push_str(", ");
            }
        }
        sql.push_str(&self.limit()?);
        Ok(sql)
    }

    fn values(&mut self) -> Result<String> {
        let mut all = vec![self.value()?];
        while self.c.mark(',') {
            all.push(self.value()?);
        }
        Ok(all.join(", "))
    }

    /// `*`, `t.*`, `* EXCEPT(c)`, or an expression with its name.
    fn item(&mut self) -> Result<String> {
        if self.c.mark('*') {
            if self.c.word("except") {
                self.c.expect_mark('(')?;
                let names = self.c.list(|c| c.name())?;
                self.c.expect_mark(')')?;
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                return Ok(format!("ami.star_except({})", names.join(", ")));
            }
            return Ok("*".to_owned());
        }
        if self.c.is_mark(1, '.') && self.c.is_mark(2, '*') {
            let table = self.c.name()?;
            self.c.at += 2;
            return Ok(format!("{}.*", quoted(&table)));
        }
        for word in ["unpack", "analyze", "prepare"] {
            if self.c.is(0, word) && !self.c.is_mark(1, ',') {
                return Err(SqlError::unsupported(format!("{} in a SELECT of AMI", word.to_ascii_uppercase())));
            }
        }
        let out = self.expr()?;
        let call = out.call.clone();
        let mut sql = out.value();
        if self.c.word("as") {
            sql.push_str(" AS ");
            sql.push_str(&quoted(&self.c.name()?));
        } else if let Some(name) = call {
            sql.push_str(" AS ");
            sql.push_str(&quoted(&name));
        }
        Ok(sql)
    }

    fn from(&mut self) -> Result<String> {
        let mut sql = self.source()?;
        loop {
            if self.c.mark(',') {
                sql.push_str(", ");
                sql.push_str(&self.source()?);
            } else if ["left", "right", "outer", "join"].iter().any(|word| self.c.is(0, word)) {
                self.join(&mut sql)?;
            } else {
                return Ok(sql);
            }
        }
    }

    /// `[LEFT|RIGHT|OUTER] [ONLY] JOIN t ON e`; ONLY keeps the rows without a match.
    fn join(&mut self, sql: &mut String) -> Result<()> {
        let side = ["left", "right", "outer"].into_iter().find(|word| self.c.word(word));
        let only = self.c.word("only");
        self.c.expect("join")?;
        sql.push_str(match (side, only) {
            (None, false) => " JOIN ",
            (None, true) => return Err(self.c.error()),
            (Some("left"), false) => " LEFT JOIN ",
            (Some("left"), true) => " LEFT ANTI JOIN ",
            (Some("right"), false) => " RIGHT JOIN ",
            (Some("right"), true) => " RIGHT ANTI JOIN ",
            (Some(_), false) => " FULL JOIN ",
            (Some(_), true) => " ANTI JOIN ",
        });
        sql.push_str(&self.source()?);
        self.c.expect("on")?;
        sql.push_str(" ON ");
        sql.push_str(&self.condition()?);
        if self.c.is(0, "nearest") {
            return Err(SqlError::unsupported("JOIN … NEAREST"));
        }
        Ok(())
    }

    fn source(&mut self) -> Result<String> {
        let mut sql = if self.c.mark('(') {
            let query = self.query()?;
            self.c.expect_mark(')')?;
            format!("({query})")
        } else {
            quoted_table(&self.c.table()?)
        };
        let named =
            self.c.word("as") || matches!(self.c.peek(), Some(Token::Word(_) | Token::Name(_))) && !self.c.reserved();
        if named {
            sql.push_str(" AS ");
            sql.push_str(&quoted(&self.c.name()?));
        }
        Ok(sql)
    }

    /// SHOW x [WHERE e] and SHOW TABLE t (AMI-64): relations of schema tripline, one column by AMI's names each.
    fn show(&mut self) -> Result<(String, Beside)> {
        let what = self.c.name()?.to_ascii_lowercase();
        let known =
            ["tables", "triggers", "timers", "procedures", "methods", "indexes", "columns", "datasources", "vars"];
        let sql = if what == "table" {
            let table = self.c.name()?;
            format!(
                "SELECT c.* FROM tripline.ami_columns AS c WHERE ami.same_name(c.\"TableName\", tripline.ami_table({}))",
                literal(&table)
            )
        } else if known.contains(&what.as_str()) {
            let filter = self.filter()?;
            format!("SELECT * FROM tripline.ami_{what}{filter}")
        } else {
            self.c.at -= 1;
            return Err(self.c.error());
        };
        Ok((sql, Beside::Nothing))
    }

    /// DESCRIBE [TABLE|TRIGGER|TIMER|PROCEDURE|METHOD] n: one row, column SQL (AMI-64).
    fn describe(&mut self) -> Result<(String, Beside)> {
        let kinds = ["table", "trigger", "timer", "procedure", "method"];
        let kind = match self.c.ahead(1) {
            Some(_) => kinds.into_iter().find(|kind| self.c.word(kind)).ok_or_else(|| self.c.error())?,
            None => "table",
        };
        let name = self.c.name()?;
        let sql = format!("SELECT tripline.ami_describe({}, {}) AS \"SQL\"", literal(kind), literal(&name));
        Ok((sql, Beside::Nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::Translator;
    use crate::parse::dialect::ami::cursor::Cursor;

    fn sql(text: &str) -> String {
        let mut t = Translator { c: Cursor::new(text, false).expect("lexes"), depth: 0 };
        let (sql, _) = t.data().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(t.c.done(), "{text}: stopped at {}", t.c.rest());
        sql
    }

    // AMI-7, AMI-28, AMI-31, AMI-55, AMI-57, AMI-60
    #[test]
    fn statements_become_standard_text() {
        for (text, expected) in [
            ("insert into t values(\"a\", 1)", "INSERT INTO \"t\" VALUES ('a', 1)"),
            ("insert t(\"A\", b) values(\"x'y\", 2L)", "INSERT INTO \"t\"(\"A\", \"b\") VALUES ('x''y', 2::int8)"),
            ("insert into t from select * from u", "INSERT INTO \"t\" SELECT * FROM \"u\""),
            (
                "select a from t where id == 3 && b = null",
                "SELECT \"a\" FROM \"t\" WHERE (ami.eq(\"id\", 3) AND ami.eq(\"b\", null))",
            ),
            (
                "delete from t where `a b` != null || c =~ \"x\"",
                "DELETE FROM \"t\" WHERE (ami.ne(\"a b\", null) OR ami.match(\"c\", 'x'))",
            ),
            (
                "update t set a=\"x\", b=c+1 where d==\"y\"",
                "UPDATE \"t\" SET \"a\" = 'x', \"b\" = ami.add(\"c\", 1) WHERE ami.eq(\"d\", 'y')",
            ),
            ("select 1+2*3 as x", "SELECT ami.add(1, ami.mul(2, 3)) AS \"x\""),
            ("select a < b from t", "SELECT ami.value(ami.lt(\"a\", \"b\")) FROM \"t\""),
            (
                "select a <> b from t order by a desc limit 2, 3",
                "SELECT ami.value(ami.ne(\"a\", \"b\")) FROM \"t\" ORDER BY \"a\" DESC NULLS LAST LIMIT 3 OFFSET 2",
            ),
            ("select (int) $1", "SELECT ami.cast($1, NULL::int4)"),
            (
                "select x from a left only join b on a.i == b.i",
                "SELECT \"x\" FROM \"a\" LEFT ANTI JOIN \"b\" ON ami.eq(\"a\".\"i\", \"b\".\"i\")",
            ),
        ] {
            assert_eq!(sql(text), expected, "{text}");
        }
    }
}
