//! What JOIN and DECORATE remember of a key: which rows of either side have it, and the target rows made of them.
//!
//! Each key that some row has owns one row of a state table, `(key, state)`. It is locked before anything of the key is
//! looked at, also when it has to be made first: so of two writers, one on each side, the second always sees what the
//! first has done, and no pair is lost (AMI-100). What is known of a few rows stands in that row itself:
//!
//! ```text
//! state = 0 · side 0 · side 1 · pairs      a count, then (row, target + 1) or (left, right, target + 1), as varints
//! state = 1 · count 0 · count 1 · turn     many rows: they stand in a second table, (key, kind, a, b) -> target
//!                                          kind 0 and 1: a = row; 2: a = left, b = right; 3: a = turn, b = row
//! ```
//!
//! Only rows that their view has taken in are known here, whatever else the tables hold by now.

use std::sync::Arc;

use tripline_sql::catalog::{Catalog, TriggerDef, TriggerId};
use tripline_sql::change::{HookContext, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value};

use super::super::state::{StateTable, overtaken};

/// Rows and pairs that stand in the key's own row at most.
const SMALL_MAX: usize = 16;
const PAIR: i16 = 2;
const TURN: i16 = 3;

/// The two state tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTables {
    keys: StateTable,
    rows: StateTable,
    /// Rows of side 0 are kept in the order of their last change.
    ordered: bool,
}

impl KeyTables {
    /// Makes them. `ordered`: side 0 is used by `touch` and `forget` alone.
    pub(crate) fn create(ctx: &mut dyn HookContext, id: TriggerId, ordered: bool) -> Result<KeyTables> {
        let keys = [("key", DataType::BYTEA), ("state", DataType::BYTEA)];
        let rows = [
            ("key", DataType::BYTEA),
            ("kind", DataType::INT2),
            ("a", DataType::INT8),
            ("b", DataType::INT8),
            ("target", DataType::INT8),
        ];
        Ok(KeyTables {
            keys: StateTable::create(ctx, id, "keys", &keys, 1)?,
            rows: StateTable::create(ctx, id, "rows", &rows, 4)?,
            ordered,
        })
    }

    /// Finds those made before.
    pub(crate) fn find(catalog: &Catalog, def: &TriggerDef, ordered: bool) -> Result<KeyTables> {
        Ok(KeyTables {
            keys: StateTable::find(catalog, def, "keys")?,
            rows: StateTable::find(catalog, def, "rows")?,
            ordered,
        })
    }

    /// Forgets everything.
    pub(crate) fn clear(self, ctx: &mut dyn HookContext) -> Result<()> {
        self.keys.clear(ctx)?;
        self.rows.clear(ctx)
    }

    /// Locks a key to the end of the transaction; one that no row had yet is made. Errors: 40001, those of a wait.
    pub(crate) fn lock(self, ctx: &mut dyn HookContext, key: &[u8]) -> Result<Key> {
        let bytes = Value::Bytea(Arc::from(key));
        for _ in 0..16 {
            if let Some((id, image)) = self.keys.get(ctx, std::slice::from_ref(&bytes), true)? {
                let state = match image.get(1) {
                    Some(Value::Bytea(state)) => Known::decode(state),
                    _ => None,
                };
                let known = state.ok_or_else(damaged)?;
                return Ok(Key { tables: self, bytes, id, image, known, changed: false });
            }
            // Another writer may be first: then its row is waited for and taken.
            let image = vec![bytes.clone(), Value::Bytea(Arc::from(Vec::new()))];
            match ctx.insert(self.keys.table, image.clone()) {
                Ok(Some(id)) => {
                    let known = Known::Small(Small::default());
                    return Ok(Key { tables: self, bytes, id, image, known, changed: true });
                }
                Ok(None) => return Err(SqlError::internal("a state row was refused")),
                Err(error) if error.state() == SqlState::UNIQUE_VIOLATION => {}
                Err(error) => return Err(error),
            }
        }
        Err(overtaken("a key"))
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
    pairs: Vec<(u64, u64, Target)>,
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
                    put_target(*target, &mut out);
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
                    small.pairs.push((take(&mut bytes)?, take(&mut bytes)?, take_target(&mut bytes)?));
                }
                Some(Known::Small(small))
            }
            1 => Some(Known::Large { counts: [take(&mut bytes)?, take(&mut bytes)?], turn: take(&mut bytes)? }),
            _ => None,
        }
    }
}

/// A locked key. What is changed is kept once `store` was called.
#[derive(Debug)]
pub(crate) struct Key {
    tables: KeyTables,
    bytes: Value,
    id: RowId,
    image: Row,
    known: Known,
    changed: bool,
}

fn number(n: u64) -> Value {
    Value::Int8(n.cast_signed())
}

fn number_of(row: &Row, place: usize) -> Result<u64> {
    row.get(place).and_then(Value::as_i64).map(i64::cast_unsigned).ok_or_else(damaged)
}

fn target_of(row: &Row) -> Result<Target> {
    match row.get(4) {
        Some(Value::Null) => Ok(None),
        _ => Ok(Some(RowId(number_of(row, 4)?))),
    }
}

fn target_value(target: Target) -> Value {
    target.map_or(Value::Null, |id| number(id.0))
}

impl Key {
    /// Rows of a side.
    pub(crate) fn count(&self, side: usize) -> u64 {
        match &self.known {
            Known::Small(small) => small.sides[side].len() as u64,
            Known::Large { counts, .. } => counts[side],
        }
    }

    /// The rows of a side, each with the target row of its own.
    pub(crate) fn rows(&self, ctx: &mut dyn HookContext, side: usize) -> Result<Vec<(RowId, Target)>> {
        match &self.known {
            Known::Small(small) => Ok(small.sides[side].iter().map(|(row, target)| (RowId(*row), *target)).collect()),
            Known::Large { .. } => {
                let prefix = [self.bytes.clone(), Value::Int2(i16::from(side == 1))];
                let found = ctx.lookup(self.tables.rows.table, self.tables.rows.index, &prefix, false)?;
                found.iter().map(|(_, row)| Ok((RowId(number_of(row, 2)?), target_of(row)?))).collect()
            }
        }
    }

    fn large_key(&self, kind: i16, a: u64, b: u64) -> [Value; 4] {
        [self.bytes.clone(), Value::Int2(kind), number(a), number(b)]
    }

    fn large_get(&self, ctx: &mut dyn HookContext, kind: i16, a: u64, b: u64) -> Result<Option<(RowId, Row)>> {
        self.tables.rows.get(ctx, &self.large_key(kind, a, b), false)
    }

    fn large_put(&self, ctx: &mut dyn HookContext, kind: i16, a: u64, b: u64, target: Target) -> Result<()> {
        let mut row = self.large_key(kind, a, b).to_vec();
        row.push(target_value(target));
        ctx.insert(self.tables.rows.table, row).map(|_| ())
    }

    fn large_remove(&self, ctx: &mut dyn HookContext, kind: i16, a: u64, b: u64) -> Result<Target> {
        let (id, row) = self.large_get(ctx, kind, a, b)?.ok_or_else(unknown)?;
        ctx.delete(self.tables.rows.table, id, &row)?;
        target_of(&row)
    }

    fn touch_large(&mut self, side: usize, by: i64) {
        self.changed = true;
        if let Known::Large { counts, turn } = &mut self.known {
            counts[side] = counts[side].saturating_add_signed(by);
            // The key's row has a new version whenever a row of the key came or went.
            *turn += 1;
        }
    }

    /// A row comes to a side.
    pub(crate) fn add(&mut self, ctx: &mut dyn HookContext, side: usize, row: RowId, target: Target) -> Result<()> {
        self.make_room(ctx)?;
        if let Known::Small(small) = &mut self.known {
            small.sides[side].push((row.0, target));
            self.changed = true;
            return Ok(());
        }
        self.touch_large(side, 1);
        self.large_put(ctx, i16::from(side == 1), row.0, 0, target)
    }

    /// A row leaves a side: the target row of its own.
    pub(crate) fn remove(&mut self, ctx: &mut dyn HookContext, side: usize, row: RowId) -> Result<Target> {
        self.changed = true;
        if let Known::Small(small) = &mut self.known {
            let place = small.sides[side].iter().position(|(id, _)| *id == row.0).ok_or_else(unknown)?;
            return Ok(small.sides[side].remove(place).1);
        }
        self.touch_large(side, -1);
        self.large_remove(ctx, i16::from(side == 1), row.0, 0)
    }

    /// The target row of a row's own.
    pub(crate) fn own(&self, ctx: &mut dyn HookContext, side: usize, row: RowId) -> Result<Target> {
        if let Known::Small(small) = &self.known {
            return Ok(small.sides[side].iter().find(|(id, _)| *id == row.0).and_then(|(_, target)| *target));
        }
        match self.large_get(ctx, i16::from(side == 1), row.0, 0)? {
            Some((_, row)) => target_of(&row),
            None => Ok(None),
        }
    }

    /// Changes the target row of a row's own.
    pub(crate) fn set_own(&mut self, ctx: &mut dyn HookContext, side: usize, row: RowId, target: Target) -> Result<()> {
        self.changed = true;
        if let Known::Small(small) = &mut self.known {
            let known = small.sides[side].iter_mut().find(|(id, _)| *id == row.0).ok_or_else(unknown)?;
            known.1 = target;
            return Ok(());
        }
        self.touch_large(side, 0);
        let (id, old) = self.large_get(ctx, i16::from(side == 1), row.0, 0)?.ok_or_else(unknown)?;
        let mut new = old.clone();
        new[4] = target_value(target);
        ctx.update(self.tables.rows.table, id, &old, new).map(|_| ())
    }

    /// The target row of a pair.
    pub(crate) fn pair(&self, ctx: &mut dyn HookContext, pair: [RowId; 2]) -> Result<Target> {
        if let Known::Small(small) = &self.known {
            let found = small.pairs.iter().find(|(left, right, _)| [*left, *right] == pair.map(|id| id.0));
            return Ok(found.and_then(|(.., target)| *target));
        }
        match self.large_get(ctx, PAIR, pair[0].0, pair[1].0)? {
            Some((_, row)) => target_of(&row),
            None => Ok(None),
        }
    }

    /// A pair and its target row come.
    pub(crate) fn add_pair(&mut self, ctx: &mut dyn HookContext, pair: [RowId; 2], target: RowId) -> Result<()> {
        self.make_room(ctx)?;
        self.changed = true;
        if let Known::Small(small) = &mut self.known {
            small.pairs.push((pair[0].0, pair[1].0, Some(target)));
            return Ok(());
        }
        self.touch_large(0, 0);
        self.large_put(ctx, PAIR, pair[0].0, pair[1].0, Some(target))
    }

    /// A pair goes: its target row.
    pub(crate) fn remove_pair(&mut self, ctx: &mut dyn HookContext, pair: [RowId; 2]) -> Result<Target> {
        self.changed = true;
        if let Known::Small(small) = &mut self.known {
            let place = small.pairs.iter().position(|(left, right, _)| [*left, *right] == pair.map(|id| id.0));
            return Ok(small.pairs.remove(place.ok_or_else(unknown)?).2);
        }
        self.touch_large(0, 0);
        self.large_remove(ctx, PAIR, pair[0].0, pair[1].0)
    }

    // Rows of side 0 in the order of their last change: DECORATE, which has no targets of their own and no pairs -------

    /// A row of side 0 comes, or changes: it is the latest now.
    pub(crate) fn touch(&mut self, ctx: &mut dyn HookContext, row: RowId) -> Result<()> {
        if self.latest(ctx)? == Some(row) {
            return Ok(());
        }
        self.make_room(ctx)?;
        if let Known::Small(small) = &mut self.known {
            small.sides[0].retain(|(id, _)| *id != row.0);
            small.sides[0].push((row.0, None));
            self.changed = true;
            return Ok(());
        }
        if self.large_get(ctx, 0, row.0, 0)?.is_some() {
            self.forget(ctx, row)?;
        }
        self.touch_large(0, 1);
        let Known::Large { turn, .. } = self.known else { return Err(damaged()) };
        self.large_put(ctx, 0, row.0, 0, Some(RowId(turn)))?;
        self.large_put(ctx, TURN, turn, row.0, None)
    }

    /// A row of side 0 goes.
    pub(crate) fn forget(&mut self, ctx: &mut dyn HookContext, row: RowId) -> Result<()> {
        let turn = self.remove(ctx, 0, row)?;
        match (&self.known, turn) {
            (Known::Large { .. }, Some(turn)) => self.large_remove(ctx, TURN, turn.0, row.0).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The row of side 0 that changed last.
    pub(crate) fn latest(&self, ctx: &mut dyn HookContext) -> Result<Option<RowId>> {
        if let Known::Small(small) = &self.known {
            return Ok(small.sides[0].last().map(|(row, _)| RowId(*row)));
        }
        let prefix = [self.bytes.clone(), Value::Int2(TURN)];
        match ctx.lookup_edge(self.tables.rows.table, self.tables.rows.index, &prefix, true)? {
            Some((_, row)) => Ok(Some(RowId(number_of(&row, 3)?))),
            None => Ok(None),
        }
    }

    /// Moves what is known to the second table when there is much of it.
    fn make_room(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let Known::Small(small) = &mut self.known else { return Ok(()) };
        if small.sides[0].len() + small.sides[1].len() + small.pairs.len() < SMALL_MAX {
            return Ok(());
        }
        let small = std::mem::take(small);
        let counts = [small.sides[0].len() as u64, small.sides[1].len() as u64];
        self.known = Known::Large { counts, turn: counts[0] };
        self.changed = true;
        // Where side 0 is ordered its rows have no target of their own: their turn stands there.
        let ordered = self.tables.ordered;
        for (side, rows) in small.sides.iter().enumerate() {
            for (turn, (row, target)) in (1_u64..).zip(rows) {
                let target = if ordered && side == 0 { Some(RowId(turn)) } else { *target };
                self.large_put(ctx, i16::from(side == 1), *row, 0, target)?;
                if ordered && side == 0 {
                    self.large_put(ctx, TURN, turn, *row, None)?;
                }
            }
        }
        for (left, right, target) in small.pairs {
            self.large_put(ctx, PAIR, left, right, target)?;
        }
        Ok(())
    }

    /// Keeps what was changed; a key that no row has any more goes.
    pub(crate) fn store(self, ctx: &mut dyn HookContext) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        if self.count(0) == 0 && self.count(1) == 0 {
            return ctx.delete(self.tables.keys.table, self.id, &self.image).map(|_| ());
        }
        let new = vec![self.bytes, Value::Bytea(Arc::from(self.known.encode()))];
        ctx.update(self.tables.keys.table, self.id, &self.image, new).map(|_| ())
    }
}
