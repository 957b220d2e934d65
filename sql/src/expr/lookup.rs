//! Hash sets over IN lists and arrays, made at first use and remembered per thread.
//!
//! A set is found again by the address of the list's or array's `Arc`. The cache holds a `Weak`, which keeps the
//! address from being given to another list, so a hit is always the same contents; dead entries are dropped.
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use hashbrown::HashTable;

use super::Expr;
use crate::types::{Array, Value, equal, hash_value};

/// Sets remembered per thread.
const CACHED_MAX: usize = 16;

/// The values of a list.
pub(super) struct ValueSet {
    values: HashTable<Value>,
    has_null: bool,
    trimmed: bool,
}

impl ValueSet {
    fn new(values: impl Iterator<Item = Value>, trimmed: bool) -> ValueSet {
        let mut set = ValueSet { values: HashTable::new(), has_null: false, trimmed };
        for value in values {
            if value.is_null() {
                set.has_null = true;
                continue;
            }
            let value = set.normal(&value);
            let hash = hash_value(&value);
            if set.values.find(hash, |known| equal(known, &value)).is_none() {
                set.values.insert_unique(hash, value, hash_value);
            }
        }
        set
    }

    /// bpchar compares without its trailing blanks.
    fn normal(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) if self.trimmed && text.ends_with(' ') => Value::text(text.trim_end_matches(' ')),
            other => other.clone(),
        }
    }

    /// Whether a value that is not NULL is among them; unknown if it is not but a NULL is.
    pub(super) fn contains(&self, value: &Value) -> Option<bool> {
        let found = if self.trimmed {
            let value = self.normal(value);
            self.values.find(hash_value(&value), |known| equal(known, &value)).is_some()
        } else {
            self.values.find(hash_value(value), |known| equal(known, value)).is_some()
        };
        if found {
            Some(true)
        } else if self.has_null {
            None
        } else {
            Some(false)
        }
    }
}

enum Source {
    List(Weak<Vec<Expr>>),
    Array(Weak<Array>),
}

thread_local! {
    static SETS: RefCell<Vec<(Source, bool, Rc<ValueSet>)>> = const { RefCell::new(Vec::new()) };
}

fn find(matches: impl Fn(&Source) -> bool, trimmed: bool) -> Option<Rc<ValueSet>> {
    SETS.with_borrow(|sets| {
        sets.iter().find(|(source, t, _)| *t == trimmed && matches(source)).map(|(_, _, set)| Rc::clone(set))
    })
}

fn remember(source: Source, trimmed: bool, set: &Rc<ValueSet>) {
    SETS.with_borrow_mut(|sets| {
        sets.retain(|(source, _, _)| match source {
            Source::List(list) => list.strong_count() > 0,
            Source::Array(array) => array.strong_count() > 0,
        });
        if sets.len() >= CACHED_MAX {
            sets.remove(0);
        }
        sets.push((source, trimmed, Rc::clone(set)));
    });
}

/// The set of a list of constants; `None` if one is not constant.
pub(super) fn list_set(list: &Arc<Vec<Expr>>, trimmed: bool) -> Option<Rc<ValueSet>> {
    let known = find(|source| matches!(source, Source::List(known) if known.as_ptr() == Arc::as_ptr(list)), trimmed);
    if known.is_some() {
        return known;
    }
    let constant = |item: &Expr| match item {
        Expr::Const(value, _) => Some(value.clone()),
        _ => None,
    };
    let values = list.iter().map(constant).collect::<Option<Vec<Value>>>()?;
    let set = Rc::new(ValueSet::new(values.into_iter(), trimmed));
    remember(Source::List(Arc::downgrade(list)), trimmed, &set);
    Some(set)
}

/// The set of an array's items.
pub(super) fn array_set(array: &Arc<Array>, trimmed: bool) -> Rc<ValueSet> {
    let known = find(|source| matches!(source, Source::Array(known) if known.as_ptr() == Arc::as_ptr(array)), trimmed);
    if let Some(known) = known {
        return known;
    }
    let set = Rc::new(ValueSet::new(array.items.iter().cloned(), trimmed));
    remember(Source::Array(Arc::downgrade(array)), trimmed, &set);
    set
}
