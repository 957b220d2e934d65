//! The collections of scripts (AMI-68): lists, and sets and maps that keep the order of insertion and find a key without
//! looking through all of them.
//!
//! Two keys are one if they are equal as AMI compares (AMI-31), so `1`, `1.0` and `"1"` are; where several keys of a map
//! equal the one that is looked for (`"1"` and `"1.0"` are two keys, and `1` equals both) the first is meant. To be found,
//! a key stands in a hash table under each form by which another could equal it: as a number, as a text.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use parking_lot::Mutex;
use tripline_sql::types::{Numeric, Value};

use super::value::{Val, as_f64, equals, instant, millis, number_from_text, order, text_of};

/// So few keys are looked through one by one.
const FEW: usize = 8;

/// The values of a list.
#[derive(Debug, Default)]
pub(crate) struct Items(pub(crate) Vec<Val>);

impl Drop for Items {
    fn drop(&mut self) {
        if self.0.iter().any(nests) {
            dismantle(std::mem::take(&mut self.0));
        }
    }
}

/// The keys of a set or map with their values (a set's are null), in the order of insertion.
#[derive(Debug, Default)]
pub(crate) struct Keyed {
    /// None where one was removed.
    entries: Vec<Option<(Val, Val)>>,
    live: usize,
    /// Hashes and places, once there are many; a key has one or two.
    places: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
}

impl Drop for Keyed {
    fn drop(&mut self) {
        if self.iter().any(|(key, item)| nests(key) || nests(item)) {
            dismantle(self.take());
        }
    }
}

fn nests(value: &Val) -> bool {
    matches!(value, Val::List(_) | Val::Set(_) | Val::Map(_))
}

/// Drops values one by one: those inside of each other, however deep, take no room on the stack.
fn dismantle(mut open: Vec<Val>) {
    while let Some(value) = open.pop() {
        match value {
            Val::List(items) => {
                if let Some(items) = Arc::into_inner(items) {
                    open.append(&mut items.into_inner().0);
                }
            }
            Val::Set(keyed) | Val::Map(keyed) => {
                if let Some(keyed) = Arc::into_inner(keyed) {
                    open.append(&mut keyed.into_inner().take());
                }
            }
            Val::S(_) | Val::Table(_) | Val::Row(_) => {}
        }
    }
}

impl Keyed {
    /// Of keys that are known to be different.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (Val, Val)>) -> Keyed {
        let mut keyed = Keyed::default();
        for (key, item) in pairs {
            keyed.push(key, item);
        }
        keyed
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Val, Val)> {
        self.entries.iter().flatten()
    }

    /// Copies, in order.
    pub(crate) fn pairs(&self) -> Vec<(Val, Val)> {
        self.iter().cloned().collect()
    }

    /// Takes all out, keys and values.
    pub(crate) fn take(&mut self) -> Vec<Val> {
        self.live = 0;
        self.places.clear();
        std::mem::take(&mut self.entries).into_iter().flatten().flat_map(|(key, item)| [key, item]).collect()
    }

    /// The value of the first key that equals this SQL value.
    fn get(&self, key: &Value) -> Option<&Val> {
        self.entries.get(self.place(key)?)?.as_ref().map(|(_, item)| item)
    }

    /// The values of all keys that equal this one.
    pub(crate) fn all(&self, key: &Value) -> Vec<Val> {
        let mut places = Vec::new();
        if self.places.is_empty() {
            places.extend((0..self.entries.len()).filter(|place| self.is(*place, key)));
        } else {
            self.found(key, &mut |place| places.push(place));
            places.sort_unstable();
            places.dedup();
        }
        places.into_iter().filter_map(|place| self.entries[place].as_ref()).map(|(_, item)| item.clone()).collect()
    }

    /// The place of the first key that equals this one.
    fn place(&self, key: &Value) -> Option<usize> {
        if self.places.is_empty() {
            return (0..self.entries.len()).find(|place| self.is(*place, key));
        }
        let mut first: Option<usize> = None;
        self.found(key, &mut |place| first = Some(first.map_or(place, |first| first.min(place))));
        first
    }

    /// Visits the places of the keys that equal this one, in any order; one may come twice.
    fn found(&self, key: &Value, visit: &mut dyn FnMut(usize)) {
        for hash in self.hashes(key).into_iter().flatten() {
            for (_, place) in self.places.iter_hash(hash).filter(|(other, _)| *other == hash) {
                let place = *place as usize;
                if self.is(place, key) {
                    visit(place);
                }
            }
        }
    }

    /// Whether the key at a place equals this one.
    fn is(&self, place: usize, key: &Value) -> bool {
        match self.entries.get(place) {
            Some(Some((Val::S(have), _))) => {
                (have.is_null() && key.is_null()) || order(have, key) == Some(Ordering::Equal)
            }
            _ => false,
        }
    }

    /// Adds a key that is not there.
    fn push(&mut self, key: Val, item: Val) {
        if self.entries.len() >= FEW && self.places.is_empty() {
            self.index();
        }
        if !self.places.is_empty() {
            self.note(self.entries.len(), &key);
        }
        self.entries.push(Some((key, item)));
        self.live += 1;
    }

    fn index(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for (place, (key, _)) in entries.iter().enumerate().filter_map(|(place, entry)| Some((place, entry.as_ref()?)))
        {
            self.note(place, key);
        }
        self.entries = entries;
    }

    fn note(&mut self, place: usize, key: &Val) {
        let Ok(place) = u32::try_from(place) else { return };
        let hashes = match key {
            Val::S(key) => self.hashes(key),
            // Found by looking through all.
            _ => [Some(self.hasher.hash_one(3_u8)), None],
        };
        for hash in hashes.into_iter().flatten() {
            self.places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
        }
    }

    fn remove_at(&mut self, place: usize) -> Option<Val> {
        let (_, item) = self.entries.get_mut(place)?.take()?;
        self.live -= 1;
        if self.live == 0 || (self.entries.len() > 2 * FEW && self.live < self.entries.len() / 2) {
            self.entries.retain(Option::is_some);
            self.places.clear();
            if self.entries.len() > FEW {
                self.index();
            }
        }
        Some(item)
    }

    /// The hashes of the forms by which another key could equal this one: two keys that are equal have one in common.
    fn hashes(&self, key: &Value) -> [Option<u64>; 2] {
        let number = |n: f64| {
            let n = if n.is_nan() { f64::NAN } else { n + 0.0 };
            Some(self.hasher.hash_one((0_u8, n.to_bits())))
        };
        let text = |text: &str| Some(self.hasher.hash_one((1_u8, text)));
        #[allow(clippy::cast_precision_loss, reason = "as it is compared with floating numbers")]
        let time = |value: &Value| instant(value).and_then(|micros| number(millis(micros) as f64));
        match key {
            Value::Null => [Some(self.hasher.hash_one(2_u8)), None],
            Value::Text(key) => [text(key), number_from_text(key).and_then(|n| number(as_f64(&n)?))],
            Value::Bool(_) | Value::Enum(_) => [text(&text_of(key)), None],
            // Beside a decimal it is its shortest digits, beside a Double its exact value.
            Value::Float4(n) => [number(f64::from(*n)), n.to_string().parse().ok().and_then(number)],
            // The nearest one, as it is read from digits.
            Value::Numeric(n) => match &**n {
                Numeric::Finite(n) => [n.normalized().to_string().parse().ok().and_then(number), None],
                _ => [as_f64(key).and_then(number), None],
            },
            Value::Timestamp(_) | Value::Date(_) => [time(key), text(&text_of(key))],
            _ => match as_f64(key) {
                Some(n) => [number(n), None],
                // Its kind has an equality of its own.
                None => [
                    text(&text_of(key)),
                    Some(self.hasher.hash_one((4_u8, format!("{:?}", std::mem::discriminant(key))))),
                ],
            },
        }
    }
}

/// The place of a collection among the keys: they are compared while none is locked, as one may hold this very map.
fn place_of(keyed: &Mutex<Keyed>, key: &Val) -> Option<usize> {
    let collections: Vec<(usize, Val)> = {
        let keyed = keyed.lock();
        let entries = keyed.entries.iter().enumerate();
        let collections = entries.filter_map(|(place, entry)| match entry {
            Some((Val::S(_), _)) | None => None,
            Some((key, _)) => Some((place, key.clone())),
        });
        collections.collect()
    };
    collections.into_iter().find(|(_, have)| equals(have, key)).map(|(place, _)| place)
}

/// A key's value; none if there is no such key.
pub(crate) fn get(keyed: &Mutex<Keyed>, key: &Val) -> Option<Val> {
    match key {
        Val::S(key) => keyed.lock().get(key).cloned(),
        key => {
            let place = place_of(keyed, key)?;
            keyed.lock().entries.get(place)?.as_ref().map(|(_, item)| item.clone())
        }
    }
}

/// Sets a key's value; gives the one before.
pub(crate) fn put(keyed: &Mutex<Keyed>, key: Val, item: Val) -> Option<Val> {
    let found = match &key {
        Val::S(_) => None,
        key => place_of(keyed, key),
    };
    let mut keyed = keyed.lock();
    let found = match &key {
        Val::S(key) => keyed.place(key),
        _ => found,
    };
    match found.and_then(|place| keyed.entries.get_mut(place)?.as_mut()) {
        Some(pair) => Some(std::mem::replace(&mut pair.1, item)),
        None => {
            keyed.push(key, item);
            None
        }
    }
}

/// Adds a key that may be there.
pub(crate) fn add(keyed: &Mutex<Keyed>, key: Val) {
    if get(keyed, &key).is_none() {
        keyed.lock().push(key, Val::NULL);
    }
}

/// Takes a key out; gives its value.
pub(crate) fn remove(keyed: &Mutex<Keyed>, key: &Val) -> Option<Val> {
    let found = match key {
        Val::S(_) => None,
        key => place_of(keyed, key),
    };
    let mut keyed = keyed.lock();
    let found = match key {
        Val::S(key) => keyed.place(key),
        _ => found,
    };
    keyed.remove_at(found?)
}

/// The collections that others were put into during a run: one that holds itself by some way would be kept for ever, as
/// they are counted references.
#[derive(Debug, Default)]
pub(crate) struct Loops(Vec<Noted>);

#[derive(Debug)]
enum Noted {
    List(Weak<Mutex<Items>>),
    Keyed(Weak<Mutex<Keyed>>),
}

/// A collection among those that hold each other.
struct Node {
    value: Val,
    /// How many of the others hold it.
    held: usize,
    live: bool,
}

/// Where a collection lies, and how many references to it there are.
fn address(value: &Val) -> Option<(usize, usize)> {
    match value {
        Val::List(items) => Some((Arc::as_ptr(items).addr(), Arc::strong_count(items))),
        Val::Set(keyed) | Val::Map(keyed) => Some((Arc::as_ptr(keyed).addr(), Arc::strong_count(keyed))),
        Val::S(_) | Val::Table(_) | Val::Row(_) => None,
    }
}

/// The collections that stand in one; none if it has more parts than `left`, which is lessened by them.
fn inside(value: &Val, left: &mut usize) -> Option<Vec<Val>> {
    let nested = |values: &mut dyn Iterator<Item = &Val>| values.filter(|value| nests(value)).cloned().collect();
    match value {
        Val::List(items) => {
            let items = items.lock();
            *left = left.checked_sub(items.0.len())?;
            Some(nested(&mut items.0.iter()))
        }
        Val::Set(keyed) | Val::Map(keyed) => {
            let keyed = keyed.lock();
            *left = left.checked_sub(keyed.entries.len())?;
            Some(nested(&mut keyed.iter().flat_map(|(key, item)| [key, item])))
        }
        Val::S(_) | Val::Table(_) | Val::Row(_) => Some(Vec::new()),
    }
}

impl Loops {
    /// A value was put into a collection.
    pub(crate) fn note(&mut self, target: &Val, item: &Val) {
        if !nests(item) {
            return;
        }
        match (target, self.0.last()) {
            (Val::List(items), Some(Noted::List(last))) if last.as_ptr() == Arc::as_ptr(items) => {}
            (Val::Set(keyed) | Val::Map(keyed), Some(Noted::Keyed(last))) if last.as_ptr() == Arc::as_ptr(keyed) => {}
            (Val::List(items), _) => self.0.push(Noted::List(Arc::downgrade(items))),
            (Val::Set(keyed) | Val::Map(keyed), _) => self.0.push(Noted::Keyed(Arc::downgrade(keyed))),
            _ => {}
        }
    }

    /// Whether nothing was.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Empties those that only hold each other and that nobody else holds. At most so many parts are looked at: what hangs
    /// on a large collection of a trigger's variables is let be.
    pub(crate) fn settle(&mut self, parts: usize) {
        let (mut nodes, mut open, mut left) = (HashMap::<usize, Node>::new(), Vec::new(), parts);
        for noted in self.0.drain(..) {
            let value = match noted {
                Noted::List(items) => items.upgrade().map(Val::List),
                Noted::Keyed(keyed) => keyed.upgrade().map(Val::Map),
            };
            if let Some((value, (at, _))) = value.and_then(|value| address(&value).map(|at| (value, at))) {
                nodes.entry(at).or_insert_with(|| {
                    open.push(at);
                    Node { value, held: 0, live: false }
                });
            }
        }
        while let Some(at) = open.pop() {
            let Some(found) = nodes.get(&at).map(|node| inside(&node.value, &mut left)) else { continue };
            let Some(found) = found else { return };
            for value in found {
                let Some((at, _)) = address(&value) else { continue };
                let node = nodes.entry(at).or_insert_with(|| {
                    open.push(at);
                    Node { value, held: 0, live: false }
                });
                node.held += 1;
            }
        }
        // Besides the others there is the reference from here.
        let held_from_outside = |node: &Node| address(&node.value).is_some_and(|(_, count)| count > node.held + 1);
        open.extend(nodes.iter().filter(|(_, node)| held_from_outside(node)).map(|(at, _)| *at));
        while let Some(at) = open.pop() {
            let Some(node) = nodes.get_mut(&at).filter(|node| !node.live) else { continue };
            node.live = true;
            let found = inside(&node.value, &mut { usize::MAX }).unwrap_or_default();
            open.extend(found.iter().filter_map(address).map(|(at, _)| at));
        }
        let mut garbage = Vec::new();
        for node in nodes.into_values().filter(|node| !node.live) {
            match &node.value {
                Val::List(items) => garbage.append(&mut items.lock().0),
                Val::Set(keyed) | Val::Map(keyed) => garbage.append(&mut keyed.lock().take()),
                Val::S(_) | Val::Table(_) | Val::Row(_) => {}
            }
        }
        dismantle(garbage);
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn keys() -> Vec<Value> {
        let decimal =
            |text: &str| Value::Numeric(Box::new(Numeric::Finite(bigdecimal::BigDecimal::from_str(text).unwrap())));
        let mut keys = vec![
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
            Value::Float4(0.1),
            Value::Float4(f32::NAN),
            Value::Numeric(Box::new(Numeric::Infinity)),
            Value::Uuid([7; 16]),
            Value::Bytea(vec![1, 2].as_slice().into()),
        ];
        for n in [0, 1, 2, -1, 100] {
            keys.extend([
                Value::Int2(n),
                Value::Int4(i32::from(n)),
                Value::Int8(i64::from(n)),
                Value::Float8(f64::from(n)),
            ]);
            keys.extend([Value::Float4(f32::from(n)), Value::text(n.to_string()), Value::text(format!("{n}.0"))]);
            keys.push(decimal(&format!("{n}.00")));
        }
        for n in [i64::MAX, i64::MIN, (1 << 53) + 1, 1 << 53, 946_684_800_000] {
            #[allow(clippy::cast_precision_loss, reason = "the nearest one is meant")]
            keys.extend([Value::Int8(n), Value::Float8(n as f64), Value::text(n.to_string()), decimal(&n.to_string())]);
        }
        for n in [0.1, 0.100_000_001_490_116_12, -0.0, f64::INFINITY, f64::NAN, 1e300, 1e-300] {
            keys.extend([Value::Float8(n), Value::text(n.to_string()), Value::text(format!("{n:e}"))]);
        }
        for text in ["0.1", "0.10000000000000000000000001", "1e400", "1e-400", "16777217"] {
            keys.extend([decimal(text), Value::text(text), Value::text(format!(" {text} "))]);
        }
        for text in ["", " ", "a", "true", "TRUE", "nan", "inf", "null", "2000-01-01", "2000-01-01 00:00:00", "é"] {
            keys.push(Value::text(text));
        }
        keys.push(Value::text(text_of(&Value::Uuid([7; 16]))));
        for days in [0, 1, -1, i32::MAX] {
            let micros = i64::from(days).saturating_mul(86_400_000_000);
            keys.extend([Value::Date(days), Value::Timestamp(micros), Value::TimestampTz(micros)]);
            keys.push(Value::text(text_of(&Value::Date(days))));
        }
        keys
    }

    // AMI-68: what is found in the table is what comparing with every key finds.
    #[test]
    fn equal_keys_have_a_hash_in_common() {
        let (keys, keyed) = (keys(), Keyed::default());
        for a in &keys {
            for b in &keys {
                let equal = order(a, b) == Some(Ordering::Equal);
                let common = keyed.hashes(a).iter().flatten().any(|hash| keyed.hashes(b).contains(&Some(*hash)));
                assert!(common || !equal, "{a:?} equals {b:?}");
            }
        }
    }

    // AMI-68: against a list of pairs looked through one by one.
    #[test]
    fn a_map_is_a_list_of_pairs_in_order() {
        let keys = keys();
        let map = Mutex::new(Keyed::default());
        let mut model: Vec<(Value, i32)> = Vec::new();
        let mut seed = 12345_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        let same = |a: &Value, b: &Value| (a.is_null() && b.is_null()) || order(a, b) == Some(Ordering::Equal);
        for turn in 0..20_000 {
            // Grows and shrinks by turns.
            let growing = (turn / 2000) % 2 == 0;
            let key = match next(3) {
                0 => Value::Int4(i32::try_from(next(60)).unwrap()),
                1 => Value::text(next(60).to_string()),
                _ => keys[next(keys.len())].clone(),
            };
            let place = model.iter().position(|(have, _)| same(have, &key));
            let shown = Val::S(key.clone());
            if next(10) < if growing { 2 } else { 8 } {
                let before = place.map(|place| model.remove(place).1);
                assert_eq!(remove(&map, &shown).map(|n| n.into_sql().unwrap()), before.map(Value::Int4), "{key:?}");
            } else {
                let found = get(&map, &shown).map(|n| n.into_sql().unwrap());
                assert_eq!(found, place.map(|place| Value::Int4(model[place].1)), "{key:?}");
                put(&map, shown, Val::S(Value::Int4(turn)));
                match place {
                    Some(place) => model[place].1 = turn,
                    None => model.push((key, turn)),
                }
            }
            if turn % 500 == 0 {
                let pairs = map.lock().pairs();
                let shown: Vec<String> = pairs.iter().map(|(key, item)| format!("{key:?} {item:?}")).collect();
                let wanted =
                    model.iter().map(|(key, n)| format!("{:?} {:?}", Val::S(key.clone()), Val::S(Value::Int4(*n))));
                assert_eq!(shown, wanted.collect::<Vec<_>>());
                assert_eq!(map.lock().len(), model.len());
            }
        }
    }

    // AMI-68
    #[test]
    fn what_only_holds_itself_is_let_go_of() {
        let counted = |value: &Val| match value {
            Val::List(items) => Arc::downgrade(items),
            _ => unreachable!("a list"),
        };
        let put = |loops: &mut Loops, target: &Val, item: &Val| {
            if let Val::List(items) = target {
                items.lock().0.push(item.clone());
            }
            loops.note(target, item);
        };
        let (mut loops, list) = (Loops::default(), || Val::list(Vec::new()));
        // One that holds itself, two that hold each other by way of a map, and one that hangs on them.
        let (own, a, b, hangs) = (list(), list(), list(), list());
        put(&mut loops, &own, &own);
        put(&mut loops, &a, &Val::map([(Val::text("b"), b.clone())]));
        put(&mut loops, &b, &a);
        put(&mut loops, &b, &hangs);
        // The same, held by somebody.
        let (held, other) = (list(), list());
        put(&mut loops, &held, &other);
        put(&mut loops, &other, &held);
        let gone = [&own, &a, &b, &hangs].map(counted);
        let kept = [&held, &other].map(counted);
        drop((own, a, b, hangs, other));
        // Too little is looked at.
        let mut short = Loops::default();
        put(&mut short, &held, &Val::S(Value::Null));
        assert!(short.is_empty());
        loops.settle(1000);
        assert!(gone.iter().all(|list| list.upgrade().is_none()));
        assert!(kept.iter().all(|list| list.upgrade().is_some_and(|list| !list.lock().0.is_empty())));
        let large = Val::list(vec![Val::NULL; 5000]);
        put(&mut loops, &large, &large);
        let left = counted(&large);
        drop(large);
        loops.settle(1000);
        assert!(left.upgrade().is_some_and(|list| !list.lock().0.is_empty()), "beyond the bound it is let be");
        if let Some(list) = left.upgrade() {
            list.lock().0.clear();
        }
        if let Val::List(held) = &held {
            held.lock().0.clear();
        }
    }

    // AMI-68
    #[test]
    fn collections_inside_of_each_other_are_dropped_at_any_depth() {
        let mut inner = Val::list(Vec::new());
        for turn in 0..1_000_000 {
            inner = match turn % 3 {
                0 => Val::list(vec![inner]),
                1 => Val::map([(Val::text("k"), inner)]),
                _ => Val::set([inner]),
            };
        }
        drop(inner);
    }
}
