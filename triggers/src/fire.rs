//! `Fire`: the trigger layer as the engine sees it (`sql`'s `Hooks`).
//!
//! For each table it keeps the compiled triggers in firing order (priority, then creation), good as long as the very
//! definitions that they were made from stand in the catalog: so a statement on a table with triggers pays a look-up and
//! a few pointer comparisons, one on a table without pays a look-up. It lets BEFORE triggers see each
//! other's changes and gives every write its writer's name. Depth is the engine's to bound: every write passes its door.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use tripline_sql::catalog::{Catalog, FunctionDef, TableDef, TableId, TriggerDef, TriggerId, TypeDef};
use tripline_sql::change::{
    Attached, CommitNo, FunctionCall, HookContext, Hooks, ProcedureCall, ProcedureShape, QueryResult, RowChange, RowId,
    RunningProcedure, TriggerStatistics, Verdict,
};
use tripline_sql::engine::WeakEngine;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Value};

use crate::inbox::Inbox;
use crate::kind::{Attachment, Deferred, Instance, Listens, Operation, RowTrigger, Running};
use crate::queue::Consumers;
use crate::registry::kind;
use crate::script::ami::{Methods, Routine};
use crate::script::{LANGUAGES, Limits};
use crate::signal::Signal;

/// How much a view may hold back of a statement before it writes.
const FOLD_MAX: usize = 32_768;

/// The trigger layer of one engine.
pub struct Fire {
    fold_max: usize,
    tables: RwLock<HashMap<TableId, Kept>>,
    instances: Mutex<HashMap<TriggerId, Arc<Instance>>>,
    signal: Arc<Signal>,
    deferred: Arc<Deferred>,
    consumers: Arc<Consumers>,
    /// Set while the feed runs.
    engine: Mutex<Option<WeakEngine>>,
    /// The methods of the catalog that was asked last.
    methods: Mutex<Option<(Arc<Catalog>, Arc<Methods>)>>,
    /// Compiled procedures, good for the catalog that they were compiled against.
    procedures: Mutex<HashMap<Oid, Procedure>>,
}

/// The catalog that a procedure was compiled against, and what came out.
type Procedure = (Arc<Catalog>, Arc<Routine>);

struct Kept {
    /// Under this catalog it is known to stand.
    catalog: Arc<Catalog>,
    /// The triggers of the table, and of the tables derived from it, level by level.
    triggers: Vec<(TableId, Vec<Arc<TriggerDef>>)>,
    /// Every table that the triggers name.
    tables: Vec<Arc<TableDef>>,
    /// The enums and domains of their columns.
    types: Vec<Arc<TypeDef>>,
    /// The user methods that scripts may call.
    methods: Vec<Arc<FunctionDef>>,
    set: Option<Arc<Set>>,
}

impl Kept {
    fn stands(&self, catalog: &Catalog) -> bool {
        let same =
            |(table, triggers): &(TableId, Vec<Arc<TriggerDef>>)| same_defs(triggers, catalog.triggers_of(*table));
        self.triggers.iter().all(same)
            && self.tables.iter().all(|table| catalog.table(table.id).is_some_and(|now| Arc::ptr_eq(now, table)))
            && self.types.iter().all(|ty| catalog.user_type(ty.oid).is_some_and(|now| Arc::ptr_eq(now, ty)))
            && same_defs(&self.methods, &Methods::defs(catalog))
    }
}

fn same_defs<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

/// The triggers of a table, ready to run.
struct Set {
    table: Arc<TableDef>,
    entries: Vec<Entry>,
    has_before: bool,
    has_after: bool,
    /// All that is called before an UPDATE or DELETE may be called again.
    repeats: bool,
    /// Some trigger here, or on a table derived from this one, may look at tables: views are written row by row.
    observed: bool,
    /// The table may be written again before a statement on it has ended.
    reentered: bool,
    /// Some trigger is no view.
    calls: bool,
    /// Triggers that manage rows of the table.
    managers: Vec<TriggerId>,
}

#[derive(Clone)]
struct Entry {
    id: TriggerId,
    listens: Listens,
    folds: bool,
    /// Or why it cannot run: raised when it would.
    trigger: Result<Arc<dyn RowTrigger>>,
}

impl Set {
    /// Those alone that keep derived tables; none if there are none.
    fn deriving(&self, catalog: &Catalog) -> Option<Arc<Set>> {
        let derives = |entry: &&Entry| {
            let def = catalog.trigger(entry.id);
            def.is_some_and(|def| kind(&def.kind).is_some_and(|kind| kind.derives()))
        };
        let entries: Vec<Entry> = self.entries.iter().filter(derives).cloned().collect();
        (!entries.is_empty()).then(|| {
            Arc::new(Set {
                table: self.table.clone(),
                has_before: entries.iter().any(|entry| entry.listens.before.contains(&true)),
                has_after: entries.iter().any(|entry| entry.listens.after.contains(&true)),
                calls: entries.iter().any(|entry| !entry.folds),
                repeats: self.repeats,
                observed: self.observed,
                reentered: self.reentered,
                managers: self.managers.clone(),
                entries,
            })
        })
    }
}

impl Fire {
    /// A layer for one engine; hand it to `Engine::open`, then to `Feed::start`.
    #[must_use]
    pub fn new() -> Arc<Fire> {
        Fire::folding(FOLD_MAX)
    }

    /// One whose views write as soon as they have noted so many changes of a statement.
    #[must_use]
    pub fn folding(fold_max: usize) -> Arc<Fire> {
        Arc::new(Fire {
            fold_max,
            tables: RwLock::default(),
            instances: Mutex::default(),
            signal: Arc::default(),
            deferred: Arc::default(),
            consumers: Arc::default(),
            engine: Mutex::default(),
            methods: Mutex::default(),
            procedures: Mutex::default(),
        })
    }

    /// What wakes the subscribers.
    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// The queues that clients take from.
    #[must_use]
    pub fn consumers(&self) -> &Arc<Consumers> {
        &self.consumers
    }

    /// The engine that procedures run on; none: there is none any more.
    pub(crate) fn set_engine(&self, engine: Option<WeakEngine>) {
        *self.engine.lock() = engine;
    }

    /// What a trigger keeps in memory: counters, last error.
    #[must_use]
    pub fn instance(&self, id: TriggerId) -> Arc<Instance> {
        let instance = self.instances.lock().entry(id).or_default().clone();
        let _ = instance.deferred.get_or_init(|| self.deferred.clone());
        instance
    }

    /// Work that waits for the feed.
    pub(crate) fn deferred(&self) -> &Arc<Deferred> {
        &self.deferred
    }

    fn build(
        &self,
        catalog: &Catalog,
        table: &Arc<TableDef>,
        below: &[(TableId, Vec<Arc<TriggerDef>>)],
    ) -> Option<Arc<Set>> {
        let mut entries = Vec::new();
        for def in catalog.triggers_of(table.id).iter().filter(|def| def.enabled) {
            let Some(kind) = kind(&def.kind) else { continue };
            match kind.attach(catalog, def, Some(table), &self.instance(def.id)) {
                Ok(Some(Attachment::InTransaction(trigger))) => entries.push(Entry {
                    id: def.id,
                    listens: trigger.listens(),
                    folds: trigger.folds(),
                    trigger: Ok(trigger),
                }),
                Ok(Some(Attachment::Subscriber(_)) | None) => {}
                Err(error) => entries.push(Entry {
                    id: def.id,
                    listens: Listens { before: [true; 3], after: [false; 3] },
                    folds: false,
                    trigger: Err(error.context(format!("trigger \"{}\" on table \"{}\"", def.name, table.name))),
                }),
            }
        }
        if entries.is_empty() {
            return None;
        }
        let has = |test: fn(&dyn RowTrigger) -> bool| {
            entries.iter().any(|entry| entry.trigger.as_ref().is_ok_and(|trigger| test(&**trigger)))
        };
        let managers = catalog.triggers_of(table.id).iter().filter(|def| {
            def.enabled && def.tables.last() == Some(&table.id) && kind(&def.kind).is_some_and(|kind| kind.manages())
        });
        let observed = has(|trigger| trigger.observes()) || self.observed_below(catalog, below);
        Some(Arc::new(Set {
            table: table.clone(),
            has_before: entries.iter().any(|entry| entry.listens.before.contains(&true)),
            has_after: entries.iter().any(|entry| entry.listens.after.contains(&true)),
            repeats: entries.iter().filter(|entry| entry.listens.before[1] || entry.listens.before[2]).all(|entry| {
                match &entry.trigger {
                    Ok(trigger) => trigger.repeats(),
                    Err(_) => true,
                }
            }),
            observed,
            reentered: observed || has(|trigger| trigger.returns()),
            calls: entries.iter().any(|entry| !entry.folds),
            managers: managers.map(|def| def.id).collect(),
            entries,
        }))
    }

    /// The triggers of a table under a catalog that it has not been asked for yet.
    fn keep(&self, catalog: &Arc<Catalog>, table: &Arc<TableDef>) -> Option<Arc<Set>> {
        if let Some(kept) = self.tables.write().get_mut(&table.id).filter(|kept| kept.stands(catalog)) {
            kept.catalog = catalog.clone();
            return kept.set.clone();
        }
        let triggers = Fire::graph(catalog, table.id);
        let set = self.build(catalog, table, &triggers[1..]);
        let mut tables: Vec<Arc<TableDef>> = vec![table.clone()];
        for id in triggers.iter().flat_map(|(_, triggers)| triggers).flat_map(|def| &def.tables) {
            if let Some(table) = catalog.table(*id)
                && !tables.iter().any(|have| have.id == *id)
            {
                tables.push(table.clone());
            }
        }
        let columns = tables.iter().flat_map(|table| &table.columns);
        let types = columns.filter_map(|column| catalog.user_type(column.ty.oid)).cloned().collect();
        let methods = Methods::defs(catalog);
        let kept = Kept { catalog: catalog.clone(), triggers, tables, types, methods, set: set.clone() };
        self.tables.write().insert(table.id, kept);
        set
    }

    /// Whether a trigger on one of these tables may look at other tables.
    fn observed_below(&self, catalog: &Catalog, below: &[(TableId, Vec<Arc<TriggerDef>>)]) -> bool {
        let observes = |table: &Arc<TableDef>, def: &Arc<TriggerDef>| {
            let attached = kind(&def.kind).map(|kind| kind.attach(catalog, def, Some(table), &self.instance(def.id)));
            matches!(attached, Some(Ok(Some(Attachment::InTransaction(trigger)))) if trigger.observes())
        };
        below.iter().any(|(table, triggers)| {
            catalog.table(*table).is_some_and(|table| triggers.iter().any(|def| def.enabled && observes(table, def)))
        })
    }

    /// The triggers of a table and of all tables derived from it, the table's own first.
    fn graph(catalog: &Catalog, table: TableId) -> Vec<(TableId, Vec<Arc<TriggerDef>>)> {
        let mut found: Vec<(TableId, Vec<Arc<TriggerDef>>)> = vec![(table, catalog.triggers_of(table).to_vec())];
        let mut at = 0;
        while let Some((from, triggers)) = found.get(at).cloned() {
            for def in triggers.iter().filter(|def| kind(&def.kind).is_some_and(|kind| kind.derives())) {
                let Some((target, sources)) = def.tables.split_last() else { continue };
                if sources.contains(&from) && !found.iter().any(|(have, _)| have == target) {
                    found.push((*target, catalog.triggers_of(*target).to_vec()));
                }
            }
            at += 1;
        }
        found
    }
}

impl Hooks for Fire {
    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef> {
        let Some(kind) = kind(&def.kind) else {
            let message = format!("trigger type \"{}\" does not exist", def.kind);
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, message));
        };
        if def.when.is_some() {
            return Err(SqlError::unsupported(format!("WHEN in a trigger of type \"{}\"", def.kind)));
        }
        let same = |other: &&Arc<TriggerDef>| {
            other.dialect == def.dialect && other.id != def.id && other.name.eq_ignore_ascii_case(&def.name)
        };
        if def.dialect == "ami" && ctx.catalog().triggers().find(same).is_some() {
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("trigger \"{}\" already exists", def.name)));
        }
        kind.check(ctx, def)
    }

    fn created(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        let Some(kind) = kind(&def.kind) else { return Ok(()) };
        let instance = self.instance(def.id);
        instance.started.store(true, std::sync::atomic::Ordering::Relaxed);
        instance.created_after.store(self.signal.durable().0, std::sync::atomic::Ordering::Relaxed);
        let before = ctx.set_writer(def.id);
        let result = kind.created(ctx, &instance, def);
        ctx.set_writer(before);
        result
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        self.instances.lock().remove(&def.id);
        match kind(&def.kind) {
            Some(kind) => kind.dropped(ctx, def),
            None => Ok(()),
        }
    }

    fn toggled(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        let Some(kind) = kind(&def.kind) else { return Ok(()) };
        let instance = self.instance(def.id);
        instance.created_after.store(self.signal.durable().0, std::sync::atomic::Ordering::Relaxed);
        let before = ctx.set_writer(def.id);
        let result = kind.toggled(ctx, &instance, def);
        ctx.set_writer(before);
        result
    }

    fn attached(&self, catalog: &Arc<Catalog>, table: &Arc<TableDef>, replica: bool) -> Option<Box<dyn Attached>> {
        let triggers = catalog.triggers_of(table.id);
        if triggers.is_empty() {
            return None;
        }
        let known = self
            .tables
            .read()
            .get(&table.id)
            .filter(|kept| Arc::ptr_eq(&kept.catalog, catalog))
            .map(|kept| kept.set.clone());
        let set = known.unwrap_or_else(|| self.keep(catalog, table))?;
        let set = if replica { set.deriving(catalog)? } else { set };
        let running = set.entries.iter().map(|_| Slot::default()).collect();
        Some(Box::new(Statement { set, running, fold_max: self.fold_max }))
    }

    fn check_function(&self, def: &FunctionDef) -> Result<()> {
        if def.dialect == "comdb2" {
            check_sizes(def)?;
        }
        match LANGUAGES.iter().find(|language| language.name() == def.language) {
            Some(language) => language.check(&def.body),
            None => Ok(()),
        }
    }

    fn check_routine(&self, ctx: &mut dyn HookContext, def: FunctionDef) -> Result<FunctionDef> {
        crate::script::ami::check_routine(ctx, def)
    }

    fn call_method(&self, ctx: &mut dyn HookContext, name: &str, args: &[Value], result: DataType) -> Result<Value> {
        let catalog = ctx.catalog();
        let kept = self.methods.lock().clone().filter(|(made, _)| Arc::ptr_eq(made, &catalog));
        let methods = match kept {
            Some((_, methods)) => methods,
            None => {
                let methods = Methods::of(&catalog);
                *self.methods.lock() = Some((catalog, methods.clone()));
                methods
            }
        };
        let value = crate::script::ami::call_method(ctx, &methods, name, args, Limits::AMI)?;
        crate::script::ami::to_column(value, result)
    }

    fn call(&self, ctx: &mut dyn HookContext, def: &Arc<FunctionDef>, args: &[Value]) -> Result<QueryResult> {
        let catalog = ctx.catalog();
        let kept = self.procedures.lock().get(&def.oid).filter(|(made, _)| Arc::ptr_eq(made, &catalog)).cloned();
        let routine = match kept {
            Some((_, routine)) => routine,
            None => {
                let routine = Arc::new(crate::script::ami::procedure(def, &catalog)?);
                self.procedures.lock().insert(def.oid, (catalog, routine.clone()));
                routine
            }
        };
        let result = routine.run(ctx, args, None, Limits::AMI);
        result
            .map(|output| output.into_result("CALL"))
            .map_err(|error| error.context(format!("AMI procedure \"{}\"", def.name)))
    }

    fn call_function(&self, ctx: &mut dyn HookContext, call: &FunctionCall<'_>) -> Result<Value> {
        let engine = self.engine.lock().as_ref().and_then(WeakEngine::upgrade);
        let clock = engine.map(|engine| engine.env().clock.clone());
        crate::queue::function::call(ctx, clock, call)
    }

    fn schedule_timer(&self, ctx: &mut dyn HookContext, timer: &TriggerDef, at: i64) -> Result<()> {
        let state = crate::timer::state(timer, &ctx.catalog(), &self.instance(timer.id))?;
        state.wanted.store(at.max(1), std::sync::atomic::Ordering::Release);
        Ok(())
    }

    fn execute_at(&self, ctx: &mut dyn HookContext, source: &str, text: &str) -> Result<QueryResult> {
        crate::source::execute(ctx, source, text)
    }

    fn timer_times(&self, timer: TriggerId) -> (Option<i64>, Option<i64>) {
        let state = self.instances.lock().get(&timer).and_then(|instance| instance.state.lock().clone());
        let Some(state) = state.and_then(|state| state.downcast::<crate::timer::State>().ok()) else {
            return (None, None);
        };
        let time = |at: &std::sync::atomic::AtomicI64| {
            Some(at.load(std::sync::atomic::Ordering::Acquire)).filter(|at| *at != 0)
        };
        (time(&state.last), time(&state.next))
    }

    fn run_script(&self, ctx: &mut dyn HookContext, dialect: &str, source: &str) -> Result<QueryResult> {
        match dialect {
            "ami" => crate::script::ami::run_block(ctx, source),
            _ => Err(SqlError::unsupported(format!("a script block of dialect \"{dialect}\""))),
        }
    }

    fn statistics(&self, trigger: TriggerId) -> Option<TriggerStatistics> {
        self.instances.lock().get(&trigger).map(|instance| instance.statistics())
    }

    fn reset_statistics(&self, trigger: TriggerId) {
        if let Some(instance) = self.instances.lock().get(&trigger) {
            instance.reset_statistics();
        }
    }

    fn procedure(&self, call: ProcedureCall) -> Result<Box<dyn RunningProcedure>> {
        let engine = self.engine.lock().as_ref().and_then(WeakEngine::upgrade);
        let engine = engine.ok_or_else(|| {
            SqlError::new(SqlState::CANNOT_CONNECT_NOW, "procedures cannot run before the server has started")
        })?;
        crate::queue::procedure::start(&engine, &self.consumers, call)
    }

    fn procedure_shape(
        &self,
        catalog: &Arc<Catalog>,
        _: &str,
        name: &str,
        arguments: Option<&[Value]>,
    ) -> ProcedureShape {
        crate::queue::procedure::shape(catalog, name, arguments)
    }

    fn changed(&self, tables: &mut dyn Iterator<Item = TableId>) {
        self.consumers.changed(tables);
    }

    fn committed(&self, commit: CommitNo) {
        self.signal.durable_to(commit);
        self.consumers.durable();
    }

    fn catalog_changed(&self) {
        self.procedures.lock().clear();
        *self.methods.lock() = None;
        // Nothing kept for tables that are gone; the others are compiled again when next written.
        self.tables.write().clear();
        self.signal.catalog_changed();
    }
}

/// Names and sizes of a procedure (CDB-108). Errors: 42622, 54000.
fn check_sizes(def: &FunctionDef) -> Result<()> {
    let too_long = |what: &str| Err(SqlError::new(SqlState::NAME_TOO_LONG, format!("{what} characters")));
    if def.name.chars().count() > 31 {
        return too_long("procedure name must not exceed 31");
    }
    if def.version.as_ref().is_some_and(|version| version.len() > 79) {
        return too_long("procedure version must not exceed 79");
    }
    if def.body.len() > 1 << 20 {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "procedure source must not exceed 1 MiB"));
    }
    Ok(())
}

/// The triggers of a table for one statement.
struct Statement {
    set: Arc<Set>,
    running: Vec<Slot>,
    fold_max: usize,
}

/// One trigger of a statement.
#[derive(Default)]
struct Slot {
    running: Option<Box<dyn Running>>,
    /// Of a view whose table may be written again before it has written: where nested statements leave their changes.
    inbox: Option<Arc<Mutex<Inbox>>>,
    /// In a nested statement: the inbox of the outer one's view, and what is to go there if the statement succeeds.
    outer: Option<Arc<Mutex<Inbox>>>,
    left: Vec<(TableId, RowId, RowChange)>,
}

impl Statement {
    /// Runs `call` on a trigger, opened at its first call, as the writer of what it writes.
    fn call<T>(
        &mut self,
        place: usize,
        ctx: &mut dyn HookContext,
        call: impl FnOnce(&mut dyn Running, &mut dyn HookContext, TriggerId) -> Result<T>,
    ) -> Result<T> {
        let entry = &self.set.entries[place];
        let running = match &mut self.running[place].running {
            Some(running) => running,
            slot => slot.insert(entry.trigger.clone()?.start(self.set.observed)),
        };
        let before = ctx.set_writer(entry.id);
        let result = call(&mut **running, ctx, before);
        ctx.set_writer(before);
        result
    }

    /// Whether the write comes from a trigger that manages rows of this table: then it cannot be refused or changed
    /// (AMI-96).
    fn managed(&self, ctx: &mut dyn HookContext) -> bool {
        if self.set.managers.is_empty() {
            return false;
        }
        let writer = ctx.set_writer(TriggerId::CLIENT);
        ctx.set_writer(writer);
        self.set.managers.contains(&writer)
    }

    /// Lets a view take in a change, or leaves the change to the outer statement whose view has not written yet.
    fn note(&mut self, place: usize, ctx: &mut dyn HookContext, row: RowId, change: &RowChange) -> Result<()> {
        let table = self.set.table.id;
        if self.set.reentered {
            let id = self.set.entries[place].id;
            let slot = &mut self.running[place];
            if slot.running.is_none() && slot.outer.is_none() {
                slot.outer = Inbox::of(ctx, id);
            }
            if slot.outer.is_some() {
                slot.left.push((table, row, change.clone()));
                return Ok(());
            }
            Inbox::open(ctx, id, slot.inbox.get_or_insert_with(Arc::default));
        }
        let running = match &mut self.running[place].running {
            Some(running) => running,
            slot => slot.insert(self.set.entries[place].trigger.clone()?.start(self.set.observed)),
        };
        running.note(ctx, table, row, change)
    }

    /// Lets a view write what it has noted, with what nested statements have left to it.
    fn settle(&mut self, place: usize, ctx: &mut dyn HookContext) -> Result<()> {
        let slot = &mut self.running[place];
        if let Some(outer) = slot.outer.take() {
            outer.lock().changes.append(&mut slot.left);
            return Ok(());
        }
        if slot.running.is_none() {
            return Ok(());
        }
        let Some(inbox) = slot.inbox.clone() else {
            return self.call(place, ctx, |running, ctx, _| running.finish(ctx));
        };
        loop {
            let left = std::mem::take(&mut inbox.lock().changes);
            for (table, row, change) in &left {
                self.call(place, ctx, |running, ctx, _| running.note(ctx, *table, *row, change))?;
            }
            self.call(place, ctx, |running, ctx, _| running.finish(ctx))?;
            let mut inbox = inbox.lock();
            if inbox.close() {
                return Ok(());
            }
        }
    }
}

/// An update that changes nothing fires nothing (AMI-59, AMI-112).
fn unchanged(change: &RowChange) -> bool {
    matches!(change, RowChange::Update { old, new } if old == new)
}

impl Attached for Statement {
    fn has_before(&self) -> bool {
        self.set.has_before
    }

    fn has_after(&self) -> bool {
        self.set.has_after
    }

    fn repeats(&self) -> bool {
        self.set.repeats
    }

    fn before(&mut self, ctx: &mut dyn HookContext, change: &RowChange, assigned: Option<&[usize]>) -> Result<Verdict> {
        let operation = Operation::of(change) as usize;
        let set = self.set.clone();
        let mut changed: Option<RowChange> = None;
        let mut managed = None;
        let mut places =
            (0..set.entries.len()).filter(|place| set.entries[*place].listens.before[operation]).peekable();
        while let Some(place) = places.next() {
            let seen = changed.as_ref().unwrap_or(change);
            if unchanged(seen) {
                break;
            }
            let verdict = self.call(place, ctx, |running, ctx, writer| running.before(ctx, seen, assigned, writer))?;
            if verdict == Verdict::Keep || *managed.get_or_insert_with(|| self.managed(ctx)) {
                continue;
            }
            match verdict {
                Verdict::Keep => {}
                Verdict::Skip => return Ok(Verdict::Skip),
                Verdict::Replace(new) if places.peek().is_none() => return Ok(Verdict::Replace(new)),
                Verdict::Replace(new) => {
                    changed = Some(match seen {
                        RowChange::Insert { .. } => RowChange::Insert { new },
                        RowChange::Update { old, .. } => RowChange::Update { old: old.clone(), new },
                        RowChange::Delete { old } => RowChange::Delete { old: old.clone() },
                    });
                }
            }
        }
        Ok(match changed {
            Some(RowChange::Insert { new } | RowChange::Update { new, .. }) => Verdict::Replace(new),
            _ => Verdict::Keep,
        })
    }

    fn after(&mut self, ctx: &mut dyn HookContext, row: RowId, change: &RowChange) -> Result<()> {
        if unchanged(change) {
            return Ok(());
        }
        let operation = Operation::of(change) as usize;
        let set = self.set.clone();
        let listening = || set.entries.iter().enumerate().filter(|(_, entry)| entry.listens.after[operation]);
        // Views first hear of the change, all of them: what the calls below do to the row is later.
        for (place, _) in listening().filter(|(_, entry)| entry.folds) {
            self.note(place, ctx, row, change)?;
        }
        if !set.observed {
            // A long statement is folded part by part: neither memory nor the locks' order needs it whole.
            for (place, _) in listening().filter(|(_, entry)| entry.folds) {
                if self.running[place].running.as_ref().is_some_and(|view| view.waiting() >= self.fold_max) {
                    self.settle(place, ctx)?;
                }
            }
            if !set.calls {
                return Ok(());
            }
        }
        for (place, entry) in listening() {
            if !entry.folds {
                self.call(place, ctx, |running, ctx, writer| running.after_write(ctx, row, change, writer))?;
            } else if set.observed {
                self.settle(place, ctx)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        for place in 0..self.running.len() {
            if self.set.entries[place].folds {
                self.settle(place, ctx)?;
            } else if self.running[place].running.is_some() {
                self.call(place, ctx, |running, ctx, _| running.finish(ctx))?;
            }
        }
        Ok(())
    }
}
