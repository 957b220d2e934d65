//! Arrays: operators and functions (PG-117).
use std::collections::HashMap;
use std::sync::Arc;

use super::INT4_ARRAY;
use super::OperatorRow;
use super::args::int4_value;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::element_of;
use crate::expr::function::{Call, Function};
use crate::types::oid::{ANY, ANYARRAY, ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, ANYELEMENT, BOOL, INT4, TEXT};
use crate::types::{Array, Row, Value, equal, hash_value, oid};

fn array_value(array: Array) -> Value {
    Value::Array(Arc::new(array))
}

fn subscript_error(message: &str) -> SqlError {
    SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message)
}

fn data_error(message: &str) -> SqlError {
    SqlError::new(SqlState::DATA_EXCEPTION, message)
}

/// The array in argument `index`, `None` for NULL.
fn optional<'a>(call: &'a Call<'_>, index: usize) -> Result<Option<&'a Arc<Array>>> {
    if call.has(index) { call.array(index).map(Some) } else { Ok(None) }
}

/// The element type of the result's array type.
fn element(call: &Call<'_>) -> u32 {
    element_of(call.result.oid).unwrap_or(oid::UNKNOWN)
}

fn same(left: &Value, right: &Value) -> bool {
    match (left.is_null(), right.is_null()) {
        (false, false) => equal(left, right),
        (left, right) => left && right,
    }
}

/// array || item and item || array
fn extend(call: &Call<'_>, array: usize, item: usize, front: bool) -> Result<Value> {
    let item = call.args.get(item).cloned().unwrap_or_default();
    let Some(array) = optional(call, array)? else {
        return Ok(array_value(Array::one_dimensional(element(call), vec![item])));
    };
    match array.dims.as_slice() {
        [] => Ok(array_value(Array::one_dimensional(array.element, vec![item]))),
        [(length, lower)] => {
            let mut items = array.items.clone();
            if front {
                items.insert(0, item)
            } else {
                items.push(item)
            }
            Ok(array_value(Array { element: array.element, dims: vec![(length + 1, *lower)], items }))
        }
        _ => Err(data_error("argument must be empty or one-dimensional array")),
    }
}

fn concatenate(call: &Call<'_>) -> Result<Value> {
    let (left, right) = match (optional(call, 0)?, optional(call, 1)?) {
        (Some(left), Some(right)) => (left, right),
        (Some(one), None) | (None, Some(one)) => return Ok(Value::Array(Arc::clone(one))),
        (None, None) => return Ok(Value::Null),
    };
    if left.dims.is_empty() {
        return Ok(Value::Array(Arc::clone(right)));
    }
    if right.dims.is_empty() {
        return Ok(Value::Array(Arc::clone(left)));
    }
    let mismatch = || subscript_error("cannot concatenate incompatible arrays");
    let lengths = |dims: &[(i32, i32)]| dims.iter().map(|(length, _)| *length).collect::<Vec<_>>();
    let mut items = left.items.clone();
    items.extend_from_slice(&right.items);
    let dims = match left.dims.len().cmp(&right.dims.len()) {
        std::cmp::Ordering::Equal if lengths(&left.dims[1..]) == lengths(&right.dims[1..]) => {
            let mut dims = left.dims.clone();
            dims[0].0 += right.dims[0].0;
            dims
        }
        std::cmp::Ordering::Greater if lengths(&left.dims[1..]) == lengths(&right.dims) => {
            let mut dims = left.dims.clone();
            dims[0].0 += 1;
            dims
        }
        std::cmp::Ordering::Less if lengths(&right.dims[1..]) == lengths(&left.dims) => {
            let mut dims = right.dims.clone();
            dims[0].0 += 1;
            dims
        }
        _ => {
            return Err(mismatch().detail(format!(
                "Arrays of {} and {} dimensions are not compatible for concatenation.",
                left.dims.len(),
                right.dims.len()
            )));
        }
    };
    Ok(array_value(Array { element: left.element, dims, items }))
}

/// The values of an array by hash, for the set operators.
struct Lookup<'a>(HashMap<u64, Vec<&'a Value>>);

impl<'a> Lookup<'a> {
    fn new(items: &'a [Value]) -> Lookup<'a> {
        let mut map: HashMap<u64, Vec<&'a Value>> = HashMap::with_capacity(items.len());
        for item in items.iter().filter(|item| !item.is_null()) {
            map.entry(hash_value(item)).or_default().push(item);
        }
        Lookup(map)
    }

    fn has(&self, value: &Value) -> bool {
        !value.is_null() && self.0.get(&hash_value(value)).is_some_and(|known| known.iter().any(|k| equal(k, value)))
    }
}

fn contains(whole: &Array, part: &Array) -> bool {
    if part.items.len() <= 4 || whole.items.len() <= 4 {
        return part.items.iter().all(|item| !item.is_null() && whole.items.iter().any(|own| same(own, item)));
    }
    let known = Lookup::new(&whole.items);
    part.items.iter().all(|item| known.has(item))
}

fn overlap(left: &Array, right: &Array) -> bool {
    let known = Lookup::new(&left.items);
    right.items.iter().any(|item| known.has(item))
}

fn one_dimension(array: &Array, name: &str) -> Result<i32> {
    match array.dims.as_slice() {
        [] => Ok(1),
        [(_, lower)] => Ok(*lower),
        _ => Err(SqlError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("{name} is not supported for multidimensional arrays"),
        )),
    }
}

fn subscript(lower: i32, place: usize) -> Value {
    Value::Int4(lower.saturating_add(i32::try_from(place).unwrap_or(i32::MAX)))
}

fn position(call: &Call<'_>) -> Result<Value> {
    let Some(array) = optional(call, 0)? else { return Ok(Value::Null) };
    let searching = "searching for elements in multidimensional arrays";
    let lower = match array.dims.as_slice() {
        [] | [_] => one_dimension(array, searching)?,
        _ => return Err(SqlError::unsupported(searching)),
    };
    let wanted = call.args.get(1).unwrap_or(&Value::Null);
    let skip = if call.args.len() > 2 {
        if !call.has(2) {
            return Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "initial position must not be null"));
        }
        usize::try_from(call.int(2)? - i64::from(lower)).unwrap_or(0)
    } else {
        0
    };
    let found = array.items.iter().skip(skip).position(|item| same(item, wanted));
    Ok(found.map_or(Value::Null, |place| subscript(lower, place + skip)))
}

fn positions(call: &Call<'_>) -> Result<Value> {
    let Some(array) = optional(call, 0)? else { return Ok(Value::Null) };
    if array.dims.len() > 1 {
        return Err(SqlError::unsupported("searching for elements in multidimensional arrays"));
    }
    let lower = array.dims.first().map_or(1, |(_, lower)| *lower);
    let wanted = call.args.get(1).unwrap_or(&Value::Null);
    let items = array.items.iter().enumerate().filter(|(_, item)| same(item, wanted));
    let items = items.map(|(place, _)| subscript(lower, place)).collect();
    Ok(array_value(Array::one_dimensional(oid::INT4, items)))
}

fn remove(call: &Call<'_>) -> Result<Value> {
    let Some(array) = optional(call, 0)? else { return Ok(Value::Null) };
    if array.dims.len() > 1 {
        return Err(SqlError::unsupported("removing elements from multidimensional arrays"));
    }
    let unwanted = call.args.get(1).unwrap_or(&Value::Null);
    let items: Vec<Value> = array.items.iter().filter(|item| !same(item, unwanted)).cloned().collect();
    if items.len() == array.items.len() {
        return Ok(Value::Array(Arc::clone(array)));
    }
    let lower = array.dims.first().map_or(1, |(_, lower)| *lower);
    let mut kept = Array::one_dimensional(array.element, items);
    if let Some(dim) = kept.dims.first_mut() {
        dim.1 = lower;
    }
    Ok(array_value(kept))
}

fn replace(call: &Call<'_>) -> Result<Value> {
    let Some(array) = optional(call, 0)? else { return Ok(Value::Null) };
    let (from, to) = (call.args.get(1).unwrap_or(&Value::Null), call.args.get(2).unwrap_or(&Value::Null));
    let items = array.items.iter().map(|item| if same(item, from) { to.clone() } else { item.clone() }).collect();
    Ok(array_value(Array { element: array.element, dims: array.dims.clone(), items }))
}

/// `SET a[i] = v`: (array, index, value) → the array with that item. An index outside it makes it longer, the items
/// between are NULL; NULL counts as the empty array. Errors: 2202E a NULL index, 0A000 several dimensions, 54000.
fn assign_item(call: &Call<'_>) -> Result<Value> {
    let index = match call.args.get(1) {
        Some(Value::Null) | None => {
            return Err(SqlError::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                "array subscript in assignment must not be null",
            ));
        }
        Some(_) => call.int(1)?,
    };
    let value = call.args.get(2).cloned().unwrap_or_default();
    let element = call.arg_types.first().and_then(|ty| element_of(ty.oid)).unwrap_or(crate::types::oid::UNKNOWN);
    let mut array = match optional(call, 0)? {
        Some(array) => Array::clone(array),
        None => Array { element, dims: Vec::new(), items: Vec::new() },
    };
    let (length, lower) = match array.dims.as_slice() {
        [] => (0, index),
        [(length, lower)] => (i64::from(*length), i64::from(*lower)),
        _ => {
            return Err(SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts"));
        }
    };
    let first = lower.min(index);
    let end = (lower + length).max(index + 1);
    if end - first > MAX_ITEMS {
        return Err(SqlError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("array size exceeds the maximum allowed ({MAX_ITEMS})"),
        ));
    }
    let size = |count: i64| usize::try_from(count).unwrap_or(0);
    array.items.splice(0..0, std::iter::repeat_n(Value::Null, size(lower - first)));
    array.items.resize(size(end - first), Value::Null);
    array.items[size(index - first)] = value;
    let int = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    array.dims = vec![(int(end - first), int(first))];
    Ok(array_value(array))
}

/// `array_assign_slice(array, lower, lower open, upper, upper open, source)`: the items of the slice replaced by the first
/// of the source; beyond the array's bounds it grows, gaps are NULL.
fn assign_slice(call: &Call<'_>) -> Result<Value> {
    let bound = |at: usize| -> Result<Option<i64>> {
        match (call.bool(at + 1)?, call.has(at)) {
            (true, _) => Ok(None),
            (false, true) => call.int(at).map(Some),
            (false, false) => {
                Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "array subscript in assignment must not be null"))
            }
        }
    };
    let (lower, upper) = (bound(1)?, bound(3)?);
    let Some(source) = optional(call, 5)? else {
        return Ok(call.args.first().cloned().unwrap_or_default());
    };
    let mut array = match optional(call, 0)? {
        Some(array) => Array::clone(array),
        None => Array { element: source.element, dims: Vec::new(), items: Vec::new() },
    };
    let wrong = || SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    if array.dims.len() > 1 {
        return Err(wrong());
    }
    let (length, first) = array.dims.first().map_or((0, 1), |(n, lower)| (i64::from(*n), i64::from(*lower)));
    let given = i64::try_from(source.items.len()).unwrap_or(i64::MAX);
    if array.dims.is_empty() && (lower.is_none() || upper.is_none()) {
        return Err(subscript_error("array slice subscript must provide both boundaries")
            .detail("When assigning to a slice of an empty array value, slice boundaries must be fully specified."));
    }
    let (lower, upper) = (lower.unwrap_or(first), upper.unwrap_or(first + length - 1));
    if lower > upper {
        return Err(subscript_error("upper bound cannot be less than lower bound"));
    }
    if given < upper - lower + 1 {
        return Err(subscript_error("source array too small"));
    }
    let start = if length == 0 { lower } else { first.min(lower) };
    let end = if length == 0 { upper + 1 } else { (first + length).max(upper + 1) };
    if end - start > MAX_ITEMS {
        let message = format!("array size exceeds the maximum allowed ({MAX_ITEMS})");
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    let size = |count: i64| usize::try_from(count).unwrap_or(0);
    if length > 0 {
        array.items.splice(0..0, std::iter::repeat_n(Value::Null, size(first - start)));
    }
    array.items.resize(size(end - start), Value::Null);
    let slice = size(lower - start)..size(upper + 1 - start);
    for (to, from) in array.items[slice].iter_mut().zip(&source.items) {
        *to = from.clone();
    }
    let int = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    array.dims = vec![(int(end - start), int(start))];
    Ok(array_value(array))
}

/// PostgreSQL's limit of the items of an array.
const MAX_ITEMS: i64 = 134_217_727;

/// The dimension that argument 1 names.
fn dimension(call: &Call<'_>) -> Result<Option<(i32, i32)>> {
    let n = call.int(1)?;
    Ok(usize::try_from(n - 1).ok().and_then(|place| call.array(0).ok()?.dims.get(place).copied()))
}

fn dims_text(call: &Call<'_>) -> Result<Value> {
    use std::fmt::Write as _;
    let array = call.array(0)?;
    if array.dims.is_empty() {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    for (length, lower) in &array.dims {
        let _ = write!(out, "[{lower}:{}]", lower + length - 1);
    }
    Ok(Value::from(out))
}

/// array_fill(value, lengths, lower bounds)
fn fill(call: &Call<'_>) -> Result<Value> {
    let null = || SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "dimension array or low bound array cannot be null");
    let lengths = optional(call, 1)?.ok_or_else(null)?;
    let lowers = if call.args.len() > 2 { Some(optional(call, 2)?.ok_or_else(null)?) } else { None };
    let mut dims = Vec::new();
    let mut count = 1usize;
    for (place, length) in lengths.items.iter().enumerate() {
        let length = length
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .ok_or_else(|| SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null"))?;
        let lower = match lowers.map(|lowers| lowers.items.get(place).and_then(Value::as_i64)) {
            None => 1,
            Some(lower) => lower
                .and_then(|n| i32::try_from(n).ok())
                .ok_or_else(|| subscript_error("wrong number of array subscripts"))?,
        };
        count = usize::try_from(length).ok().and_then(|length| count.checked_mul(length)).ok_or_else(too_large)?;
        dims.push((length, lower));
    }
    if count > 10_000_000 {
        return Err(too_large());
    }
    if dims.len() > 6 {
        return Err(SqlError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("number of array dimensions ({}) exceeds the maximum allowed (6)", dims.len()),
        ));
    }
    let element = call.arg_types.first().map_or_else(|| element(call), |ty| ty.oid);
    if count == 0 || dims.is_empty() {
        return Ok(array_value(Array { element, dims: Vec::new(), items: Vec::new() }));
    }
    let value = call.args.first().cloned().unwrap_or_default();
    Ok(array_value(Array { element, dims, items: vec![value; count] }))
}

fn too_large() -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed")
}

fn trim(call: &Call<'_>) -> Result<Value> {
    let (array, n) = (call.array(0)?, call.int(1)?);
    let (length, lower) = array.dims.first().copied().unwrap_or((0, 1));
    if n < 0 || n > i64::from(length) {
        return Err(subscript_error(&format!("number of elements to trim must be between 0 and {length}")));
    }
    let keep = i64::from(length) - n;
    let width = array.items.len().checked_div(usize::try_from(length).unwrap_or(0)).unwrap_or(0);
    let items: Vec<Value> = array.items.iter().take(usize::try_from(keep).unwrap_or(0) * width).cloned().collect();
    if items.is_empty() {
        return Ok(array_value(Array { element: array.element, dims: Vec::new(), items }));
    }
    let mut dims = array.dims.clone();
    dims[0] = (i32::try_from(keep).unwrap_or(0), if n == 0 { lower } else { 1 });
    Ok(array_value(Array { element: array.element, dims, items }))
}

fn unnest(call: &Call<'_>) -> Result<Vec<Row>> {
    Ok(call.array(0)?.items.iter().map(|item| vec![item.clone()]).collect())
}

fn subscripts(call: &Call<'_>) -> Result<Vec<Row>> {
    let reverse = call.args.get(2).and_then(Value::as_bool).unwrap_or(false);
    let Some((length, lower)) = dimension(call)? else { return Ok(Vec::new()) };
    let rows = (lower..lower.saturating_add(length)).map(|n| vec![Value::Int4(n)]);
    Ok(if reverse { rows.rev().collect() } else { rows.collect() })
}

/// information_schema._pg_expandarray: (item, its place from 1).
fn expand(call: &Call<'_>) -> Result<Vec<Row>> {
    let items = call.array(0)?.items.iter().enumerate();
    Ok(items.map(|(place, item)| vec![item.clone(), int4_value(place + 1)]).collect())
}

fn count_nulls(call: &Call<'_>, nulls: bool) -> Result<Value> {
    Ok(int4_value(call.args.iter().filter(|value| value.is_null() == nulls).count()))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(378, "array_append", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLE], ANYCOMPATIBLEARRAY, |c| extend(c, 0, 1, false)).lax(),
    Function::new(379, "array_prepend", &[ANYCOMPATIBLE, ANYCOMPATIBLEARRAY], ANYCOMPATIBLEARRAY, |c| extend(c, 1, 0, true)).lax(),
    Function::new(383, "array_cat", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLEARRAY], ANYCOMPATIBLEARRAY, concatenate).lax(),
    Function::new(2747, "arrayoverlap", &[ANYARRAY, ANYARRAY], BOOL, |c| Ok(Value::Bool(overlap(c.array(0)?, c.array(1)?)))),
    Function::new(2748, "arraycontains", &[ANYARRAY, ANYARRAY], BOOL, |c| Ok(Value::Bool(contains(c.array(0)?, c.array(1)?)))),
    Function::new(2749, "arraycontained", &[ANYARRAY, ANYARRAY], BOOL, |c| Ok(Value::Bool(contains(c.array(1)?, c.array(0)?)))),
    Function::new(748, "array_ndims", &[ANYARRAY], INT4, |c| { let dims = c.array(0)?.dims.len(); Ok(if dims == 0 { Value::Null } else { int4_value(dims) }) }),
    Function::new(747, "array_dims", &[ANYARRAY], TEXT, dims_text),
    Function::new(2091, "array_lower", &[ANYARRAY, INT4], INT4, |c| Ok(dimension(c)?.map_or(Value::Null, |(_, lower)| Value::Int4(lower)))),
    Function::new(2092, "array_upper", &[ANYARRAY, INT4], INT4, |c| Ok(dimension(c)?.map_or(Value::Null, |(length, lower)| Value::Int4(lower.saturating_add(length - 1))))),
    Function::new(2176, "array_length", &[ANYARRAY, INT4], INT4, |c| Ok(dimension(c)?.map_or(Value::Null, |(length, _)| Value::Int4(length)))),
    Function::new(3179, "cardinality", &[ANYARRAY], INT4, |c| Ok(int4_value(c.array(0)?.items.len()))),
    Function::new(3277, "array_position", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLE], INT4, position).lax(),
    Function::new(3278, "array_position", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLE, INT4], INT4, position).lax(),
    Function::new(3279, "array_positions", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLE], INT4_ARRAY, positions).lax(),
    Function::new(3167, "array_remove", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLE], ANYCOMPATIBLEARRAY, remove).lax(),
    Function::new(3168, "array_replace", &[ANYCOMPATIBLEARRAY, ANYCOMPATIBLE, ANYCOMPATIBLE], ANYCOMPATIBLEARRAY, replace).lax(),
    Function::new(15_011, "array_assign_slice", &[ANYARRAY, INT4, BOOL, INT4, BOOL, ANYARRAY], ANYARRAY, assign_slice).lax(),
    Function::new(15_007, "array_assign_item", &[ANYARRAY, INT4, ANYELEMENT], ANYARRAY, assign_item).lax(),
    Function::new(1193, "array_fill", &[ANYELEMENT, INT4_ARRAY], ANYARRAY, fill).lax(),
    Function::new(1286, "array_fill", &[ANYELEMENT, INT4_ARRAY, INT4_ARRAY], ANYARRAY, fill).lax(),
    Function::new(6172, "trim_array", &[ANYARRAY, INT4], ANYARRAY, trim),
    Function::set(2331, "unnest", &[ANYARRAY], ANYELEMENT, unnest),
    Function::set(1191, "generate_subscripts", &[ANYARRAY, INT4, BOOL], INT4, subscripts),
    Function::set(1192, "generate_subscripts", &[ANYARRAY, INT4], INT4, subscripts),
    Function::new(440, "num_nonnulls", &[ANY], INT4, |c| count_nulls(c, false)).lax().variadic(),
    Function::new(438, "num_nulls", &[ANY], INT4, |c| count_nulls(c, true)).lax().variadic(),
    Function::set(13_208, "_pg_expandarray", &[ANYARRAY], crate::types::oid::RECORD, expand).columns(&[("x", ANYELEMENT), ("n", INT4)]),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (349, "||", ANYCOMPATIBLEARRAY, ANYCOMPATIBLE, 378),
    (374, "||", ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, 379),
    (375, "||", ANYCOMPATIBLEARRAY, ANYCOMPATIBLEARRAY, 383),
    (2750, "&&", ANYARRAY, ANYARRAY, 2747),
    (2751, "@>", ANYARRAY, ANYARRAY, 2748),
    (2752, "<@", ANYARRAY, ANYARRAY, 2749),
];
