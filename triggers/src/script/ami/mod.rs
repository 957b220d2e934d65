//! AMIScript, and the trigger kind AMISCRIPT (AMI-103 to AMI-121): up to five scripts around the writing of a row.
//!
//! A script is compiled once per table. A run reads columns where they lie in the row's images; it copies a row only to
//! assign to it. Trigger variables (`vars`) live in the trigger's `Instance`, outside of transactions.
//!
//! Scripts that stand by themselves have these doors: `check_method` and `call_method` (AMI-76; a method is a
//! `FunctionDef` of kind Function, dialect `DIALECT`, language `LANGUAGE`, whose body is its whole declaration, and every
//! script compiled later can call it), `Routine` (AMI-77, AMI-79: procedures and timers) and `run_block` (AMI-5).

mod ast;
mod builtins;
mod collection;
mod compile;
mod complex;
mod deferred;
mod format;
mod interp;
mod lexer;
mod methods;
mod parser;
mod routine;
mod sql;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use ast::{Binary, Compare, Expr, Type};
pub(crate) use compile::{Code, Event, Image, Program, Scope, expression, find_column};
use interp::End;
pub(crate) use interp::Frame;
pub(crate) use parser::{assignments, derived, expressions, single};
pub(crate) use sql::{PUBLIC, walk};
pub(crate) use value::{Val, as_label, convert_value, instant, text_of, to_column, type_of};

pub use methods::{DIALECT, LANGUAGE, Methods};
pub use routine::{Output, Routine, Signature, Source, Variables, call_method, check_method, method_signature};

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tripline_sql::catalog::{Catalog, FunctionDef, FunctionKind, TableDef, TriggerDef, TriggerEvent, TriggerId};
use tripline_sql::change::{HookContext, QueryResult, RowChange, RowId, Verdict};
use tripline_sql::error::{Result, Severity, SqlError, SqlState};
use tripline_sql::types::{Oid, Value};

use super::{Language, Limits};
use crate::kind::{self, Attachment, Instance, Kind, Listens, RowTrigger, Running};

/// The language.
pub struct Ami;

impl Language for Ami {
    fn name(&self) -> &'static str {
        "amiscript"
    }

    fn check(&self, source: &str) -> Result<()> {
        compile::script(source, Scope::EMPTY).map(|_| ())
    }
}

/// The kind.
pub struct AmiScript;

/// Runs `work` with room on the stack for what nests within the bounds of a script.
fn room<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_LEFT, STACK_MORE, work)
}

/// Room that must be left on the stack, and what is taken when it is not.
const STACK_LEFT: usize = 256 << 10;
const STACK_MORE: usize = 2 << 20;

const SCRIPTS: [(Event, &str); 5] = [
    (Event::Inserting, "onInsertingScript"),
    (Event::Inserted, "onInsertedScript"),
    (Event::Updating, "onUpdatingScript"),
    (Event::Updated, "onUpdatedScript"),
    (Event::Deleting, "onDeletingScript"),
];

impl Kind for AmiScript {
    fn name(&self) -> &'static str {
        "amiscript"
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        let mut known = vec!["vars", "onStartupScript", "canMutateRow", "rowVar"];
        known.extend(SCRIPTS.iter().map(|(_, name)| *name));
        kind::check_options(&def, &known)?;
        kind::table_count(&def, !def.tables.is_empty(), "at least one table")?;
        // One that goes with its only table may stand on a temporary one.
        if def.tables.len() > 1 {
            kind::permanent_only(&ctx.catalog(), &def)?;
        }
        if !SCRIPTS.iter().any(|(_, name)| def.option(name).is_some()) {
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                "AMISCRIPT trigger needs at least one event script",
            ));
        }
        let mutates = kind::boolean(&def, "canMutateRow")?;
        let has = |events: [usize; 2]| events.iter().any(|e| def.option(SCRIPTS[*e].1).is_some()).then(Vec::new);
        let catalog = ctx.catalog();
        let methods = Methods::of(&catalog);
        let mut events = Vec::new();
        for id in &def.tables {
            let table = kind::table_of(&catalog, *id)?;
            Scripts::compile(&catalog, &def, &table, &methods)?;
            events.push(TriggerEvent { table: *id, insert: has([0, 1]), update: has([2, 3]), delete: has([4, 4]) });
            if table.maintained_by != 0 && (mutates || [0, 2, 4].iter().any(|e| def.option(SCRIPTS[*e].1).is_some())) {
                ctx.notice(SqlError::notice(
                    Severity::Warning,
                    SqlState::WARNING,
                    format!("\"return false\" and changes of the row are ignored on table \"{}\", which a trigger maintains", table.name),
                ));
            }
        }
        startup_program(&def, &methods)?;
        def.events = events;
        Ok(def)
    }

    fn starts(&self, def: &TriggerDef) -> bool {
        def.option("onStartupScript").is_some()
    }

    fn started(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        let Some(program) = startup_program(def, &Methods::of(&ctx.catalog()))? else { return Ok(()) };
        let vars = vars_of(def, instance)?;
        let mut locals = Vec::new();
        let caller = ctx.act_as(def.owner);
        let mut frame = Frame::new(&mut locals, Limits::AMI);
        frame.ctx = Some(ctx);
        frame.vars = Some(&vars.values);
        let result = frame.run(&program).map(|_| ());
        let line = frame.line;
        if let Some(ctx) = frame.ctx.as_deref_mut() {
            ctx.act_as(caller);
        }
        result.map_err(|error| error.context(format!("AMI trigger \"{}\" onStartupScript, line {line}", def.name)))
    }

    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        instance: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        let Some(table) = table else { return Ok(None) };
        let scripts = Scripts::compile(catalog, def, table, &Methods::of(catalog))?;
        Ok(Some(Attachment::InTransaction(Arc::new(ScriptTrigger {
            vars: vars_of(def, instance)?,
            instance: instance.clone(),
            id: def.id,
            owner: def.owner,
            name: def.name.clone(),
            table: table.clone(),
            mutates: kind::boolean(def, "canMutateRow")?,
            scripts,
        }))))
    }
}

/// Values of a trigger's `vars`.
struct Vars {
    values: Mutex<Vec<Val>>,
}

fn vars_of(def: &TriggerDef, instance: &Instance) -> Result<Arc<Vars>> {
    let mut state = instance.state.lock();
    if let Some(vars) = state.clone().and_then(|state| state.downcast::<Vars>().ok()) {
        return Ok(vars);
    }
    let count = declared_vars(def)?.len();
    let vars = Arc::new(Vars { values: Mutex::new(vec![Val::NULL; count]) });
    *state = Some(vars.clone());
    Ok(vars)
}

fn in_option(option: &str, error: SqlError) -> SqlError {
    let mut error = error;
    let message = format!("{option}, {}", error.message());
    error.fields_mut().message = message;
    error
}

fn declared_vars(def: &TriggerDef) -> Result<Vec<(Type, String)>> {
    let vars = parser::variables(def.option("vars").unwrap_or("")).map_err(|error| in_option("vars", error))?;
    for (i, (_, name)) in vars.iter().enumerate() {
        if vars[..i].iter().any(|(_, before)| before == name) {
            return Err(SqlError::new(SqlState::DUPLICATE_COLUMN, format!("variable \"{name}\" is declared twice")));
        }
    }
    Ok(vars)
}

fn startup_program(def: &TriggerDef, methods: &Arc<Methods>) -> Result<Option<Program>> {
    let Some(source) = def.option("onStartupScript") else { return Ok(None) };
    let vars = declared_vars(def)?;
    let scope = Scope { vars: &vars, methods: Some(methods), ..Scope::EMPTY };
    compile::script(source, scope).map(Some).map_err(|error| in_option("onStartupScript", error))
}

/// The compiled scripts of a trigger for one table, in the order of `SCRIPTS`.
struct Scripts([Option<Program>; 5]);

impl Scripts {
    fn compile(catalog: &Catalog, def: &TriggerDef, table: &TableDef, methods: &Arc<Methods>) -> Result<Scripts> {
        let vars = declared_vars(def)?;
        let duplicate = |what: String| SqlError::new(SqlState::DUPLICATE_COLUMN, what);
        for (_, name) in &vars {
            if table.column_index(name).is_some() {
                return Err(duplicate(format!(
                    "variable \"{name}\" has the name of a column of table \"{}\"",
                    table.name
                )));
            }
        }
        let row_var = def.option("rowVar");
        if let Some(name) = row_var {
            let good = name.chars().all(|c| c.is_alphanumeric() || c == '_')
                && name.chars().next().is_some_and(|c| !c.is_numeric());
            if !good {
                return Err(SqlError::new(SqlState::INVALID_NAME, format!("rowVar \"{name}\" is not a name")));
            }
            let clash = |column: &str| {
                duplicate(format!(
                    "rowVar \"{name}\" clashes with column variable \"{column}\" of table \"{}\"",
                    table.name
                ))
            };
            let updating = def.option("onUpdatingScript").is_some();
            let others =
                SCRIPTS.iter().any(|(event, script)| *event != Event::Updating && def.option(script).is_some());
            if table.column_index(name).is_some() {
                if updating {
                    return Err(clash(&format!("new_{name}")));
                }
                if others {
                    return Err(clash(name));
                }
            }
            if vars.iter().any(|(_, var)| var == name) {
                return Err(duplicate(format!("rowVar \"{name}\" is a variable too")));
            }
        }
        let mut programs = [const { None }; 5];
        for (slot, (event, option)) in programs.iter_mut().zip(SCRIPTS) {
            if let Some(source) = def.option(option) {
                let methods = Some(methods);
                let (table, catalog) = (Some(table), Some(catalog));
                let scope = Scope { vars: &vars, table, event, row_var, methods, catalog, ..Scope::EMPTY };
                *slot = Some(compile::script(source, scope).map_err(|error| in_option(option, error))?);
            }
        }
        Ok(Scripts(programs))
    }
}

struct ScriptTrigger {
    id: TriggerId,
    /// Whose rights its scripts have (AMI-116).
    owner: Oid,
    name: String,
    table: Arc<TableDef>,
    mutates: bool,
    scripts: Scripts,
    vars: Arc<Vars>,
    instance: Arc<Instance>,
}

impl ScriptTrigger {
    fn clock_now(&self, session: &tripline_sql::session::Session) -> i64 {
        session.now()
    }
}

impl RowTrigger for ScriptTrigger {
    fn listens(&self) -> Listens {
        let has = |script: usize| self.scripts.0[script].is_some();
        Listens { before: [has(0), has(2), has(4)], after: [has(1), has(3), false] }
    }

    fn observes(&self) -> bool {
        self.scripts.0.iter().flatten().any(|program| program.queries)
    }

    fn repeats(&self) -> bool {
        [2, 4].iter().all(|script: &usize| self.scripts.0[*script].as_ref().is_none_or(|program| !program.acts))
    }

    fn start(self: Arc<Self>, _observed: bool) -> Box<dyn Running> {
        Box::new(ScriptRun { trigger: self, locals: Vec::new() })
    }
}

struct ScriptRun {
    trigger: Arc<ScriptTrigger>,
    locals: Vec<Val>,
}

impl ScriptRun {
    fn run(
        &mut self,
        script: usize,
        ctx: &mut dyn HookContext,
        change: &RowChange,
        assigned: Option<&[usize]>,
    ) -> Result<Verdict> {
        let trigger = &*self.trigger;
        let Some(program) = &trigger.scripts.0[script] else { return Ok(Verdict::Keep) };
        let began = ctx.elapsed();
        let caller = program.queries.then(|| ctx.act_as(trigger.owner));
        let mut frame = Frame::new(&mut self.locals, Limits::AMI);
        frame.ctx = Some(ctx);
        frame.table = Some(&trigger.table);
        frame.vars = Some(&trigger.vars.values);
        frame.assigned = assigned;
        if let Some(old) = change.old() {
            frame.old = Cow::Borrowed(old);
        }
        if let Some(new) = change.new_row() {
            frame.new = Cow::Borrowed(new);
        }
        let mut end = frame.run_event(program);
        if matches!(end, Ok(End::Deferred)) {
            end = deferred::keep(&mut frame, &self.trigger, script).map(|()| End::Done);
        }
        let ended = frame.ctx.as_deref_mut().map(|ctx| {
            if let Some(caller) = caller {
                ctx.act_as(caller);
            }
            (ctx.elapsed(), ctx.now())
        });
        let (ended, now) = ended.unwrap_or_default();
        trigger.instance.called(ended.saturating_sub(began));
        match end {
            Ok(End::Return(Val::S(Value::Bool(false)))) if matches!(script, 0 | 2 | 4) => {
                trigger.instance.returned_false.fetch_add(1, Ordering::Relaxed);
                Ok(Verdict::Skip)
            }
            Ok(_) if trigger.mutates && program.assigns && matches!(script, 0 | 2) => {
                Ok(frame.changed_row().map_or(Verdict::Keep, Verdict::Replace))
            }
            Ok(_) => Ok(Verdict::Keep),
            Err(error) => {
                let event = SCRIPTS[script].1;
                trigger.instance.failed(now, event.to_owned(), error.clone());
                Err(error.context(format!(
                    "AMI trigger \"{}\" {event} on table \"{}\", line {}",
                    trigger.name, trigger.table.name, frame.line
                )))
            }
        }
    }
}

impl Running for ScriptRun {
    fn before(
        &mut self,
        ctx: &mut dyn HookContext,
        change: &RowChange,
        assigned: Option<&[usize]>,
        _writer: TriggerId,
    ) -> Result<Verdict> {
        match change {
            RowChange::Insert { .. } => self.run(0, ctx, change, None),
            RowChange::Update { .. } => self.run(2, ctx, change, assigned),
            RowChange::Delete { .. } => self.run(4, ctx, change, None),
        }
    }

    fn after(&mut self, ctx: &mut dyn HookContext, _row: RowId, change: &RowChange) -> Result<()> {
        match change {
            RowChange::Insert { .. } => self.run(1, ctx, change, None).map(|_| ()),
            RowChange::Update { .. } => self.run(3, ctx, change, None).map(|_| ()),
            RowChange::Delete { .. } => Ok(()),
        }
    }
}

/// Runs a script block that a client sent (AMI-5): its result is the value of `return`, or the rows of a final SELECT.
/// Errors: 42601, 42703, 42883, 42704 from compiling; whatever the script raises, its line in the context.
pub fn run_block(ctx: &mut dyn HookContext, source: &str) -> Result<QueryResult> {
    let texts = Source { option: "script", script: source, ..Source::default() };
    let output = Routine::compile(&texts, &ctx.catalog())?.run(ctx, &[], None, Limits::AMI)?;
    Ok(output.into_result("SCRIPT"))
}

/// Checks a method or procedure before it is stored, and says its arguments (AMI-76, AMI-77).
/// Errors: 42601, 42701, 42703, 42704, 42883, each with its line; 42723 when a method's signature is taken.
pub fn check_routine(ctx: &mut dyn HookContext, mut def: FunctionDef) -> Result<FunctionDef> {
    let catalog = ctx.catalog();
    if def.kind == FunctionKind::Function {
        let signature = check_method(&catalog, &def.body)?;
        (def.arguments, def.returns) = (signature.arguments, signature.returns);
        return Ok(def);
    }
    let routine = procedure(&def, &catalog)?;
    def.arguments = routine.arguments().map(|(name, ty)| (name.to_owned(), ty)).collect();
    if let Some(startup) = procedure_startup(&def, &catalog)? {
        startup.run(ctx, &[], None, Limits::AMI)?;
    }
    Ok(def)
}

fn procedure_option<'d>(def: &'d FunctionDef, key: &str) -> Option<&'d str> {
    def.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

/// A procedure ready to run.
pub(crate) fn procedure(def: &FunctionDef, catalog: &Catalog) -> Result<Routine> {
    let arguments = procedure_option(def, "arguments").unwrap_or_default();
    Routine::compile(&Source { option: "script", script: &def.body, arguments, variables: "" }, catalog)
}

/// What a procedure runs when it is created and when the server starts.
pub(crate) fn procedure_startup(def: &FunctionDef, catalog: &Catalog) -> Result<Option<Routine>> {
    let Some(script) = procedure_option(def, "onStartupScript") else { return Ok(None) };
    Routine::compile(&Source { option: "onStartupScript", script, ..Source::default() }, catalog).map(Some)
}
