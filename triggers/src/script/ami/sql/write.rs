//! A statement of a script as a text of AMI SQL for the engine, which alone knows what it means (AMI-71).
//!
//! Every largest part that hangs on no column is a parameter `$n` that the script computes; plain constants stay as they
//! are. A name is a column if a table of the statement has it, else a variable. Tables are written with their schema:
//! the session's search path means nothing to a script (AMI-116).

use std::fmt::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use tripline_sql::catalog::{Catalog, TableDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Oid, Value};

use super::names::walk;
use super::{Statement, find_table, text_literal, undefined_column};
use crate::script::ami::ast::{
    Arith, Binary, Compare, Expr, FromItem, Item, JoinKind, Limit, Part, Query, Source, Sql, TableName, Type, Unary,
};
use crate::script::ami::compile::{Code, Scope, expression, find_column};
use crate::script::ami::methods::Methods;

pub(super) struct Writer<'a> {
    catalog: &'a Arc<Catalog>,
    temp: Option<Oid>,
    /// Whether all relations named are tables, and no temporary one can come before them.
    settled: bool,
    outer: &'a [(String, Code, Type)],
    methods: Option<Arc<Methods>>,
    tables: Vec<Arc<TableDef>>,
    /// What is in scope: the name it goes by and its columns.
    scope: Vec<(String, Vec<String>)>,
    /// Where the tables of the innermost query begin.
    innermost: usize,
    params: Vec<(Code, Type)>,
    out: String,
}

/// How tightly operators bind, as in the parser; operands of methods and prefixes are above all of them.
const TOP: u8 = 0;
const OPERAND: u8 = 11;

impl<'a> Writer<'a> {
    pub(super) fn new(
        catalog: &'a Arc<Catalog>,
        temp: Option<Oid>,
        outer: &'a [(String, Code, Type)],
        methods: Option<Arc<Methods>>,
    ) -> Writer<'a> {
        let (tables, scope, params) = (Vec::new(), Vec::new(), Vec::new());
        let settled = temp.is_none();
        Writer { catalog, temp, settled, outer, methods, tables, scope, innermost: 0, params, out: String::new() }
    }

    /// The whole statement. Errors: 42P01, 42703, 42702; 0A000 for what the engine has no form of.
    pub(super) fn statement(mut self, sql: &Sql) -> Result<Statement> {
        match sql {
            Sql::Insert { table, columns, rows, limit } => {
                self.target("insert into ", table, columns)?;
                for (n, row) in rows.iter().enumerate() {
                    self.out.push_str(if n == 0 { " values (" } else { ", (" });
                    self.list(row)?;
                    self.out.push(')');
                }
                self.limit(limit.as_ref())?;
            }
            Sql::InsertSelect { table, columns, by_name, query } => {
                self.target("insert into ", table, columns)?;
                self.out.push_str(if *by_name { " byname from " } else { " from " });
                self.query(query)?;
            }
            Sql::Sync { table, columns, keys, query } => {
                self.target("sync into ", table, columns)?;
                if let Some(keys) = keys {
                    self.out.push_str(" on ");
                    self.names(keys)?;
                }
                self.out.push_str(" from ");
                self.query(query)?;
            }
            Sql::Update { table, joins, sets, filter, limit } => {
                self.out.push_str("update ");
                let target = self.table(table, None)?;
                self.joins(joins)?;
                self.sets(target.as_deref(), sets)?;
                self.clause(" where ", filter.as_ref())?;
                self.limit(limit.as_ref())?;
            }
            Sql::Delete { table, joins, filter, limit } => {
                self.out.push_str("delete from ");
                self.table(table, None)?;
                self.joins(joins)?;
                self.clause(" where ", filter.as_ref())?;
                self.limit(limit.as_ref())?;
            }
            Sql::Select(query) => self.query(query)?,
            Sql::Text(_) | Sql::Call(..) | Sql::Use { .. } => {
                return Err(SqlError::internal("a statement that is sent as it stands"));
            }
        }
        Ok(Statement {
            catalog: Arc::downgrade(self.catalog),
            settled: self.settled,
            tables: self.tables,
            text: self.out,
            params: self.params,
            variants: Mutex::new(Vec::new()),
        })
    }

    fn name(&mut self, name: &str) -> Result<()> {
        if name.contains('`') || name.is_empty() {
            return Err(SqlError::unsupported(format!("the name \"{name}\" in a script's statement")));
        }
        let _ = write!(self.out, "`{name}`");
        Ok(())
    }

    fn names(&mut self, names: &[String]) -> Result<()> {
        self.out.push('(');
        for (n, name) in names.iter().enumerate() {
            if n > 0 {
                self.out.push_str(", ");
            }
            self.name(name)?;
        }
        self.out.push(')');
        Ok(())
    }

    /// A table's name with its schema; what is known of it.
    fn table_name(&mut self, name: &TableName) -> Result<(String, Vec<String>, Option<Arc<TableDef>>)> {
        let found = find_table(self.catalog, self.temp, name);
        let (schema, own, columns, table) = match found {
            Ok(table) => {
                let columns = table.live_columns().map(|(_, column)| column.name.clone()).collect();
                self.tables.push(table.clone());
                (table.schema, table.name.clone(), columns, Some(table))
            }
            Err(error) => {
                self.settled = false;
                let view = self.catalog.views().find(|view| {
                    let schema = match &name.0 {
                        None => Some(super::PUBLIC),
                        Some(schema) => self.catalog.schema_by_name(schema).map(|schema| schema.oid),
                    };
                    Some(view.schema) == schema && view.name.eq_ignore_ascii_case(&name.1)
                });
                match view {
                    Some(view) => {
                        let columns = view.columns.iter().map(|column| column.name.clone()).collect();
                        (view.schema, view.name.clone(), columns, None)
                    }
                    // Relations that the engine computes stand in no catalog.
                    None if name.0.is_some() => {
                        self.name(name.0.as_deref().unwrap_or_default())?;
                        self.out.push('.');
                        self.name(&name.1)?;
                        return Ok((name.1.clone(), Vec::new(), None));
                    }
                    None => return Err(error),
                }
            }
        };
        if self.temp == Some(schema) {
            self.out.push_str("`pg_temp`.");
        } else {
            let schema = self.catalog.schema(schema).map_or_else(|| "public".to_owned(), |schema| schema.name.clone());
            self.name(&schema)?;
            self.out.push('.');
        }
        self.name(&own)?;
        Ok((own, columns, table))
    }

    /// A table that is in scope from here on.
    fn table(&mut self, name: &TableName, alias: Option<&str>) -> Result<Option<Arc<TableDef>>> {
        let (own, columns, table) = self.table_name(name)?;
        self.scope.push((alias.map_or(own, str::to_owned), columns));
        Ok(table)
    }

    /// The table that rows go into, which is not in scope, and the columns named.
    fn target(&mut self, words: &str, table: &TableName, columns: &[String]) -> Result<()> {
        self.out.push_str(words);
        self.table_name(table)?;
        if !columns.is_empty() {
            self.out.push(' ');
            self.names(columns)?;
        }
        Ok(())
    }

    fn sets(&mut self, table: Option<&TableDef>, sets: &[(String, Expr)]) -> Result<()> {
        for (n, (name, value)) in sets.iter().enumerate() {
            self.out.push_str(if n == 0 { " set " } else { ", " });
            self.name(name)?;
            self.out.push_str(" = ");
            let column = match table {
                Some(table) => {
                    let place = find_column(table, name).ok_or_else(|| undefined_column(table, name))?;
                    table.columns.get(place)
                }
                None => None,
            };
            match column {
                Some(column) if self.scripted(value) && constant(value).is_none() => {
                    // Assigned as the script assigns.
                    let want = Type::of_column(column);
                    let (code, _) = self.compile(value)?;
                    self.param(Code::Cast(want, Box::new(code)), want);
                }
                _ => self.expr(value, TOP)?,
            }
        }
        Ok(())
    }

    fn clause(&mut self, word: &str, expr: Option<&Expr>) -> Result<()> {
        match expr {
            Some(expr) => {
                self.out.push_str(word);
                self.expr(expr, TOP)
            }
            None => Ok(()),
        }
    }

    fn limit(&mut self, limit: Option<&Limit>) -> Result<()> {
        let Some((skip, count)) = limit else { return Ok(()) };
        self.clause(" limit ", skip.as_ref())?;
        self.clause(if skip.is_some() { ", " } else { " limit " }, Some(count))
    }

    fn list(&mut self, exprs: &[Expr]) -> Result<()> {
        for (n, expr) in exprs.iter().enumerate() {
            if n > 0 {
                self.out.push_str(", ");
            }
            self.expr(expr, TOP)?;
        }
        Ok(())
    }

    // Queries -------------------------------------------------------------------------------------------------------

    fn query(&mut self, query: &Query) -> Result<()> {
        let outside = std::mem::replace(&mut self.innermost, self.scope.len());
        let done = self.select(query);
        self.scope.truncate(self.innermost);
        self.innermost = outside;
        done?;
        match &query.union {
            Some(union) => {
                self.out.push_str(" union ");
                self.query(union)
            }
            None => Ok(()),
        }
    }

    fn select(&mut self, query: &Query) -> Result<()> {
        // What FROM says decides what the names before it mean.
        let before = std::mem::take(&mut self.out);
        for (n, item) in query.from.iter().enumerate() {
            self.out.push_str(match (n, item.join) {
                (0, _) => " from ",
                (_, JoinKind::Cross) => ", ",
                _ => "",
            });
            if item.join == JoinKind::Cross {
                self.source(item)?;
            } else {
                self.joins(std::slice::from_ref(item))?;
            }
        }
        let from = std::mem::replace(&mut self.out, before);
        self.out.push_str(if query.distinct { "select distinct " } else { "select " });
        for (n, item) in query.items.iter().enumerate() {
            if n > 0 {
                self.out.push_str(", ");
            }
            self.item(item, n)?;
        }
        self.out.push_str(&from);
        self.clause(" where ", query.filter.as_ref())?;
        // GROUP BY and ORDER BY see the names that items have been given.
        let tables = self.scope.len();
        let given = (String::new(), self.columns_of(query));
        self.scope.push(given.clone());
        if !query.group_by.is_empty() {
            self.out.push_str(" group by ");
            self.list(&query.group_by)?;
        }
        self.scope.truncate(tables);
        self.clause(" having ", query.having.as_ref())?;
        self.scope.push(given);
        for (n, (key, descending)) in query.order_by.iter().enumerate() {
            self.out.push_str(if n == 0 { " order by " } else { ", " });
            self.expr(key, TOP)?;
            self.out.push_str(if *descending { " desc" } else { " asc" });
        }
        self.scope.truncate(tables);
        self.limit(query.limit.as_ref())
    }

    fn item(&mut self, item: &Item, n: usize) -> Result<()> {
        match item {
            Item::Star => self.out.push('*'),
            Item::StarExcept(names) => {
                self.out.push_str("* except");
                self.names(names)?;
            }
            Item::TableStar(table) => {
                self.name(table)?;
                self.out.push_str(".*");
            }
            Item::Value(expr, alias) => {
                self.expr(expr, TOP)?;
                let name = match (alias, expr) {
                    (Some(alias), _) => alias.clone(),
                    (None, Expr::Name(name, _) | Expr::Field(_, name, _) | Expr::Call(name, ..)) => name.clone(),
                    _ => format!("column{}", n + 1),
                };
                self.out.push_str(" as ");
                self.name(&name)?;
            }
        }
        Ok(())
    }

    fn joins(&mut self, joins: &[FromItem]) -> Result<()> {
        for item in joins {
            self.out.push_str(match item.join {
                JoinKind::Left => " left",
                JoinKind::Right => " right",
                JoinKind::Full => " outer",
                JoinKind::Inner | JoinKind::Cross => "",
            });
            self.out.push_str(if item.only { " only join " } else { " join " });
            self.source(item)?;
            self.clause(" on ", item.on.as_ref())?;
        }
        Ok(())
    }

    fn source(&mut self, item: &FromItem) -> Result<()> {
        let alias = item.alias.as_deref();
        match &item.source {
            Source::Table(name) => {
                self.table(name, alias)?;
            }
            Source::Query(query) => {
                self.out.push('(');
                self.query(query)?;
                self.out.push(')');
                let columns = self.columns_of(query);
                self.scope.push((alias.unwrap_or_default().to_owned(), columns));
            }
        }
        if let Some(alias) = alias {
            self.out.push_str(" as ");
            self.name(alias)?;
        }
        Ok(())
    }

    /// The columns that a query gives.
    fn columns_of(&self, query: &Query) -> Vec<String> {
        let mut out = Vec::new();
        for (n, item) in query.items.iter().enumerate() {
            match item {
                Item::Value(_, Some(alias)) => out.push(alias.clone()),
                Item::Value(Expr::Name(name, _) | Expr::Field(_, name, _) | Expr::Call(name, ..), None) => {
                    out.push(name.clone());
                }
                Item::Value(..) => out.push(format!("column{}", n + 1)),
                Item::Star | Item::StarExcept(_) | Item::TableStar(_) => {
                    for item in &query.from {
                        match &item.source {
                            Source::Query(query) => out.extend(self.columns_of(query)),
                            Source::Table(name) => {
                                if let Ok(table) = find_table(self.catalog, self.temp, name) {
                                    out.extend(table.live_columns().map(|(_, column)| column.name.clone()));
                                }
                            }
                        }
                    }
                }
            }
        }
        out
    }

    // Expressions ---------------------------------------------------------------------------------------------------

    /// Whether some table in scope has this column; a column wins over a variable (AMI-71).
    fn is_column(&self, name: &str) -> bool {
        self.scope.iter().any(|(_, columns)| columns.iter().any(|column| column == name))
            || self.scope.iter().any(|(_, columns)| columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
    }

    /// Whether an expression hangs on no column: then the script computes it.
    fn scripted(&self, expr: &Expr) -> bool {
        let mut scripted = true;
        walk(expr, &mut |part| match part {
            Expr::Name(name, _) if self.is_column(name) => scripted = false,
            Expr::Field(..) | Expr::Star | Expr::Query(..) | Expr::InQuery(..) | Expr::Tuple(_) => scripted = false,
            Expr::Call(name, ..) if self.aggregates(name) => scripted = false,
            _ => {}
        });
        scripted
    }

    fn aggregates(&self, name: &str) -> bool {
        let methods = self.methods.as_ref().is_some_and(|methods| methods.knows(name));
        !methods && AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn compile(&self, expr: &Expr) -> Result<(Code, Type)> {
        expression(expr, Scope { outer: self.outer, methods: self.methods.as_ref(), ..Scope::EMPTY })
    }

    fn param(&mut self, code: Code, ty: Type) {
        self.params.push((code, ty));
        let _ = write!(self.out, "${}", self.params.len());
    }

    /// Writes an expression; in parentheses if it binds less than `above` asks for.
    fn expr(&mut self, expr: &Expr, above: u8) -> Result<()> {
        if let Some(text) = constant(expr) {
            self.out.push_str(&text);
            return Ok(());
        }
        if self.scripted(expr) {
            let (code, ty) = self.compile(expr)?;
            self.param(code, ty);
            return Ok(());
        }
        match expr {
            Expr::Name(name, _) => self.name(name),
            Expr::Field(table, name, line) => {
                let Expr::Name(table, _) = &**table else {
                    return Err(SqlError::syntax(format!("line {line}: \"{name}\" is not a column")));
                };
                if !self.scope.iter().any(|(own, _)| own.eq_ignore_ascii_case(table)) {
                    return Err(SqlError::new(
                        SqlState::UNDEFINED_COLUMN,
                        format!("column {table}.{name} does not exist"),
                    ));
                }
                self.name(table)?;
                self.out.push('.');
                self.name(name)
            }
            Expr::Unary(op, inner) => self.wrapped(above >= OPERAND, |own| {
                own.out.push_str(match op {
                    Unary::Not => "!",
                    Unary::Neg => "-",
                    Unary::BitNot => "~",
                });
                own.expr(inner, OPERAND)
            }),
            Expr::Binary(op, left, right) => {
                let (level, symbol) = operator(*op);
                self.wrapped(level < above, |own| {
                    own.expr(left, level)?;
                    own.out.push_str(symbol);
                    own.expr(right, level + 1)
                })
            }
            Expr::Cond(condition, then, other) => self.wrapped(true, |own| {
                own.expr(condition, 1)?;
                own.out.push_str(" ? ");
                own.expr(then, TOP)?;
                own.out.push_str(" : ");
                own.expr(other, TOP)
            }),
            Expr::Cast(ty, inner) => self.wrapped(above >= OPERAND, |own| {
                let _ = write!(own.out, "({})", ty.name());
                own.wrapped(true, |own| own.expr(inner, TOP))
            }),
            Expr::Call(name, args, _) => {
                self.out.push_str(name);
                self.wrapped(true, |own| own.list(args))
            }
            Expr::Method(target, name, args, _) => {
                let plain = matches!(**target, Expr::Name(..) | Expr::Field(..) | Expr::Method(..) | Expr::Call(..));
                self.wrapped(!plain, |own| own.expr(target, if plain { OPERAND } else { TOP }))?;
                let _ = write!(self.out, ".{name}");
                self.wrapped(true, |own| own.list(args))
            }
            Expr::In(value, items, not) => self.wrapped(true, |own| {
                own.expr(value, 6)?;
                own.out.push_str(if *not { " not in " } else { " in " });
                own.wrapped(true, |own| own.list(items))
            }),
            Expr::InQuery(value, query, not, _) => self.wrapped(true, |own| {
                own.expr(value, 6)?;
                own.out.push_str(if *not { " not in " } else { " in " });
                own.wrapped(true, |own| own.query(query))
            }),
            Expr::Query(query, _) => self.wrapped(true, |own| own.query(query)),
            Expr::Tuple(items) => self.wrapped(true, |own| own.list(items)),
            Expr::Star => {
                self.out.push('*');
                Ok(())
            }
            Expr::Template(parts) => self.wrapped(true, |own| own.template(parts)),
            Expr::Literal(_)
            | Expr::Assign(..)
            | Expr::Step(..)
            | Expr::Index(..)
            | Expr::New(..)
            | Expr::List(_)
            | Expr::Map(_)
            | Expr::Slot(_) => Err(SqlError::unsupported("a collection or an assignment over columns in a statement")),
        }
    }

    fn wrapped(&mut self, wrap: bool, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if wrap {
            self.out.push('(');
        }
        work(self)?;
        if wrap {
            self.out.push(')');
        }
        Ok(())
    }

    /// A string with columns in it: its parts one after another.
    fn template(&mut self, parts: &[Part]) -> Result<()> {
        self.out.push_str("\"\"");
        for part in parts {
            self.out.push_str(" + ");
            match part {
                Part::Text(text) => self.expr(&Expr::Literal(Value::text(text.as_str())), OPERAND)?,
                Part::Expr(expr, None) => self.expr(expr, OPERAND)?,
                _ => return Err(SqlError::unsupported("flow tokens or quotes around columns in a string")),
            }
        }
        Ok(())
    }
}

/// The aggregates of AMI (AMI-60).
const AGGREGATES: [&str; 18] = [
    "count",
    "countUnique",
    "sum",
    "min",
    "max",
    "first",
    "last",
    "avg",
    "var",
    "varS",
    "stdev",
    "stdevs",
    "median",
    "covar",
    "covarS",
    "cor",
    "beta",
    "cat",
];

fn operator(op: Binary) -> (u8, &'static str) {
    match op {
        Binary::Or => (1, " || "),
        Binary::And => (2, " && "),
        Binary::Arith(Arith::Or) => (3, " | "),
        Binary::Arith(Arith::Xor) => (4, " ^ "),
        Binary::Arith(Arith::And) => (5, " & "),
        Binary::Compare(Compare::Eq) => (6, " == "),
        Binary::Compare(Compare::Ne) => (6, " != "),
        Binary::Compare(Compare::Match) => (6, " =~ "),
        Binary::Compare(Compare::NotMatch) => (6, " !~ "),
        Binary::Compare(Compare::Like) => (6, " ~~ "),
        Binary::Compare(Compare::Lt) => (7, " < "),
        Binary::Compare(Compare::Le) => (7, " <= "),
        Binary::Compare(Compare::Gt) => (7, " > "),
        Binary::Compare(Compare::Ge) => (7, " >= "),
        Binary::Arith(Arith::Shl) => (8, " << "),
        Binary::Arith(Arith::Shr) => (8, " >> "),
        Binary::Arith(Arith::Ushr) => (8, " >>> "),
        Binary::Arith(Arith::Add) => (9, " + "),
        Binary::Arith(Arith::Sub) => (9, " - "),
        Binary::Arith(Arith::Mul) => (10, " * "),
        Binary::Arith(Arith::Div) => (10, " / "),
        Binary::Arith(Arith::Mod) => (10, " % "),
    }
}

/// A constant as AMI writes it; none for what has no such form.
fn constant(expr: &Expr) -> Option<String> {
    let Expr::Literal(value) = expr else { return None };
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int4(n) if *n >= 0 => n.to_string(),
        Value::Int4(n) if *n > i32::MIN => format!("({n})"),
        Value::Int8(n) if *n >= 0 => format!("{n}L"),
        Value::Float8(n) if n.is_finite() && n.is_sign_positive() => format!("{n:?}D"),
        Value::Text(text) if !text.contains("\\$") && !text.contains('\0') => {
            let mut out = String::with_capacity(text.len() + 2);
            text_literal(text, &mut out);
            out
        }
        _ => return None,
    })
}
