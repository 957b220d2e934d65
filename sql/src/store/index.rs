//! Indexes: from key to row ids.
//!
//! An entry (key, row) exists for the key of every version in the row's chain; it may also be stale. So an entry says
//! where to look, and a reader takes a row only if the version that it sees has that very key. A plain UPDATE that
//! changes no key touches no index.
//!
//! A single integer or date column is kept as (i64, row id) with NULLs apart; anything else as byte strings whose order is
//! the values' (`types::encode_key`), short ones inline. A lock is held for one insertion or to copy a batch of entries.
//!
//! Order of work that keeps entries right: a writer first pushes its version, then adds the entry; whoever removes an
//! entry does so under the lock of the row's chunk after it has seen that no version has the key. For a unique index
//! looking for the key's other rows and adding the entry happen under one of its stripes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::catalog::{Catalog, IndexDef, IndexKey, IndexMethod, TableDef};
use crate::error::{Result, SqlError};
use crate::types::{Oid, Row, TextStyle, Value, encode_key, oid, to_text};

use super::blocks::Blocks;
use super::config::{KeyExtractor, KeyExtractors};
use super::range::IndexRange;

const INLINE: usize = 22;
const STRIPES: usize = 64;

/// A byte string, inline if it is short.
#[derive(Clone)]
pub(super) enum ByteKey {
    Short(u8, [u8; INLINE]),
    Long(Box<[u8]>),
}

impl ByteKey {
    fn new(bytes: &[u8]) -> ByteKey {
        match u8::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= INLINE => {
                let mut inline = [0; INLINE];
                inline[..bytes.len()].copy_from_slice(bytes);
                ByteKey::Short(len, inline)
            }
            _ => ByteKey::Long(Box::from(bytes)),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            ByteKey::Short(len, inline) => &inline[..usize::from(*len)],
            ByteKey::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for ByteKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for ByteKey {}

impl PartialOrd for ByteKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for ByteKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Debug for ByteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", self.bytes())
    }
}

/// A key as the index stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// An integer, inverted if the index descends.
    Int(i64),
    /// NULL, in an index of integers.
    Null,
    Bytes(ByteKey),
}

/// A key and the row that has it.
pub(super) type Entry = (Key, u64);

#[derive(Debug, Default)]
struct IntTree {
    keys: Blocks,
    nulls: BTreeSet<u64>,
}

#[derive(Debug)]
enum Rows {
    One(u64),
    Many(BTreeSet<u64>),
}

enum Tree {
    Int(RwLock<IntTree>),
    Bytes(RwLock<BTreeSet<(ByteKey, u64)>>),
    Hash(Vec<RwLock<HashMap<Key, Rows>>>),
}

/// Where the values of a key come from.
#[derive(Clone)]
enum Source {
    Columns(Vec<usize>),
    Extractor(Arc<dyn KeyExtractor>),
}

/// One index of one table.
pub(super) struct IndexStore {
    pub(super) oid: Oid,
    pub(super) name: String,
    pub(super) unique: bool,
    /// Whether a foreign key may rely on it: then changing its key takes the strongest row lock.
    pub(super) referenced: bool,
    nulls_not_distinct: bool,
    keys: Vec<IndexKey>,
    source: Source,
    tree: Tree,
    hasher: RandomState,
    stripes: Vec<Mutex<()>>,
}

impl fmt::Debug for IndexStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexStore({} {})", self.oid, self.name)
    }
}

fn is_integer(key: &IndexKey) -> bool {
    matches!(key.ty.oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::OID | oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ)
}

fn integer(value: &Value) -> Result<i64> {
    Ok(match value {
        Value::Int8(n) | Value::Timestamp(n) | Value::TimestampTz(n) => *n,
        Value::Int4(n) | Value::Date(n) => i64::from(*n),
        Value::Int2(n) => i64::from(*n),
        Value::Oid(n) => i64::from(*n),
        other => return Err(SqlError::internal(format_args!("{other:?} as the key of an index of integers"))),
    })
}

/// Which entries a range means.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    /// Lowest and highest integer; none = no integers.
    ints: Option<(i64, i64)>,
    nulls: bool,
    /// Bytes from (included) and to (excluded); none = open.
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    /// Of a hash index.
    equal: Option<Key>,
    empty: bool,
}

/// The first byte string after all that begin with `bytes`; none if there is none.
fn after_prefix(bytes: &[u8]) -> Option<Vec<u8>> {
    let keep = bytes.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = bytes[..=keep].to_vec();
    end[keep] += 1;
    Some(end)
}

impl IndexStore {
    /// An empty index. Errors: those of the extractor's expressions.
    pub(super) fn new(
        catalog: &Catalog,
        table: &TableDef,
        def: &IndexDef,
        extractors: &dyn KeyExtractors,
    ) -> Result<IndexStore> {
        let columns: Option<Vec<usize>> = def.keys.iter().map(|key| key.column).collect();
        let source = match columns {
            Some(columns) if def.predicate.is_none() => Source::Columns(columns),
            _ => Source::Extractor(extractors.extractor(catalog, table, def)?),
        };
        let tree = if def.method == IndexMethod::Hash {
            Tree::Hash((0..16).map(|_| RwLock::default()).collect())
        } else if def.keys.len() == 1 && is_integer(&def.keys[0]) {
            Tree::Int(RwLock::default())
        } else {
            Tree::Bytes(RwLock::default())
        };
        Ok(IndexStore {
            oid: def.oid,
            name: def.name.clone(),
            unique: def.always_unique(),
            referenced: def.always_unique() && matches!(source, Source::Columns(_)),
            nulls_not_distinct: def.nulls_not_distinct,
            keys: def.keys.clone(),
            source,
            tree,
            hasher: RandomState::new(),
            stripes: if def.always_unique() { (0..STRIPES).map(|_| Mutex::default()).collect() } else { Vec::new() },
        })
    }

    /// Values of a key.
    pub(super) fn width(&self) -> usize {
        self.keys.len()
    }

    /// Whether an update from `old` to `new` may change the key.
    pub(super) fn may_differ<'a>(&self, old: &'a [Value], new: &'a [Value]) -> bool {
        match &self.source {
            Source::Columns(columns) => columns.iter().any(|column| {
                let value = |row: &'a [Value]| row.get(*column).unwrap_or(&Value::Null);
                !super::record::same(value(old), value(new))
            }),
            Source::Extractor(_) => true,
        }
    }

    /// The key of a row; none if a predicate leaves it out. The flag says that uniqueness does not bind it.
    pub(super) fn key(&self, row: &[Value]) -> Result<Option<(Key, bool)>> {
        match &self.source {
            Source::Columns(columns) => {
                let null = Value::Null;
                if let ([column], Tree::Int(_)) = (columns.as_slice(), &self.tree) {
                    return self.encode(&mut std::iter::once(row.get(*column).unwrap_or(&null))).map(Some);
                }
                self.encode(&mut columns.iter().map(|column| row.get(*column).unwrap_or(&null))).map(Some)
            }
            Source::Extractor(extractor) => match extractor.key(row)? {
                Some(values) => self.encode(&mut values.iter()).map(Some),
                None => Ok(None),
            },
        }
    }

    /// The key with these values.
    pub(super) fn encode(&self, values: &mut dyn Iterator<Item = &Value>) -> Result<(Key, bool)> {
        if let Tree::Int(_) = self.tree {
            let value = values.next().unwrap_or(&Value::Null);
            if value.is_null() {
                return Ok((Key::Null, !self.nulls_not_distinct));
            }
            return Ok((Key::Int(self.turn(integer(value)?)), false));
        }
        let mut bytes = Vec::with_capacity(32);
        let mut any_null = false;
        for (key, value) in self.keys.iter().zip(values) {
            any_null |= value.is_null();
            encode_key(value, key.descending, key.nulls_first, &mut bytes);
        }
        Ok((Key::Bytes(ByteKey::new(&bytes)), any_null && !self.nulls_not_distinct))
    }

    fn turn(&self, n: i64) -> i64 {
        if self.keys[0].descending { !n } else { n }
    }

    /// Makes those who check and add this key one after the other. For unique indexes.
    pub(super) fn stripe(&self, key: &Key) -> Option<MutexGuard<'_, ()>> {
        let place = match key {
            Key::Int(n) => n.cast_unsigned() % STRIPES as u64,
            other => self.hasher.hash_one(other) % STRIPES as u64,
        };
        self.stripes.get(usize::try_from(place).unwrap_or(0)).map(Mutex::lock)
    }

    fn shard<'a>(&self, shards: &'a [RwLock<HashMap<Key, Rows>>], key: &Key) -> &'a RwLock<HashMap<Key, Rows>> {
        &shards[usize::try_from(self.hasher.hash_one(key) % shards.len() as u64).unwrap_or(0)]
    }

    /// Adds an entry.
    pub(super) fn insert(&self, key: Key, row: u64) {
        match (&self.tree, key) {
            (Tree::Int(tree), Key::Int(n)) => {
                tree.write().keys.insert((n, row));
            }
            (Tree::Int(tree), _) => {
                tree.write().nulls.insert(row);
            }
            (Tree::Bytes(tree), Key::Bytes(key)) => {
                tree.write().insert((key, row));
            }
            (Tree::Bytes(_), _) => {}
            (Tree::Hash(shards), key) => {
                let mut shard = self.shard(shards, &key).write();
                let rows = shard.entry(key).or_insert(Rows::One(row));
                match rows {
                    Rows::One(one) if *one == row => {}
                    Rows::One(one) => *rows = Rows::Many(BTreeSet::from([*one, row])),
                    Rows::Many(many) => {
                        many.insert(row);
                    }
                }
            }
        }
    }

    /// Removes an entry.
    pub(super) fn remove(&self, key: &Key, row: u64) {
        match (&self.tree, key) {
            (Tree::Int(tree), Key::Int(n)) => {
                tree.write().keys.remove((*n, row));
            }
            (Tree::Int(tree), _) => {
                tree.write().nulls.remove(&row);
            }
            (Tree::Bytes(tree), Key::Bytes(key)) => {
                tree.write().remove(&(key.clone(), row));
            }
            (Tree::Bytes(_), _) => {}
            (Tree::Hash(shards), key) => {
                let mut shard = self.shard(shards, key).write();
                let gone = match shard.get_mut(key) {
                    Some(Rows::One(one)) => *one == row,
                    Some(Rows::Many(many)) => {
                        many.remove(&row);
                        many.is_empty()
                    }
                    None => false,
                };
                if gone {
                    shard.remove(key);
                }
            }
        }
    }

    /// Adds an entry to a unique index unless another row has the key: then the rows that have it.
    pub(super) fn insert_if_free(&self, key: &Key, row: u64, others: &mut Vec<u64>) -> bool {
        others.clear();
        match (&self.tree, key) {
            (Tree::Int(tree), Key::Int(n)) => {
                let mut tree = tree.write();
                // What comes in rising order need not be looked for.
                if tree.keys.last().is_some_and(|(most, _)| *n <= most) {
                    others.extend(tree.keys.rows_of(*n).filter(|other| *other != row));
                }
                if others.is_empty() {
                    tree.keys.insert((*n, row));
                }
            }
            _ => {
                self.rows_of(key, others);
                others.retain(|other| *other != row);
                if others.is_empty() {
                    self.insert(key.clone(), row);
                }
            }
        }
        others.is_empty()
    }

    /// The rows with an entry of this key.
    pub(super) fn rows_of(&self, key: &Key, out: &mut Vec<u64>) {
        match (&self.tree, key) {
            (Tree::Int(tree), Key::Int(n)) => {
                out.extend(tree.read().keys.rows_of(*n));
            }
            (Tree::Int(tree), _) => out.extend(&tree.read().nulls),
            (Tree::Bytes(tree), Key::Bytes(key)) => {
                let tree = tree.read();
                let range = tree.range((Bound::Included((key.clone(), 0)), Bound::Included((key.clone(), u64::MAX))));
                out.extend(range.map(|(_, row)| *row));
            }
            (Tree::Bytes(_), _) => {}
            (Tree::Hash(shards), key) => match self.shard(shards, key).read().get(key) {
                Some(Rows::One(row)) => out.push(*row),
                Some(Rows::Many(rows)) => out.extend(rows),
                None => {}
            },
        }
    }

    /// The entries that a range means. Errors: 0A000 for a range of a hash index.
    pub(super) fn bounds(&self, range: &IndexRange) -> Result<Bounds> {
        let nothing = Bounds { empty: true, ..Bounds::default() };
        let null_bound = [&range.lower, &range.upper].iter().any(|bound| matches!(bound, Some((Value::Null, _))));
        if null_bound {
            return Ok(nothing);
        }
        match &self.tree {
            Tree::Int(_) => self.int_bounds(range),
            Tree::Bytes(_) => Ok(self.byte_bounds(range)),
            Tree::Hash(_) if range.prefix.len() == self.keys.len() => {
                Ok(Bounds { equal: Some(self.encode(&mut range.prefix.iter())?.0), ..Bounds::default() })
            }
            Tree::Hash(_) => Err(SqlError::unsupported("a range of a hash index")),
        }
    }

    fn int_bounds(&self, range: &IndexRange) -> Result<Bounds> {
        if let Some(value) = range.prefix.first() {
            if value.is_null() {
                return Ok(Bounds { nulls: true, ..Bounds::default() });
            }
            let n = self.turn(integer(value)?);
            return Ok(Bounds { ints: Some((n, n)), ..Bounds::default() });
        }
        let bound = |bound: &Option<(Value, bool)>, open: i64, step: i64| -> Result<Option<i64>> {
            match bound {
                None => Ok(Some(open)),
                Some((value, true)) => Ok(Some(integer(value)?)),
                Some((value, false)) => Ok(integer(value)?.checked_add(step)),
            }
        };
        let nulls = range.lower.is_none() && range.upper.is_none();
        let (low, high) = (bound(&range.lower, i64::MIN, 1)?, bound(&range.upper, i64::MAX, -1)?);
        let ints = match (low, high) {
            (Some(low), Some(high)) if low <= high => {
                let (low, high) = (self.turn(low), self.turn(high));
                Some((low.min(high), low.max(high)))
            }
            _ => None,
        };
        Ok(Bounds { ints, nulls, ..Bounds::default() })
    }

    fn byte_bounds(&self, range: &IndexRange) -> Bounds {
        let mut prefix = Vec::new();
        for (key, value) in self.keys.iter().zip(&range.prefix) {
            encode_key(value, key.descending, key.nulls_first, &mut prefix);
        }
        let mut from = Some(prefix.clone());
        let mut to = after_prefix(&prefix);
        if let Some(key) = self.keys.get(range.prefix.len())
            && (range.lower.is_some() || range.upper.is_some())
        {
            let with = |value: &Value| {
                let mut bytes = prefix.clone();
                encode_key(value, key.descending, key.nulls_first, &mut bytes);
                bytes
            };
            let nulls = with(&Value::Null);
            if key.nulls_first {
                from = after_prefix(&nulls);
            } else {
                to = Some(nulls);
            }
            let (low, high) = if key.descending { (&range.upper, &range.lower) } else { (&range.lower, &range.upper) };
            if let Some((value, included)) = low {
                from = if *included { Some(with(value)) } else { after_prefix(&with(value)) };
            }
            if let Some((value, included)) = high {
                to = if *included { after_prefix(&with(value)) } else { Some(with(value)) };
            }
        }
        Bounds { from, to, ..Bounds::default() }
    }

    /// Copies up to `limit` entries after `after`, in index order or its reverse.
    pub(super) fn collect(
        &self,
        bounds: &Bounds,
        after: Option<&Entry>,
        reverse: bool,
        limit: usize,
        out: &mut Vec<Entry>,
    ) {
        if bounds.empty {
            return;
        }
        match &self.tree {
            Tree::Int(tree) => self.collect_ints(&tree.read(), bounds, after, reverse, limit, out),
            Tree::Bytes(tree) => {
                let start = |bytes: &Vec<u8>| (ByteKey::new(bytes), 0);
                let mut low = bounds.from.as_ref().map_or(Bound::Unbounded, |bytes| Bound::Included(start(bytes)));
                let mut high = bounds.to.as_ref().map_or(Bound::Unbounded, |bytes| Bound::Excluded(start(bytes)));
                if let Some((Key::Bytes(key), row)) = after {
                    let place = Bound::Excluded((key.clone(), *row));
                    if reverse { high = place } else { low = place }
                }
                if !ordered(&low, &high) {
                    return;
                }
                let tree = tree.read();
                let range = tree.range((low, high));
                let copy = |(key, row): &(ByteKey, u64)| (Key::Bytes(key.clone()), *row);
                if reverse {
                    out.extend(range.rev().take(limit).map(copy))
                } else {
                    out.extend(range.take(limit).map(copy))
                }
            }
            Tree::Hash(_) => {
                let Some(key) = &bounds.equal else { return };
                let mut rows = Vec::new();
                self.rows_of(key, &mut rows);
                rows.retain(|row| after.is_none_or(|(_, last)| row > last));
                rows.sort_unstable();
                out.extend(rows.into_iter().take(limit).map(|row| (key.clone(), row)));
            }
        }
    }

    fn collect_ints(
        &self,
        tree: &IntTree,
        bounds: &Bounds,
        after: Option<&Entry>,
        reverse: bool,
        limit: usize,
        out: &mut Vec<Entry>,
    ) {
        let nulls_first = self.keys[0].nulls_first != reverse;
        let nulls_left = !matches!(after, Some((Key::Int(_), _)) if nulls_first);
        let ints_left = !matches!(after, Some((Key::Null, _)) if !nulls_first);
        let nulls = |out: &mut Vec<Entry>, left: usize| {
            if !bounds.nulls || !nulls_left {
                return;
            }
            let mut range = (Bound::Unbounded, Bound::Unbounded);
            if let Some((Key::Null, row)) = after {
                if reverse { range.1 = Bound::Excluded(*row) } else { range.0 = Bound::Excluded(*row) }
            }
            let rows = tree.nulls.range(range);
            let copy = |row: &u64| (Key::Null, *row);
            if reverse { out.extend(rows.rev().take(left).map(copy)) } else { out.extend(rows.take(left).map(copy)) }
        };
        if nulls_first {
            nulls(out, limit);
        }
        let left = limit.saturating_sub(out.len());
        if let (Some((low, high)), true) = (bounds.ints, ints_left) {
            let (mut low, mut high) = (Bound::Included((low, 0)), Bound::Included((high, u64::MAX)));
            if let Some((Key::Int(n), row)) = after {
                if reverse { high = Bound::Excluded((*n, *row)) } else { low = Bound::Excluded((*n, *row)) }
            }
            if ordered(&low, &high) {
                let range = tree.keys.range(low, high);
                let copy = |(n, row): &(i64, u64)| (Key::Int(*n), *row);
                if reverse {
                    out.extend(range.rev().take(left).map(copy))
                } else {
                    out.extend(range.take(left).map(copy))
                }
            }
        }
        if !nulls_first {
            nulls(out, limit.saturating_sub(out.len()));
        }
    }

    /// Replaces all entries.
    pub(super) fn build(&self, entries: Vec<Entry>) {
        match &self.tree {
            Tree::Int(tree) => {
                let (mut keys, mut nulls) = (Vec::with_capacity(entries.len()), BTreeSet::new());
                for (key, row) in entries {
                    match key {
                        Key::Int(n) => keys.push((n, row)),
                        _ => {
                            nulls.insert(row);
                        }
                    }
                }
                keys.sort_unstable();
                keys.dedup();
                *tree.write() = IntTree { keys: Blocks::from_sorted(&keys), nulls };
            }
            Tree::Bytes(tree) => {
                let keys = entries.into_iter().filter_map(|(key, row)| match key {
                    Key::Bytes(key) => Some((key, row)),
                    _ => None,
                });
                let mut keys: Vec<_> = keys.collect();
                keys.sort_unstable();
                *tree.write() = keys.into_iter().collect();
            }
            Tree::Hash(shards) => {
                shards.iter().for_each(|shard| shard.write().clear());
                entries.into_iter().for_each(|(key, row)| self.insert(key, row));
            }
        }
    }

    /// Whether reading it takes only these columns; none = the whole row is needed.
    pub(super) fn columns(&self) -> Option<&[usize]> {
        match &self.source {
            Source::Columns(columns) => Some(columns),
            Source::Extractor(_) => None,
        }
    }

    /// The key's values and columns as PostgreSQL shows them in a detail: `Key (a, b)=(1, 2)`.
    pub(super) fn describe(&self, table: &TableDef, row: &Row) -> Option<String> {
        let columns = self.columns()?;
        let names: Vec<_> =
            columns.iter().filter_map(|place| table.columns.get(*place)).map(|c| c.name.as_str()).collect();
        let style = TextStyle::default();
        let values = columns.iter().map(|place| match (row.get(*place), table.columns.get(*place)) {
            (Some(value), Some(column)) if !value.is_null() => {
                let mut text = String::new();
                to_text(value, column.ty, &style, &mut text);
                text
            }
            _ => "null".to_owned(),
        });
        Some(format!("Key ({})=({})", names.join(", "), values.collect::<Vec<_>>().join(", ")))
    }
}

/// Whether a range has its ends in order (`BTreeSet::range` panics otherwise).
fn ordered<T: Ord>(low: &Bound<T>, high: &Bound<T>) -> bool {
    match (low, high) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
        (Bound::Included(low), Bound::Included(high)) => low <= high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low < high,
    }
}
