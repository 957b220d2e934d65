//! The kind JOIN (AMI-137 to AMI-142): a target with one row per pair of rows that match, and per row without a match,
//! as the type says.
//!
//! A statement's changes of either side are folded per row, then per key. Each touched key is locked, in the order of
//! the keys; what it is known to hold (`op/matches.rs`) says which pairs come, go or change, so that a row costs what it
//! has matches. All changes of the target go through the door as one statement, in the order of the source rows. Where all
//! rows are new ones, as in a COPY, nothing is collected per key: they are taken in their own order (`Work::enter`).

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent, TriggerId};
use tripline_sql::change::{HookContext, Put, RowChange, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Row, Value};

use super::op::matches::{KeyTables, Keys, Met, Target};
use super::pair::{Bare, Cell, Pair, fill, make};
use super::select;
use super::state::clear_table;
use super::target::{
    check_cycle, check_distinct, check_free, check_shape, check_undecorated, known_table, progress, remember_names,
};
use super::{Maintained, Maintenance};
use crate::kind::{self, Attachment, Instance, Kind, Running, table_of};
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
        kind::permanent_only(&ctx.catalog(), &def)?;
        for option in ["type", "on", "selects"] {
            kind::required(&def, option)?;
        }
        let catalog = ctx.catalog();
        remember_names(&catalog, &mut def);
        check_cycle(&catalog, &def)?;
        check_distinct(&catalog, &def)?;
        let query = Query::compile(&catalog, &def)?;
        query.pair.check_types()?;
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
        Ok(Some(Attachment::InTransaction(Maintained::<Run>::by(Arc::new(Plan::of(catalog, def)?)))))
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
    /// Up to the last of them.
    widths: [usize; 2],
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
        cells.sort_by_key(|(place, ..)| *place);
        let used = [0, 1].map(|side| pair.used_of(side, &used));
        let widths = [0, 1].map(|side: usize| used[side].iter().max().map_or(0, |last| last + 1));
        Ok(Query { pair, target, form, cells, used, widths })
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
            run.add(side, id, None, Some(row));
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

/// Different keys of a statement, in the order in which they were met.
#[derive(Default)]
struct KeySet {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// Their places, once there are many.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// So many keys are looked through one by one.
const KEYS_FEW: usize = 8;

impl KeySet {
    fn key(&self, place: u32) -> &[u8] {
        let place = place as usize;
        let from = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[place]]
    }

    /// The place of a key; a new one gets the next.
    fn place(&mut self, key: &[u8]) -> u32 {
        let next = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let (found, hash) = if self.ends.len() <= KEYS_FEW {
            ((0..next).rev().find(|place| self.key(*place) == key), 0)
        } else {
            let hash = self.hasher.hash_one(key);
            (self.places.find(hash, |place| self.key(*place) == key).copied(), hash)
        };
        if let Some(found) = found {
            return found;
        }
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        if self.ends.len() > KEYS_FEW {
            let mut places = std::mem::take(&mut self.places);
            let hash_of = |place: &u32| self.hasher.hash_one(self.key(*place));
            if places.is_empty() {
                (0..=next).for_each(|place| {
                    places.insert_unique(hash_of(&place), place, hash_of);
                });
            } else {
                places.insert_unique(hash, next, hash_of);
            }
            self.places = places;
        }
        next
    }
}

/// What a statement made of one row.
#[derive(Clone, Copy)]
struct Net {
    side: usize,
    row: RowId,
    /// The place of its key before the statement; none if it was not there.
    was: Option<u32>,
    /// The place of its key now, and where its image begins.
    now: Option<(u32, usize)>,
}

/// What was noted of rows of a statement.
#[derive(Default)]
struct Batch {
    nets: Vec<Net>,
    keys: KeySet,
    /// Used columns, side by side: of each row as many as its side is wide; the others are null.
    images: Vec<Value>,
}

impl Batch {
    fn image(&self, query: &Query, side: usize, from: usize) -> &[Value] {
        &self.images[from..from + query.widths[side]]
    }
}

/// Folds the rows of one statement.
struct Run {
    plan: Arc<Plan>,
    batch: Batch,
    /// Places in its nets, once there are several.
    places: HashMap<(usize, RowId), usize>,
    /// A key being made.
    key: Vec<u8>,
}

impl Maintenance for Run {
    type Plan = Plan;

    fn new(plan: Arc<Plan>) -> Run {
        Run { plan, batch: Batch::default(), places: HashMap::new(), key: Vec::new() }
    }
}

impl Run {
    /// Notes what became of a row.
    fn add(&mut self, side: usize, row: RowId, old: Option<&[Value]>, new: Option<&[Value]>) {
        let query = &self.plan.query;
        let Batch { nets, keys, images } = &mut self.batch;
        let now = new.map(|new| {
            query.pair.key(side, row, new, &mut self.key);
            let from = images.len();
            images.resize(from + query.widths[side], Value::Null);
            for place in &query.used[side] {
                if let Some(value) = new.get(*place) {
                    images[from + place].clone_from(value);
                }
            }
            (keys.place(&self.key), from)
        });
        // Rows that come in the order of their ids cannot be there already.
        let rising = self.places.is_empty() && nets.last().is_none_or(|last| last.side == side && last.row < row);
        if !rising {
            if self.places.is_empty() {
                self.places = nets.iter().enumerate().map(|(at, net)| ((net.side, net.row), at)).collect();
            }
            let place = *self.places.entry((side, row)).or_insert(nets.len());
            if let Some(before) = nets.get_mut(place) {
                before.now = now;
                return;
            }
        }
        let was = old.map(|old| {
            query.pair.key(side, row, old, &mut self.key);
            keys.place(&self.key)
        });
        nets.push(Net { side, row, was, now });
    }

    fn write(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        self.places.clear();
        let batch = std::mem::take(&mut self.batch);
        let nets = &batch.nets;
        if nets.iter().all(|net| net.side == nets[0].side) {
            return self.write_side(ctx, &batch, nets);
        }
        // One side after the other, so that no target row changes twice in one statement.
        let (left, right): (Vec<Net>, Vec<Net>) = nets.iter().partition(|net| net.side == 0);
        self.write_side(ctx, &batch, &left)?;
        self.write_side(ctx, &batch, &right)
    }

    fn write_side(&self, ctx: &mut dyn HookContext, batch: &Batch, nets: &[Net]) -> Result<()> {
        let Some(side) = nets.first().map(|net| net.side) else { return Ok(()) };
        let comes = nets.iter().all(|net| net.was.is_none());
        let touched = Touched::of(batch, nets);
        let mut keys = Keys::new(self.plan.state, touched.keys.len());
        for slot in touched.by_key(batch) {
            ctx.check_cancel()?;
            keys.lock(ctx, slot, batch.keys.key(touched.keys[slot]))?;
        }
        let mut work = Work { plan: &self.plan, batch, nets, side, touched, keys, out: Vec::new(), locals: Vec::new() };
        if comes {
            work.enter(ctx)?
        } else {
            work.moves(ctx)?
        }
        work.keys.store(ctx)
    }
}

/// The keys that a statement's rows of a side leave, enter or stay in.
struct Touched {
    /// In the order in which they were met.
    keys: Vec<u32>,
    /// The slot of each key of the batch.
    slots: Vec<u32>,
}

impl Touched {
    fn of(batch: &Batch, nets: &[Net]) -> Touched {
        let mut touched = Touched { keys: Vec::new(), slots: vec![u32::MAX; batch.keys.ends.len()] };
        for key in nets.iter().flat_map(|net| net.was.into_iter().chain(net.now.map(|(key, _)| key))) {
            let slot = &mut touched.slots[key as usize];
            if *slot == u32::MAX {
                *slot = u32::try_from(touched.keys.len()).unwrap_or(u32::MAX);
                touched.keys.push(key);
            }
        }
        touched
    }

    fn slot(&self, key: u32) -> usize {
        self.slots[key as usize] as usize
    }

    /// The slots in the order of the keys: so they are locked.
    fn by_key(&self, batch: &Batch) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by(|a, b| batch.keys.key(self.keys[*a]).cmp(batch.keys.key(self.keys[*b])));
        order
    }
}

/// Places of nets.
#[derive(Default)]
struct Moves {
    leave: Vec<usize>,
    enter: Vec<usize>,
    stay: Vec<usize>,
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
    batch: &'a Batch,
    nets: &'a [Net],
    /// All of them are of this side.
    side: usize,
    touched: Touched,
    keys: Keys,
    out: Vec<Change>,
    locals: Vec<Val>,
}

/// What rows that come to a key meet there.
struct Meeting {
    /// Rows of the other side, if matches are kept.
    others: Vec<(RowId, Row)>,
    /// There are none.
    alone: bool,
    /// The last net that comes to it, and what goes then: the target rows of the others' own.
    last: usize,
    gone: Vec<Put>,
    /// How many those were.
    went: usize,
}

fn ordered(side: usize, this: RowId, other: RowId) -> [RowId; 2] {
    if side == 0 { [this, other] } else { [other, this] }
}

/// The rows of the left and the right.
fn sides<'a>(side: usize, image: &'a [Value], met: Option<&'a Row>) -> [&'a [Value]; 2] {
    let met = met.map(Vec::as_slice).unwrap_or_default();
    if side == 0 { [image, met] } else { [met, image] }
}

fn refused() -> SqlError {
    SqlError::internal("a maintained row was refused")
}

impl Work<'_> {
    /// All rows are new ones: each is looked at once before the target is written and once after.
    fn enter(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let (nets, side, form) = (self.nets, self.side, self.plan.query.form);
        let other = 1 - side;
        let mut meetings = Vec::with_capacity(self.touched.keys.len());
        for slot in 0..self.touched.keys.len() {
            let others = if form.matches { self.images(ctx, slot, other)? } else { Vec::new() };
            let alone = self.keys.count(slot, other)? == 0;
            let mut gone = Vec::new();
            // The rows of the other side meet their first match.
            if form.unmatched[other] && self.keys.count(slot, side)? == 0 {
                for (row, own) in self.keys.rows(ctx, slot, other)? {
                    let Some(own) = own else { continue };
                    self.keys.set_own(ctx, slot, other, row, None)?;
                    gone.extend(ctx.fetch(self.plan.query.target.id, own, false)?.map(|old| Put::Delete(own, old)));
                }
            }
            let went = gone.len();
            meetings.push(Meeting { others, alone, last: 0, gone, went });
        }
        let slots: Vec<usize> =
            nets.iter().map(|net| net.now.map_or(usize::MAX, |(key, _)| self.touched.slot(key))).collect();
        for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| **slot != usize::MAX) {
            meetings[*slot].last = at;
        }
        let mut puts = Vec::with_capacity(nets.len());
        for (at, (net, slot)) in nets.iter().zip(&slots).enumerate() {
            let Some((_, from)) = net.now else { continue };
            let image = self.batch.image(&self.plan.query, side, from);
            let meeting = &mut meetings[*slot];
            for (_, met) in &meeting.others {
                puts.push(Put::Insert(self.values(side, image, Some(met))?));
            }
            if meeting.alone && form.unmatched[side] {
                puts.push(Put::Insert(self.values(side, image, None)?));
            }
            if meeting.last == at {
                puts.append(&mut meeting.gone);
            }
        }
        let mut ids = self.put(ctx, puts)?.into_iter();
        for (at, (net, slot)) in nets.iter().zip(&slots).enumerate().filter(|(_, (net, _))| net.now.is_some()) {
            let meeting = &meetings[*slot];
            let mut next = || ids.next().flatten().ok_or_else(refused);
            let mut met = Met::default();
            for (row, _) in &meeting.others {
                met.push((row.0, next()?));
            }
            let own = if meeting.alone && form.unmatched[side] { Some(next()?) } else { None };
            self.keys.enter(ctx, *slot, side, net.row, own, met)?;
            if meeting.last == at {
                ids.by_ref().take(meeting.went).for_each(drop);
            }
        }
        Ok(())
    }

    /// Rows come, go and change.
    fn moves(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let mut moves: Vec<Moves> = Vec::new();
        moves.resize_with(self.touched.keys.len(), Moves::default);
        for (at, net) in self.nets.iter().enumerate() {
            let (was, now) =
                (net.was.map(|key| self.touched.slot(key)), net.now.map(|(key, _)| self.touched.slot(key)));
            match (was, now) {
                (Some(was), Some(now)) if was == now => moves[now].stay.push(at),
                (was, now) => {
                    if let Some(was) = was {
                        moves[was].leave.push(at);
                    }
                    if let Some(now) = now {
                        moves[now].enter.push(at);
                    }
                }
            }
        }
        for (slot, moves) in moves.iter().enumerate() {
            self.key(ctx, slot, moves)?;
        }
        let mut out = std::mem::take(&mut self.out);
        out.sort_by_key(|change| change.origin.cause);
        let puts: Vec<Put> = out.iter_mut().filter_map(|change| change.put.take()).collect();
        let ids = self.put(ctx, puts)?;
        for (change, id) in out.into_iter().zip(ids) {
            let key = change.origin.key;
            match change.then {
                Then::Nothing => {}
                Then::Pair(pair) => self.keys.add_pair(ctx, key, pair, id.ok_or_else(refused)?)?,
                Then::Own(side, row) => self.keys.set_own(ctx, key, side, row, Some(id.ok_or_else(refused)?))?,
            }
        }
        Ok(())
    }

    fn put(&self, ctx: &mut dyn HookContext, puts: Vec<Put>) -> Result<Vec<Option<RowId>>> {
        if puts.is_empty() { Ok(Vec::new()) } else { ctx.write(self.plan.query.target.id, puts) }
    }

    /// What the changes of a side do to a key.
    fn key(&mut self, ctx: &mut dyn HookContext, place: usize, moves: &Moves) -> Result<()> {
        let (nets, batch, side) = (self.nets, self.batch, self.side);
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
            let Some((_, from)) = nets[at].now else { continue };
            let (row, image) = (nets[at].row, batch.image(&self.plan.query, side, from));
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
            let Some((_, from)) = nets[at].now else { continue };
            let (row, image) = (nets[at].row, batch.image(&self.plan.query, side, from));
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

    fn values(&mut self, side: usize, image: &[Value], met: Option<&Row>) -> Result<Row> {
        let Query { cells, target, .. } = &self.plan.query;
        make(cells, sides(side, image, met), target.columns.len(), &mut self.locals)
    }

    fn insert(&mut self, origin: Origin, side: usize, image: &[Value], met: Option<&Row>, then: Then) -> Result<()> {
        let row = self.values(side, image, met)?;
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
        fill(&self.plan.query.cells, sides(side, image, met), &mut new, &mut self.locals)?;
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
        self.batch.nets.len()
    }

    fn note(&mut self, _: &mut dyn HookContext, table: TableId, row: RowId, change: &RowChange) -> Result<()> {
        let query = &self.plan.query;
        let Some(side) = query.pair.tables.iter().position(|def| def.id == table) else { return Ok(()) };
        if let RowChange::Update { old, new } = change
            && query.pair.untouched(side, &query.used[side], old, new)
        {
            return Ok(());
        }
        self.add(side, row, change.old().map(Vec::as_slice), change.new_row().map(Vec::as_slice));
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let Some(side) = self.batch.nets.first().map(|net| net.side) else { return Ok(()) };
        let plan = self.plan.clone();
        self.write(ctx).map_err(|error| {
            error.context(format!("AMI trigger \"{}\" on table \"{}\"", plan.name, plan.query.pair.tables[side].name))
        })
    }
}
