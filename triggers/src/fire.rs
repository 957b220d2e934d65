//! `Fire`: the trigger layer as the engine sees it (`sql`'s `Hooks`).
//!
//! For each table it keeps the compiled triggers in firing order (priority, then creation), good as long as the very
//! definitions that they were made from stand in the catalog: so a statement on a table with triggers pays a look-up and
//! a few pointer comparisons, one on a table without pays a look-up. It lets BEFORE triggers see each
//! other's changes and gives every write its writer's name. Depth is the engine's to bound: every write passes its door.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use tripline_sql::catalog::{Catalog, FunctionDef, TableDef, TableId, TriggerDef, TriggerId};
use tripline_sql::change::{
    Attached, CommitNo, HookContext, Hooks, QueryResult, RowChange, RowId, TriggerStatistics, Verdict,
};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Oid, Value};

use crate::kind::{Attachment, Deferred, Instance, Listens, Operation, RowTrigger, Running};
use crate::registry::kind;
use crate::script::ami::Routine;
use crate::script::{LANGUAGES, Limits};
use crate::signal::Signal;

/// The trigger layer of one engine.
#[derive(Default)]
pub struct Fire {
    tables: RwLock<HashMap<TableId, Kept>>,
    instances: Mutex<HashMap<TriggerId, Arc<Instance>>>,
    signal: Arc<Signal>,
    deferred: Arc<Deferred>,
    /// Compiled procedures, good for the catalog that they were compiled against.
    procedures: Mutex<HashMap<Oid, Procedure>>,
}

/// The catalog that a procedure was compiled against, and what came out.
type Procedure = (Arc<Catalog>, Arc<Routine>);

struct Kept {
    triggers: Vec<Arc<TriggerDef>>,
    /// Every table that the triggers name, this one included.
    tables: Vec<Arc<TableDef>>,
    set: Option<Arc<Set>>,
}

impl Kept {
    fn stands(&self, catalog: &Catalog, triggers: &[Arc<TriggerDef>]) -> bool {
        self.triggers.len() == triggers.len()
            && self.triggers.iter().zip(triggers).all(|(a, b)| Arc::ptr_eq(a, b))
            && self.tables.iter().all(|table| catalog.table(table.id).is_some_and(|now| Arc::ptr_eq(now, table)))
    }
}

/// The triggers of a table, ready to run.
struct Set {
    table: Arc<TableDef>,
    entries: Vec<Entry>,
    has_before: bool,
    has_after: bool,
    observed: bool,
}

struct Entry {
    id: TriggerId,
    listens: Listens,
    /// Or why it cannot run: raised when it would.
    trigger: Result<Arc<dyn RowTrigger>>,
}

impl Fire {
    /// A layer for one engine; hand it to `Engine::open`, then to `Feed::start`.
    #[must_use]
    pub fn new() -> Arc<Fire> {
        Arc::new(Fire::default())
    }

    /// What wakes the subscribers.
    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
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

    fn build(&self, catalog: &Catalog, table: &Arc<TableDef>, triggers: &[Arc<TriggerDef>]) -> Option<Arc<Set>> {
        let mut entries = Vec::new();
        for def in triggers.iter().filter(|def| def.enabled) {
            let Some(kind) = kind(&def.kind) else { continue };
            match kind.attach(catalog, def, Some(table), &self.instance(def.id)) {
                Ok(Some(Attachment::InTransaction(trigger))) => {
                    entries.push(Entry { id: def.id, listens: trigger.listens(), trigger: Ok(trigger) });
                }
                Ok(Some(Attachment::Subscriber(_)) | None) => {}
                Err(error) => entries.push(Entry {
                    id: def.id,
                    listens: Listens { before: [true; 3], after: [false; 3] },
                    trigger: Err(error.context(format!("trigger \"{}\" on table \"{}\"", def.name, table.name))),
                }),
            }
        }
        if entries.is_empty() {
            return None;
        }
        Some(Arc::new(Set {
            table: table.clone(),
            has_before: entries.iter().any(|entry| entry.listens.before.contains(&true)),
            has_after: entries.iter().any(|entry| entry.listens.after.contains(&true)),
            observed: entries.iter().any(|entry| entry.trigger.as_ref().is_ok_and(|trigger| trigger.observes())),
            entries,
        }))
    }
}

impl Hooks for Fire {
    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef> {
        let Some(kind) = kind(&def.kind) else {
            return Err(match def.kind.to_ascii_lowercase().as_str() {
                "projection" | "join" | "decorate" | "relay" | "lua_consumer" | "default_lua_consumer" => {
                    SqlError::unsupported(format!("trigger type \"{}\"", def.kind))
                }
                _ => SqlError::new(SqlState::UNDEFINED_OBJECT, format!("trigger type \"{}\" does not exist", def.kind)),
            });
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
        let before = ctx.set_writer(def.id);
        let result = kind.toggled(ctx, def);
        ctx.set_writer(before);
        result
    }

    fn attached(&self, catalog: &Arc<Catalog>, table: &Arc<TableDef>) -> Option<Box<dyn Attached>> {
        let triggers = catalog.triggers_of(table.id);
        if triggers.is_empty() {
            return None;
        }
        let kept = {
            let tables = self.tables.read();
            tables.get(&table.id).filter(|kept| kept.stands(catalog, triggers)).map(|kept| kept.set.clone())
        };
        let set = kept.unwrap_or_else(|| {
            let set = self.build(catalog, table, triggers);
            let mut named: Vec<Arc<TableDef>> = vec![table.clone()];
            for id in triggers.iter().flat_map(|def| &def.tables) {
                if let Some(table) = catalog.table(*id)
                    && !named.iter().any(|have| have.id == *id)
                {
                    named.push(table.clone());
                }
            }
            let kept = Kept { triggers: triggers.to_vec(), tables: named, set: set.clone() };
            self.tables.write().insert(table.id, kept);
            set
        })?;
        let running = set.entries.iter().map(|_| None).collect();
        Some(Box::new(Statement { set, running }))
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

    fn committed(&self, commit: CommitNo) {
        self.signal.durable_to(commit);
    }

    fn catalog_changed(&self) {
        self.procedures.lock().clear();
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
    running: Vec<Option<Box<dyn Running>>>,
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
        let running = match &mut self.running[place] {
            Some(running) => running,
            slot => slot.insert(entry.trigger.clone()?.start(self.set.observed)),
        };
        let before = ctx.set_writer(entry.id);
        let result = call(&mut **running, ctx, before);
        ctx.set_writer(before);
        result
    }

    /// Whether the write comes from the trigger that maintains this table: then it cannot be refused or changed (AMI-96).
    fn maintained(&self, ctx: &mut dyn HookContext) -> bool {
        let owner = TriggerId(self.set.table.maintained_by);
        if owner == TriggerId::CLIENT {
            return false;
        }
        let writer = ctx.set_writer(owner);
        ctx.set_writer(writer);
        writer == owner
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

    fn before(&mut self, ctx: &mut dyn HookContext, change: &RowChange, assigned: Option<&[usize]>) -> Result<Verdict> {
        let operation = Operation::of(change) as usize;
        let set = self.set.clone();
        let mut changed: Option<RowChange> = None;
        let mut maintained = None;
        for (place, _) in set.entries.iter().enumerate().filter(|(_, entry)| entry.listens.before[operation]) {
            let seen = changed.as_ref().unwrap_or(change);
            if unchanged(seen) {
                break;
            }
            let verdict = self.call(place, ctx, |running, ctx, writer| running.before(ctx, seen, assigned, writer))?;
            if verdict == Verdict::Keep || *maintained.get_or_insert_with(|| self.maintained(ctx)) {
                continue;
            }
            match verdict {
                Verdict::Keep => {}
                Verdict::Skip => return Ok(Verdict::Skip),
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
        for (place, _) in set.entries.iter().enumerate().filter(|(_, entry)| entry.listens.after[operation]) {
            self.call(place, ctx, |running, ctx, _| running.after(ctx, row, change))?;
        }
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        for place in 0..self.running.len() {
            if self.running[place].is_some() {
                self.call(place, ctx, |running, ctx, _| running.finish(ctx))?;
            }
        }
        Ok(())
    }
}
