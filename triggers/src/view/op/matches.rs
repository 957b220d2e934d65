//! What JOIN and DECORATE remember of a key: which rows of either side have it, and the target rows made of them.
//!
//! Each key that some row has owns one row of a state table, `(key, state)`. It is locked before anything of the key is
//! looked at, also when it has to be made first: so of two writers, one on each side, the second always sees what the
//! first has done, and no pair is lost (AMI-100). What is known of a few rows stands in that row itself; of many rows each
//! has a row of a second table, found by an integer and by its key's number:
//!
//! ```text
//! keys     key -> state    0 · side 0 · side 1 · pairs     a count, then (row, target + 1) or (left, right, target + 1)
//!                          1 · count 0 · count 1 · turn    many rows: they stand among the members
//! members  2 * row + side, 2 * key's row + side -> data    target + 1 · (row of the other side, target) …
//! pairs    left, right -> target                           of rows that have met more than a few
//! ```
//!
//! A pair stands with the row that came later, or that has room. Where side 0 is ordered (DECORATE), the members of a key
//! stand in the order of their last change: one that changes is stored anew. All numbers of a state are varints.
//!
//! `Keys` holds the locked keys of one statement and writes what has changed of them at the end, each table's rows as one
//! statement. Only rows that their view has taken in are known here, whatever else the tables hold by now.

use std::sync::Arc;

use hashbrown::HashMap;
use tripline_sql::catalog::{Catalog, TriggerDef, TriggerId};
use tripline_sql::change::{HookContext, Put, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Row, Value};

use super::super::state::{StateTable, overtaken};

/// Rows and pairs that stand in the key's own row at most.
const SMALL_MAX: usize = 16;
/// Pairs that stand with one of their rows at most.
const MET_MAX: usize = 8;

/// The state tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTables {
    keys: StateTable,
    members: StateTable,
    /// The members' index over their keys.
    by_key: Oid,
    pairs: StateTable,
    /// Rows of side 0 are kept in the order of their last change.
    ordered: bool,
}

/// The members' column that names the key.
const KEY_COLUMN: usize = 1;

impl KeyTables {
    /// Makes them. `ordered`: side 0 is used by `touch` and `remove` alone.
    pub(crate) fn create(ctx: &mut dyn HookContext, id: TriggerId, ordered: bool) -> Result<KeyTables> {
        let keys = [("key", DataType::BYTEA), ("state", DataType::BYTEA)];
        let members = [("id", DataType::INT8), ("key", DataType::INT8), ("data", DataType::BYTEA)];
        let pairs = [("left", DataType::INT8), ("right", DataType::INT8), ("target", DataType::INT8)];
        let members = StateTable::create(ctx, id, "members", &members, 1)?;
        Ok(KeyTables {
            keys: StateTable::create(ctx, id, "keys", &keys, 1)?,
            members,
            by_key: ctx.ensure_index(id, members.table, &[KEY_COLUMN])?,
            pairs: StateTable::create(ctx, id, "pairs", &pairs, 2)?,
            ordered,
        })
    }

    /// Finds those made before.
    pub(crate) fn find(catalog: &Catalog, def: &TriggerDef, ordered: bool) -> Result<KeyTables> {
        let members = StateTable::find(catalog, def, "members")?;
        Ok(KeyTables {
            keys: StateTable::find(catalog, def, "keys")?,
            members,
            by_key: members.other_index(catalog, KEY_COLUMN)?,
            pairs: StateTable::find(catalog, def, "pairs")?,
            ordered,
        })
    }

    /// Forgets everything.
    pub(crate) fn clear(self, ctx: &mut dyn HookContext) -> Result<()> {
        self.keys.clear(ctx)?;
        self.members.clear(ctx)?;
        self.pairs.clear(ctx)
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

#[derive(Clone, Debug, Default, PartialEq)]
struct Small {
    sides: [Vec<(u64, Target)>; 2],
    pairs: Vec<(u64, u64, RowId)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Known {
    Small(Small),
    Large { counts: [u64; 2], turn: u64 },
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

fn put_target(target: Target, out: &mut Vec<u8>) {
    put(target.map_or(0, |id| id.0 + 1), out);
}

fn take_target(bytes: &mut &[u8]) -> Option<Target> {
    Some(take(bytes)?.checked_sub(1).map(RowId))
}

impl Known {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        match self {
            Known::Small(small) => {
                out.push(0);
                for side in &small.sides {
                    put(side.len() as u64, &mut out);
                    for (row, target) in side {
                        put(*row, &mut out);
                        put_target(*target, &mut out);
                    }
                }
                put(small.pairs.len() as u64, &mut out);
                for (left, right, target) in &small.pairs {
                    put(*left, &mut out);
                    put(*right, &mut out);
                    put_target(Some(*target), &mut out);
                }
            }
            Known::Large { counts, turn } => {
                out.push(1);
                put(counts[0], &mut out);
                put(counts[1], &mut out);
                put(*turn, &mut out);
            }
        }
        out
    }

    fn decode(mut bytes: &[u8]) -> Option<Known> {
        // A key that was locked and never stored.
        let Some((form, rest)) = bytes.split_first() else { return Some(Known::Small(Small::default())) };
        bytes = rest;
        match form {
            0 => {
                let mut small = Small::default();
                for side in &mut small.sides {
                    for _ in 0..take(&mut bytes)? {
                        side.push((take(&mut bytes)?, take_target(&mut bytes)?));
                    }
                }
                for _ in 0..take(&mut bytes)? {
                    small.pairs.push((take(&mut bytes)?, take(&mut bytes)?, take_target(&mut bytes)??));
                }
                Some(Known::Small(small))
            }
            1 => Some(Known::Large { counts: [take(&mut bytes)?, take(&mut bytes)?], turn: take(&mut bytes)? }),
            _ => None,
        }
    }
}

/// A locked key.
#[derive(Debug)]
struct Key {
    /// Its row, and that row's image.
    id: RowId,
    image: Row,
    known: Known,
    changed: bool,
    /// Members that came to a side since the key was locked, with their turns.
    fresh: [Vec<(u64, u64)>; 2],
}

impl Key {
    /// How its members call it.
    fn number(&self, side: usize) -> Value {
        number(self.id.0 << 1 | side as u64)
    }

    fn touch(&mut self, side: usize, by: i64) {
        self.changed = true;
        if let Known::Large { counts, turn } = &mut self.known {
            counts[side] = counts[side].saturating_add_signed(by);
            // The key's row has a new version whenever a row of the key came or went.
            *turn += 1;
        }
    }
}

/// What is known of a row of a key with many.
#[derive(Clone, Debug, Default)]
struct Data {
    own: Target,
    /// Rows of the other side, and the target rows of the pairs.
    met: Vec<(u64, RowId)>,
}

impl Data {
    fn encode(&self) -> Value {
        let mut out = Vec::with_capacity(24);
        put_target(self.own, &mut out);
        for (row, target) in &self.met {
            put(*row, &mut out);
            put(target.0, &mut out);
        }
        Value::Bytea(Arc::from(out))
    }

    fn decode(value: Option<&Value>) -> Option<Data> {
        let Some(Value::Bytea(bytes)) = value else { return None };
        let mut bytes: &[u8] = bytes;
        let mut data = Data { own: take_target(&mut bytes)?, met: Vec::new() };
        while !bytes.is_empty() {
            data.met.push((take(&mut bytes)?, RowId(take(&mut bytes)?)));
        }
        Some(data)
    }
}

#[derive(Debug, Default)]
struct Member {
    stored: Option<(RowId, Row)>,
    /// None: it goes, or is not there.
    now: Option<Data>,
    /// Its place among those that came since the key was locked; 0: it was there.
    turn: u64,
    changed: bool,
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
    /// By the key's place, and twice the row plus the side.
    members: HashMap<(usize, u64), Member>,
    pairs: HashMap<[u64; 2], Stored>,
    turn: u64,
}

fn number(n: u64) -> Value {
    Value::Int8(n.cast_signed())
}

fn number_of(row: &Row, place: usize) -> Result<u64> {
    row.get(place).and_then(Value::as_i64).map(i64::cast_unsigned).ok_or_else(damaged)
}

fn member_id(side: usize, row: RowId) -> u64 {
    row.0 << 1 | side as u64
}

impl Keys {
    /// None locked yet, of at most `count`.
    pub(crate) fn new(tables: KeyTables, count: usize) -> Keys {
        let mut keys = Vec::new();
        keys.resize_with(count, || None);
        Keys { tables, keys, members: HashMap::new(), pairs: HashMap::new(), turn: 0 }
    }

    /// Locks a key to the end of the transaction; one that no row had yet is made. Errors: 40001, those of a wait.
    pub(crate) fn lock(&mut self, ctx: &mut dyn HookContext, at: usize, key: &[u8]) -> Result<()> {
        let bytes = Value::Bytea(Arc::from(key));
        let table = self.tables.keys;
        for _ in 0..16 {
            if let Some((id, image)) = table.get(ctx, std::slice::from_ref(&bytes), true)? {
                let state = match image.get(1) {
                    Some(Value::Bytea(state)) => Known::decode(state),
                    _ => None,
                };
                let known = state.ok_or_else(damaged)?;
                self.keys[at] = Some(Key { id, image, known, changed: false, fresh: [Vec::new(), Vec::new()] });
                return Ok(());
            }
            // Another writer may be first: then its row is waited for and taken.
            let image = vec![bytes.clone(), Value::Bytea(Arc::from([].as_slice()))];
            match ctx.insert(table.table, image.clone()) {
                Ok(Some(id)) => {
                    let known = Known::Small(Small::default());
                    self.keys[at] = Some(Key { id, image, known, changed: true, fresh: [Vec::new(), Vec::new()] });
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

    /// The key's state if it is a small one.
    fn small(&mut self, at: usize) -> Result<Option<&mut Small>> {
        Ok(match &mut self.key_mut(at)?.known {
            Known::Small(small) => Some(small),
            Known::Large { .. } => None,
        })
    }

    /// Rows of a side.
    pub(crate) fn count(&self, at: usize, side: usize) -> Result<u64> {
        Ok(match &self.key(at)?.known {
            Known::Small(small) => small.sides[side].len() as u64,
            Known::Large { counts, .. } => counts[side],
        })
    }

    /// The rows of a side, each with the target row of its own.
    pub(crate) fn rows(&self, ctx: &mut dyn HookContext, at: usize, side: usize) -> Result<Vec<(RowId, Target)>> {
        let key = self.key(at)?;
        if let Known::Small(small) = &key.known {
            return Ok(small.sides[side].iter().map(|(row, target)| (RowId(*row), *target)).collect());
        }
        let found = if self.was_stored_large(key) {
            ctx.lookup(self.tables.members.table, self.tables.by_key, &[key.number(side)], false)?
        } else {
            Vec::new()
        };
        let mut out = Vec::with_capacity(found.len());
        for (_, image) in &found {
            let id = number_of(image, 0)?;
            let own = match self.members.get(&(at, id)) {
                Some(Member { now: Some(data), turn: 0, .. }) => data.own,
                Some(_) => continue,
                None => Data::decode(image.get(2)).ok_or_else(damaged)?.own,
            };
            out.push((RowId(id >> 1), own));
        }
        for (id, turn) in &key.fresh[side] {
            if let Some(Member { now: Some(data), turn: now, .. }) = self.members.get(&(at, *id))
                && now == turn
            {
                out.push((RowId(id >> 1), data.own));
            }
        }
        if !(self.tables.ordered && side == 0) {
            out.sort_unstable_by_key(|(row, _)| row.0);
        }
        Ok(out)
    }

    /// Whether it had many rows already when it was locked: then there are members of it in the table.
    #[allow(clippy::unused_self, reason = "reads as a property of the set")]
    fn was_stored_large(&self, key: &Key) -> bool {
        matches!(key.image.get(1), Some(Value::Bytea(state)) if state.first() == Some(&1))
    }

    /// What is known of a row of a large key, read when it is first asked for.
    fn member(&mut self, ctx: &mut dyn HookContext, at: usize, id: u64) -> Result<&mut Member> {
        if !self.members.contains_key(&(at, id)) {
            let key = self.key(at)?;
            let mut member = Member::default();
            if self.was_stored_large(key)
                && let Some((row, image)) = self.tables.members.get(ctx, &[number(id)], false)?
                && number_of(&image, KEY_COLUMN)? == key.id.0 << 1 | id & 1
            {
                member.now = Some(Data::decode(image.get(2)).ok_or_else(damaged)?);
                member.stored = Some((row, image));
            }
            self.members.insert((at, id), member);
        }
        self.members.get_mut(&(at, id)).ok_or_else(unknown)
    }

    fn come(&mut self, at: usize, side: usize, row: RowId, data: Data) -> Result<()> {
        self.turn += 1;
        let (id, turn) = (member_id(side, row), self.turn);
        let key = self.key_mut(at)?;
        key.touch(side, 1);
        key.fresh[side].push((id, turn));
        // One that was there and went meanwhile is known already; any other cannot be stored under this key.
        let member = self.members.entry((at, id)).or_default();
        (member.now, member.turn, member.changed) = (Some(data), turn, true);
        Ok(())
    }

    /// A row that the key does not know comes to a side.
    pub(crate) fn add(&mut self, at: usize, side: usize, row: RowId) -> Result<()> {
        self.make_room(at)?;
        if let Some(small) = self.small(at)? {
            small.sides[side].push((row.0, None));
            self.key_mut(at)?.changed = true;
            return Ok(());
        }
        self.come(at, side, row, Data::default())
    }

    /// A row leaves a side, after its pairs: the target row of its own.
    pub(crate) fn remove(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: RowId) -> Result<Target> {
        if let Some(small) = self.small(at)? {
            let place = small.sides[side].iter().position(|(id, _)| *id == row.0).ok_or_else(unknown)?;
            let own = small.sides[side].remove(place).1;
            self.key_mut(at)?.changed = true;
            return Ok(own);
        }
        let member = self.member(ctx, at, member_id(side, row))?;
        let data = member.now.take().ok_or_else(unknown)?;
        member.changed = true;
        self.key_mut(at)?.touch(side, -1);
        Ok(data.own)
    }

    /// The target row of a row's own.
    pub(crate) fn own(&mut self, ctx: &mut dyn HookContext, at: usize, side: usize, row: RowId) -> Result<Target> {
        if let Some(small) = self.small(at)? {
            return Ok(small.sides[side].iter().find(|(id, _)| *id == row.0).and_then(|(_, target)| *target));
        }
        Ok(self.member(ctx, at, member_id(side, row))?.now.as_ref().and_then(|data| data.own))
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
        if let Some(small) = self.small(at)? {
            small.sides[side].iter_mut().find(|(id, _)| *id == row.0).ok_or_else(unknown)?.1 = target;
            self.key_mut(at)?.changed = true;
            return Ok(());
        }
        let member = self.member(ctx, at, member_id(side, row))?;
        member.now.as_mut().ok_or_else(unknown)?.own = target;
        member.changed = true;
        self.key_mut(at)?.touch(side, 0);
        Ok(())
    }

    /// The two ways to a pair: the member that may have it, and the row of the other side.
    fn ways(pair: [RowId; 2]) -> [(u64, u64); 2] {
        [(member_id(0, pair[0]), pair[1].0), (member_id(1, pair[1]), pair[0].0)]
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
        if let Some(small) = self.small(at)? {
            let found = small.pairs.iter().find(|(left, right, _)| [*left, *right] == pair.map(|id| id.0));
            return Ok(found.map(|(.., target)| *target));
        }
        for (id, other) in Keys::ways(pair) {
            let member = self.member(ctx, at, id)?;
            let met = member.now.iter().flat_map(|data| &data.met);
            if let Some((_, target)) = met.into_iter().find(|(row, _)| *row == other) {
                return Ok(Some(*target));
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
        self.make_room(at)?;
        if let Some(small) = self.small(at)? {
            small.pairs.push((pair[0].0, pair[1].0, target));
            self.key_mut(at)?.changed = true;
            return Ok(());
        }
        self.key_mut(at)?.touch(0, 0);
        for (id, other) in Keys::ways(pair) {
            // A row that is not at hand is not fetched for it.
            if let Some(member) = self.members.get_mut(&(at, id))
                && let Some(data) = member.now.as_mut().filter(|data| data.met.len() < MET_MAX)
            {
                data.met.push((other, target));
                member.changed = true;
                return Ok(());
            }
        }
        self.stored_pair(ctx, pair)?.now = Some(target);
        Ok(())
    }

    /// A pair goes: its target row.
    pub(crate) fn remove_pair(&mut self, ctx: &mut dyn HookContext, at: usize, pair: [RowId; 2]) -> Result<RowId> {
        if let Some(small) = self.small(at)? {
            let place = small.pairs.iter().position(|(left, right, _)| [*left, *right] == pair.map(|id| id.0));
            let target = small.pairs.remove(place.ok_or_else(unknown)?).2;
            self.key_mut(at)?.changed = true;
            return Ok(target);
        }
        self.key_mut(at)?.touch(0, 0);
        for (id, other) in Keys::ways(pair) {
            let member = self.member(ctx, at, id)?;
            let Some(data) = member.now.as_mut() else { continue };
            if let Some(place) = data.met.iter().position(|(row, _)| *row == other) {
                member.changed = true;
                return Ok(data.met.swap_remove(place).1);
            }
        }
        self.stored_pair(ctx, pair)?.now.take().ok_or_else(unknown)
    }

    // Rows of side 0 in the order of their last change: DECORATE, which has no targets of their own and no pairs -------

    /// A row of side 0 changed, or comes (then it is not `known` to the key): it is the latest now.
    pub(crate) fn touch(&mut self, ctx: &mut dyn HookContext, at: usize, row: RowId, known: bool) -> Result<()> {
        if known {
            if self.latest(ctx, at)? == Some(row) {
                return Ok(());
            }
            let there = match self.small(at)? {
                Some(small) => small.sides[0].iter().any(|(id, _)| *id == row.0),
                None => self.member(ctx, at, member_id(0, row))?.now.is_some(),
            };
            if there {
                self.remove(ctx, at, 0, row)?;
            }
        }
        self.add(at, 0, row)
    }

    /// The row of side 0 that changed last.
    pub(crate) fn latest(&self, ctx: &mut dyn HookContext, at: usize) -> Result<Option<RowId>> {
        let key = self.key(at)?;
        if let Known::Small(small) = &key.known {
            return Ok(small.sides[0].last().map(|(row, _)| RowId(*row)));
        }
        let here = |(id, turn): &&(u64, u64)| {
            self.members.get(&(at, *id)).is_some_and(|member| member.now.is_some() && member.turn == *turn)
        };
        if let Some((id, _)) = key.fresh[0].iter().rev().find(here) {
            return Ok(Some(RowId(id >> 1)));
        }
        if !self.was_stored_large(key) {
            return Ok(None);
        }
        let edge = ctx.lookup_edge(self.tables.members.table, self.tables.by_key, &[key.number(0)], true)?;
        let Some((_, image)) = edge else { return Ok(None) };
        let id = number_of(&image, 0)?;
        match self.members.get(&(at, id)) {
            // It goes: whoever stands before it.
            Some(Member { now: None, .. }) => Ok(self.rows(ctx, at, 0)?.last().map(|(row, _)| *row)),
            _ => Ok(Some(RowId(id >> 1))),
        }
    }

    /// Makes members of what is known when there is much of it.
    fn make_room(&mut self, at: usize) -> Result<()> {
        let key = self.key_mut(at)?;
        let Known::Small(small) = &mut key.known else { return Ok(()) };
        if small.sides[0].len() + small.sides[1].len() + small.pairs.len() < SMALL_MAX {
            return Ok(());
        }
        let small = std::mem::take(small);
        key.known = Known::Large { counts: [0, 0], turn: 0 };
        for (side, rows) in small.sides.iter().enumerate() {
            for (row, own) in rows {
                let pairs = small.pairs.iter().filter(|(left, ..)| side == 0 && left == row);
                let met: Vec<_> = pairs.map(|(_, right, target)| (*right, *target)).collect();
                self.come(at, side, RowId(*row), Data { own: *own, met })?;
            }
        }
        Ok(())
    }

    /// Keeps what was changed; a key that no row has any more goes.
    pub(crate) fn store(self, ctx: &mut dyn HookContext) -> Result<()> {
        let Keys { tables, keys, members, pairs, .. } = self;
        let mut gone = Vec::new();
        let mut others = Vec::new();
        let mut fresh = Vec::new();
        for ((at, id), member) in members.into_iter().filter(|(_, member)| member.changed) {
            let key = keys[at].as_ref().ok_or_else(unknown)?;
            let new = |data: &Data| vec![number(id), key.number((id & 1) as usize), data.encode()];
            match (member.stored, &member.now) {
                (Some((row, old)), Some(data)) if member.turn == 0 => others.push(Put::Update(row, old, new(data))),
                (stored, now) => {
                    gone.extend(stored.map(|(row, old)| Put::Delete(row, old)));
                    fresh.extend(now.as_ref().map(|data| (member.turn, Put::Insert(new(data)))));
                }
            }
        }
        // A row that changed keys goes before it comes; those that come keep their order.
        fresh.sort_unstable_by_key(|(turn, _)| *turn);
        gone.extend(others);
        gone.extend(fresh.into_iter().map(|(_, put)| put));
        if !gone.is_empty() {
            ctx.write(tables.members.table, gone)?;
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
        let mut puts = Vec::new();
        for key in keys.into_iter().flatten().filter(|key| key.changed) {
            let empty = match &key.known {
                Known::Small(small) => small.sides.iter().all(Vec::is_empty),
                Known::Large { counts, .. } => *counts == [0, 0],
            };
            puts.push(if empty {
                Put::Delete(key.id, key.image)
            } else {
                let bytes = key.image.first().cloned().unwrap_or_default();
                let new = vec![bytes, Value::Bytea(Arc::from(key.known.encode()))];
                Put::Update(key.id, key.image, new)
            });
        }
        if !puts.is_empty() {
            ctx.write(tables.keys.table, puts)?;
        }
        Ok(())
    }
}
