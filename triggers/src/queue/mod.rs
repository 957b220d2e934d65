//! Queues of the Comdb2 dialect. The queue of a trigger is not stored anywhere: it is the change log from the trigger's
//! cursor on, seen through the trigger's events. Here: the kind LUA TRIGGER (CDB-501 to CDB-516), which runs a procedure
//! for every event, one transaction each; the cursor's step and everything the procedure wrote are one commit. And the kind LUA
//! CONSUMER (CDB-701 to CDB-808): a queue that clients take from, each through a procedure that it runs (`procedure`,
//! `consumer`).

mod consumer;
mod default;
mod event;
pub(crate) mod function;
pub(crate) mod procedure;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlua::{Function, Value as LuaValue};
use tripline_sql::catalog::{Catalog, CatalogSet, FunctionDef, Persistence, TableDef, TableId, TriggerDef, TriggerId};
use tripline_sql::change::{Cause, CommitNo, HookContext, LoggedChange, Position, RowId};
use tripline_sql::engine::Engine;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{DataType, Oid, Value};

use crate::cursor;
use crate::kind::{self, Attachment, Delivery, Instance, Kind, Subscriber, Worker, table_of};
use crate::script::Limits;
use crate::script::lua::comdb2::db::{Host, interrupt, procedure as procedure_of, remember_event, trigger_world};
use crate::script::lua::{Interrupt, Machine, comdb2, sql_error};

pub use consumer::{Consumers, Standing};

/// The kind LUA TRIGGER.
pub struct LuaTrigger;

/// The kind LUA CONSUMER.
pub struct LuaConsumer;

const NAME_MAX: usize = 28;

impl Kind for LuaTrigger {
    fn name(&self) -> &'static str {
        "lua_trigger"
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        def.options.extend(ctx.setting(SEARCH_PATH).map(|path| (SEARCH_PATH.to_owned(), path)));
        check_queue(ctx, def, true)
    }

    fn created(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        make_queue(ctx, instance, def)
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        ctx.move_cursor(def.id, None);
        Ok(())
    }

    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        if table.is_some() {
            return Ok(None);
        }
        let queue = Queue { def: def.clone(), database: catalog.database };
        Ok(Some(Attachment::Subscriber(Arc::new(queue))))
    }
}

/// Looks at a queue's definition and fixes its columns.
fn check_queue(ctx: &mut dyn HookContext, mut def: TriggerDef, with_procedure: bool) -> Result<TriggerDef> {
    if def.name.chars().count() > NAME_MAX {
        return Err(SqlError::new(
            SqlState::NAME_TOO_LONG,
            format!("procedure name must not exceed {NAME_MAX} characters"),
        ));
    }
    let catalog = ctx.catalog();
    let taken = catalog
        .triggers()
        .find(|other| other.id != def.id && other.dialect == def.dialect && other.name.eq_ignore_ascii_case(&def.name));
    if let Some(other) = taken {
        let what = if other.kind.eq_ignore_ascii_case("lua_trigger") { "trigger" } else { "consumer" };
        return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("{what}:{} already exists", other.name)));
    }
    if with_procedure && procedure_of(&catalog, &def.name, None).is_none() {
        return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such procedure: {}", def.name)));
    }
    for (i, event) in def.events.iter().enumerate() {
        if def.events[..i].iter().any(|before| before.table == event.table) {
            let name = catalog.table(event.table).map_or(String::new(), |table| table.name.clone());
            return Err(SqlError::syntax(format!("trigger already specified table:{name}")));
        }
    }
    for event in &mut def.events {
        let table = table_of(&catalog, event.table)?;
        if table.persistence != Persistence::Permanent {
            // Its changes are not logged, so that nobody would ever be told of them.
            return Err(SqlError::unsupported(format!("watching a temporary or unlogged table (\"{}\")", table.name)));
        }
        for columns in [&mut event.insert, &mut event.update, &mut event.delete].into_iter().flatten() {
            fix_columns(&table, columns)?;
        }
    }
    Ok(def)
}

/// A queue begins at its creation: its cursor, and the number of its last event.
fn make_queue(ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
    let after = CommitNo(instance.created_after.load(Ordering::Relaxed));
    ctx.move_cursor(def.id, Some(cursor::before_creation(after)));
    if numbered(def) {
        let columns = [("key".to_owned(), DataType::INT2), ("n".to_owned(), DataType::INT8)];
        let table = ctx.create_state_table(def.id, &sequence_name(def.id), &columns, 1, true)?;
        ctx.insert(table.id, vec![Value::Int2(0), Value::Int8(0)])?;
    }
    Ok(())
}

impl Kind for LuaConsumer {
    fn name(&self) -> &'static str {
        "lua_consumer"
    }

    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef> {
        if is_default(&def) && def.events.len() != 1 {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "cannot create default consumer for multiple tables",
            ));
        }
        let with_procedure = !is_default(&def);
        check_queue(ctx, def, with_procedure)
    }

    fn created(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        make_queue(ctx, instance, def)?;
        if is_default(def) {
            let source = default::SOURCE;
            let (name, version) = (format!("\"{}\"", def.name.replace('"', "\"\"")), default::VERSION);
            let tag = "$tripline_default$";
            ctx.query(&format!("CREATE PROCEDURE {name} VERSION '{version}' {tag}{source}{tag}"), &[])?;
            ctx.query(&format!("PUT DEFAULT PROCEDURE {name} '{version}'"), &[])?;
        }
        Ok(())
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        ctx.move_cursor(def.id, None);
        Ok(())
    }

    fn attach(
        &self,
        _: &Catalog,
        _: &Arc<TriggerDef>,
        _: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        Ok(None)
    }
}

/// The setting that a trigger keeps from its creation.
const SEARCH_PATH: &str = "search_path";

/// CREATE DEFAULT LUA CONSUMER.
fn is_default(def: &TriggerDef) -> bool {
    def.option("default").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The columns that a consumer's events show, in the table's order, with their types.
fn consumer_columns(def: &TriggerDef, table: &TableDef) -> Vec<(String, DataType)> {
    let shown = |name: &str| {
        def.events.iter().filter(|event| event.table == table.id).any(|event| {
            [&event.insert, &event.update, &event.delete].into_iter().flatten().flatten().any(|column| column == name)
        })
    };
    table
        .live_columns()
        .filter(|(_, column)| shown(&column.name))
        .map(|(_, column)| (column.name.clone(), column.ty))
        .collect()
}

/// Whether its events are numbered (CDB-606).
fn numbered(def: &TriggerDef) -> bool {
    def.option("sequence").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Name of the hidden table whose one row holds the number of the last event consumed.
fn sequence_name(id: TriggerId) -> String {
    format!("trigger_{}_sequence", id.0)
}

/// The columns of an event are fixed when the trigger is created (CDB-503). Errors: 42701, 42703.
fn fix_columns(table: &TableDef, columns: &mut Vec<String>) -> Result<()> {
    if columns.is_empty() {
        *columns = table.live_columns().map(|(_, column)| column.name.clone()).collect();
        return Ok(());
    }
    for at in 0..columns.len() {
        let (before, rest) = columns.split_at_mut(at);
        let Some(name) = rest.first_mut() else { continue };
        let found = table.live_columns().find(|(_, column)| column.name.eq_ignore_ascii_case(name));
        match found {
            Some((_, column)) if before.contains(&column.name) => {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            Some((_, column)) => name.clone_from(&column.name),
            None => {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
                ));
            }
        }
    }
    Ok(())
}

struct Queue {
    def: Arc<TriggerDef>,
    database: Oid,
}

impl Subscriber for Queue {
    fn wants(&self, change: &LoggedChange) -> bool {
        event::columns(&self.def, change).is_some()
    }

    fn may_linger(&self) -> bool {
        true
    }

    /// Whoever made the trigger may do no more through it than without it (CDB-513).
    fn role(&self) -> Oid {
        self.def.owner
    }

    /// Names mean what they meant to whoever made the trigger (CDB-513).
    fn settings(&self) -> Vec<(String, String)> {
        let path = self.def.option(SEARCH_PATH);
        path.map(|path| (SEARCH_PATH.to_owned(), path.to_owned())).into_iter().collect()
    }

    fn worker(self: Arc<Self>, engine: &Engine, session: Session) -> Result<Box<dyn Worker>> {
        Ok(Box::new(Runner {
            machine: self.machine(engine, Some(session))?,
            queue: self,
            engine: engine.clone(),
            catalogs: None,
            procedure: None,
            main: None,
            tables: event::Tables::default(),
            position: None,
        }))
    }
}

impl Queue {
    fn machine(&self, engine: &Engine, session: Option<Session>) -> Result<Machine> {
        let machine = Machine::new(Limits::LUA)?;
        let clock = Some(engine.env().clock.clone());
        let name = self.def.name.clone();
        machine.lua().set_app_data(Host { session, clock, name, managed: true, strict: true, ..Host::default() });
        machine.lua().set_app_data(Interrupt(interrupt));
        Ok(machine)
    }
}

/// Runs a trigger's events.
struct Runner {
    queue: Arc<Queue>,
    engine: Engine,
    machine: Machine,
    /// The catalogs last looked at.
    catalogs: Option<Arc<CatalogSet>>,
    /// The procedure loaded.
    procedure: Option<Arc<FunctionDef>>,
    main: Option<Function>,
    tables: event::Tables,
    /// Where its cursor stands.
    position: Option<Position>,
}

impl Runner {
    fn with_session<T>(&self, f: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut host =
            self.machine.lua().app_data_mut::<Host>().ok_or_else(|| SqlError::internal("a runner without its host"))?;
        match host.session.as_mut() {
            Some(session) => f(session),
            None => Err(SqlError::internal("a runner without its session")),
        }
    }

    /// Takes the newest catalogs; forgets the loaded procedure if it is no longer the default (CDB-512).
    fn refresh(&mut self) -> Result<()> {
        let now = self.engine.catalogs();
        if self.catalogs.as_ref().is_some_and(|have| Arc::ptr_eq(have, &now)) {
            return Ok(());
        }
        let found = now
            .database(self.queue.database)
            .and_then(|catalog| procedure_of(catalog, &self.queue.def.name, None).cloned());
        let same = match (&self.procedure, &found) {
            (Some(have), Some(found)) => Arc::ptr_eq(have, found),
            _ => false,
        };
        if !same {
            self.main = None;
            self.procedure = found;
        }
        if let Some(catalog) = now.database(self.queue.database) {
            self.tables.refresh(self.machine.lua(), &self.queue.def, catalog)?;
        }
        self.catalogs = Some(now);
        Ok(())
    }

    /// After a failure: an interpreter without what the failed attempt left in it, its memory above all (CDB-511).
    fn renew(&mut self) -> Result<()> {
        self.main = None;
        self.position = None;
        let machine = self.queue.machine(&self.engine, None)?;
        let session = self.machine.lua().app_data_mut::<Host>().and_then(|mut host| host.session.take());
        if let Some(mut host) = machine.lua().app_data_mut::<Host>() {
            host.session = session;
        }
        self.catalogs = None;
        self.tables = event::Tables::default();
        self.machine = machine;
        Ok(())
    }

    /// The number that this event has if it is consumed now.
    fn next_number(&self) -> Result<Option<i64>> {
        let def = &self.queue.def;
        if !numbered(def) {
            return Ok(None);
        }
        self.with_session(|session| session.with_hook_context(&mut |ctx| Ok(Some(last_number(ctx, def, false)?.1 + 1))))
    }

    fn run(&mut self, delivery: &Delivery<'_>, number: Option<i64>) -> Result<()> {
        let lua = self.machine.lua();
        let main = match &self.main {
            Some(main) => main.clone(),
            None => {
                let source = self.procedure.clone().ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such procedure: {}", self.queue.def.name))
                })?;
                self.drop_temporary_tables()?;
                let main = comdb2::load(&self.machine, &source.body, &trigger_world)?;
                self.main = Some(main.clone());
                main
            }
        };
        let (event, info) = self.tables.event(lua, delivery, number)?;
        remember_event(lua, &event, info).map_err(|error| sql_error(&error))?;
        let result = self.machine.call(&main, event);
        if let Some(mut host) = lua.app_data_mut::<Host>() {
            host.settle();
        }
        let doomed = lua.app_data_ref::<Host>().and_then(|host| host.doomed.clone());
        let value = result.map_err(|error| doomed.clone().unwrap_or(error))?;
        if let Some(error) = doomed {
            return Err(error);
        }
        match value {
            LuaValue::Integer(0) => Ok(()),
            LuaValue::Number(0.0) => Ok(()),
            other => {
                let code = other.to_string().unwrap_or_default();
                let text = lua.app_data_ref::<Host>().map_or(String::new(), |host| host.error.clone());
                let text = if text.is_empty() { format!("procedure returned {code}") } else { text };
                Err(SqlError::new(SqlState::RAISE_EXCEPTION, text).detail(format!("procedure return code: {code}")))
            }
        }
    }

    /// Temporary tables live as long as the chunk that made them (CDB-511, CDB-1018).
    fn drop_temporary_tables(&self) -> Result<()> {
        self.with_session(|session| {
            let Some(schema) = session.temporary_schema() else { return Ok(()) };
            let mut names = Vec::new();
            session.with_hook_context(&mut |ctx| {
                let catalog = ctx.catalog();
                names =
                    catalog.tables().filter(|table| table.schema == schema).map(|table| table.name.clone()).collect();
                Ok(())
            })?;
            for name in names {
                session.run_inside(&format!("DROP TABLE pg_temp.\"{}\"", name.replace('"', "\"\"")), &[], &[])?;
            }
            Ok(())
        })
    }

    fn step(&mut self, to: Position, number: Option<i64>) -> Result<()> {
        let def = self.queue.def.clone();
        let id = def.id;
        let from = match self.position {
            Some(position) => position,
            None => cursor::committed(&self.engine, id)
                .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_OBJECT, "the trigger was dropped"))?,
        };
        self.with_session(|session| {
            session.with_hook_context(&mut |ctx| {
                if ctx.catalog().trigger(id).is_none() {
                    return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, "the trigger was dropped"));
                }
                ctx.advance_cursor(id, from, to);
                match number {
                    Some(number) => set_number(ctx, &def, number),
                    None => Ok(()),
                }
            })?;
            session.commit_internal().map(|_| ())
        })?;
        self.position = Some(to);
        Ok(())
    }
}

/// Stores the number of the last event consumed.
fn set_number(ctx: &mut dyn HookContext, def: &TriggerDef, number: i64) -> Result<()> {
    let (place, last) = last_number(ctx, def, true)?;
    let row = |n| vec![Value::Int2(0), Value::Int8(n)];
    ctx.update(place.0, place.1, &row(last), row(number)).map(|_| ())
}

/// Where the number of the last event consumed stands, and the number.
fn last_number(ctx: &mut dyn HookContext, def: &TriggerDef, lock: bool) -> Result<((TableId, RowId), i64)> {
    let missing = || SqlError::internal("a trigger's sequence is missing");
    let table = kind::state_table(&ctx.catalog(), def, &sequence_name(def.id)).ok_or_else(missing)?;
    let index = table.indexes.first().ok_or_else(missing)?.oid;
    let found = ctx.lookup(table.id, index, &[Value::Int2(0)], lock)?;
    let (row, values) = found.into_iter().next().ok_or_else(missing)?;
    Ok(((table.id, row), values.get(1).and_then(Value::as_i64).ok_or_else(missing)?))
}

impl Worker for Runner {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<()> {
        self.refresh()?;
        if let Some(mut host) = self.machine.lua().app_data_mut::<Host>() {
            host.error.clear();
            host.doomed = None;
        }
        let cause = Cause { position: delivery.position, hops: delivery.hops.saturating_add(1) };
        let owner = self.queue.def.owner;
        self.with_session(|session| {
            // Also where the procedure took on another role for the event before.
            session.be_again(owner)?;
            session.begin_internal(Some(cause), None)
        })?;
        let result = self.next_number().and_then(|number| {
            self.run(delivery, number)?;
            self.step(delivery.position, number)
        });
        if result.is_err() {
            self.with_session(|session| {
                session.rollback_internal();
                Ok(())
            })?;
            if let Err(error) = self.renew() {
                tracing::warn!(trigger = %self.queue.def.name, %error, "the interpreter could not be made anew");
            }
        }
        result
    }

    fn skip(&mut self, to: Position) -> Result<()> {
        self.with_session(|session| session.begin_internal(None, None))?;
        let result = self.step(to, None);
        if result.is_err() {
            self.with_session(|session| {
                session.rollback_internal();
                Ok(())
            })?;
        }
        result
    }

    fn changed(&mut self) -> bool {
        let before = self.procedure.clone();
        if self.refresh().is_err() {
            return false;
        }
        match (&before, &self.procedure) {
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            (None, None) => false,
            _ => true,
        }
    }
}
