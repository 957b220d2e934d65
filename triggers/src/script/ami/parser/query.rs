//! The SQL that may stand in a script (AMI-55 to AMI-60, AMI-71). Inside its clauses a single `=` compares.

use tripline_sql::error::{Result, SqlError, SqlState};

use super::{Parser, RESERVED};
use crate::script::ami::ast::{Expr, FromItem, JoinKind, Query, Sql};
use crate::script::ami::lexer::Token;

impl Parser {
    pub(super) fn sql_statement(&mut self) -> Result<Sql> {
        if self.take_word("insert") {
            return self.insert();
        }
        if self.take_word("update") {
            return self.in_sql(Parser::update);
        }
        if self.take_word("delete") {
            self.expect_word("from")?;
            let table = self.table_name()?;
            self.refuse_clause(&["left", "join", "limit"])?;
            let filter = self.clause("where")?;
            self.refuse_clause(&["limit"])?;
            return Ok(Sql::Delete { table, filter });
        }
        Ok(Sql::Select(self.query()?))
    }

    pub(super) fn in_sql<T>(&mut self, f: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        self.sql += 1;
        let out = f(self);
        self.sql -= 1;
        out
    }

    pub(super) fn refuse_clause(&self, words: &[&str]) -> Result<()> {
        for word in words {
            if self.is_word(word) {
                return Err(SqlError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("line {}: {} is not supported here in scripts", self.line(), word.to_ascii_uppercase()),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn clause(&mut self, word: &str) -> Result<Option<Expr>> {
        if !self.take_word(word) {
            return Ok(None);
        }
        Ok(Some(self.in_sql(Parser::expr)?))
    }

    pub(super) fn insert(&mut self) -> Result<Sql> {
        self.take_word("into");
        let table = self.table_name()?;
        let mut columns = Vec::new();
        if self.take("(") {
            loop {
                columns.push(self.sql_name()?);
                if self.take(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        self.refuse_clause(&["byname"])?;
        if self.take_word("values") {
            let mut rows = Vec::new();
            loop {
                self.expect("(")?;
                let mut depth = 0;
                let row = self.list(")", &mut depth)?;
                if row.is_empty() {
                    return Err(self.unexpected());
                }
                rows.push(row);
                if !self.take(",") {
                    break;
                }
            }
            self.refuse_clause(&["limit"])?;
            return Ok(Sql::Insert { table, columns, rows, query: None });
        }
        self.take_word("from");
        let query = self.query()?;
        Ok(Sql::Insert { table, columns, rows: Vec::new(), query: Some(query) })
    }

    pub(super) fn update(&mut self) -> Result<Sql> {
        let table = self.table_name()?;
        self.refuse_clause(&["left", "join"])?;
        self.expect_word("set")?;
        let mut sets = Vec::new();
        loop {
            let column = self.sql_name()?;
            self.expect("=")?;
            sets.push((column, self.expr()?));
            if !self.take(",") {
                break;
            }
        }
        let filter = self.clause("where")?;
        self.refuse_clause(&["limit"])?;
        Ok(Sql::Update { table, sets, filter })
    }

    pub(super) fn query(&mut self) -> Result<Query> {
        self.enter()?;
        let query = self.in_sql(Parser::query_inner);
        self.depth -= 1;
        query
    }

    pub(super) fn query_inner(&mut self) -> Result<Query> {
        self.expect_word("select")?;
        let mut query = Query::default();
        loop {
            if self.is("*") {
                self.advance();
                self.refuse_clause(&["except"])?;
                query.items.push((Expr::Star, None));
            } else {
                let expr = self.expr()?;
                let alias = if self.take_word("as") { Some(self.sql_name()?) } else { None };
                query.items.push((expr, alias));
            }
            if !self.take(",") {
                break;
            }
        }
        if self.take_word("from") {
            self.from(&mut query)?;
        }
        query.filter = self.clause("where")?;
        if self.take_word("group") {
            self.expect_word("by")?;
            query.group_by.push(self.expr()?);
            while self.take(",") {
                query.group_by.push(self.expr()?);
            }
        }
        query.having = self.clause("having")?;
        if self.take_word("order") {
            self.expect_word("by")?;
            loop {
                let expr = self.expr()?;
                let descending = self.take_word("desc");
                if !descending {
                    self.take_word("asc");
                }
                query.order_by.push((expr, descending));
                if !self.take(",") {
                    break;
                }
            }
        }
        if self.take_word("limit") {
            let first = self.expr()?;
            if self.take(",") {
                query.skip = Some(first);
                query.limit = Some(self.expr()?);
            } else {
                query.limit = Some(first);
            }
        }
        if self.take_word("union") {
            query.union = Some(Box::new(self.query()?));
        }
        Ok(query)
    }

    pub(super) fn from(&mut self, query: &mut Query) -> Result<()> {
        loop {
            let join = if query.from.is_empty() || self.take(",") {
                JoinKind::Cross
            } else if self.is_word("left") || self.is_word("right") || self.is_word("outer") || self.is_word("join") {
                let kind = if self.take_word("left") {
                    JoinKind::Left
                } else if self.take_word("right") {
                    JoinKind::Right
                } else if self.take_word("outer") {
                    JoinKind::Full
                } else {
                    JoinKind::Inner
                };
                self.refuse_clause(&["only"])?;
                self.expect_word("join")?;
                kind
            } else {
                return Ok(());
            };
            let table = self.table_name()?;
            let named = self.take_word("as")
                || matches!(self.token(), Token::Word(w) if !RESERVED.contains(&w.to_ascii_lowercase().as_str()) && !w.eq_ignore_ascii_case("outer"));
            let alias = if named { Some(self.sql_name()?) } else { None };
            let on = if join == JoinKind::Cross { None } else { self.clause("on")? };
            self.refuse_clause(&["nearest"])?;
            query.from.push(FromItem { table, alias, join, on });
        }
    }
}
