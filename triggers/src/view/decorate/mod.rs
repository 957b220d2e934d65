//! The kind DECORATE (AMI-143 to AMI-149): columns of a target follow the source row that matches and changed last.
//!
//! A target row is decorated when a source row of its key is inserted or updated, and when it is inserted itself; with
//! `keysChange` also when its own key changes. Per key it is remembered which source rows have it, in the order of their
//! last change, and which target rows (`op/matches.rs`). A decoration is an ordinary UPDATE of the target, so what it
//! writes comes back here when it is the target's own statement that runs; it changes no key, and so nothing follows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent};
use tripline_sql::change::{HookContext, Put, RowChange, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Row, Value};

use super::op::matches::{Key, KeyTables};
use super::pair::{Bare, Cell, Pair, fill};
use super::select;
use super::target::{check_cycle, check_decorable, check_distinct, known_table, progress, remember_names};
use crate::kind::{self, Attachment, Instance, Kind, Listens, RowTrigger, Running, boolean};
use crate::script::ami::Val;

/// The kind.
pub struct Decorate;

const SOURCE: usize = 0;
const TARGET: usize = 1;

impl Kind for Decorate {
    fn name(&self) -> &'static str {
        "decorate"
    }

    fn derives(&self) -> bool {
        true
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        kind::check_options(&def, &["on", "selects", "keysChange"])?;
        kind::table_count(&def, def.tables.len() == 2, "a source and a target")?;
        for option in ["on", "selects"] {
            kind::required(&def, option)?;
        }
        let catalog = ctx.catalog();
        remember_names(&catalog, &mut def);
        check_cycle(&catalog, &def)?;
        check_distinct(&catalog, &def)?;
        let query = Query::compile(&catalog, &def)?;
        check_decorable(&catalog, &query.pair.tables[TARGET])?;
        let all = || Some(Vec::new());
        let event =
            |table: &Arc<TableDef>| TriggerEvent { table: table.id, insert: all(), update: all(), delete: all() };
        def.events = query.pair.tables.iter().map(event).collect();
        Ok(def)
    }

    fn created(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        KeyTables::create(ctx, def.id, true)?;
        let plan = Plan::of(&ctx.catalog(), def)?;
        rebuild(ctx, Arc::new(plan))
    }

    fn toggled(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        if !def.enabled {
            return Ok(());
        }
        let plan = Plan::of(&ctx.catalog(), def)?;
        plan.state.clear(ctx)?;
        rebuild(ctx, Arc::new(plan))
    }

    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        if table.is_none() {
            return Ok(None);
        }
        Ok(Some(Attachment::InTransaction(Arc::new(Trigger(Arc::new(Plan::of(catalog, def)?))))))
    }
}

/// The compiled options.
struct Query {
    pair: Pair,
    cells: Vec<Cell>,
    /// A cell is computed from a column that cells fill: each source event counts, not only the last.
    accumulates: bool,
    keys_change: bool,
}

impl Query {
    fn compile(catalog: &Catalog, def: &TriggerDef) -> Result<Query> {
        let tables = [known_table(catalog, def, SOURCE)?, known_table(catalog, def, TARGET)?];
        let pair = Pair::parse(kind::required(def, "on")?, tables)?;
        let target = &pair.tables[TARGET];
        let (mut cells, mut used) = (Vec::new(), Vec::new());
        for (place, expr) in select::list(def, "selects", target, &mut Vec::new())? {
            if pair.on_columns(TARGET).any(|on| on == place) {
                return Err(SqlError::new(
                    SqlState::INVALID_OBJECT_DEFINITION,
                    format!(
                        "selects: column \"{}\" stands in \"on\" and cannot be assigned",
                        target.columns[place].name
                    ),
                ));
            }
            let code =
                pair.compile(&expr, Bare::First, &mut used).map_err(|error| select::in_option("selects", error))?;
            cells.push((place, target.columns[place].ty, code));
        }
        let offset = pair.tables[SOURCE].columns.len();
        let accumulates = cells.iter().any(|(place, ..)| used.contains(&(offset + place)));
        Ok(Query { accumulates, keys_change: boolean(def, "keysChange")?, pair, cells })
    }
}

struct Plan {
    name: String,
    query: Query,
    state: KeyTables,
}

impl Plan {
    fn of(catalog: &Catalog, def: &TriggerDef) -> Result<Plan> {
        Ok(Plan {
            name: def.name.clone(),
            query: Query::compile(catalog, def)?,
            state: KeyTables::find(catalog, def, true)?,
        })
    }
}

/// Takes in all rows of both tables, and decorates the target. Source rows are taken in the order of their last change.
fn rebuild(ctx: &mut dyn HookContext, plan: Arc<Plan>) -> Result<()> {
    let [source, target] = &plan.query.pair.tables;
    let mut run = Run::new(plan.clone());
    let mut rows = Vec::new();
    ctx.scan(target.id, &mut |id, row| {
        let now = plan.query.pair.key(TARGET, id, row);
        run.targets.push(TargetNet { row: id, was: None, now: Some(now), decorate: false });
        Ok(true)
    })?;
    run.finish(ctx)?;
    ctx.scan(source.id, &mut |id, row| {
        rows.push((id, row.clone()));
        Ok(true)
    })?;
    let count = rows.len() as u64;
    let mut aged = Vec::with_capacity(rows.len());
    for (id, row) in rows {
        aged.push((ctx.changed_at(source.id, id)?, id, row));
    }
    aged.sort_by_key(|(at, id, _)| (*at, *id));
    for (_, row, image) in aged {
        let key = plan.query.pair.key(SOURCE, row, &image);
        run.events.push(Event { row, was: None, now: Some((key, image)) });
    }
    run.finish(ctx)?;
    progress(&plan.name, &source.name, count);
    Ok(())
}

struct Trigger(Arc<Plan>);

impl RowTrigger for Trigger {
    fn listens(&self) -> Listens {
        Listens { before: [false; 3], after: [true; 3] }
    }

    fn observes(&self) -> bool {
        false
    }

    fn folds(&self) -> bool {
        true
    }

    fn returns(&self) -> bool {
        true
    }

    fn start(self: Arc<Self>, _: bool) -> Box<dyn Running> {
        Box::new(Run::new(self.0.clone()))
    }
}

/// A change of a source row.
struct Event {
    row: RowId,
    /// Its key before; none if it was not there.
    was: Option<Vec<u8>>,
    /// Its key and image now.
    now: Option<(Vec<u8>, Row)>,
}

/// What a statement made of a target row.
struct TargetNet {
    row: RowId,
    /// Its key before the statement; none if it was not there.
    was: Option<Vec<u8>>,
    /// Its key now.
    now: Option<Vec<u8>>,
    /// It is to be decorated from what is known of its key.
    decorate: bool,
}

/// Collects the changes of one statement.
struct Run {
    plan: Arc<Plan>,
    events: Vec<Event>,
    targets: Vec<TargetNet>,
    /// Places in `targets`, once there are several.
    places: HashMap<RowId, usize>,
    locals: Vec<Val>,
}

impl Run {
    fn new(plan: Arc<Plan>) -> Run {
        Run { plan, events: Vec::new(), targets: Vec::new(), places: HashMap::new(), locals: Vec::new() }
    }

    fn add_target(&mut self, new: TargetNet) {
        if let Some(first) = self.targets.first() {
            if self.places.is_empty() {
                self.places.insert(first.row, 0);
            }
            let place = *self.places.entry(new.row).or_insert(self.targets.len());
            if let Some(before) = self.targets.get_mut(place) {
                before.now = new.now;
                before.decorate |= new.decorate;
                return;
            }
        }
        self.targets.push(new);
    }

    fn lock<'k>(
        &self,
        ctx: &mut dyn HookContext,
        keys: impl Iterator<Item = &'k Vec<u8>>,
    ) -> Result<BTreeMap<Vec<u8>, Key>> {
        let mut locked: BTreeMap<Vec<u8>, Option<Key>> = keys.map(|key| (key.clone(), None)).collect();
        for (key, place) in &mut locked {
            ctx.check_cancel()?;
            *place = Some(self.plan.state.lock(ctx, key)?);
        }
        Ok(locked.into_iter().filter_map(|(key, locked)| Some((key, locked?))).collect())
    }

    /// Target rows come, go and change keys.
    fn write_targets(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        self.places.clear();
        let mut nets = std::mem::take(&mut self.targets);
        nets.retain(|net| net.decorate && net.now.is_some() || net.was != net.now);
        let mut keys = self.lock(ctx, nets.iter().flat_map(|net| net.was.iter().chain(&net.now)))?;
        let plan = self.plan.clone();
        let mut latest: HashMap<&[u8], Option<Row>> = HashMap::new();
        let mut puts = Vec::new();
        for net in &nets {
            if net.was != net.now {
                if let Some(key) = net.was.as_ref().and_then(|key| keys.get_mut(key)) {
                    key.remove(ctx, TARGET, net.row)?;
                }
                if let Some(key) = net.now.as_ref().and_then(|key| keys.get_mut(key)) {
                    key.add(ctx, TARGET, net.row, None)?;
                }
            }
            let (Some(now), true) = (&net.now, net.decorate) else { continue };
            if !latest.contains_key(now.as_slice()) {
                let source = match keys.get(now) {
                    Some(key) => key.latest(ctx)?,
                    None => None,
                };
                let image = match source {
                    Some(row) => ctx.fetch(plan.query.pair.tables[SOURCE].id, row, false)?,
                    None => None,
                };
                latest.insert(now, image);
            }
            if let Some(Some(image)) = latest.get(now.as_slice()) {
                self.decorate(ctx, net.row, &[image], &mut puts)?;
            }
        }
        keys.into_values().try_for_each(|key| key.store(ctx))?;
        self.put(ctx, puts)
    }

    /// Source rows come, change and go.
    fn write_events(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let events = std::mem::take(&mut self.events);
        let named =
            |event: &Event| event.was.iter().chain(event.now.as_ref().map(|(key, _)| key)).cloned().collect::<Vec<_>>();
        let touched: Vec<Vec<u8>> = events.iter().flat_map(named).collect();
        let mut keys = self.lock(ctx, touched.iter())?;
        let mut images: BTreeMap<&[u8], Vec<&Row>> = BTreeMap::new();
        for event in &events {
            let now = event.now.as_ref().map(|(key, _)| key);
            if let Some(was) = event.was.as_ref().filter(|was| Some(*was) != now)
                && let Some(key) = keys.get_mut(was)
            {
                key.forget(ctx, event.row)?;
            }
            if let Some((now, image)) = &event.now
                && let Some(key) = keys.get_mut(now)
            {
                key.touch(ctx, event.row)?;
                let images = images.entry(now).or_default();
                if !self.plan.query.accumulates {
                    images.clear();
                }
                images.push(image);
            }
        }
        let mut puts = Vec::new();
        for (key, images) in images {
            let Some(key) = keys.get(key) else { continue };
            for (row, _) in key.rows(ctx, TARGET)? {
                self.decorate(ctx, row, &images, &mut puts)?;
            }
        }
        keys.into_values().try_for_each(|key| key.store(ctx))?;
        self.put(ctx, puts)
    }

    /// What these source rows, one after the other, make of a target row.
    fn decorate(&mut self, ctx: &mut dyn HookContext, row: RowId, images: &[&Row], puts: &mut Vec<Put>) -> Result<()> {
        let query = &self.plan.query;
        let Some(old) = ctx.fetch(query.pair.tables[TARGET].id, row, true)? else { return Ok(()) };
        let mut new = old.clone();
        for image in images {
            let slots = query.pair.slots([Some(image), Some(&new)]);
            fill(&query.cells, &slots, &mut new, &mut self.locals)?;
        }
        if new != old {
            puts.push(Put::Update(row, old, new));
        }
        Ok(())
    }

    fn put(&self, ctx: &mut dyn HookContext, puts: Vec<Put>) -> Result<()> {
        if !puts.is_empty() {
            ctx.write(self.plan.query.pair.tables[TARGET].id, puts)?;
        }
        Ok(())
    }

    fn named(&self, side: usize, error: SqlError) -> SqlError {
        let table = &self.plan.query.pair.tables[side].name;
        error.context(format!("AMI trigger \"{}\" on table \"{table}\"", self.plan.name))
    }
}

impl Running for Run {
    fn note(&mut self, _: &mut dyn HookContext, table: TableId, row: RowId, change: &RowChange) -> Result<()> {
        let plan = self.plan.clone();
        let pair = &plan.query.pair;
        let key = |side: usize, image: &[Value]| pair.key(side, row, image);
        if table == pair.tables[SOURCE].id {
            let was = change.old().map(|old| key(SOURCE, old));
            let now = change.new_row().map(|new| (key(SOURCE, new), new.clone()));
            self.events.push(Event { row, was, now });
        } else if table == pair.tables[TARGET].id {
            if let RowChange::Update { old, new } = change
                && pair.on_columns(TARGET).all(|place| old.get(place) == new.get(place))
            {
                return Ok(());
            }
            let was = change.old().map(|old| key(TARGET, old));
            let now = change.new_row().map(|new| key(TARGET, new));
            let decorate = match change {
                RowChange::Insert { .. } => true,
                RowChange::Update { .. } => plan.query.keys_change && was != now,
                RowChange::Delete { .. } => false,
            };
            self.add_target(TargetNet { row, was, now, decorate });
        }
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        if !self.targets.is_empty() {
            self.write_targets(ctx).map_err(|error| self.named(TARGET, error))?;
        }
        if !self.events.is_empty() {
            self.write_events(ctx).map_err(|error| self.named(SOURCE, error))?;
        }
        Ok(())
    }
}
