//! Storage parameters, `WITH (fillfactor = 70)`: checked and kept for dumps; nothing here depends on them (PG-2).

use sqlparser::ast;

use super::Ddl;
use crate::catalog::{IndexMethod, Relation};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{ObjectName, fold};

/// What values a parameter takes.
#[derive(Clone, Copy)]
enum Takes {
    Bool,
    Integer(i64, i64),
    Real(f64, f64),
    Words(&'static [&'static str]),
}

const MAX: i64 = i32::MAX as i64;

const TABLE: &[(&str, Takes)] = &[
    ("fillfactor", Takes::Integer(10, 100)),
    ("toast_tuple_target", Takes::Integer(128, 8160)),
    ("parallel_workers", Takes::Integer(0, 1024)),
    ("user_catalog_table", Takes::Bool),
    ("vacuum_truncate", Takes::Bool),
    ("vacuum_index_cleanup", Takes::Words(&["auto", "on", "off", "true", "false", "yes", "no", "1", "0"])),
    ("autovacuum_enabled", Takes::Bool),
    ("autovacuum_vacuum_threshold", Takes::Integer(0, MAX)),
    ("autovacuum_vacuum_insert_threshold", Takes::Integer(-1, MAX)),
    ("autovacuum_analyze_threshold", Takes::Integer(0, MAX)),
    ("autovacuum_vacuum_cost_limit", Takes::Integer(1, 10_000)),
    ("autovacuum_vacuum_cost_delay", Takes::Real(0.0, 100.0)),
    ("autovacuum_vacuum_scale_factor", Takes::Real(0.0, 100.0)),
    ("autovacuum_vacuum_insert_scale_factor", Takes::Real(0.0, 100.0)),
    ("autovacuum_analyze_scale_factor", Takes::Real(0.0, 100.0)),
    ("autovacuum_freeze_min_age", Takes::Integer(0, 1_000_000_000)),
    ("autovacuum_freeze_max_age", Takes::Integer(100_000, 2_000_000_000)),
    ("autovacuum_freeze_table_age", Takes::Integer(0, 2_000_000_000)),
    ("autovacuum_multixact_freeze_min_age", Takes::Integer(0, 1_000_000_000)),
    ("autovacuum_multixact_freeze_max_age", Takes::Integer(10_000, 2_000_000_000)),
    ("autovacuum_multixact_freeze_table_age", Takes::Integer(0, 2_000_000_000)),
    ("log_autovacuum_min_duration", Takes::Integer(-1, MAX)),
];

fn of_index(method: IndexMethod) -> &'static [(&'static str, Takes)] {
    match method {
        IndexMethod::Btree => &[("fillfactor", Takes::Integer(10, 100)), ("deduplicate_items", Takes::Bool)],
        IndexMethod::Hash | IndexMethod::SpGist => &[("fillfactor", Takes::Integer(10, 100))],
        IndexMethod::Gist => {
            &[("fillfactor", Takes::Integer(10, 100)), ("buffering", Takes::Words(&["on", "off", "auto"]))]
        }
        IndexMethod::Gin => &[("fastupdate", Takes::Bool), ("gin_pending_list_limit", Takes::Integer(64, MAX))],
        IndexMethod::Brin => &[("pages_per_range", Takes::Integer(1, 131_072)), ("autosummarize", Takes::Bool)],
    }
}

/// Checks one parameter. Errors: 22023.
fn check(known: &[(&str, Takes)], name: &str, value: &str) -> Result<()> {
    let invalid = |text: String| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text);
    let takes = known.iter().find(|(own, _)| *own == name.trim_start_matches("toast."));
    let Some((_, takes)) = takes else { return Err(invalid(format!("unrecognized parameter \"{name}\""))) };
    let wrong = |kind: &str| Err(invalid(format!("invalid value for {kind} option \"{name}\": {value}")));
    let outside = |low: String, high: String| {
        Err(invalid(format!("value {value} out of bounds for option \"{name}\""))
            .detail(format!("Valid values are between \"{low}\" and \"{high}\".")))
    };
    match takes {
        Takes::Bool if crate::exec::parse_bool(value).is_none() => wrong("boolean"),
        Takes::Integer(low, high) => match value.parse::<i64>() {
            Ok(number) if number < *low || number > *high => outside(low.to_string(), high.to_string()),
            Ok(_) => Ok(()),
            Err(_) => wrong("integer"),
        },
        Takes::Real(low, high) => match value.parse::<f64>() {
            Ok(number) if number < *low || number > *high => outside(format!("{low:.6}"), format!("{high:.6}")),
            Ok(_) => Ok(()),
            Err(_) => wrong("floating point"),
        },
        Takes::Words(words) if !words.contains(&value.to_lowercase().as_str()) => wrong("enum"),
        Takes::Bool | Takes::Words(_) => Ok(()),
    }
}

fn value_text(value: &ast::Expr) -> String {
    match value {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn pair(option: &ast::SqlOption) -> Result<(String, String)> {
    match option {
        ast::SqlOption::KeyValue { key, value } => Ok((fold(key), value_text(value))),
        ast::SqlOption::Ident(key) => Ok((fold(key), "true".to_owned())),
        other => Err(SqlError::unsupported(format!("the option {other}"))),
    }
}

/// Parameters of CREATE TABLE. Errors: 22023.
pub(super) fn table_options(options: &ast::CreateTableOptions) -> Result<Vec<(String, String)>> {
    let ast::CreateTableOptions::With(options) = options else { return Ok(Vec::new()) };
    let options = options.iter().map(pair).collect::<Result<Vec<_>>>()?;
    options.iter().try_for_each(|(name, value)| check(TABLE, name, value))?;
    Ok(options)
}

/// Parameters of CREATE INDEX. Errors: 22023.
pub(super) fn index_options(method: IndexMethod, options: &[ast::Expr]) -> Result<Vec<(String, String)>> {
    let one = |option: &ast::Expr| match option {
        ast::Expr::Identifier(key) => Ok((fold(key), "true".to_owned())),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => match left.as_ref() {
            ast::Expr::Identifier(key) => Ok((fold(key), value_text(right))),
            other => Err(SqlError::syntax(format!("syntax error at or near \"{other}\""))),
        },
        other => Err(SqlError::syntax(format!("syntax error at or near \"{other}\""))),
    };
    let options = options.iter().map(one).collect::<Result<Vec<_>>>()?;
    options.iter().try_for_each(|(name, value)| check(of_index(method), name, value))?;
    Ok(options)
}

fn set(kept: &mut Vec<(String, String)>, name: &str, value: Option<&str>) {
    kept.retain(|(own, _)| own != name);
    kept.extend(value.map(|value| (name.to_owned(), value.to_owned())));
}

impl Ddl<'_> {
    /// ALTER … SET and RESET of parameters of a table or index; a value of none resets. Errors: 22023, 42501.
    pub(super) fn alter_storage(&self, name: &ObjectName, options: &[(String, Option<String>)]) -> Result<()> {
        let (table, index) = match self.relation(name)? {
            Relation::Table(table) => (table, None),
            Relation::Index(table, place) => (table, Some(place)),
            _ => return Err(SqlError::unsupported("storage parameters of this relation")),
        };
        self.must_own(table.owner, if index.is_some() { "index" } else { "table" }, super::bare(name))?;
        let mut changed = (*table).clone();
        let known = index.map_or(TABLE, |place| of_index(table.indexes[place].method));
        let kept = match index {
            Some(place) => &mut changed.indexes[place].options,
            None if table.dialect != "postgres" => return Ok(()),
            None => &mut changed.options,
        };
        for (name, value) in options {
            if let Some(value) = value {
                check(known, name, value)?;
            }
            set(kept, name, value.as_deref());
        }
        self.put_table(changed).map(|_| ())
    }

    /// The same among the actions of ALTER TABLE.
    pub(super) fn set_table_options(&self, table: &crate::catalog::TableDef, options: &[ast::SqlOption]) -> Result<()> {
        let options = options.iter().map(pair).collect::<Result<Vec<_>>>()?;
        options.iter().try_for_each(|(name, value)| check(TABLE, name, value))?;
        if table.dialect == "postgres" {
            let mut changed = table.clone();
            options.iter().for_each(|(name, value)| set(&mut changed.options, name, Some(value)));
            self.put_table(changed)?;
        }
        Ok(())
    }
}
