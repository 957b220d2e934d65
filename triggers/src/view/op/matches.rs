//! What JOIN and DECORATE remember of a key: which rows of either side have it, and the target rows made of them.
//!
//! Each key that some row has owns one row of a state table, `(key, state)`. It is locked before anything of the key is
//! looked at, also when it has to be made first: so of two writers, one on each side, the second always sees what the
//! first has done, and no pair is lost (AMI-100). The few rows of a side that came last stand in that row itself; those of
//! a side with more are moved, many at once, into the runs of a second table. So one row that comes costs one change of
//! the key's row, and many that come together cost one change per run:
//!
//! ```text
//! keys     key -> state                               turn · side 0 · side 1; a side: members in runs · members
//! runs     2 * key's row + side, first row -> data    members, by rising row; the next run's first row is above them all
//! pairs    left, right -> target                      of rows that have met more than a few
//! ```
//!
//! A member is a row of a side: the target row of its own, and the rows of the other side that it has met with the target
//! rows of the pairs. A pair stands with that one of its rows that is at hand and has met fewer. Where side 0 is ordered
//! (DECORATE) a member is a row and its turn, the time of its last change by the key's own clock: the latest turn counts,
//! so that a row that changes again is added to those that came last, and an older turn of it in a run is stale.
//!
//! `Keys` holds the locked keys of one statement and writes what has changed of them at the end, each table's rows as one
//! statement. Only rows that their view has taken in are known here, whatever else the tables hold by now.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use hashbrown::HashMap;
use tripline_sql::catalog::{Catalog, TriggerDef, TriggerId};
use tripline_sql::change::{HookContext, Put, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value};

use super::super::state::{StateTable, overtaken};

/// Rows of a side that stand in the key's own row at most.
const FRESH_MAX: usize = 16;
/// Members of a run at most.
const RUN_MAX: usize = 128;
/// Pairs that stand with one of their rows at most.
const MET_MAX: usize = 8;

/// The state tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTables {
    keys: StateTable,
    runs: StateTable,
    pairs: StateTable,
    /// Rows of side 0 are kept in the order of their last change.
    ordered: bool,
}

impl KeyTables {
    /// Makes them. `ordered`: side 0 is used by `touch`, `latest` and `remove` alone.
    pub(crate) fn create(ctx: &mut dyn HookContext, id: TriggerId, ordered: bool) -> Result<KeyTables> {
        let keys = [("key", DataType::BYTEA), ("state", DataType::BYTEA)];
        let runs = [("key", DataType::INT8), ("first", DataType::INT8), ("data", DataType::BYTEA)];
        let pairs = [("left", DataType::INT8), ("right", DataType::INT8), ("target", DataType::INT8)];
        Ok(KeyTables {
            keys: StateTable::create(ctx, id, "keys", &keys, 1)?,
            runs: StateTable::create(ctx, id, "runs", &runs, 2)?,
            pairs: StateTable::create(ctx, id, "pairs", &pairs, 2)?,
            ordered,
        })
    }

    /// Finds those made before.
    pub(crate) fn find(catalog: &Catalog, def: &TriggerDef, ordered: bool) -> Result<KeyTables> {
        let named = |name: &str| StateTable::find(catalog, def, name);
        Ok(KeyTables { keys: named("keys")?, runs: named("runs")?, pairs: named("pairs")?, ordered })
    }

    /// Forgets everything.
    pub(crate) fn clear(self, ctx: &mut dyn HookContext) -> Result<()> {
        self.keys.clear(ctx)?;
        self.runs.clear(ctx)?;
        self.pairs.clear(ctx)
    }

    fn is_ordered(self, side: usize) -> bool {
        self.ordered && side == 0
    }
}

fn damaged() -> SqlError {
    SqlError::new(SqlState::DATA_CORRUPTED, "stored state of a key is damaged")
}

fn unknown() -> SqlError {
    SqlError::internal("a row that goes was never known")
}

/// A target row, if there is one.
pub(crate) type Target = Option<RowId>;

/// Rows of the other side that a row has met, and the target rows of the pairs. Most have met one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Met {
    #[default]
    Nobody,
    One((u64, RowId)),
    Many(Vec<(u64, RowId)>),
}

impl Met {
    fn pairs(&self) -> &[(u64, RowId)] {
        match self {
            Met::Nobody => &[],
            Met::One(pair) => std::slice::from_ref(pair),
            Met::Many(pairs) => pairs,
        }
    }

    pub(crate) fn push(&mut self, pair: (u64, RowId)) {
        *self = match std::mem::take(self) {
            Met::Nobody => Met::One(pair),
            Met::One(first) => Met::Many(vec![first, pair]),
            Met::Many(mut pairs) => {
                pairs.push(pair);
                Met::Many(pairs)
            }
        };
    }

    fn target(&self, other: u64) -> Target {
        self.pairs().iter().find(|(row, _)| *row == other).map(|(_, target)| *target)
    }

    fn remove(&mut self, other: u64) -> Target {
        let target = self.target(other)?;
        match self {
            Met::Many(pairs) => pairs.retain(|(row, _)| *row != other),
            one => *one = Met::Nobody,
        }
        Some(target)
    }
}

/// What is known of a row.
#[derive(Clone, Debug, Default, PartialEq)]
struct Data {
    own: Target,
    met: Met,
    /// Of an ordered side, which has nothing else.
    turn: u64,
}

/// A row of a side.
#[derive(Clone, Debug, PartialEq)]
struct Member {
    row: u64,
    data: Data,
    /// It is not there any more.
    gone: bool,
}

impl Member {
    fn of(row: u64, data: Data) -> Member {
        Member { row, data, gone: false }
    }
}

fn put(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push((n & 0x7f) as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut n, mut shift) = (0_u64, 0_u32);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(n);
        }
        shift += 7;
    }
}

/// Writes numbers as their distances: neighbours have nearly the same ones.
#[derive(Default)]
struct Distance(u64);

impl Distance {
    fn put(&mut self, n: u64, out: &mut Vec<u8>) {
        let step = n.wrapping_sub(self.0).cast_signed();
        self.0 = n;
        put((step << 1 ^ step >> 63).cast_unsigned(), out);
    }

    fn take(&mut self, bytes: &mut &[u8]) -> Option<u64> {
        let n = take(bytes)?;
        let step = (n >> 1) ^ (n & 1).wrapping_neg();
        self.0 = self.0.wrapping_add(step);
        Some(self.0)
    }
}

/// A count, then of each member its row and its turn, or twice the number that it has met plus one for a target row of
/// its own, that, and those that it has met.
fn encode<'a>(members: impl Iterator<Item = &'a Member> + Clone, ordered: bool, out: &mut Vec<u8>) {
    put(members.clone().count() as u64, out);
    let (mut rows, mut targets) = (Distance::default(), Distance::default());
    for Member { row, data, .. } in members {
        rows.put(*row, out);
        if ordered {
            targets.put(data.turn, out);
            continue;
        }
        let met = data.met.pairs();
        put((met.len() as u64) << 1 | u64::from(data.own.is_some()), out);
        if let Some(own) = data.own {
            targets.put(own.0, out);
        }
        for (other, target) in met {
            put(*other, out);
            targets.put(target.0, out);
        }
    }
}

fn decode(bytes: &mut &[u8], ordered: bool) -> Option<Vec<Member>> {
    let count = usize::try_from(take(bytes)?).ok()?;
    let mut members = Vec::with_capacity(count.min(RUN_MAX) + 1);
    let (mut rows, mut targets) = (Distance::default(), Distance::default());
    for _ in 0..count {
        let row = rows.take(bytes)?;
        let mut data = Data::default();
        if ordered {
            data.turn = targets.take(bytes)?;
        } else {
            let head = take(bytes)?;
            if head & 1 == 1 {
                data.own = Some(RowId(targets.take(bytes)?));
            }
            for _ in 0..head >> 1 {
                data.met.push((take(bytes)?, RowId(targets.take(bytes)?)));
            }
        }
        members.push(Member::of(row, data));
    }
    Some(members)
}

/// A row of the runs' table.
#[derive(Debug, Default)]
struct Run {
    stored: Option<(RowId, Row)>,
    /// By rising row.
    members: Vec<Member>,
    changed: bool,
    /// Some member came between others.
    mixed: bool,
}

/// One side of a key.
#[derive(Debug, Default)]
struct Side {
    /// Those that came last, in the order in which they came.
    fresh: Vec<Member>,
    /// How many of them are still there.
    live: usize,
    /// Their rows do not rise.
    mixed: bool,
    /// Places of rows in it, once they were looked for in a long list that is mixed.
    places: HashMap<u64, usize>,
    /// Where the next one looked for probably is: they are mostly asked for one after the other.
    next: usize,
    /// Members of runs.
    in_runs: u64,
    /// Runs read or made, by their first rows.
    runs: BTreeMap<u64, Run>,
    /// These are all there are.
    all_read: bool,
}

/// Where a member is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Fresh(usize),
    /// The first row of the run, and the place in it.
    Run(u64, usize),
}

impl Side {
    fn push(&mut self, member: Member) {
        if self.fresh.last().is_some_and(|last| last.row >= member.row) {
            self.mixed = true;
        }
        if !self.places.is_empty() {
            self.places.insert(member.row, self.fresh.len());
        }
        self.live += 1;
        self.fresh.push(member);
    }

    fn find_fresh(&mut self, row: u64) -> Option<usize> {
        let there = |place: &usize| self.fresh.get(*place).is_some_and(|member| member.row == row && !member.gone);
        if there(&self.next) {
            self.next += 1;
            return Some(self.next - 1);
        }
        if !self.mixed {
            let found = self.fresh.binary_search_by_key(&row, |member| member.row).ok().filter(there);
            self.next = found.map_or(self.next, |place| place + 1);
            return found;
        }
        if self.fresh.len() <= 2 * FRESH_MAX {
            return self.fresh.iter().rposition(|member| member.row == row && !member.gone);
        }
        if self.places.is_empty() {
            // Of a row that came several times the last place counts.
            self.places = self.fresh.iter().enumerate().map(|(place, member)| (member.row, place)).collect();
        }
        self.places.get(&row).copied().filter(|place| self.fresh[*place].row == row && !self.fresh[*place].gone)
    }

    /// The member at a place.
    fn at(&mut self, place: Place) -> Option<&mut Data> {
        let member = match place {
            Place::Fresh(place) => self.fresh.get_mut(place),
            Place::Run(first, place) => {
                let run = self.runs.get_mut(&first)?;
                run.changed = true;
                run.members.get_mut(place)
            }
        };
        member.map(|member| &mut member.data)
    }

    /// Takes the member at a place out.
    fn take(&mut self, place: Place) -> Option<Data> {
        match place {
            Place::Fresh(place) => {
                let member = self.fresh.get_mut(place)?;
                member.gone = true;
                self.live -= 1;
                Some(std::mem::take(&mut member.data))
            }
            Place::Run(first, place) => {
                let run = self.runs.get_mut(&first)?;
                run.changed = true;
                self.in_runs -= 1;
                (place < run.members.len()).then(|| run.members.remove(place).data)
            }
        }
    }

    /// Those that came last and are still there.
    fn live(&self) -> impl DoubleEndedIterator<Item = &Member> + Clone {
        self.fresh.iter().filter(|member| !member.gone)
    }
}

/// A locked key.
#[derive(Debug)]
struct Key {
    /// Its row, and that row's image.
    id: RowId,
    image: Row,
    /// The last turn given.
    turn: u64,
    sides: [Side; 2],
    changed: bool,
}

impl Key {
    fn encode(&self, ordered: bool) -> Value {
        let mut out = Vec::with_capacity(128);
        put(self.turn, &mut out);
        for (place, side) in self.sides.iter().enumerate() {
            put(side.in_runs, &mut out);
            encode(side.live(), ordered && place == 0, &mut out);
        }
        Value::Bytea(Arc::from(out))
    }

    fn decode(id: RowId, image: Row, ordered: bool) -> Option<Key> {
        let Some(Value::Bytea(state)) = image.get(1) else { return None };
        let mut bytes: &[u8] = state;
        let (mut turn, mut sides) = (0, [Side::default(), Side::default()]);
        // One that was locked and never stored has no state yet.
        if !bytes.is_empty() {
            turn = take(&mut bytes)?;
            for (place, side) in sides.iter_mut().enumerate() {
                side.in_runs = take(&mut bytes)?;
                side.fresh = decode(&mut bytes, ordered && place == 0)?;
                side.live = side.fresh.len();
                side.mixed = side.fresh.windows(2).any(|two| two[0].row >= two[1].row);
            }
        }
        for side in &mut sides {
            side.all_read = side.in_runs == 0;
        }
        Some(Key { id, image, turn, sides, changed: false })
    }

    /// How the runs of a side call it.
    fn number(&self, side: usize) -> Value {
        number(self.id.0 << 1 | side as u64)
    }
}

/// A row of the pairs' table.
#[derive(Debug, Default)]
struct Stored {
    stored: Option<(RowId, Row)>,
    now: Target,
}

/// Locked keys, by places that the caller gives. What is changed of them is kept once `store` was called.
#[derive(Debug)]
pub(crate) struct Keys {
    tables: KeyTables,
    keys: Vec<Option<Key>>,
    pairs: HashMap<[u64; 2], Stored>,
}

fn number(n: u64) -> Value {
    Value::Int8(n.cast_signed())
}

fn number_of(row: &Row, place: usize) -> Result<u64> {
    row.get(place).and_then(Value::as_i64).map(i64::cast_unsigned).ok_or_else(damaged)
}

impl Keys {
    /// None locked yet, of at most `count`.
    pub(crate) fn new(tables: KeyTables, count: usize) -> Keys {
        let mut keys = Vec::with_capacity(count);
        keys.resize_with(count, || None);
        Keys { tables, keys, pairs: HashMap::new() }
    }

    /// Locks a key to the end of the transaction; one that no row had yet is made. Errors: 40001, those of a wait.
    pub(crate) fn lock(&mut self, ctx: &mut dyn HookContext, at: usize, key: &[u8]) -> Result<()> {
        let bytes = Value::Bytea(Arc::from(key));
        let table = self.tables.keys;
        for _ in 0..16 {
            if let Some((id, image)) = table.get(ctx, std::slice::from_ref(&bytes), true)? {
                self.keys[at] = Some(Key::decode(id, image, self.tables.ordered).ok_or_else(damaged)?);
                return Ok(());
            }
            // Another writer may be first: then its row is waited for and taken.
            let image = vec![bytes.clone(), Value::Bytea(Arc::from([].as_slice()))];
            match ctx.insert(table.table, image.clone()) {
                Ok(Some(id)) => {
                    let mut made = Key::decode(id, image, self.tables.ordered).ok_or_else(damaged)?;
                    made.changed = true;
                    self.keys[at] = Some(made);
                    return Ok(());
                }
                Ok(None) => return Err(SqlError::internal("a state row was refused")),
                Err(error) if error.state() == SqlState::UNIQUE_VIOLATION => {}
                Err(error) => return Err(error),
            }
        }
        Err(overtaken("a key"))
    }

    fn key(&self, at: usize) -> Result<&Key> {
        self.keys.get(at).and_then(Option::as_ref).ok_or_else(|| SqlError::internal("a key was not locked"))
    }

    fn key_mut(&mut self, at: usize) -> Result<&mut Key> {
        self.keys.get_mut(at).and_then(Option::as_mut).ok_or_else(|| SqlError::internal("a key was not locked"))
    }

    fn side(&mut self, at: usize, side: usize) -> Result<&mut Side> {
        Ok(&mut self.key_mut(at)?.sides[side])
    }

    /// Rows of a side that is not ordered.
    pub(crate) fn count(&self, at: usize, side: usize) -> Result<u64> {
        let side = &self.key(at)?.sides[side];
        Ok(side.live as u64 + side.in_runs)
    }

    fn keep_run(&mut self, at: usize, side: usize, row: RowId, image: Row) -> Result<()> {
        let ordered = self.tables.is_ordered(side);
        let first = number_of(&image, 1)?;
        let side = self.side(at, side)?;
        // One that is known already may have been changed since.
        if let Entry::Vacant(place) = side.runs.entry(first) {
            let Some(Value::Bytea(data)) = image.get(2) else { return Err(damaged()) };
            let members = decode(&mut &data[..], ordered).ok_or_else(damaged)?;
            place.insert(Run { stored: Some((row, image)), members, ..Run::default() });
        }
        Ok(())
    }

    /// Reads all runs of a side.
    fn read_runs(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize) -> Result<()> {
        if self.side(at, side)?.all_read {
            return Ok(());
        }
        let place = self.tables.runs;
        for (row, image) in ctx.lookup(place.table, place.index, &[self.key(at)?.number(side)], false)? {
            self.keep_run(at, side, row, image)?;
        }
        self.side(at, side)?.all_read = true;
        Ok(())
    }

    /// The run that a row stands in if it stands in one: the last that begins at it or before it, by its first row.
    fn run_of(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: u64) -> Result<Option<u64>> {
        let key = self.key(at)?;
        let Side { runs, all_read, .. } = &key.sides[side];
        let here = runs.range(..=row).next_back();
        let reaches = |run: &Run| run.members.last().is_some_and(|last| last.row >= row);
        if *all_read || here.is_some_and(|(_, run)| reaches(run)) {
            return Ok(here.map(|(first, _)| *first));
        }
        let (place, prefix) = (self.tables.runs, [key.number(side)]);
        if let Some((id, image)) = ctx.lookup_upto(place.table, place.index, &prefix, &number(row))? {
            self.keep_run(at, side, id, image)?;
        }
        Ok(self.side(at, side)?.runs.range(..=row).next_back().map(|(first, _)| *first))
    }

    fn find_in_runs(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: u64) -> Result<Option<Place>> {
        if self.side(at, side)?.in_runs == 0 {
            return Ok(None);
        }
        let Some(first) = self.run_of(ctx, at, side, row)? else { return Ok(None) };
        let found = self.side(at, side)?.runs.get(&first);
        let place = found.and_then(|run| run.members.binary_search_by_key(&row, |member| member.row).ok());
        Ok(place.map(|place| Place::Run(first, place)))
    }

    fn find(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: u64) -> Result<Option<Place>> {
        match self.side(at, side)?.find_fresh(row) {
            Some(place) => Ok(Some(Place::Fresh(place))),
            None => self.find_in_runs(ctx, at, side, row),
        }
    }

    /// What is known of a row, if it is known.
    fn data(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: u64) -> Result<Option<&Data>> {
        let place = self.find(ctx, at, side, row)?;
        let side = self.side(at, side)?;
        Ok(match place {
            Some(Place::Fresh(place)) => side.fresh.get(place),
            Some(Place::Run(first, place)) => side.runs.get(&first).and_then(|run| run.members.get(place)),
            None => None,
        }
        .map(|member| &member.data))
    }

    /// The rows of a side that is not ordered, each with the target row of its own.
    pub(crate) fn rows(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize) -> Result<Vec<(RowId, Target)>> {
        self.read_runs(ctx, at, side)?;
        let side = self.side(at, side)?;
        let in_runs = side.runs.values().flat_map(|run| &run.members);
        let all = in_runs.chain(side.live()).map(|member| (RowId(member.row), member.data.own));
        let mut out: Vec<(RowId, Target)> = all.collect();
        if !out.is_sorted_by_key(|(row, _)| row.0) {
            out.sort_unstable_by_key(|(row, _)| row.0);
        }
        Ok(out)
    }

    /// A row that the key does not know comes to a side.
    pub(crate) fn add(&mut self, at: usize, side: usize, row: RowId) -> Result<()> {
        let key = self.key_mut(at)?;
        key.changed = true;
        key.sides[side].push(Member::of(row.0, Data::default()));
        Ok(())
    }

    /// A row that the key does not know comes to a side with the target row of its own, and those of its pairs.
    pub(crate) fn enter(
        &mut self,
        ctx: &mut dyn HookContext,
        at: usize,
        side: usize,
        row: RowId,
        own: Target,
        met: Met,
    ) -> Result<()> {
        if met.pairs().len() <= MET_MAX {
            let key = self.key_mut(at)?;
            key.changed = true;
            key.sides[side].push(Member::of(row.0, Data { own, met, turn: 0 }));
            return Ok(());
        }
        self.add(at, side, row)?;
        let pairs = met.pairs().iter();
        pairs.copied().try_for_each(|(other, target)| {
            let pair = if side == 0 { [row, RowId(other)] } else { [RowId(other), row] };
            self.add_pair(ctx, at, pair, target)
        })
    }

    /// A row leaves a side, after its pairs: the target row of its own.
    pub(crate) fn remove(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: RowId) -> Result<Target> {
        let mut place = self.find(ctx, at, side, row.0)?;
        let mut own = Err(unknown());
        while let Some(found) = place {
            self.key_mut(at)?.changed = true;
            own = self.side(at, side)?.take(found).map(|data| data.own).ok_or_else(unknown);
            // An older turn of it may stand in a run.
            let older = matches!(found, Place::Fresh(_)) && self.tables.is_ordered(side);
            place = if older { self.find_in_runs(ctx, at, side, row.0)? } else { None };
        }
        own
    }

    /// The target row of a row's own.
    pub(crate) fn own(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: RowId) -> Result<Target> {
        Ok(self.data(ctx, at, side, row.0)?.and_then(|data| data.own))
    }

    /// Changes the target row of a row's own.
    pub(crate) fn set_own(
        &mut self,
        ctx: &mut dyn HookContext,
        at: usize,
        side: usize,
        row: RowId,
        target: Target,
    ) -> Result<()> {
        let place = self.find(ctx, at, side, row.0)?.ok_or_else(unknown)?;
        let key = self.key_mut(at)?;
        key.changed = true;
        key.sides[side].at(place).ok_or_else(unknown)?.own = target;
        Ok(())
    }

    /// The pair's row in the table of its own, read when it is first asked for.
    fn stored_pair(&mut self, ctx: &mut dyn HookContext, pair: [RowId; 2]) -> Result<&mut Stored> {
        let ids = pair.map(|id| id.0);
        if !self.pairs.contains_key(&ids) {
            let stored = self.tables.pairs.get(ctx, &ids.map(number), false)?;
            let now = match &stored {
                Some((_, row)) => Some(RowId(number_of(row, 2)?)),
                None => None,
            };
            self.pairs.insert(ids, Stored { stored, now });
        }
        self.pairs.get_mut(&ids).ok_or_else(unknown)
    }

    /// The target row of a pair.
    pub(crate) fn pair(&mut self, ctx: &mut dyn HookContext, at: usize, pair: [RowId; 2]) -> Result<Target> {
        for side in [0, 1] {
            let (row, other) = (pair[side].0, pair[1 - side].0);
            let known = self.data(ctx, at, side, row)?.and_then(|data| data.met.target(other));
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(self.stored_pair(ctx, pair)?.now)
    }

    /// A pair and its target row come.
    pub(crate) fn add_pair(
        &mut self,
        ctx: &mut dyn HookContext,
        at: usize,
        pair: [RowId; 2],
        target: RowId,
    ) -> Result<()> {
        let key = self.key_mut(at)?;
        key.changed = true;
        let (mut with, mut least) = (None, MET_MAX);
        for (side, row) in pair.iter().enumerate() {
            // A row that is not at hand is not fetched for it.
            if let Some(place) = key.sides[side].find_fresh(row.0) {
                let met = key.sides[side].fresh[place].data.met.pairs().len();
                if met < least {
                    (with, least) = (Some((side, place)), met);
                }
                if met == 0 {
                    break;
                }
            }
        }
        match with {
            Some((side, place)) => key.sides[side].fresh[place].data.met.push((pair[1 - side].0, target)),
            None => self.stored_pair(ctx, pair)?.now = Some(target),
        }
        Ok(())
    }

    /// A pair goes: its target row.
    pub(crate) fn remove_pair(&mut self, ctx: &mut dyn HookContext, at: usize, pair: [RowId; 2]) -> Result<RowId> {
        for side in [0, 1] {
            let (row, other) = (pair[side].0, pair[1 - side].0);
            if self.data(ctx, at, side, row)?.is_some_and(|data| data.met.target(other).is_some())
                && let Some(place) = self.find(ctx, at, side, row)?
            {
                let key = self.key_mut(at)?;
                key.changed = true;
                return key.sides[side].at(place).and_then(|data| data.met.remove(other)).ok_or_else(unknown);
            }
        }
        self.key_mut(at)?.changed = true;
        self.stored_pair(ctx, pair)?.now.take().ok_or_else(unknown)
    }

    // Rows of side 0 in the order of their last change: DECORATE, which has no targets of their own and no pairs -------

    /// A row of side 0 changed, or comes (then it is not `known` to the key): it is the latest now.
    pub(crate) fn touch(&mut self, at: usize, row: RowId, known: bool) -> Result<()> {
        let key = self.key_mut(at)?;
        let side = &mut key.sides[0];
        if known {
            if side.live().next_back().is_some_and(|last| last.row == row.0) {
                return Ok(());
            }
            if let Some(place) = side.find_fresh(row.0) {
                side.take(Place::Fresh(place));
            }
        }
        key.changed = true;
        key.turn += 1;
        side.push(Member::of(row.0, Data { turn: key.turn, ..Data::default() }));
        Ok(())
    }

    /// The row of side 0 that changed last.
    pub(crate) fn latest(&mut self, ctx: &mut dyn HookContext, at: usize) -> Result<Option<RowId>> {
        let last = |side: &Side| side.live().next_back().map(|member| RowId(member.row));
        let side = self.side(at, 0)?;
        if side.live > 0 || side.in_runs == 0 {
            return Ok(last(side));
        }
        // All that came last went: those before them come out of their runs.
        self.read_runs(ctx, at, 0)?;
        let key = self.key_mut(at)?;
        key.changed = true;
        let side = &mut key.sides[0];
        let members = side.runs.values().flat_map(|run| &run.members);
        let mut newest: Vec<(u64, u64)> = members.map(|member| (member.data.turn, member.row)).collect();
        newest.sort_unstable();
        newest.drain(..newest.len().saturating_sub(FRESH_MAX));
        for (_, row) in newest {
            let Some((first, run)) = side.runs.range(..=row).next_back() else { return Err(unknown()) };
            let found = run.members.binary_search_by_key(&row, |member| member.row);
            let place = Place::Run(*first, found.map_err(|_| unknown())?);
            let data = side.take(place).ok_or_else(unknown)?;
            side.push(Member::of(row, data));
        }
        Ok(last(side))
    }

    /// Moves what a side has too much of in the key's own row into runs.
    fn move_to_runs(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize) -> Result<()> {
        let ordered = self.tables.is_ordered(side);
        let this = self.side(at, side)?;
        if this.live <= FRESH_MAX {
            return Ok(());
        }
        let mut moved: Vec<Member> =
            std::mem::take(&mut this.fresh).into_iter().filter(|member| !member.gone).collect();
        this.places.clear();
        // The latest stays at hand.
        this.fresh = if ordered { moved.pop().into_iter().collect() } else { Vec::new() };
        this.live = this.fresh.len();
        this.mixed = false;
        if !moved.is_sorted_by_key(|member| member.row) {
            moved.sort_unstable_by_key(|member| member.row);
        }
        let last = moved.last().map_or(0, |member| member.row);
        let mut moved = moved.into_iter().peekable();
        let top = self.run_of(ctx, at, side, last)?;
        while let Some(next) = moved.peek() {
            let row = next.row;
            let first = match top.filter(|top| *top <= row) {
                Some(top) => top,
                None => self.run_of(ctx, at, side, row)?.unwrap_or(row),
            };
            let this = self.side(at, side)?;
            // Of a run that lies before the last one only this row is known to belong to it.
            let rest = if top.is_none() && this.all_read && this.runs.is_empty() || top == Some(first) {
                usize::MAX
            } else {
                1
            };
            let run = this.runs.entry(first).or_default();
            run.changed = true;
            let before = run.members.len();
            run.mixed |= merge(&mut run.members, moved.by_ref().take(rest));
            this.in_runs += (run.members.len() - before) as u64;
        }
        let this = self.side(at, side)?;
        let long: Vec<u64> =
            this.runs.iter().filter(|(_, run)| run.members.len() > RUN_MAX).map(|(first, _)| *first).collect();
        for first in long {
            let Some(run) = this.runs.get_mut(&first) else { continue };
            // What came at its end fills it; what came in between parts it evenly.
            let parts = run.members.len().div_ceil(RUN_MAX);
            let size = if run.mixed { run.members.len().div_ceil(parts) } else { RUN_MAX };
            let mut rest = run.members.split_off(size).into_iter().peekable();
            while let Some(head) = rest.peek() {
                let first = head.row;
                let members = rest.by_ref().take(size).collect();
                this.runs.insert(first, Run { members, changed: true, ..Run::default() });
            }
        }
        Ok(())
    }

    /// Keeps what was changed; a key that no row has any more goes.
    pub(crate) fn store(mut self, ctx: &mut dyn HookContext) -> Result<()> {
        for at in 0..self.keys.len() {
            if self.keys[at].as_ref().is_some_and(|key| key.changed) {
                self.move_to_runs(ctx, at, 0)?;
                self.move_to_runs(ctx, at, 1)?;
            }
        }
        let Keys { tables, keys, pairs } = self;
        let (mut puts, mut fresh) = (Vec::new(), Vec::new());
        let mut key_puts = Vec::with_capacity(keys.len());
        for mut key in keys.into_iter().flatten().filter(|key| key.changed) {
            for side in 0..2 {
                let runs = std::mem::take(&mut key.sides[side].runs);
                for (first, run) in runs.into_iter().filter(|(_, run)| run.changed) {
                    let new = || vec![key.number(side), number(first), run_data(&run.members, tables.is_ordered(side))];
                    match run.stored {
                        Some((row, old)) if run.members.is_empty() => puts.push(Put::Delete(row, old)),
                        Some((row, old)) => puts.push(Put::Update(row, old, new())),
                        None if run.members.is_empty() => {}
                        None => fresh.push(Put::Insert(new())),
                    }
                }
            }
            key_puts.push(if key.sides.iter().all(|side| side.live == 0 && side.in_runs == 0) {
                Put::Delete(key.id, key.image)
            } else {
                // Its row has a new version whenever anything of the key has changed.
                let new = vec![key.image.first().cloned().unwrap_or_default(), key.encode(tables.ordered)];
                Put::Update(key.id, key.image, new)
            });
        }
        puts.append(&mut fresh);
        if !puts.is_empty() {
            ctx.write(tables.runs.table, puts)?;
        }
        let mut puts = Vec::new();
        for (pair, Stored { stored, now }) in pairs {
            match (stored, now) {
                (Some((row, old)), None) => puts.push(Put::Delete(row, old)),
                (Some((row, old)), Some(target)) if number_of(&old, 2)? != target.0 => {
                    let new = vec![number(pair[0]), number(pair[1]), number(target.0)];
                    puts.push(Put::Update(row, old, new));
                }
                (None, Some(target)) => {
                    puts.push(Put::Insert(vec![number(pair[0]), number(pair[1]), number(target.0)]));
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        if !puts.is_empty() {
            ctx.write(tables.pairs.table, puts)?;
        }
        if !key_puts.is_empty() {
            ctx.write(tables.keys.table, key_puts)?;
        }
        Ok(())
    }
}

fn run_data(members: &[Member], ordered: bool) -> Value {
    let mut out = Vec::with_capacity(members.len() * 6 + 4);
    encode(members.iter(), ordered, &mut out);
    Value::Bytea(Arc::from(out))
}

/// Adds members by rising row; one whose row is there already takes its place. Whether one came between others.
fn merge(members: &mut Vec<Member>, new: impl Iterator<Item = Member>) -> bool {
    let mut mixed = false;
    for member in new {
        match members.last() {
            Some(last) if last.row >= member.row => {
                match members.binary_search_by_key(&member.row, |other| other.row) {
                    Ok(place) => members[place] = member,
                    Err(place) => {
                        members.insert(place, member);
                        mixed = true;
                    }
                }
            }
            _ => members.push(member),
        }
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(row: u64, own: Target, met: &[(u64, u64)], turn: u64) -> Member {
        let mut data = Data { own, turn, ..Data::default() };
        met.iter().for_each(|(other, target)| data.met.push((*other, RowId(*target))));
        Member::of(row, data)
    }

    #[test]
    fn members_are_read_as_they_were_written() {
        let plain = [
            member(7, None, &[(3, 900)], 0),
            member(u64::MAX >> 1, Some(RowId(0)), &[], 0),
            member(0, Some(RowId(5)), &[(1, 2), (u64::MAX >> 1, 3), (9, 0)], 0),
        ];
        let ordered = [member(9, None, &[], 4), member(2, None, &[], 5), member(700, None, &[], 1)];
        for (members, is_ordered) in [(plain, false), (ordered, true)] {
            let mut bytes = Vec::new();
            encode(members.iter(), is_ordered, &mut bytes);
            assert_eq!(decode(&mut bytes.as_slice(), is_ordered), Some(members.to_vec()));
            // What is cut off is seen.
            assert_eq!(decode(&mut &bytes[..bytes.len() - 1], is_ordered), None);
        }
    }

    #[test]
    fn neighbours_take_few_bytes() {
        let members: Vec<Member> =
            (0..100).map(|n| member(1_000_000 + 7 * n, None, &[(55, 3_000_000 + 2 * n)], 0)).collect();
        let mut bytes = Vec::new();
        encode(members.iter(), false, &mut bytes);
        assert!(bytes.len() < 100 * 4 + 12, "{}", bytes.len());
    }

    // What a row's place is does not depend on the order in which rows came, nor on how many there are.
    #[test]
    fn the_last_that_came_are_found_in_any_order() {
        for count in [5, 100] {
            for step in [1, 37] {
                let mut side = Side::default();
                let rows: Vec<u64> = (0..count).map(|n| n * step % 101).collect();
                rows.iter().for_each(|row| side.push(Member::of(*row, Data::default())));
                for row in &rows {
                    let place = side.find_fresh(*row).unwrap();
                    assert_eq!(side.fresh[place].row, *row);
                    side.take(Place::Fresh(place)).unwrap();
                    assert_eq!(side.find_fresh(*row), None);
                    side.push(Member::of(*row, Data::default()));
                    assert!(side.find_fresh(*row).is_some());
                }
                assert_eq!((side.live as u64, side.find_fresh(500)), (count, None));
            }
        }
    }
}
