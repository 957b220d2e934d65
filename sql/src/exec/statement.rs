//! Running one statement from its text, for triggers and subscribers; and planning with the session's cache.

use std::sync::Arc;

use sqlparser::ast;

use super::hook::HookCx;
use super::planning::{parse_text, route};
use super::{Backend, CachedStatement, is_point, run_all, tag};
use crate::catalog::{Relation, TableDef};
use crate::change::QueryResult;
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{self, Parsed, SettingScope, Statement};
use crate::plan::Plan;
use crate::store::{TableLockMode, WaitPolicy};
use crate::types::{DataType, Oid, Row, Value};

/// Whether the statement has a `Plan`.
#[must_use]
pub fn is_plannable(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::InsertValues(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
    )
}

/// The plan of a cached statement, made (again) if it is missing or the catalog or settings changed.
pub fn current_plan(backend: &Backend, statement: &mut CachedStatement, types: &[Oid]) -> Result<Arc<Plan>> {
    let generation = backend.settings.borrow().generation;
    let version = match backend.txn.borrow_mut().as_mut() {
        Some(txn) => {
            txn.refresh_catalog();
            txn.catalog_set().version
        }
        None => backend.shared.store.catalog().version,
    };
    if let Some((plan, made)) = &statement.plan {
        if *made == generation && plan.catalog_version == version {
            return Ok(plan.clone());
        }
    }
    let plan = route(backend, &mut statement.parsed, types)?;
    statement.point = is_point(&plan.root);
    statement.plan = Some((plan.clone(), generation));
    Ok(plan)
}

/// Parses a text of one statement into the cache, and plans it if it has a plan.
pub fn prepare_text(backend: &Backend, text: &str, types: &[Oid]) -> Result<CachedStatement> {
    prepare_text_in(backend, None, text, types)
}

/// `prepare_text` for a text that this dialect reads first. Errors: the same.
pub fn prepare_text_in(
    backend: &Backend,
    dialect: Option<&'static str>,
    text: &str,
    types: &[Oid],
) -> Result<CachedStatement> {
    // No client can send a NUL: this text is another than the same one of a client.
    let tagged = dialect.map(|dialect| format!("\0{dialect}\0{text}"));
    let key = tagged.as_deref().unwrap_or(text);
    let known = backend.plans.borrow_mut().get(key, types).cloned();
    let mut statement = match known {
        Some(statement) => statement,
        None => {
            let parsed = match dialect {
                None => parse_text(backend, text)?,
                Some(dialect) => {
                    let options = parse::ParseOptions { dialect: parse::DialectSetting::Named(dialect) };
                    parse::parse_one(text, &options)?
                }
            };
            CachedStatement { parsed, plan: None, point: false }
        }
    };
    let had = statement.plan.as_ref().map(|(plan, _)| Arc::as_ptr(plan));
    if is_plannable(&statement.parsed.statement) {
        let plan = current_plan(backend, &mut statement, types)?;
        if had == Some(Arc::as_ptr(&plan)) {
            return Ok(statement);
        }
    }
    match dialect {
        None => keep(backend, text, types, &statement),
        Some(_) => backend.plans.borrow_mut().put(key, types, statement.clone()),
    }
    Ok(statement)
}

/// Keeps a statement for the next time the same text comes. A reading that another setting of `dialect` chose is not.
pub fn keep(backend: &Backend, text: &str, types: &[Oid], statement: &CachedStatement) {
    if super::planning::parse_options(backend).dialect == parse::DialectSetting::Auto {
        backend.plans.borrow_mut().put(text, types, statement.clone());
    }
}

/// Runs one statement to its end in the current transaction.
pub fn run_text(backend: &Backend, text: &str, types: &[Oid], params: &[Value], depth: u32) -> Result<QueryResult> {
    let statement = prepare_text(backend, text, types)?;
    match &statement.plan {
        Some((plan, _)) => run_plan(backend, plan, params, depth),
        None => run_utility(backend, &statement.parsed, (types, params), depth),
    }
}

/// Runs what `prepare_text_in` prepared; only making it ready looks names up in schema public alone.
pub(super) fn run_planned(
    backend: &Backend,
    dialect: Option<&'static str>,
    text: &str,
    types: &[Oid],
    params: &[Value],
    depth: u32,
) -> Result<QueryResult> {
    let statement = backend.in_public(|| prepare_text_in(backend, dialect, text, types))?;
    match &statement.plan {
        Some((plan, _)) => run_plan(backend, plan, params, depth),
        None => Err(SqlError::internal("a prepared statement without a plan")),
    }
}

/// `run_text` for a text that this dialect reads first. Nothing of it is kept.
pub fn run_text_in(
    backend: &Backend,
    dialect: &'static str,
    text: &str,
    (types, params): (&[Oid], &[Value]),
    depth: u32,
) -> Result<QueryResult> {
    let options = parse::ParseOptions { dialect: parse::DialectSetting::Named(dialect) };
    let mut parsed = parse::parse_one(text, &options)?;
    if is_plannable(&parsed.statement) {
        let plan = route(backend, &mut parsed, types)?;
        return run_plan(backend, &plan, params, depth);
    }
    let savepoint = backend.with_txn(|txn| Ok(txn.savepoint()))?;
    let result = run_utility(backend, &parsed, (types, params), depth);
    backend.with_txn(|txn| match result {
        Ok(result) => {
            txn.release(savepoint);
            Ok(result)
        }
        Err(error) => {
            txn.rollback_to(savepoint)?;
            Err(error)
        }
    })
}

/// Runs a plan inside a transaction that goes on after an error: what it did is undone then.
pub(super) fn run_plan(backend: &Backend, plan: &Arc<Plan>, params: &[Value], depth: u32) -> Result<QueryResult> {
    if params.len() != plan.params.len() {
        return Err(SqlError::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("statement needs {} parameters, {} were given", plan.params.len(), params.len()),
        ));
    }
    let savepoint = if plan.writes { Some(backend.with_txn(|txn| Ok(txn.savepoint()))?) } else { None };
    let work = backend.pending.borrow().work.len();
    match run_all(backend, plan, params.to_vec(), depth) {
        Ok((rows, count)) => {
            if let Some(savepoint) = savepoint {
                backend.with_txn(|txn| {
                    txn.release(savepoint);
                    Ok(())
                })?;
            }
            let columns = plan.columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
            Ok(QueryResult { columns, rows, count, tag: tag(plan.kind, count) })
        }
        Err(error) => {
            if let Some(savepoint) = savepoint {
                backend.with_txn(|txn| txn.rollback_to(savepoint))?;
                backend.pending.borrow_mut().work.truncate(work);
            }
            Err(error)
        }
    }
}

/// What a statement without a plan gave.
pub enum Outcome {
    /// Only its tag.
    Tag(String),
    /// Rows: columns, rows, tag.
    Rows(Vec<(String, DataType)>, Vec<Row>, String),
}

/// Runs a statement that needs no portal and no transaction control; none if it is not one of those. `$n` are of these
/// types and values.
pub fn utility(
    backend: &Backend,
    parsed: &Parsed,
    (types, params): (&[Oid], &[Value]),
    depth: u32,
) -> Result<Option<Outcome>> {
    let done = |tag: &str| Ok(Some(Outcome::Tag(tag.to_owned())));
    match &*parsed.statement {
        Statement::Set { scope, change } => {
            let local = *scope == SettingScope::Local;
            super::planning::apply_setting(backend, &change.name, change.value.as_deref(), local)?;
            done("SET")
        }
        Statement::Reset(None) => {
            backend.settings.borrow_mut().reset_all();
            super::planning::refresh_user(backend);
            done("RESET")
        }
        Statement::Reset(Some(name)) => {
            super::planning::apply_setting(backend, name, None, false)?;
            done("RESET")
        }
        Statement::Show(Some(name)) => {
            let settings = backend.settings.borrow();
            let value = settings.get(name).ok_or_else(|| {
                SqlError::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
            })?;
            let shown = super::SETTINGS.iter().find(|def| def.name.eq_ignore_ascii_case(name));
            let column = shown.map_or_else(|| name.clone(), |def| def.name.to_owned());
            Ok(Some(Outcome::Rows(vec![(column, DataType::TEXT)], vec![vec![Value::text(&*value)]], "SHOW".to_owned())))
        }
        Statement::Show(None) => {
            let all = backend.settings.borrow().all();
            let rows = all
                .into_iter()
                .map(|(name, value, _)| vec![Value::from(name), Value::from(value), Value::text("")])
                .collect();
            let columns = ["name", "setting", "description"].map(|name| (name.to_owned(), DataType::TEXT)).to_vec();
            Ok(Some(Outcome::Rows(columns, rows, "SHOW".to_owned())))
        }
        Statement::Listen(channel) => {
            backend.pending.borrow_mut().listen.push((Some(channel.clone()), true));
            done("LISTEN")
        }
        Statement::Unlisten(channel) => {
            backend.pending.borrow_mut().listen.push((channel.clone(), false));
            done("UNLISTEN")
        }
        Statement::Notify { channel, payload } => {
            super::runtime::notify(backend, channel, payload.as_deref().unwrap_or(""))?;
            done("NOTIFY")
        }
        statement if is_definition(statement) => Ok(Some(Outcome::Tag(super::ddl::execute(backend, parsed, depth)?))),
        Statement::Call { name, args } => match as_ami_call(backend, name, parsed)? {
            Some(call) => utility(backend, &call, (types, params), depth),
            None => Err(no_procedure(backend, name, args)),
        },
        Statement::LockTable { tables, mode, nowait } => {
            lock_tables(backend, tables, *mode, *nowait)?;
            done("LOCK TABLE")
        }
        Statement::AmiCall { name, args } => {
            super::command::call(backend, name, args, (types, params), depth).map(Some)
        }
        Statement::AmiExecute { source, text } => {
            let hooks = backend.shared.hooks.clone();
            let result = hooks.execute_at(&mut HookCx::new(backend, depth), source, text)?;
            Ok(Some(super::command::outcome(result)))
        }
        Statement::Do { language, body } => {
            super::block::run(backend, language, body, depth)?;
            Ok(Some(Outcome::Tag("DO".to_owned())))
        }
        Statement::Script { dialect, source } => {
            let hooks = backend.shared.hooks.clone();
            let result = hooks.run_script(&mut HookCx::new(backend, depth), dialect, source)?;
            Ok(Some(super::command::outcome(result)))
        }
        _ => Ok(None),
    }
}

/// CALL of an AMI procedure, read as AMI reads it; none if there is no such procedure.
pub fn as_ami_call(backend: &Backend, name: &parse::ObjectName, parsed: &Parsed) -> Result<Option<Parsed>> {
    let last = name.parts.last().map_or("", String::as_str);
    match super::ddl::find_procedure(&*backend.catalog()?, last) {
        Some(_) => parse::ami_form(&parsed.text).map(Some),
        None => Ok(None),
    }
}

/// Types of the parameters of a CALL: those declared, else the procedure's argument where one stands alone, else text.
pub fn call_params(backend: &Backend, parsed: &Parsed, types: &[Oid]) -> Result<Vec<DataType>> {
    let mut found: Vec<DataType> = vec![DataType::TEXT; parsed.param_count.max(types.len())];
    let read = match &*parsed.statement {
        Statement::Call { name, .. } => as_ami_call(backend, name, parsed)?,
        _ => Some(parsed.clone()),
    };
    if let Some(Statement::AmiCall { name, args }) = read.as_ref().map(|read| &*read.statement)
        && let Some(def) = super::ddl::find_procedure(&*backend.catalog()?, name)
    {
        for (arg, (_, ty)) in args.iter().zip(&def.arguments) {
            if let ast::Expr::Value(value) = arg
                && let ast::Value::Placeholder(text) = &value.value
                && let Some(slot) = text[1..].parse::<usize>().ok().and_then(|n| found.get_mut(n.wrapping_sub(1)))
            {
                *slot = *ty;
            }
        }
    }
    for (slot, oid) in found.iter_mut().zip(types).filter(|(_, oid)| **oid != 0) {
        *slot = DataType::new(*oid);
    }
    Ok(found)
}

/// PostgreSQL's own procedures do not exist yet, so no CALL finds one. Errors of the arguments come first.
fn no_procedure(backend: &Backend, name: &parse::ObjectName, args: &[ast::Expr]) -> SqlError {
    let bind = |arg| super::with_bind_context(backend, |context| crate::plan::bind_scalar(context, arg, &[], None));
    let types: Result<Vec<String>> =
        args.iter().map(|arg| bind(arg).map(|expr| crate::types::format_type(expr.data_type()))).collect();
    match types {
        Ok(types) => SqlError::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("procedure {}({}) does not exist", name.parts.join("."), types.join(", ")),
        )
        .hint("No procedure matches the given name and argument types. You might need to add explicit type casts."),
        Err(error) => error,
    }
}

fn run_utility(backend: &Backend, parsed: &Parsed, params: (&[Oid], &[Value]), depth: u32) -> Result<QueryResult> {
    match utility(backend, parsed, params, depth)? {
        Some(Outcome::Tag(tag)) => Ok(QueryResult { tag, ..QueryResult::default() }),
        Some(Outcome::Rows(columns, rows, tag)) => {
            let count = rows.len() as u64;
            Ok(QueryResult { columns, rows, count, tag })
        }
        None => match &*parsed.statement {
            Statement::Unsupported(what) => Err(SqlError::unsupported(what)),
            _ => Err(SqlError::unsupported("this statement inside a trigger or subscriber")),
        },
    }
}

/// Whether `ddl` runs it.
fn is_definition(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Truncate { .. }
            | Statement::Ddl(_)
            | Statement::CreateTableAs { .. }
            | Statement::CreateSequence { .. }
            | Statement::AlterSequence { .. }
            | Statement::CreateDatabase { .. }
            | Statement::DropDatabase { .. }
            | Statement::AlterDatabase { .. }
            | Statement::CreateRole { .. }
            | Statement::AlterRole { .. }
            | Statement::DropRole { .. }
            | Statement::Grant(_)
            | Statement::AlterDefaultPrivileges(_)
            | Statement::Owned { .. }
            | Statement::CreateExtension { .. }
            | Statement::DropExtension { .. }
            | Statement::Comment { .. }
            | Statement::AlterObject { .. }
            | Statement::AlterDomain { .. }
            | Statement::RefreshView { .. }
            | Statement::CreateFunction(_)
            | Statement::AlterColumn { .. }
            | Statement::CreateTrigger(_)
            | Statement::DropTrigger { .. }
            | Statement::ToggleTrigger { .. }
            | Statement::AmiCreateTable(_)
            | Statement::AmiCreateIndex(_)
            | Statement::AmiAlterTable { .. }
            | Statement::AmiRenameTable { .. }
            | Statement::AmiDropTable { .. }
            | Statement::AmiDropIndex { .. }
            | Statement::AmiCreateMethod(_)
            | Statement::AmiDropMethod { .. }
            | Statement::AmiCreateProcedure { .. }
            | Statement::CreateProcedure(_)
            | Statement::DropProcedure { .. }
            | Statement::PutDefaultProcedure { .. }
            | Statement::CreateLuaFunction { .. }
            | Statement::DropLuaFunction { .. }
    )
}

/// LOCK TABLE.
fn lock_tables(backend: &Backend, names: &[parse::ObjectName], mode: parse::TableLock, nowait: bool) -> Result<()> {
    let mode = match mode {
        parse::TableLock::AccessShare => TableLockMode::AccessShare,
        parse::TableLock::RowShare => TableLockMode::RowShare,
        parse::TableLock::RowExclusive => TableLockMode::RowExclusive,
        parse::TableLock::ShareUpdateExclusive => TableLockMode::ShareUpdateExclusive,
        parse::TableLock::Share => TableLockMode::Share,
        parse::TableLock::ShareRowExclusive => TableLockMode::ShareRowExclusive,
        parse::TableLock::Exclusive => TableLockMode::Exclusive,
        parse::TableLock::AccessExclusive => TableLockMode::AccessExclusive,
    };
    let wait = if nowait { WaitPolicy::NoWait } else { WaitPolicy::Wait };
    for name in names {
        lock_named(backend, name, mode, wait)?;
    }
    Ok(())
}

/// Locks the table that a name stands for once the lock is got: DDL may have given the name to another meanwhile. None
/// if it is no table. Errors: 42P01, 55P03, those of a wait.
pub fn lock_named(
    backend: &Backend,
    name: &parse::ObjectName,
    mode: TableLockMode,
    wait: WaitPolicy,
) -> Result<Option<Arc<TableDef>>> {
    loop {
        backend.refresh_catalog();
        let version = backend.catalogs().version;
        let Relation::Table(table) = super::objects::find_relation(backend, name)? else { return Ok(None) };
        let locked = backend.with_txn(|txn| txn.lock_table(table.id, mode, wait));
        backend.refresh_catalog();
        if backend.catalogs().version == version {
            return locked.map(|()| Some(table));
        }
        if let Err(error) = locked
            && error.state() != SqlState::UNDEFINED_TABLE
        {
            return Err(error);
        }
    }
}
