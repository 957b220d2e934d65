//! Functions whose body is SQL: `CREATE FUNCTION … LANGUAGE sql` (section 7).
//!
//! The catalog keeps the text; here it becomes plans, once a session and catalog version, in which the arguments are
//! parameters: `$1`, or their names where no column has them. A call runs the statements one after the other inside the
//! caller's transaction; what the last one gives, cast to what was declared, is the result. A function that is not VOLATILE
//! may not write.

use std::collections::HashMap;
use std::sync::Arc;

use super::statement::{is_plannable, run_plan};
use super::{Backend, Exec};
use crate::catalog::{Catalog, FunctionDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{self, DialectSetting, ParseOptions};
use crate::plan::{Plan, PlanKind};
use crate::types::{CastContext, DataType, Oid, Record, Row, TextStyle, Value, cast, find_cast, oid, shown_type};

/// Deepest nesting of calls.
const DEPTH_MAX: u32 = 100;

/// A function made ready, and under which catalog and settings.
#[derive(Debug)]
pub struct Routine {
    def: Arc<FunctionDef>,
    plans: Vec<Arc<Plan>>,
    /// Names and types of its result's columns: one without a name for a plain value, none for void.
    columns: Vec<(Arc<str>, DataType)>,
    made_under: (u64, u64),
}

/// Columns of what a function returns: of a row type its columns, of a plain value one without a name, of void none.
pub(super) fn result_columns(catalog: &Catalog, def: &FunctionDef) -> Vec<(Arc<str>, DataType)> {
    if !def.columns.is_empty() {
        return def.columns.iter().map(|(name, ty)| (Arc::from(name.as_str()), *ty)).collect();
    }
    if def.returns.oid == oid::VOID {
        return Vec::new();
    }
    match catalog.table_of_rows(def.returns.oid) {
        Some(table) => table.live_columns().map(|(_, column)| (Arc::from(column.name.as_str()), column.ty)).collect(),
        None => vec![(Arc::from(""), def.returns)],
    }
}

/// Plans the statements of a body. Errors: those of the statements; 0A000 for one that neither reads nor writes rows.
fn plans(backend: &Backend, def: &FunctionDef) -> Result<Vec<Arc<Plan>>> {
    let types: Vec<Oid> = def.arguments.iter().map(|(_, ty)| ty.oid).collect();
    let named = def.arguments.iter().enumerate().filter(|(_, (name, _))| !name.is_empty());
    let variables: HashMap<String, (usize, DataType)> =
        named.map(|(place, (name, ty))| (name.clone(), (place, *ty))).collect();
    let options = ParseOptions { dialect: DialectSetting::Postgres };
    let (mut made, mut offset) = (Vec::new(), 0);
    while let Some(raw) = parse::split_first(&def.body, offset, &options)? {
        offset = raw.next;
        let parsed = parse::parse(&def.body, &raw, &options)?;
        if matches!(*parsed.statement, parse::Statement::Empty) {
            continue;
        }
        if !is_plannable(&parsed.statement) {
            return Err(SqlError::unsupported("a statement of this kind in a function's body"));
        }
        let plan = super::with_bind_context(backend, |context| {
            let context = crate::plan::BindContext { variables: Some(&variables), ..*context };
            crate::plan::plan(&parsed, &context, &types)
        })?;
        if plan.params.len() > types.len() {
            let text = format!("there is no parameter ${}", types.len() + 1);
            return Err(SqlError::new(SqlState::UNDEFINED_PARAMETER, text));
        }
        made.push(Arc::new(plan));
    }
    Ok(made)
}

fn ready(backend: &Backend, oid: Oid) -> Result<Arc<Routine>> {
    let (generation, version) = (backend.settings.borrow().generation, backend.catalogs().version);
    if let Some(routine) = backend.routines.borrow().get(&oid)
        && routine.made_under == (generation, version)
    {
        return Ok(routine.clone());
    }
    let catalog = backend.catalog()?;
    let Some(def) = catalog.function(oid) else {
        return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("function with OID {oid} does not exist")));
    };
    let routine = Arc::new(Routine {
        def: def.clone(),
        plans: plans(backend, def)?,
        columns: result_columns(&catalog, def),
        made_under: (generation, version),
    });
    backend.routines.borrow_mut().insert(oid, routine.clone());
    Ok(routine)
}

/// The rows of a call; with `single` one row of one value, NULL if the body gave none and a record of several columns.
/// Errors: those of the body, 54001 for calls that nest too deep, 0A000 for a write of a function that is not VOLATILE.
pub(super) fn call(exec: &Exec<'_>, function: Oid, args: &[Value], single: bool) -> Result<Vec<Row>> {
    let backend = exec.backend;
    let routine = ready(backend, function)?;
    let def = &routine.def;
    let nothing = || match (single, def.returns_set) {
        (true, _) => vec![vec![Value::Null]],
        (false, true) => Vec::new(),
        (false, false) => vec![vec![Value::Null; routine.columns.len().max(1)]],
    };
    if def.strict && args.iter().any(Value::is_null) {
        return Ok(nothing());
    }
    let depth = backend.routine_depth.get() + 1;
    if depth > DEPTH_MAX {
        return Err(SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
            .hint(format!("Calls of functions nest at most {DEPTH_MAX} levels.")));
    }
    backend.routine_depth.set(depth);
    let writer_depth = exec.run.writer.borrow().depth;
    let result = stacker::maybe_grow(256 * 1024, 2 * 1024 * 1024, || run(backend, &routine, args, writer_depth));
    backend.routine_depth.set(depth - 1);
    let (mut rows, types) = result?;
    if !def.returns_set {
        rows.truncate(1);
    }
    if routine.columns.is_empty() || rows.is_empty() && !def.returns_set {
        return Ok(nothing());
    }
    let style = &exec.run.style;
    for row in &mut rows {
        shape(row, &types, &routine.columns, style)?;
        if single && routine.columns.len() > 1 {
            let fields =
                routine.columns.iter().zip(row.drain(..)).map(|((name, ty), value)| (name.clone(), *ty, value));
            *row = vec![Value::Record(Arc::new(Record { fields: fields.collect() }))];
        }
    }
    Ok(rows)
}

fn run(backend: &Backend, routine: &Routine, args: &[Value], depth: u32) -> Result<(Vec<Row>, Vec<DataType>)> {
    let def = &routine.def;
    let mut last = (Vec::new(), Vec::new());
    for (at, plan) in routine.plans.iter().enumerate() {
        let result = if plan.writes && def.volatility.is_some_and(|volatility| volatility != 'v') {
            let text = format!("{} is not allowed in a non-volatile function", word(plan.kind));
            Err((SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text), "during startup".to_owned()))
        } else {
            run_plan(backend, plan, args, depth).map_err(|error| (error, format!("statement {}", at + 1)))
        };
        let result =
            result.map_err(|(error, place)| error.context(format!("SQL function \"{}\" {place}", def.name)))?;
        last = (result.rows, plan.columns.iter().map(|column| column.ty).collect());
    }
    Ok(last)
}

/// A row of the body's last statement as a row of the result: its values cast, a whole row taken apart.
fn shape(row: &mut Row, from: &[DataType], to: &[(Arc<str>, DataType)], style: &TextStyle) -> Result<()> {
    if let ([Value::Record(record)], true) = (row.as_slice(), to.len() > 1) {
        *row = record.fields.iter().map(|(_, _, value)| value.clone()).collect();
        return Ok(());
    }
    if let ([Value::Null], true) = (row.as_slice(), to.len() > 1) {
        *row = vec![Value::Null; to.len()];
        return Ok(());
    }
    row.truncate(to.len());
    for ((value, from), (_, to)) in row.iter_mut().zip(from).zip(to) {
        if from.oid != to.oid {
            let to = DataType::new(to.oid);
            *value = cast(std::mem::take(value), known(*from), to, CastContext::Assignment, style)?;
        }
    }
    Ok(())
}

/// The type of an untyped literal is text.
fn known(ty: DataType) -> DataType {
    if ty.oid == oid::UNKNOWN { DataType::TEXT } else { ty }
}

/// Checks a new function: its body can be planned and gives what is declared. Errors: those of the body, 42P13.
pub(super) fn check(backend: &Backend, function: Oid) -> Result<()> {
    let routine = ready(backend, function)?;
    let def = &routine.def;
    let declared = match def.columns.len() {
        0 | 1 => shown_type(def.returns),
        _ => "record".to_owned(),
    };
    let mismatch = |detail: String| {
        let text = format!("return type mismatch in function declared to return {declared}");
        Err(SqlError::new(SqlState::INVALID_FUNCTION_DEFINITION, text)
            .detail(detail)
            .context(format!("SQL function \"{}\"", def.name)))
    };
    if def.returns.oid == oid::VOID && def.columns.is_empty() {
        return Ok(());
    }
    let Some(last) = routine.plans.last().filter(|last| !last.columns.is_empty()) else {
        return mismatch("Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.".to_owned());
    };
    let given: Vec<DataType> = last.columns.iter().map(|column| known(column.ty)).collect();
    let wanted = &routine.columns;
    if let ([only], true) = (given.as_slice(), wanted.len() != 1) {
        if only.oid == def.returns.oid || only.oid == oid::RECORD {
            return Ok(());
        }
    }
    let fits = |from: DataType, to: DataType| find_cast(from.oid, to.oid, CastContext::Assignment).is_some();
    if let [(_, to)] = wanted.as_slice()
        && def.columns.is_empty()
    {
        return match given.as_slice() {
            [from] if fits(*from, *to) => Ok(()),
            [from] => mismatch(format!("Actual return type is {}.", shown_type(*from))),
            _ => mismatch("Final statement must return exactly one column.".to_owned()),
        };
    }
    if given.len() != wanted.len() {
        let much = if given.len() > wanted.len() { "many" } else { "few" };
        return mismatch(format!("Final statement returns too {much} columns."));
    }
    for (at, (from, (_, to))) in given.iter().zip(wanted).enumerate() {
        if !fits(*from, *to) {
            let (from, to) = (shown_type(*from), shown_type(*to));
            return mismatch(format!("Final statement returns {from} instead of {to} at column {}.", at + 1));
        }
    }
    Ok(())
}

fn word(kind: PlanKind) -> &'static str {
    match kind {
        PlanKind::Select => "SELECT",
        PlanKind::Insert | PlanKind::Sync => "INSERT",
        PlanKind::Update => "UPDATE",
        PlanKind::Delete => "DELETE",
        PlanKind::Merge => "MERGE",
    }
}
