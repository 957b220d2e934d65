//! Changes to jsonb documents: `||`, `-`, `#-`, jsonb_set, jsonb_insert, strip_nulls.
use std::sync::Arc;

use super::super::args::invalid;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Jsonb;

/// `left || right`: objects merge, everything else becomes arrays that are joined.
pub(super) fn concatenate(left: &Jsonb, right: &Jsonb) -> Jsonb {
    match (left, right) {
        (Jsonb::Object(left), Jsonb::Object(right)) => Jsonb::object(left.iter().chain(right).cloned().collect()),
        (Jsonb::Array(left), Jsonb::Array(right)) => Jsonb::Array(left.iter().chain(right).cloned().collect()),
        (Jsonb::Array(left), right) => Jsonb::Array(left.iter().chain([right]).cloned().collect()),
        (left, Jsonb::Array(right)) => Jsonb::Array([left].into_iter().chain(right).cloned().collect()),
        (left, right) => Jsonb::Array(vec![left.clone(), right.clone()]),
    }
}

/// Without the members or string items of these names.
pub(super) fn without_keys(document: &Jsonb, keys: &[&str]) -> Result<Jsonb> {
    match document {
        Jsonb::Object(members) => {
            Ok(Jsonb::Object(members.iter().filter(|(key, _)| !keys.contains(&key.as_ref())).cloned().collect()))
        }
        Jsonb::Array(items) => Ok(Jsonb::Array(
            items
                .iter()
                .filter(|item| !matches!(item, Jsonb::String(text) if keys.contains(&text.as_ref())))
                .cloned()
                .collect(),
        )),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

/// Without the item at a place.
pub(super) fn without_item(document: &Jsonb, index: i64) -> Result<Jsonb> {
    match document {
        Jsonb::Object(_) => Err(invalid("cannot delete from object using integer index")),
        Jsonb::Array(items) => {
            let mut items = items.clone();
            if let Some(index) = place(index, items.len()) {
                items.remove(index);
            }
            Ok(Jsonb::Array(items))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 { index.checked_add(length)? } else { index };
    usize::try_from(index).ok().filter(|_| index < length)
}

/// What an edit does at the end of its path.
#[derive(Clone, Copy)]
pub(super) enum Edit<'a> {
    Delete,
    /// The value, and whether a missing place is created.
    Set(&'a Jsonb, bool),
    /// The value, and whether it goes behind the place.
    Insert(&'a Jsonb, bool),
}

fn bad_step(step: &str, position: usize) -> SqlError {
    SqlError::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        format!("path element at position {position} is not an integer: \"{step}\""),
    )
}

/// The document with `edit` done at `path`; `position` counts steps from 1 for messages.
pub(super) fn at_path(document: &Jsonb, path: &[&str], edit: Edit<'_>, position: usize) -> Result<Jsonb> {
    let [step, rest @ ..] = path else { return Ok(document.clone()) };
    match document {
        Jsonb::Object(members) => {
            let known = members.iter().position(|(key, _)| key.as_ref() == *step);
            let mut members = members.clone();
            match (known, rest.is_empty(), edit) {
                (Some(known), false, _) => members[known].1 = at_path(&members[known].1, rest, edit, position + 1)?,
                (Some(known), true, Edit::Delete) => {
                    members.remove(known);
                }
                (Some(known), true, Edit::Set(value, _)) => members[known].1 = value.clone(),
                (Some(_), true, Edit::Insert(..)) => {
                    return Err(invalid("cannot replace existing key")
                        .hint("Try using the function jsonb_set to replace key value."));
                }
                (None, true, Edit::Set(value, true) | Edit::Insert(value, _)) => {
                    members.push((Arc::from(*step), value.clone()));
                    return Ok(Jsonb::object(members));
                }
                (None, _, _) => {}
            }
            Ok(Jsonb::Object(members))
        }
        Jsonb::Array(items) => {
            let index: i64 = step.trim().parse().map_err(|_| bad_step(step, position))?;
            let mut items = items.clone();
            let known = place(index, items.len());
            match (known, rest.is_empty(), edit) {
                (Some(known), false, _) => items[known] = at_path(&items[known], rest, edit, position + 1)?,
                (Some(known), true, Edit::Delete) => {
                    items.remove(known);
                }
                (Some(known), true, Edit::Set(value, _)) => items[known] = value.clone(),
                (Some(known), true, Edit::Insert(value, after)) => {
                    items.insert(known + usize::from(after), value.clone());
                }
                (None, true, Edit::Set(value, true) | Edit::Insert(value, _)) => {
                    if index < 0 {
                        items.insert(0, value.clone());
                    } else {
                        items.push(value.clone());
                    }
                }
                (None, _, _) => {}
            }
            Ok(Jsonb::Array(items))
        }
        scalar if position == 1 => {
            let _ = scalar;
            Err(invalid(match edit {
                Edit::Delete => "cannot delete path in scalar",
                Edit::Set(..) | Edit::Insert(..) => "cannot set path in scalar",
            }))
        }
        scalar => Ok(scalar.clone()),
    }
}

/// Without members whose value is null, at any depth.
pub(super) fn strip_nulls(document: &Jsonb) -> Jsonb {
    match document {
        Jsonb::Object(members) => Jsonb::Object(
            members
                .iter()
                .filter(|(_, value)| !matches!(value, Jsonb::Null))
                .map(|(key, value)| (Arc::clone(key), strip_nulls(value)))
                .collect(),
        ),
        Jsonb::Array(items) => Jsonb::Array(items.iter().map(strip_nulls).collect()),
        scalar => scalar.clone(),
    }
}
