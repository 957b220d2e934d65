//! The SQL that may stand in a script (AMI-55 to AMI-61, AMI-71). Inside its clauses a single `=` compares.
//!
//! Only its shape is read here, so that a script with a mistake is refused when it is made (AMI-73) and so that what hangs
//! on no column is known; what a statement means is the engine's business.

use tripline_sql::error::{Result, SqlError, SqlState};

use super::{Parser, RESERVED};
use crate::script::ami::ast::{Expr, FromItem, Item, JoinKind, Limit, Query, Source, Sql, TableName};
use crate::script::ami::lexer::Token;

impl Parser {
    pub(super) fn sql_statement(&mut self) -> Result<Sql> {
        if self.take_word("insert") {
            return self.insert();
        }
        if self.take_word("sync") {
            return self.sync();
        }
        if self.take_word("update") {
            return self.in_sql(Parser::update);
        }
        if self.take_word("delete") {
            return self.in_sql(Parser::delete);
        }
        Ok(Sql::Select(self.query()?))
    }

    pub(super) fn in_sql<T>(&mut self, f: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        self.sql += 1;
        let out = f(self);
        self.sql -= 1;
        out
    }

    /// `CALL p(e, …)`.
    pub(super) fn call(&mut self) -> Result<Sql> {
        self.advance();
        let name = self.sql_name()?;
        self.expect("(")?;
        let mut depth = 0;
        Ok(Sql::Call(name, self.list(")", &mut depth)?))
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

    fn clause(&mut self, word: &str) -> Result<Option<Expr>> {
        if !self.take_word(word) {
            return Ok(None);
        }
        Ok(Some(self.in_sql(Parser::expr)?))
    }

    fn columns(&mut self) -> Result<Vec<String>> {
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
        Ok(columns)
    }

    fn limit(&mut self) -> Result<Option<Limit>> {
        if !self.take_word("limit") {
            return Ok(None);
        }
        let first = self.expr()?;
        Ok(Some(if self.take(",") { (Some(first), self.expr()?) } else { (None, first) }))
    }

    fn insert(&mut self) -> Result<Sql> {
        self.take_word("into");
        let table = self.table_name()?;
        let columns = self.columns()?;
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
            let limit = self.limit()?;
            return Ok(Sql::Insert { table, columns, rows, limit });
        }
        let by_name = self.take_word("byname");
        self.take_word("from");
        let query = self.query()?;
        Ok(Sql::InsertSelect { table, columns, by_name, query })
    }

    // AMI-61
    fn sync(&mut self) -> Result<Sql> {
        self.take_word("into");
        let table = self.table_name()?;
        let columns = self.columns()?;
        let mut keys = None;
        if self.take_word("on") {
            if !self.is("(") {
                return Err(self.unexpected());
            }
            keys = Some(self.columns()?);
        }
        self.take_word("from");
        let query = self.query()?;
        Ok(Sql::Sync { table, columns, keys, query })
    }

    /// `[[LEFT [ONLY]] JOIN u ON e]` after the table of UPDATE and DELETE.
    fn joins(&mut self) -> Result<Vec<FromItem>> {
        let mut joins = Vec::new();
        while self.is_word("left") || self.is_word("join") {
            joins.push(self.join()?);
        }
        Ok(joins)
    }

    fn update(&mut self) -> Result<Sql> {
        let table = self.table_name()?;
        let joins = self.joins()?;
        self.expect_word("set")?;
        let mut sets = Vec::new();
        loop {
            let mut column = self.sql_name()?;
            if self.take(".") {
                column = self.sql_name()?;
            }
            self.expect("=")?;
            sets.push((column, self.expr()?));
            if !self.take(",") {
                break;
            }
        }
        let filter = self.clause("where")?;
        let limit = self.limit()?;
        Ok(Sql::Update { table, joins, sets, filter, limit })
    }

    fn delete(&mut self) -> Result<Sql> {
        self.expect_word("from")?;
        let table = self.table_name()?;
        let joins = self.joins()?;
        let filter = self.clause("where")?;
        let limit = self.limit()?;
        Ok(Sql::Delete { table, joins, filter, limit })
    }

    pub(super) fn query(&mut self) -> Result<Query> {
        self.enter()?;
        let query = self.in_sql(Parser::query_inner);
        self.depth -= 1;
        query
    }

    fn item(&mut self) -> Result<Item> {
        if self.take("*") {
            if self.take_word("except") {
                if !self.is("(") {
                    return Err(self.unexpected());
                }
                return Ok(Item::StarExcept(self.columns()?));
            }
            return Ok(Item::Star);
        }
        if matches!(self.ahead(1), Token::Symbol(".")) && matches!(self.ahead(2), Token::Symbol("*")) {
            let (table, _) = self.name()?;
            self.at += 2;
            return Ok(Item::TableStar(table));
        }
        self.refuse_clause(&["unpack", "analyze", "prepare"])?;
        let expr = self.expr()?;
        let alias = if self.take_word("as") { Some(self.sql_name()?) } else { None };
        Ok(Item::Value(expr, alias))
    }

    fn query_inner(&mut self) -> Result<Query> {
        self.expect_word("select")?;
        let mut query = Query { distinct: self.take_word("distinct"), ..Query::default() };
        loop {
            query.items.push(self.item()?);
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
        query.limit = self.limit()?;
        if self.take_word("union") {
            // It keeps duplicates.
            self.take_word("all");
            query.union = Some(Box::new(self.query()?));
        }
        Ok(query)
    }

    fn from(&mut self, query: &mut Query) -> Result<()> {
        query.from.push(self.source(JoinKind::Cross, false)?);
        loop {
            let item = if self.take(",") {
                self.source(JoinKind::Cross, false)?
            } else if ["left", "right", "outer", "join"].iter().any(|word| self.is_word(word)) {
                self.join()?
            } else {
                return Ok(());
            };
            query.from.push(item);
        }
    }

    /// `[LEFT|RIGHT|OUTER] [ONLY] JOIN t ON e`.
    fn join(&mut self) -> Result<FromItem> {
        let kind = if self.take_word("left") {
            JoinKind::Left
        } else if self.take_word("right") {
            JoinKind::Right
        } else if self.take_word("outer") {
            JoinKind::Full
        } else {
            JoinKind::Inner
        };
        if kind == JoinKind::Inner && self.is_word("only") {
            return Err(self.unexpected());
        }
        let only = self.take_word("only");
        self.expect_word("join")?;
        let mut item = self.source(kind, only)?;
        if !self.is_word("on") {
            return Err(self.unexpected());
        }
        item.on = self.clause("on")?;
        self.refuse_clause(&["nearest"])?;
        Ok(item)
    }

    fn source(&mut self, join: JoinKind, only: bool) -> Result<FromItem> {
        let source = if self.take("(") {
            let query = self.query()?;
            self.expect(")")?;
            Source::Query(Box::new(query))
        } else {
            Source::Table(self.table_name()?)
        };
        let named = self.take_word("as")
            || match self.token() {
                Token::Word(word) => {
                    !RESERVED.contains(&word.to_ascii_lowercase().as_str()) && !word.eq_ignore_ascii_case("outer")
                }
                Token::Quoted(_) => true,
                _ => false,
            };
        let alias = if named { Some(self.sql_name()?) } else { None };
        Ok(FromItem { source, alias, join, only, on: None })
    }

    pub(super) fn table_name(&mut self) -> Result<TableName> {
        let named = !matches!(self.ahead(1), Token::Symbol(_) | Token::End) && !self.word_at(1, "as");
        let mut schema = None;
        let words =
            [("public", Some("public")), ("temporary", Some("pg_temp")), ("temp", Some("pg_temp")), ("variable", None)];
        if let Some((_, means)) = words.iter().find(|(word, _)| named && self.is_word(word)) {
            schema = means.map(str::to_owned);
            self.advance();
        }
        let name = self.sql_name()?;
        if self.take(".") {
            return Ok((Some(name), self.sql_name()?));
        }
        Ok((schema, name))
    }
}
