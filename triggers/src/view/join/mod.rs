//! The kind JOIN (AMI-137 to AMI-142): a target with one row per pair of rows that match, and per row without a match,
//! as the type says.
//!
//! A statement's changes of either side are folded per row, then per key. Each touched key is locked, in the order of
//! the keys; what it is known to hold (`op/matches.rs`) says which pairs come, go or change, so that a row costs what it
//! has matches. All changes of the target go through the door as one statement, in the order of the source rows.

use std::sync::Arc;

use hashbrown::HashMap;
use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent, TriggerId};
use tripline_sql::change::{HookContext, Put, RowChange, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Row, Value};

use super::op::matches::{KeyTables, Keys, Target};
use super::pair::{Bare, Cell, Pair, fill};
use super::select;
use super::state::clear_table;
use super::target::{
    check_cycle, check_distinct, check_free, check_shape, check_undecorated, known_table, progress, remember_names,
};
use crate::kind::{self, Attachment, Instance, Kind, Listens, RowTrigger, Running, table_of};
use crate::script::ami::Val;

/// The kind.
pub struct Join;

impl Kind for Join {
    fn name(&self) -> &'static str {
        "join"
    }

    fn derives(&self) -> bool {
        true
    }

    fn manages(&self) -> bool {
        true
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        kind::check_options(&def, &["type", "on", "selects"])?;
        kind::table_count(&def, def.tables.len() == 3, "a left, a right and a target")?;
        for option in ["type", "on", "selects"] {
            kind::required(&def, option)?;
        }
        let catalog = ctx.catalog();
        remember_names(&catalog, &mut def);
        check_cycle(&catalog, &def)?;
        check_distinct(&catalog, &def)?;
        let query = Query::compile(&catalog, &def)?;
        check_free(&catalog, &def, &query.target, false)?;
        check_undecorated(&catalog, &def, &query.target)?;
        let filled: Vec<usize> = query.cells.iter().map(|(place, ..)| *place).collect();
        check_shape(&query.target, &filled)?;
        let all = || Some(Vec::new());
        let event =
            |table: &Arc<TableDef>| TriggerEvent { table: table.id, insert: all(), update: all(), delete: all() };
        def.events = query.pair.tables.iter().map(event).collect();
        Ok(def)
    }

    fn created(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        KeyTables::create(ctx, def.id, false)?;
        let plan = Plan::of(&ctx.catalog(), def)?;
        rebuild(ctx, Arc::new(plan))
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        release(ctx, def)
    }

    fn toggled(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        if !def.enabled {
            return release(ctx, def);
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
        if table.is_none_or(|table| def.tables.last() == Some(&table.id)) {
            return Ok(None);
        }
        Ok(Some(Attachment::InTransaction(Arc::new(Trigger(Arc::new(Plan::of(catalog, def)?))))))
    }
}

fn release(ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
    match def.tables.last().filter(|target| ctx.catalog().table(**target).is_some()) {
        Some(target) => ctx.set_maintained_by(*target, TriggerId::CLIENT),
        None => Ok(()),
    }
}

/// Which rows a type keeps (AMI-138).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct JoinType {
    matches: bool,
    /// Rows of a side without a match.
    unmatched: [bool; 2],
}

impl JoinType {
    fn parse(text: &str) -> Result<JoinType> {
        let words: Vec<String> = text.split_whitespace().map(str::to_ascii_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (side, matches) = match words.as_slice() {
            ["INNER"] => return Ok(JoinType { matches: true, unmatched: [false, false] }),
            [side] => (*side, true),
            [side, "ONLY"] => (*side, false),
            _ => ("", true),
        };
        let unmatched = match side {
            "LEFT" => [true, false],
            "RIGHT" => [false, true],
            "OUTER" => [true, true],
            _ => {
                return Err(SqlError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!(
                        "option \"type\" must be LEFT, RIGHT, INNER, OUTER, LEFT ONLY, RIGHT ONLY or OUTER ONLY, not \"{text}\""
                    ),
                ));
            }
        };
        Ok(JoinType { matches, unmatched })
    }
}

/// The compiled options.
struct Query {
    pair: Pair,
    target: Arc<TableDef>,
    form: JoinType,
    cells: Vec<Cell>,
    /// Columns of either side that the cells use.
    used: [Vec<usize>; 2],
}

impl Query {
    fn compile(catalog: &Catalog, def: &TriggerDef) -> Result<Query> {
        let [_, _, target] = def.tables.as_slice() else {
            return Err(SqlError::internal("a join has three tables"));
        };
        let tables = [known_table(catalog, def, 0)?, known_table(catalog, def, 1)?];
        let target = table_of(catalog, *target)?;
        let form = JoinType::parse(kind::required(def, "type")?)?;
        let pair = Pair::parse(kind::required(def, "on")?, tables)?;
        let (mut cells, mut used) = (Vec::new(), Vec::new());
        for (place, expr) in select::list(def, "selects", &target, &mut Vec::new())? {
            cells.push(pair.cell(catalog, (&target, place), &expr, Bare::One, &mut used)?);
        }
        let used = [0, 1].map(|side| pair.used_of(side, &used));
        Ok(Query { pair, target, form, cells, used })
    }
}

impl Query {
    /// A row's key and used columns.
    fn known(&self, side: usize, id: RowId, row: &[Value]) -> (Vec<u8>, Row) {
        (self.pair.key(side, id, row), Pair::part(&self.used[side], row))
    }
}

struct Plan {
    id: TriggerId,
    name: String,
    query: Query,
    state: KeyTables,
}

impl Plan {
    fn of(catalog: &Catalog, def: &TriggerDef) -> Result<Plan> {
        Ok(Plan {
            id: def.id,
            name: def.name.clone(),
            query: Query::compile(catalog, def)?,
            state: KeyTables::find(catalog, def, false)?,
        })
    }
}

/// Clears the target and fills it from both sides (AMI-95).
fn rebuild(ctx: &mut dyn HookContext, plan: Arc<Plan>) -> Result<()> {
    clear_table(ctx, plan.query.target.id)?;
    // One side after the other: a row meets those that are known already.
    for (side, table) in plan.query.pair.tables.iter().enumerate() {
        let mut run = Run::new(plan.clone());
        let mut rows = 0;
        ctx.scan(table.id, &mut |id, row| {
            run.add(Net { side, row: id, was: None, now: Some(plan.query.known(side, id, row)) });
            rows += 1;
            if rows % 100_000 == 0 {
                progress(&plan.name, &table.name, rows);
            }
            Ok(true)
        })?;
        run.finish(ctx)?;
        progress(&plan.name, &table.name, rows);
    }
    ctx.set_maintained_by(plan.query.target.id, plan.id)
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

    fn start(self: Arc<Self>, _: bool) -> Box<dyn Running> {
        Box::new(Run::new(self.0.clone()))
    }
}

/// What a statement made of one row.
struct Net {
    side: usize,
    row: RowId,
    /// Its key before the statement; none if it was not there.
    was: Option<Vec<u8>>,
    /// Its key and used columns now.
    now: Option<(Vec<u8>, Row)>,
}

/// Folds the rows of one statement.
struct Run {
    plan: Arc<Plan>,
    nets: Vec<Net>,
    /// Places in `nets`, once there are several.
    places: HashMap<(usize, RowId), usize>,
}

impl Run {
    fn new(plan: Arc<Plan>) -> Run {
        Run { plan, nets: Vec::new(), places: HashMap::new() }
    }

    fn add(&mut self, new: Net) {
        let (side, row) = (new.side, new.row);
        // Rows that come in the order of their ids cannot be there already.
        let rising = self.places.is_empty() && self.nets.last().is_none_or(|last| last.side == side && last.row < row);
        if !rising {
            if self.places.is_empty() {
                self.places = self.nets.iter().enumerate().map(|(at, net)| ((net.side, net.row), at)).collect();
            }
            let place = *self.places.entry((side, row)).or_insert(self.nets.len());
            if let Some(before) = self.nets.get_mut(place) {
                before.now = new.now;
                return;
            }
        }
        self.nets.push(new);
    }

    fn write(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        self.places.clear();
        let nets = std::mem::take(&mut self.nets);
        if nets.iter().all(|net| net.side == nets[0].side) {
            return self.write_side(ctx, &nets);
        }
        // One side after the other, so that no target row changes twice in one statement.
        let (left, right): (Vec<Net>, Vec<Net>) = nets.into_iter().partition(|net| net.side == 0);
        self.write_side(ctx, &left)?;
        self.write_side(ctx, &right)
    }

    fn write_side(&self, ctx: &mut dyn HookContext, nets: &[Net]) -> Result<()> {
        let Some(side) = nets.first().map(|net| net.side) else { return Ok(()) };
        let mut touched = Touched::default();
        for (at, net) in nets.iter().enumerate() {
            touched.add(at, net);
        }
        // Locked in the order of the keys; worked on in the order in which they were met.
        let mut order: Vec<usize> = (0..touched.keys.len()).collect();
        order.sort_unstable_by(|a, b| touched.keys[*a].0.cmp(touched.keys[*b].0));
        let mut keys = Keys::new(self.plan.state, order.len());
        for place in order {
            ctx.check_cancel()?;
            keys.lock(ctx, place, touched.keys[place].0)?;
        }
        let mut work = Work { plan: &self.plan, nets, keys, out: Vec::new(), locals: Vec::new() };
        for (place, (_, moves)) in touched.keys.iter().enumerate() {
            work.key(ctx, place, side, moves)?;
        }
        let Work { mut out, mut keys, .. } = work;
        out.sort_by_key(|change| change.origin.cause);
        let puts: Vec<Put> = out.iter_mut().filter_map(|change| change.put.take()).collect();
        let ids = if puts.is_empty() { Vec::new() } else { ctx.write(self.plan.query.target.id, puts)? };
        for (change, id) in out.into_iter().zip(ids) {
            let refused = || SqlError::internal("a maintained row was refused");
            let key = change.origin.key;
            match change.then {
                Then::Nothing => {}
                Then::Pair(pair) => keys.add_pair(ctx, key, pair, id.ok_or_else(refused)?)?,
                Then::Own(side, row) => keys.set_own(ctx, key, side, row, Some(id.ok_or_else(refused)?))?,
            }
        }
        keys.store(ctx)
    }
}

/// The rows of a statement by the keys that they leave, enter or stay in.
#[derive(Default)]
struct Touched<'a> {
    keys: Vec<(&'a [u8], Moves)>,
    places: HashMap<&'a [u8], usize>,
}

/// Places of nets.
#[derive(Default)]
struct Moves {
    leave: Vec<usize>,
    enter: Vec<usize>,
    stay: Vec<usize>,
}

impl<'a> Touched<'a> {
    fn of(&mut self, key: &'a [u8]) -> &mut Moves {
        let place = *self.places.entry(key).or_insert(self.keys.len());
        if place == self.keys.len() {
            self.keys.push((key, Moves::default()));
        }
        &mut self.keys[place].1
    }

    fn add(&mut self, at: usize, net: &'a Net) {
        match (&net.was, &net.now) {
            (Some(was), Some((now, _))) if was == now => self.of(now).stay.push(at),
            (was, now) => {
                if let Some(was) = was {
                    self.of(was).leave.push(at);
                }
                if let Some((now, _)) = now {
                    self.of(now).enter.push(at);
                }
            }
        }
    }
}

/// What a change of the target comes from.
#[derive(Clone, Copy)]
struct Origin {
    /// The place of the source row that caused it.
    cause: usize,
    /// The place of its key.
    key: usize,
}

/// A change of the target to be made.
struct Change {
    origin: Origin,
    put: Option<Put>,
    then: Then,
}

/// Where the id of an inserted target row is to be remembered.
enum Then {
    Nothing,
    Pair([RowId; 2]),
    Own(usize, RowId),
}

struct Work<'a> {
    plan: &'a Plan,
    nets: &'a [Net],
    keys: Keys,
    out: Vec<Change>,
    locals: Vec<Val>,
}

fn ordered(side: usize, this: RowId, other: RowId) -> [RowId; 2] {
    if side == 0 { [this, other] } else { [other, this] }
}

impl Work<'_> {
    /// What the changes of a side do to a key.
    fn key(&mut self, ctx: &mut dyn HookContext, place: usize, side: usize, moves: &Moves) -> Result<()> {
        let nets = self.nets;
        let Moves { leave, enter, stay } = moves;
        let Some(last) = leave.iter().chain(enter).chain(stay).max().copied() else { return Ok(()) };
        let form = self.plan.query.form;
        let other = 1 - side;
        let before = self.keys.count(place, side)?;
        let mut others = if form.matches { self.images(ctx, place, other)? } else { Vec::new() };
        let alone = self.keys.count(place, other)? == 0;
        for &at in leave {
            let row = nets[at].row;
            let origin = Origin { cause: at, key: place };
            for (met, _) in &others {
                let target = self.keys.remove_pair(ctx, place, ordered(side, row, *met))?;
                self.delete(ctx, origin, Some(target))?;
            }
            let own = self.keys.remove(ctx, place, side, row)?;
            self.delete(ctx, origin, own)?;
        }
        for &at in stay {
            let Some((_, image)) = &nets[at].now else { continue };
            let row = nets[at].row;
            let origin = Origin { cause: at, key: place };
            for (met, met_image) in &others {
                let target = self.keys.pair(ctx, place, ordered(side, row, *met))?;
                self.update(ctx, origin, target, side, image, Some(met_image))?;
            }
            if alone && form.unmatched[side] {
                let own = self.keys.own(ctx, place, side, row)?;
                self.update(ctx, origin, own, side, image, None)?;
            }
        }
        for &at in enter {
            let Some((_, image)) = &nets[at].now else { continue };
            let row = nets[at].row;
            let origin = Origin { cause: at, key: place };
            self.keys.add(place, side, row)?;
            for (met, met_image) in &others {
                self.insert(origin, side, image, Some(met_image), Then::Pair(ordered(side, row, *met)))?;
            }
            if alone && form.unmatched[side] {
                self.insert(origin, side, image, None, Then::Own(side, row))?;
            }
        }
        let now = self.keys.count(place, side)?;
        if !form.unmatched[other] || (before == 0) == (now == 0) {
            return Ok(());
        }
        let origin = Origin { cause: last, key: place };
        // The rows of the other side met their first match, or lost their last.
        if now > 0 {
            for (row, own) in self.keys.rows(ctx, place, other)? {
                if own.is_some() {
                    self.delete(ctx, origin, own)?;
                    self.keys.set_own(ctx, place, other, row, None)?;
                }
            }
            return Ok(());
        }
        if !form.matches {
            others = self.images(ctx, place, other)?;
        }
        for (row, image) in &others {
            self.insert(origin, other, image, None, Then::Own(other, *row))?;
        }
        Ok(())
    }

    /// The known rows of a side with their newest images.
    fn images(&mut self, ctx: &mut dyn HookContext, key: usize, side: usize) -> Result<Vec<(RowId, Row)>> {
        let table = self.plan.query.pair.tables[side].id;
        let mut out = Vec::new();
        for (row, _) in self.keys.rows(ctx, key, side)? {
            // One that is gone will be taken out when its own change is.
            let image = ctx.fetch(table, row, false)?.unwrap_or_default();
            out.push((row, image));
        }
        Ok(out)
    }

    fn fill(&mut self, side: usize, image: &[Value], met: Option<&Row>, row: &mut Row) -> Result<()> {
        let met = met.map(Vec::as_slice).unwrap_or_default();
        let rows = if side == 0 { [image, met] } else { [met, image] };
        fill(&self.plan.query.cells, rows, row, &mut self.locals)
    }

    fn insert(&mut self, origin: Origin, side: usize, image: &[Value], met: Option<&Row>, then: Then) -> Result<()> {
        let mut row = select::nulls(self.plan.query.target.columns.len());
        self.fill(side, image, met, &mut row)?;
        self.out.push(Change { origin, put: Some(Put::Insert(row)), then });
        Ok(())
    }

    fn update(
        &mut self,
        ctx: &mut dyn HookContext,
        origin: Origin,
        target: Target,
        side: usize,
        image: &[Value],
        met: Option<&Row>,
    ) -> Result<()> {
        let Some(id) = target else { return Ok(()) };
        let Some(old) = ctx.fetch(self.plan.query.target.id, id, false)? else { return Ok(()) };
        // What the trigger does not fill stays.
        let mut new = old.clone();
        self.fill(side, image, met, &mut new)?;
        if new != old {
            self.out.push(Change { origin, put: Some(Put::Update(id, old, new)), then: Then::Nothing });
        }
        Ok(())
    }

    fn delete(&mut self, ctx: &mut dyn HookContext, origin: Origin, target: Target) -> Result<()> {
        let Some(id) = target else { return Ok(()) };
        if let Some(old) = ctx.fetch(self.plan.query.target.id, id, false)? {
            self.out.push(Change { origin, put: Some(Put::Delete(id, old)), then: Then::Nothing });
        }
        Ok(())
    }
}

impl Running for Run {
    fn waiting(&self) -> usize {
        self.nets.len()
    }

    fn note(&mut self, _: &mut dyn HookContext, table: TableId, row: RowId, change: &RowChange) -> Result<()> {
        let query = &self.plan.query;
        let Some(side) = query.pair.tables.iter().position(|def| def.id == table) else { return Ok(()) };
        if let RowChange::Update { old, new } = change
            && query.pair.untouched(side, &query.used[side], old, new)
        {
            return Ok(());
        }
        let was = change.old().map(|old| query.pair.key(side, row, old));
        let now = change.new_row().map(|new| query.known(side, row, new));
        self.add(Net { side, row, was, now });
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        if self.nets.is_empty() {
            return Ok(());
        }
        let plan = self.plan.clone();
        let side = self.nets[0].side;
        self.write(ctx).map_err(|error| {
            error.context(format!("AMI trigger \"{}\" on table \"{}\"", plan.name, plan.query.pair.tables[side].name))
        })
    }
}
