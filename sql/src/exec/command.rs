//! AMI's procedures of the server itself, `CALL __…` (AMI-78), and calls of those that users made (AMI-77).

use std::sync::Arc;

use sqlparser::ast;

use super::ddl;
use super::hook::HookCx;
use super::planning::eval_any;
use super::statement::Outcome;
use super::{Backend, EPOCH_MICROS};
use crate::catalog::{Level, Timing, TriggerDef};
use crate::change::QueryResult;
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{Parsed, Statement, TriggerSpec};
use crate::types::{DataType, Oid, TextStyle, Value, lenient_cast, oid};

/// The dialects that keep names of triggers, timers and data sources apart.
const TRIGGER: &str = "ami";
const TIMER: &str = "ami timer";
const SOURCE: &str = "ami data source";

/// Rows if it gave any columns, else the tag.
pub(super) fn outcome(result: QueryResult) -> Outcome {
    if result.columns.is_empty() {
        return Outcome::Tag(result.tag);
    }
    Outcome::Rows(result.columns, result.rows, result.tag)
}

fn undefined(text: String) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_FUNCTION, text)
}

/// CALL. Errors: 42883 for an unknown procedure or a wrong number of arguments; whatever it raises.
pub(super) fn call(
    backend: &Backend,
    name: &str,
    args: &[ast::Expr],
    (types, params): (&[Oid], &[Value]),
    depth: u32,
) -> Result<Outcome> {
    let given = eval_any(backend, args, types, params)?;
    let catalog = backend.catalog()?;
    let Some(def) = ddl::find_procedure(&catalog, name) else {
        let values: Vec<Value> = given.into_iter().map(|(value, _)| value).collect();
        return command(backend, name, &values, depth);
    };
    if given.len() != def.arguments.len() {
        return Err(undefined(format!(
            "procedure {} takes {} arguments, {} were given",
            def.name,
            def.arguments.len(),
            given.len()
        )));
    }
    let style = TextStyle::default();
    let values =
        given.into_iter().zip(&def.arguments).map(|((value, from), (_, to))| lenient_cast(value, from, *to, &style));
    let values: Vec<Value> = values.collect();
    let hooks = backend.shared.hooks.clone();
    let savepoint = backend.with_txn(|txn| Ok(txn.savepoint()))?;
    let result = hooks.call(&mut HookCx::new(backend, depth), &def, &values);
    backend.with_txn(|txn| match &result {
        Ok(_) => {
            txn.release(savepoint);
            Ok(())
        }
        Err(_) => txn.rollback_to(savepoint),
    })?;
    result.map(outcome)
}

/// A trigger or timer by name, case aside. Errors: 42704.
fn named(backend: &Backend, dialect: &str, what: &str, value: Option<&Value>) -> Result<Arc<TriggerDef>> {
    let name = value.and_then(Value::as_str).unwrap_or_default();
    let catalog = backend.catalog()?;
    let found = catalog.triggers().find(|def| def.dialect == dialect && def.name.eq_ignore_ascii_case(name)).cloned();
    found.ok_or_else(|| SqlError::new(SqlState::UNDEFINED_OBJECT, format!("{what} \"{name}\" does not exist")))
}

fn command(backend: &Backend, name: &str, args: &[Value], depth: u32) -> Result<Outcome> {
    let count = |wanted: &[usize]| {
        if wanted.contains(&args.len()) {
            return Ok(());
        }
        Err(undefined(format!("procedure {name} with {} arguments does not exist", args.len())))
    };
    let hooks = backend.shared.hooks.clone();
    match name.to_ascii_uppercase().as_str() {
        "__SHOW_TRIGGER_ERROR" => {
            count(&[1])?;
            last_error(backend, &*named(backend, TRIGGER, "trigger", args.first())?)
        }
        "__SHOW_TIMER_ERROR" => {
            count(&[1])?;
            last_error(backend, &*named(backend, TIMER, "timer", args.first())?)
        }
        "__RESET_TRIGGER_STATS" => {
            count(&[1])?;
            hooks.reset_statistics(named(backend, TRIGGER, "trigger", args.first())?.id);
            Ok(Outcome::Tag("CALL".to_owned()))
        }
        "__RESET_TIMER_STATS" => {
            // Which counters: executed, errors. One of them is as good as both here.
            count(&[1, 3])?;
            let def = named(backend, TIMER, "timer", args.first())?;
            if args.len() == 1 || args[1..].contains(&Value::Bool(true)) {
                hooks.reset_statistics(def.id);
            }
            Ok(Outcome::Tag("CALL".to_owned()))
        }
        "__SCHEDULE_TIMER" => {
            count(&[2])?;
            let def = named(backend, TIMER, "timer", args.first())?;
            let delay = lenient_cast(args[1].clone(), type_of(&args[1]), DataType::INT8, &TextStyle::default());
            let Value::Int8(delay) = delay else {
                return Err(SqlError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "the delay must be a number of milliseconds",
                ));
            };
            let now = backend.shared.env.clock.now();
            let at = now.saturating_add(delay.max(0).saturating_mul(1000));
            hooks.schedule_timer(&mut HookCx::new(backend, depth), &def, at)?;
            Ok(Outcome::Tag("CALL".to_owned()))
        }
        "__ADD_DATASOURCE" => {
            count(&[3, 4, 5, 6, 7, 8])?;
            add_source(backend, args, depth)
        }
        "__REMOVE_DATASOURCE" => {
            count(&[1])?;
            let def = named(backend, SOURCE, "data source", args.first())?;
            let statement = Statement::DropTrigger {
                names: vec![def.name.clone()],
                on: None,
                if_exists: false,
                cascade: false,
                dialect: SOURCE,
                tag: "CALL",
            };
            ddl::execute(backend, &silent(statement), depth).map(Outcome::Tag)
        }
        _ => Err(undefined(format!("procedure {name} does not exist"))),
    }
}

fn type_of(value: &Value) -> DataType {
    DataType::new(match value {
        Value::Int2(_) => oid::INT2,
        Value::Int4(_) => oid::INT4,
        Value::Int8(_) => oid::INT8,
        Value::Float8(_) => oid::FLOAT8,
        Value::Numeric(_) => oid::NUMERIC,
        _ => oid::TEXT,
    })
}

/// A statement that no client wrote: nothing of it is kept as text.
fn silent(statement: Statement) -> Parsed {
    Parsed { statement: Arc::new(statement), text: Arc::from(""), offset: 0, dialect: TRIGGER, param_count: 0 }
}

/// A data source is a definition that nothing fires (AMI-80). Errors: 42501 unless the user is a superuser, since the
/// server itself connects.
fn add_source(backend: &Backend, args: &[Value], depth: u32) -> Result<Outcome> {
    if !backend.superuser.get() {
        return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "must be superuser to add a data source"));
    }
    let text = |at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text(0);
    if name.is_empty() || name.eq_ignore_ascii_case("ami") {
        return Err(SqlError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid name \"{name}\" of a data source"),
        ));
    }
    let keys = ["adapter", "url", "user", "password", "options", "relay", "overrides"];
    let spec = TriggerSpec {
        name,
        if_not_exists: false,
        dialect: SOURCE,
        kind: "data_source".to_owned(),
        tables: Vec::new(),
        events: Vec::new(),
        timing: Timing::Committed,
        level: Level::Statement,
        when: None,
        priority: 0,
        options: keys.iter().enumerate().map(|(at, key)| ((*key).to_owned(), text(at + 1))).collect(),
        body: String::new(),
        tag: "CALL",
    };
    ddl::execute(backend, &silent(Statement::CreateTrigger(Box::new(spec))), depth).map(Outcome::Tag)
}

/// The last error of a trigger or timer: one row with its time, event and message, or none.
fn last_error(backend: &Backend, def: &TriggerDef) -> Result<Outcome> {
    let columns = [("Time", DataType::TIMESTAMPTZ), ("Event", DataType::TEXT), ("Message", DataType::TEXT)];
    let columns = columns.map(|(name, ty)| (name.to_owned(), ty)).to_vec();
    let last = backend.shared.hooks.statistics(def.id).and_then(|known| known.last_error);
    let rows: Vec<_> = last
        .into_iter()
        .map(|last| {
            vec![
                Value::TimestampTz(last.at.saturating_sub(EPOCH_MICROS)),
                last.event.into(),
                Value::text(last.error.message()),
            ]
        })
        .collect();
    let tag = format!("SELECT {}", rows.len());
    Ok(Outcome::Rows(columns, rows, tag))
}
