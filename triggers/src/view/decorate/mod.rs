//! The kind DECORATE (AMI-143 to AMI-149): columns of a target follow the source row that matches and changed last.
//!
//! A target row is decorated when a source row of its key is inserted or updated, and when it is inserted itself; with
//! `keysChange` also when its own key changes. Per key it is remembered which source rows have it, in the order of their
//! last change, and which target rows (`op/matches.rs`). A decoration is an ordinary UPDATE of the target, so what it
//! writes comes back here when it is the target's own statement that runs; it changes no key, and so nothing follows.

use std::sync::Arc;

use hashbrown::HashMap;
use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent};
use tripline_sql::change::{HookContext, Put, RowChange, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Row, Value};

use super::op::matches::{KeyTables, Keys};
use super::pair::{Bare, Cell, Pair, fill};
use super::select;
use super::target::{check_cycle, check_decorable, check_distinct, known_table, progress, remember_names};
use super::{Maintained, Maintenance};
use crate::kind::{self, Attachment, Instance, Kind, Running, boolean};
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
        kind::permanent_only(&ctx.catalog(), &def)?;
        for option in ["on", "selects"] {
            kind::required(&def, option)?;
        }
        let catalog = ctx.catalog();
        remember_names(&catalog, &mut def);
        check_cycle(&catalog, &def)?;
        check_distinct(&catalog, &def)?;
        let query = Query::compile(&catalog, &def)?;
        query.pair.check_types()?;
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
        Ok(Some(Attachment::InTransaction(Maintained::<Run>::by(Arc::new(Plan::of(catalog, def)?)))))
    }
}

/// The compiled options.
struct Query {
    pair: Pair,
    cells: Vec<Cell>,
    /// A cell is computed from a column that cells fill: each source event counts, not only the last.
    accumulates: bool,
    keys_change: bool,
    /// Columns of the source that the cells use.
    used: Vec<usize>,
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
            cells.push(pair.cell(catalog, (target, place), &expr, Bare::First, &mut used)?);
        }
        let offset = pair.tables[SOURCE].columns.len();
        let accumulates = cells.iter().any(|(place, ..)| used.contains(&(offset + place)));
        let used = pair.used_of(SOURCE, &used);
        Ok(Query { accumulates, keys_change: boolean(def, "keysChange")?, pair, cells, used })
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
        let now = key_of(&plan.query.pair, TARGET, id, row);
        run.targets.push(TargetNet { row: id, was: None, now: Some(now), decorate: false });
        Ok(true)
    })?;
    run.finish(ctx)?;
    ctx.scan(source.id, &mut |id, row| {
        rows.push((id, key_of(&plan.query.pair, SOURCE, id, row), Pair::part(&plan.query.used, row)));
        Ok(true)
    })?;
    let count = rows.len() as u64;
    let mut aged = Vec::with_capacity(rows.len());
    for (id, key, image) in rows {
        aged.push((ctx.changed_at(source.id, id)?, id, key, image));
    }
    aged.sort_by_key(|(at, id, ..)| (*at, *id));
    for (_, row, key, image) in aged {
        run.events.push(Event { row, was: None, now: Some((key, image)) });
    }
    run.finish(ctx)?;
    progress(&plan.name, &source.name, count);
    Ok(())
}

fn key_of(pair: &Pair, side: usize, id: RowId, row: &[Value]) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    pair.key(side, id, row, &mut key);
    key
}

/// A change of a source row.
struct Event {
    row: RowId,
    /// Its key before; none if it was not there.
    was: Option<Vec<u8>>,
    /// Its key and used columns now.
    now: Option<(Vec<u8>, Row)>,
}

impl Event {
    fn keys(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.was.iter().chain(self.now.as_ref().map(|(key, _)| key))
    }
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

impl Maintenance for Run {
    type Plan = Plan;
    const RETURNS: bool = true;

    fn new(plan: Arc<Plan>) -> Run {
        Run { plan, events: Vec::new(), targets: Vec::new(), places: HashMap::new(), locals: Vec::new() }
    }
}

impl Run {
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

    /// Locks keys in their order: each is called by its place in it.
    fn lock<'k>(
        &self,
        ctx: &mut dyn HookContext,
        keys: impl Iterator<Item = &'k Vec<u8>>,
    ) -> Result<(Vec<&'k [u8]>, Keys)> {
        let mut order: Vec<&[u8]> = keys.map(Vec::as_slice).collect();
        order.sort_unstable();
        order.dedup();
        let mut locked = Keys::new(self.plan.state, order.len());
        for (at, key) in order.iter().enumerate() {
            ctx.check_cancel()?;
            locked.lock(ctx, at, key)?;
        }
        Ok((order, locked))
    }

    /// Target rows come, go and change keys.
    fn write_targets(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        self.places.clear();
        let mut nets = std::mem::take(&mut self.targets);
        nets.retain(|net| net.decorate && net.now.is_some() || net.was != net.now);
        let (places, mut keys) = self.lock(ctx, nets.iter().flat_map(|net| net.was.iter().chain(&net.now)))?;
        let place = |key: &Option<Vec<u8>>| key.as_ref().and_then(|key| places.binary_search(&key.as_slice()).ok());
        let plan = self.plan.clone();
        let mut latest: HashMap<usize, Option<Row>> = HashMap::new();
        let mut puts = Vec::new();
        for net in &nets {
            let now = place(&net.now);
            if net.was != net.now {
                if let Some(was) = place(&net.was) {
                    keys.remove(ctx, was, TARGET, net.row)?;
                }
                if let Some(now) = now {
                    keys.add(now, TARGET, net.row)?;
                }
            }
            let (Some(now), true) = (now, net.decorate) else { continue };
            if !latest.contains_key(&now) {
                let image = match keys.latest(ctx, now)? {
                    Some(row) => ctx.fetch(plan.query.pair.tables[SOURCE].id, row, false)?,
                    None => None,
                };
                latest.insert(now, image);
            }
            if let Some(Some(image)) = latest.get(&now) {
                self.decorate(ctx, net.row, &[image], &mut puts)?;
            }
        }
        keys.store(ctx)?;
        self.put(ctx, puts)
    }

    /// Source rows come, change and go.
    fn write_events(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let events = std::mem::take(&mut self.events);
        let (places, mut keys) = self.lock(ctx, events.iter().flat_map(Event::keys))?;
        let place = |key: Option<&Vec<u8>>| key.and_then(|key| places.binary_search(&key.as_slice()).ok());
        let mut images: Vec<Vec<&Row>> = vec![Vec::new(); places.len()];
        for event in &events {
            let was = place(event.was.as_ref());
            let now = place(event.now.as_ref().map(|(key, _)| key));
            if let Some(was) = was.filter(|_| was != now) {
                keys.remove(ctx, was, 0, event.row)?;
            }
            if let (Some(now), Some((_, image))) = (now, &event.now) {
                keys.touch(now, event.row, was == Some(now))?;
                if !self.plan.query.accumulates {
                    images[now].clear();
                }
                images[now].push(image);
            }
        }
        let mut puts = Vec::new();
        // In the order of the keys.
        for (at, images) in images.into_iter().enumerate().filter(|(_, images)| !images.is_empty()) {
            for (row, _) in keys.rows(ctx, at, TARGET)? {
                self.decorate(ctx, row, &images, &mut puts)?;
            }
        }
        keys.store(ctx)?;
        self.put(ctx, puts)
    }

    /// What these source rows, one after the other, make of a target row.
    fn decorate(&mut self, ctx: &mut dyn HookContext, row: RowId, images: &[&Row], puts: &mut Vec<Put>) -> Result<()> {
        let query = &self.plan.query;
        let Some(old) = ctx.fetch(query.pair.tables[TARGET].id, row, true)? else { return Ok(()) };
        let mut new = old.clone();
        for (at, image) in images.iter().enumerate() {
            if at == 0 {
                fill(&query.cells, [image, &old], &mut new, &mut self.locals)?;
            } else {
                let before = new.clone();
                fill(&query.cells, [image, &before], &mut new, &mut self.locals)?;
            }
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
    fn waiting(&self) -> usize {
        self.events.len() + self.targets.len()
    }

    fn note(&mut self, _: &mut dyn HookContext, table: TableId, row: RowId, change: &RowChange) -> Result<()> {
        let plan = self.plan.clone();
        let pair = &plan.query.pair;
        let key = |side: usize, image: &[Value]| key_of(pair, side, row, image);
        if table == pair.tables[SOURCE].id {
            let was = change.old().map(|old| key(SOURCE, old));
            let now = change.new_row().map(|new| (key(SOURCE, new), Pair::part(&plan.query.used, new)));
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
