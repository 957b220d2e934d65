//! Queues of the Comdb2 dialect. The queue of a trigger is not stored anywhere: it is the change log from the trigger's
//! cursor on, seen through the trigger's events. Here: the kind LUA TRIGGER (CDB-501 to CDB-516), which runs a procedure
//! for every event, one transaction each; the cursor's step and everything the procedure wrote are one commit.

mod event;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlua::{Function, Value as LuaValue};
use tripline_sql::catalog::{Catalog, CatalogSet, FunctionDef, TableDef, TableId, TriggerDef, TriggerId};
use tripline_sql::change::{Cause, CommitNo, HookContext, LoggedChange, Position, RowId};
use tripline_sql::engine::Engine;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{DataType, Oid, Value};

use crate::cursor;
use crate::kind::{self, Attachment, Delivery, Instance, Kind, Subscriber, Worker, table_of};
use crate::script::Limits;
use crate::script::lua::Machine;
use crate::script::lua::api::Host;

/// The kind.
pub struct LuaTrigger;

const NAME_MAX: usize = 28;

impl Kind for LuaTrigger {
    fn name(&self) -> &'static str {
        "lua_trigger"
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        if def.name.chars().count() > NAME_MAX {
            return Err(SqlError::new(
                SqlState::NAME_TOO_LONG,
                format!("procedure name must not exceed {NAME_MAX} characters"),
            ));
        }
        let catalog = ctx.catalog();
        let taken = catalog.triggers().find(|other| {
            other.id != def.id && other.dialect == def.dialect && other.name.eq_ignore_ascii_case(&def.name)
        });
        if let Some(other) = taken {
            let what = if other.kind.eq_ignore_ascii_case("lua_trigger") { "trigger" } else { "consumer" };
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("{what}:{} already exists", other.name)));
        }
        if procedure(&catalog, &def.name).is_none() {
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
            for columns in [&mut event.insert, &mut event.update, &mut event.delete].into_iter().flatten() {
                fix_columns(&table, columns)?;
            }
        }
        Ok(def)
    }

    fn created(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        let after = CommitNo(instance.created_after.load(Ordering::Relaxed));
        ctx.move_cursor(def.id, Some(cursor::before_creation(after)));
        if numbered(def) {
            let columns = [("key".to_owned(), DataType::INT2), ("n".to_owned(), DataType::INT8)];
            let table = ctx.create_state_table(def.id, &sequence_name(def.id), &columns, 1, true)?;
            ctx.insert(table.id, vec![Value::Int2(0), Value::Int8(0)])?;
        }
        Ok(())
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

/// Whether its events are numbered (CDB-606).
fn numbered(def: &TriggerDef) -> bool {
    def.option("sequence").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Name of the hidden table whose one row holds the number of the last event consumed.
fn sequence_name(id: TriggerId) -> String {
    format!("trigger_{}_sequence", id.0)
}

/// The columns of an event are fixed when the trigger is created (CDB-503). Errors: 42703.
fn fix_columns(table: &TableDef, columns: &mut Vec<String>) -> Result<()> {
    if columns.is_empty() {
        *columns = table.live_columns().map(|(_, column)| column.name.clone()).collect();
        return Ok(());
    }
    for name in columns.iter_mut() {
        let found = table.live_columns().find(|(_, column)| column.name.eq_ignore_ascii_case(name));
        match found {
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

/// The default version of a Comdb2 procedure.
fn procedure<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Arc<FunctionDef>> {
    catalog
        .functions()
        .find(|def| def.dialect == "comdb2" && def.default_version && def.name.eq_ignore_ascii_case(name))
}

struct Queue {
    def: Arc<TriggerDef>,
    database: Oid,
}

impl Subscriber for Queue {
    fn wants(&self, change: &LoggedChange) -> bool {
        event::columns(&self.def, change).is_some()
    }

    fn worker(self: Arc<Self>, engine: &Engine, session: Session) -> Result<Box<dyn Worker>> {
        let machine = Machine::new(Limits::LUA)?;
        let host = Host { session: Some(session), name: self.def.name.clone(), ..Host::default() };
        machine.lua().set_app_data(host);
        Ok(Box::new(Runner {
            queue: self,
            engine: engine.clone(),
            machine,
            catalogs: None,
            procedure: None,
            main: None,
            tables: event::Tables::default(),
        }))
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
        let found =
            now.database(self.queue.database).and_then(|catalog| procedure(catalog, &self.queue.def.name).cloned());
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

    /// The number that this event has if it is consumed now.
    fn next_number(&self) -> Result<Option<i64>> {
        let def = &self.queue.def;
        if !numbered(def) {
            return Ok(None);
        }
        self.with_session(|session| session.with_hook_context(&mut |ctx| Ok(Some(last_number(ctx, def)?.1 + 1))))
    }

    fn run(&mut self, delivery: &Delivery<'_>, number: Option<i64>) -> Result<()> {
        let lua = self.machine.lua();
        let main = match &self.main {
            Some(main) => main.clone(),
            None => {
                let source = self.procedure.clone().ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such procedure: {}", self.queue.def.name))
                })?;
                let main = self.machine.load(&source.body)?;
                self.main = Some(main.clone());
                main
            }
        };
        let event = self.tables.event(lua, delivery, number)?;
        let result = self.machine.call(&main, event);
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

    fn step(&self, to: Position, number: Option<i64>) -> Result<()> {
        let def = &self.queue.def;
        let id = def.id;
        self.with_session(|session| {
            session.with_hook_context(&mut |ctx| {
                if ctx.catalog().trigger(id).is_none() {
                    return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, "the trigger was dropped"));
                }
                ctx.move_cursor(id, Some(to));
                if let Some(number) = number {
                    let (place, last) = last_number(ctx, def)?;
                    let row = |n| vec![Value::Int2(0), Value::Int8(n)];
                    ctx.update(place.0, place.1, &row(last), row(number))?;
                }
                Ok(())
            })?;
            session.commit_internal().map(|_| ())
        })
    }
}

/// Where the number of the last event consumed stands, and the number.
fn last_number(ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<((TableId, RowId), i64)> {
    let missing = || SqlError::internal("a trigger's sequence is missing");
    let table = kind::state_table(&ctx.catalog(), def, &sequence_name(def.id)).ok_or_else(missing)?;
    let index = table.indexes.first().ok_or_else(missing)?.oid;
    let found = ctx.lookup(table.id, index, &[Value::Int2(0)], true)?;
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
        self.with_session(|session| session.begin_internal(Some(cause), None))?;
        let result = self.next_number().and_then(|number| {
            self.run(delivery, number)?;
            self.step(delivery.position, number)
        });
        if result.is_err() {
            self.main = None;
            self.with_session(|session| {
                session.rollback_internal();
                Ok(())
            })?;
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
