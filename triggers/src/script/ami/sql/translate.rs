//! A statement of AMI SQL to standard SQL in pieces (`Frag`): columns quoted, operators with AMI's meaning of null, and
//! every largest part that hangs on no column as a parameter that the script computes.

use std::sync::Arc;

use parking_lot::Mutex;
use tripline_sql::catalog::{Catalog, TableDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::oid;

use super::names::walk;
use super::{Frag, Translated, find_table, qualified, quoted, undefined_column};
use crate::script::ami::ast::{Arith, Binary, Compare, Expr, JoinKind, Query, Sql, Type, Unary};
use crate::script::ami::compile::{Code, Scope, expression, find_column};
use crate::script::ami::methods::Methods;

/// What kind of value a translated expression gives: decides `+`, casts and `NULLIF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Whole,
    Floating,
    Text,
    Boolean,
    Time,
    Unknown,
}

impl Class {
    fn of(ty: Type) -> Class {
        match ty {
            Type::Byte | Type::Short | Type::Int | Type::Long | Type::BigInteger => Class::Whole,
            Type::Float | Type::Double | Type::BigDecimal | Type::Number => Class::Floating,
            Type::Char | Type::String => Class::Text,
            Type::Boolean => Class::Boolean,
            Type::Utc | Type::Utcn => Class::Time,
            Type::Other(ty) if matches!(ty.oid, oid::VARCHAR | oid::BPCHAR | oid::NAME) => Class::Text,
            Type::Other(ty) if ty.oid == oid::NUMERIC => Class::Floating,
            _ => Class::Unknown,
        }
    }

    fn hint(self) -> Option<Type> {
        match self {
            Class::Whole | Class::Floating => Some(Type::Number),
            Class::Text => Some(Type::String),
            Class::Boolean => Some(Type::Boolean),
            Class::Time => Some(Type::Utc),
            Class::Unknown => None,
        }
    }
}

pub(super) struct Translator<'a> {
    catalog: &'a Catalog,
    outer: &'a [(String, Code, Type)],
    methods: Option<Arc<Methods>>,
    tables: Vec<Arc<TableDef>>,
    /// Tables in scope: alias and definition.
    scope: Vec<(String, Arc<TableDef>)>,
    /// Where the tables of the innermost query begin.
    innermost: usize,
    params: Vec<(Code, Option<Type>)>,
}

type Sqlized = (Vec<Frag>, Class);

fn t(text: impl Into<String>) -> Frag {
    Frag::Text(text.into())
}

impl<'a> Translator<'a> {
    pub(super) fn new(
        catalog: &'a Catalog,
        outer: &'a [(String, Code, Type)],
        methods: Option<Arc<Methods>>,
    ) -> Translator<'a> {
        Translator { catalog, outer, methods, innermost: 0, tables: Vec::new(), scope: Vec::new(), params: Vec::new() }
    }

    fn table(&mut self, name: &str, alias: Option<&str>) -> Result<Arc<TableDef>> {
        let table = find_table(self.catalog, name)?;
        self.tables.push(table.clone());
        self.scope.push((alias.unwrap_or(name).to_owned(), table.clone()));
        Ok(table)
    }

    pub(super) fn statement(mut self, sql: &Sql) -> Result<Translated> {
        let mut out = Vec::new();
        let mut columns = Vec::new();
        match sql {
            Sql::Insert { table, columns: names, query, .. } => {
                let table = find_table(self.catalog, table)?;
                self.tables.push(table.clone());
                out.push(t(format!("INSERT INTO {}", qualified(&table))));
                if !names.is_empty() {
                    let mut list = Vec::new();
                    for name in names {
                        let place = find_column(&table, name).ok_or_else(|| undefined_column(&table, name))?;
                        list.push(quoted(&table.columns[place].name));
                    }
                    out.push(t(format!(" ({})", list.join(", "))));
                }
                out.push(t(" "));
                if let Some(query) = query {
                    self.query(query, &mut out, &mut columns)?;
                }
            }
            Sql::Update { table, sets, filter } => {
                let table = self.table(table, None)?;
                out.push(t(format!("UPDATE {} SET ", qualified(&table))));
                for (i, (name, value)) in sets.iter().enumerate() {
                    let place = find_column(&table, name).ok_or_else(|| undefined_column(&table, name))?;
                    let column = &table.columns[place];
                    if i > 0 {
                        out.push(t(", "));
                    }
                    out.push(t(format!("{} = ", quoted(&column.name))));
                    let want = Type::of_column(column);
                    if self.scripted(value) {
                        let (code, _) = self.compile(value)?;
                        self.params.push((Code::Cast(want, Box::new(code)), None));
                        out.push(Frag::Param(self.params.len() - 1));
                    } else {
                        let (frags, class) = self.expr(value)?;
                        let wanted = Class::of(want);
                        if wanted == class {
                            out.extend(frags);
                        } else if wanted == Class::Whole && class == Class::Floating {
                            out.push(t("trunc(("));
                            out.extend(frags);
                            out.push(t(")::numeric)"));
                        } else if wanted == Class::Text {
                            out.push(t("("));
                            out.extend(frags);
                            out.push(t(")::text"));
                        } else {
                            out.extend(frags);
                        }
                    }
                }
                self.filter(" WHERE ", filter.as_ref(), &mut out)?;
            }
            Sql::Delete { table, filter } => {
                let table = self.table(table, None)?;
                out.push(t(format!("DELETE FROM {}", qualified(&table))));
                self.filter(" WHERE ", filter.as_ref(), &mut out)?;
            }
            Sql::Select(query) => self.query(query, &mut out, &mut columns)?,
            Sql::Text(_) | Sql::Use { .. } => return Err(SqlError::internal("a statement that is sent as it stands")),
        }
        Ok(Translated {
            tables: self.tables,
            frags: out,
            params: self.params,
            columns,
            statements: Mutex::new(Vec::new()),
        })
    }

    fn filter(&mut self, word: &str, filter: Option<&Expr>, out: &mut Vec<Frag>) -> Result<()> {
        if let Some(filter) = filter {
            out.push(t(word));
            out.extend(self.condition(filter)?);
        }
        Ok(())
    }

    fn query(&mut self, query: &Query, out: &mut Vec<Frag>, columns: &mut Vec<Arc<str>>) -> Result<()> {
        let outside = std::mem::replace(&mut self.innermost, self.scope.len());
        let done = self.query_inner(query, out, columns);
        self.innermost = outside;
        done
    }

    fn query_inner(&mut self, query: &Query, out: &mut Vec<Frag>, columns: &mut Vec<Arc<str>>) -> Result<()> {
        let mark = self.scope.len();
        let mut from = Vec::new();
        for (i, item) in query.from.iter().enumerate() {
            let table = self.table(&item.table, item.alias.as_deref())?;
            from.push(t(match (i, item.join) {
                (0, _) => " FROM ",
                (_, JoinKind::Cross) => ", ",
                (_, JoinKind::Inner) => " JOIN ",
                (_, JoinKind::Left) => " LEFT JOIN ",
                (_, JoinKind::Right) => " RIGHT JOIN ",
                (_, JoinKind::Full) => " FULL JOIN ",
            }));
            from.push(t(format!("{} AS {}", qualified(&table), quoted(item.alias.as_deref().unwrap_or(&item.table)))));
            if item.join != JoinKind::Cross {
                self.filter(" ON ", item.on.as_ref(), &mut from)?;
            }
        }
        out.push(t("SELECT "));
        let top = columns.is_empty();
        let mut star = false;
        for (i, (expr, alias)) in query.items.iter().enumerate() {
            if i > 0 {
                out.push(t(", "));
            }
            if *expr == Expr::Star {
                out.push(t("*"));
                star = true;
                continue;
            }
            out.extend(self.expr(expr)?.0);
            let name = match (alias, expr) {
                (Some(alias), _) => alias.clone(),
                (None, Expr::Name(name, _) | Expr::Field(_, name, _)) => name.clone(),
                (None, Expr::Call(name, ..)) => name.clone(),
                _ => format!("column{}", i + 1),
            };
            out.push(t(format!(" AS {}", quoted(&name))));
            if top {
                columns.push(Arc::from(name));
            }
        }
        if star {
            columns.clear();
        }
        out.extend(from);
        self.filter(" WHERE ", query.filter.as_ref(), out)?;
        for (i, group) in query.group_by.iter().enumerate() {
            out.push(t(if i == 0 { " GROUP BY " } else { ", " }));
            out.extend(self.expr(group)?.0);
        }
        self.filter(" HAVING ", query.having.as_ref(), out)?;
        if let Some(union) = &query.union {
            if !query.order_by.is_empty() || query.limit.is_some() {
                return Err(SqlError::unsupported("ORDER BY or LIMIT before UNION in a script"));
            }
            out.push(t(" UNION ALL "));
            self.scope.truncate(mark);
            return self.query(union, out, &mut vec![Arc::from("")]);
        }
        for (i, (key, descending)) in query.order_by.iter().enumerate() {
            out.push(t(if i == 0 { " ORDER BY " } else { ", " }));
            out.extend(self.expr(key)?.0);
            out.push(t(if *descending { " DESC NULLS LAST" } else { " ASC NULLS FIRST" }));
        }
        for (word, value) in [(" LIMIT ", &query.limit), (" OFFSET ", &query.skip)] {
            if let Some(value) = value {
                out.push(t(word));
                out.extend(self.expr(value)?.0);
            }
        }
        self.scope.truncate(mark);
        Ok(())
    }

    fn condition(&mut self, expr: &Expr) -> Result<Vec<Frag>> {
        let (frags, class) = self.expr(expr)?;
        if class == Class::Boolean {
            return Ok(frags);
        }
        let mut out = vec![t("((")];
        out.extend(frags);
        out.push(t(")::text = 'true')"));
        Ok(out)
    }

    /// The column that a name means; a column wins over a variable (AMI-71). Errors: 42702.
    fn column(&self, table: Option<&str>, name: &str) -> Result<Option<(String, Type)>> {
        let (outside, inside) = self.scope.split_at(self.innermost.min(self.scope.len()));
        match self.column_of(inside, table, name)? {
            Some(found) => Ok(Some(found)),
            None => self.column_of(outside, table, name),
        }
    }

    fn column_of(
        &self,
        scope: &[(String, Arc<TableDef>)],
        table: Option<&str>,
        name: &str,
    ) -> Result<Option<(String, Type)>> {
        let mut found = None;
        for (alias, def) in scope {
            if table.is_some_and(|table| !alias.eq_ignore_ascii_case(table)) {
                continue;
            }
            if let Some(place) = find_column(def, name) {
                if found.is_some() {
                    return Err(SqlError::new(
                        SqlState::AMBIGUOUS_COLUMN,
                        format!("column reference \"{name}\" is ambiguous"),
                    ));
                }
                let column = &def.columns[place];
                let text = if self.scope.len() > 1 {
                    format!("{}.{}", quoted(alias), quoted(&column.name))
                } else {
                    quoted(&column.name)
                };
                found = Some((text, Type::of_column(column)));
            }
        }
        Ok(found)
    }

    /// Whether an expression hangs on no column: then the script computes it.
    fn scripted(&self, expr: &Expr) -> bool {
        let mut scripted = true;
        walk(expr, &mut |part| match part {
            Expr::Name(name, _) if !matches!(self.column(None, name), Ok(None)) => scripted = false,
            Expr::Field(..) | Expr::Star | Expr::Query(..) | Expr::InQuery(..) => scripted = false,
            Expr::Call(name, ..) if aggregate(name).is_some() => scripted = false,
            _ => {}
        });
        scripted
    }

    fn compile(&mut self, expr: &Expr) -> Result<(Code, Type)> {
        expression(expr, Scope { outer: self.outer, methods: self.methods.as_ref(), ..Scope::EMPTY })
    }

    fn param(&mut self, expr: &Expr, hint: Option<Type>) -> Result<(usize, Class)> {
        let (code, ty) = self.compile(expr)?;
        self.params.push((code, hint));
        let class = hint.map_or(Class::of(ty), Class::of);
        Ok((self.params.len() - 1, if hint == Some(Type::Number) { Class::of(ty) } else { class }))
    }

    fn expr(&mut self, expr: &Expr) -> Result<Sqlized> {
        if self.scripted(expr) {
            let (number, class) = self.param(expr, None)?;
            return Ok((vec![Frag::Param(number)], class));
        }
        match expr {
            Expr::Name(name, _) => {
                let (text, ty) = self.column(None, name)?.ok_or_else(|| SqlError::internal("a column vanished"))?;
                Ok((vec![t(text)], Class::of(ty)))
            }
            Expr::Field(table, name, line) => {
                let Expr::Name(table, _) = &**table else {
                    return Err(SqlError::syntax(format!("line {line}: \"{name}\" is not a column")));
                };
                match self.column(Some(table), name)? {
                    Some((text, ty)) => Ok((vec![t(text)], Class::of(ty))),
                    None => {
                        Err(SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column {table}.{name} does not exist")))
                    }
                }
            }
            Expr::Unary(Unary::Not, inner) => {
                let mut out = vec![t("(NOT COALESCE(")];
                out.extend(self.condition(inner)?);
                out.push(t(", false))"));
                Ok((out, Class::Boolean))
            }
            Expr::Unary(op, inner) => {
                let (frags, class) = self.expr(inner)?;
                Ok((wrap(if *op == Unary::Neg { "(- " } else { "(~ " }, frags, ")"), class))
            }
            Expr::Binary(op, left, right) => self.binary(*op, left, right),
            Expr::Cond(condition, then, other) => {
                let mut out = vec![t("(CASE WHEN ")];
                out.extend(self.condition(condition)?);
                out.push(t(" THEN "));
                let (then, class) = self.expr(then)?;
                out.extend(then);
                out.push(t(" ELSE "));
                out.extend(self.expr(other)?.0);
                out.push(t(" END)"));
                Ok((out, class))
            }
            Expr::Cast(ty, inner) => {
                let name = match ty {
                    Type::Byte | Type::Short => "int2",
                    Type::Int => "int4",
                    Type::Long => "int8",
                    Type::Float => "float4",
                    Type::Double => "float8",
                    Type::String => "text",
                    Type::Boolean => "bool",
                    Type::BigDecimal | Type::BigInteger => "numeric",
                    _ => return Err(SqlError::unsupported("this cast of a column in a script's statement")),
                };
                let (frags, from) = self.expr(inner)?;
                let whole = Class::of(*ty) == Class::Whole && from == Class::Floating;
                let out = if whole { wrap("trunc((", frags, ")::numeric)") } else { wrap("(", frags, ")") };
                Ok((wrap("", out, &format!("::{name}")), Class::of(*ty)))
            }
            Expr::In(value, list, not) if !matches!(**value, Expr::Tuple(_)) => {
                let (value, class) = self.expr(value)?;
                let mut out = vec![t("(")];
                for (i, item) in list.iter().enumerate() {
                    if i > 0 {
                        out.push(t(" OR "));
                    }
                    if self.scripted(item) {
                        let (number, _) = self.param(item, class.hint())?;
                        out.push(Frag::Equals(value.clone(), number, false));
                    } else {
                        out.extend(value.clone());
                        out.push(t(" IS NOT DISTINCT FROM "));
                        out.extend(self.expr(item)?.0);
                    }
                }
                out.push(t(if list.is_empty() { "false)" } else { ")" }));
                Ok((if *not { wrap("(NOT ", out, ")") } else { out }, Class::Boolean))
            }
            Expr::InQuery(value, query, not, _) => {
                let mut out = vec![t(if *not { "(NOT COALESCE(" } else { "COALESCE(" })];
                let items = match &**value {
                    Expr::Tuple(items) => items.as_slice(),
                    value => std::slice::from_ref(value),
                };
                out.push(t("("));
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(t(", "));
                    }
                    out.extend(self.expr(item)?.0);
                }
                out.push(t(") IN ("));
                self.query(query, &mut out, &mut vec![Arc::from("")])?;
                out.push(t(if *not { "), false))" } else { "), false)" }));
                Ok((out, Class::Boolean))
            }
            Expr::In(value, list, not) if matches!(**value, Expr::Tuple(_)) => {
                let Expr::Tuple(items) = &**value else { return Err(SqlError::internal("a tuple that is none")) };
                let mut out = vec![t("(")];
                for (i, tuple) in list.iter().enumerate() {
                    let Expr::Tuple(wanted) = tuple else {
                        return Err(SqlError::syntax("IN of a tuple needs tuples"));
                    };
                    if wanted.len() != items.len() {
                        return Err(SqlError::syntax("tuples of IN have different lengths"));
                    }
                    out.push(t(if i > 0 { " OR (" } else { "(" }));
                    for (n, (item, wanted)) in items.iter().zip(wanted).enumerate() {
                        if n > 0 {
                            out.push(t(" AND "));
                        }
                        out.extend(self.comparison(Compare::Eq, item, wanted)?.0);
                    }
                    out.push(t(")"));
                }
                out.push(t(if list.is_empty() { "false)" } else { ")" }));
                Ok((if *not { wrap("(NOT ", out, ")") } else { out }, Class::Boolean))
            }
            Expr::Call(name, args, _) => self.call(name, args),
            Expr::Star => Ok((vec![t("*")], Class::Unknown)),
            Expr::Query(query, _) => {
                let mut out = vec![t("(")];
                self.query(query, &mut out, &mut vec![Arc::from("")])?;
                out.push(t(")"));
                Ok((out, Class::Unknown))
            }
            _ => Err(SqlError::unsupported("this form over columns in a script's statement")),
        }
    }

    fn binary(&mut self, op: Binary, left: &Expr, right: &Expr) -> Result<Sqlized> {
        match op {
            Binary::And | Binary::Or => {
                let mut out = wrap("(", self.condition(left)?, if op == Binary::And { " AND " } else { " OR " });
                out.extend(self.condition(right)?);
                out.push(t(")"));
                Ok((out, Class::Boolean))
            }
            Binary::Compare(op) => self.comparison(op, left, right),
            Binary::Arith(op) => self.arithmetic(op, left, right),
        }
    }

    fn comparison(&mut self, op: Compare, left: &Expr, right: &Expr) -> Result<Sqlized> {
        let (left_script, right_script) = (self.scripted(left), self.scripted(right));
        let equality = matches!(op, Compare::Eq | Compare::Ne);
        if left_script != right_script {
            let (column, script) = if right_script { (left, right) } else { (right, left) };
            let (frags, class) = self.expr(column)?;
            let (number, _) = self.param(script, class.hint())?;
            if equality {
                return Ok((vec![Frag::Equals(frags, number, op == Compare::Ne)], Class::Boolean));
            }
            let (a, b) =
                if right_script { (frags, vec![Frag::Param(number)]) } else { (vec![Frag::Param(number)], frags) };
            return Ok((infix(op, a, b)?, Class::Boolean));
        }
        let (mut a, left) = self.expr(left)?;
        let (mut b, right) = self.expr(right)?;
        match (left, right) {
            (Class::Text, Class::Whole | Class::Floating) => a = wrap("(", a, ")::numeric"),
            (Class::Whole | Class::Floating, Class::Text) => b = wrap("(", b, ")::numeric"),
            _ => {}
        }
        Ok((infix(op, a, b)?, Class::Boolean))
    }

    fn arithmetic(&mut self, op: Arith, left: &Expr, right: &Expr) -> Result<Sqlized> {
        let (a, left) = self.expr(left)?;
        let (b, right) = self.expr(right)?;
        let class = match (left, right) {
            (Class::Text, _) | (_, Class::Text) => Class::Text,
            (Class::Whole, Class::Whole) => Class::Whole,
            (Class::Unknown, _) | (_, Class::Unknown) => Class::Unknown,
            _ => Class::Floating,
        };
        if op == Arith::Add && class == Class::Text {
            let mut out = wrap("(COALESCE((", a, ")::text, '') || COALESCE((");
            out.extend(wrap("", b, ")::text, ''))"));
            return Ok((out, Class::Text));
        }
        let symbol = match op {
            Arith::Add => " + ",
            Arith::Sub => " - ",
            Arith::Mul => " * ",
            Arith::Div => " / ",
            Arith::Mod => " % ",
            Arith::Shl => " << ",
            Arith::Shr => " >> ",
            Arith::And => " & ",
            Arith::Or => " | ",
            Arith::Xor => " # ",
            Arith::Ushr => return Err(SqlError::unsupported("\">>>\" over columns in a script's statement")),
        };
        let b = if matches!(op, Arith::Div | Arith::Mod) { wrap("NULLIF(", b, ", 0)") } else { b };
        let mut out = wrap("(", a, symbol);
        out.extend(b);
        out.push(t(")"));
        Ok((out, class))
    }

    fn call(&mut self, name: &str, args: &[Expr]) -> Result<Sqlized> {
        let (function, class) = match aggregate(name).or_else(|| scalar(name)) {
            Some(found) => found,
            None => return Err(SqlError::unsupported(format!("method {name} over columns in a script's statement"))),
        };
        let mut out = vec![t(function)];
        let mut inner = Class::Unknown;
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                out.push(t(", "));
            }
            let (frags, class) = self.expr(arg)?;
            inner = class;
            out.extend(frags);
        }
        out.push(t(if function.ends_with("((") { ")::float8)" } else { ")" }));
        Ok((out, if class == Class::Unknown { inner } else { class }))
    }
}

/// SQL's spelling of an aggregate of AMI (AMI-60); `((` opens an argument cast to float8.
fn aggregate(name: &str) -> Option<(&'static str, Class)> {
    Some(match name.to_ascii_lowercase().as_str() {
        "count" => ("count(", Class::Whole),
        "countunique" => ("count(DISTINCT ", Class::Whole),
        "sum" => ("sum(", Class::Unknown),
        "min" => ("min(", Class::Unknown),
        "max" => ("max(", Class::Unknown),
        "avg" => ("avg((", Class::Floating),
        "var" => ("var_pop((", Class::Floating),
        "vars" => ("var_samp((", Class::Floating),
        "stdev" => ("stddev_pop((", Class::Floating),
        "stdevs" => ("stddev_samp((", Class::Floating),
        _ => return None,
    })
}

fn scalar(name: &str) -> Option<(&'static str, Class)> {
    Some(match name {
        "strLower" => ("lower(", Class::Text),
        "strUpper" => ("upper(", Class::Text),
        "strTrim" => ("btrim(", Class::Text),
        "strLength" => ("length(", Class::Whole),
        "strReplace" => ("replace(", Class::Text),
        "minimum" => ("LEAST(", Class::Unknown),
        "maximum" => ("GREATEST(", Class::Unknown),
        "noNull" => ("COALESCE(", Class::Unknown),
        "abs" => ("abs(", Class::Unknown),
        "floor" => ("floor((", Class::Floating),
        "ceil" => ("ceil((", Class::Floating),
        "sqrt" => ("sqrt((", Class::Floating),
        "exp" => ("exp((", Class::Floating),
        "log" => ("ln((", Class::Floating),
        _ => return None,
    })
}

fn wrap(before: &str, mut frags: Vec<Frag>, after: &str) -> Vec<Frag> {
    frags.insert(0, t(before));
    frags.push(t(after));
    frags
}

fn infix(op: Compare, a: Vec<Frag>, b: Vec<Frag>) -> Result<Vec<Frag>> {
    let symbol = match op {
        Compare::Eq => " IS NOT DISTINCT FROM ",
        Compare::Ne => " IS DISTINCT FROM ",
        Compare::Lt => " < ",
        Compare::Le => " <= ",
        Compare::Gt => " > ",
        Compare::Ge => " >= ",
        Compare::Match => " ~ ",
        Compare::NotMatch => " !~ ",
        Compare::Like => return Err(SqlError::unsupported("\"~~\" over columns in a script's statement")),
    };
    let mut out = wrap("(", a, symbol);
    out.extend(b);
    out.push(t(")"));
    Ok(out)
}
