//! Window functions: partitions, order, frames.

use super::group::Running;
use super::sort::{compare_keys, key_values, same_row};
use super::{Cx, State};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{AggregateInfo, Expr};
use crate::plan::{AggregateCall, FrameBound, FrameExclude, FrameUnits, Node, WindowCall, WindowTarget};
use crate::types::{Interval, Numeric, Row, Value, compare, datetime};

/// All rows of a Window: the input's columns, then one per call.
pub(super) fn window(input: &mut State, below: &Node, calls: &[WindowCall], cx: &Cx<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    while let Some(row) = input.next(below, cx)? {
        cx.exec.tick()?;
        rows.push(row);
    }
    let mut results: Vec<Vec<Value>> = Vec::with_capacity(calls.len());
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for call in calls {
        results.push(one(&rows, call, &mut order, cx)?);
    }
    // Rows come out in the order of the last call's window, as PostgreSQL's do.
    let mut taken: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(taken.len());
    for place in order {
        if let Some(mut row) = taken[place].take() {
            row.extend(results.iter_mut().map(|values| std::mem::take(&mut values[place])));
            out.push(row);
        }
    }
    Ok(out)
}

/// One partition: places of its rows in order, their sort keys, and the peer group of each.
struct Partition<'a> {
    rows: &'a [Row],
    places: &'a [usize],
    keys: Vec<&'a [Value]>,
    /// First and past-the-last row of each row's peer group, and its number.
    peers: Vec<(usize, usize, usize)>,
}

fn one(rows: &[Row], call: &WindowCall, order: &mut [usize], cx: &Cx<'_>) -> Result<Vec<Value>> {
    let mut parts = Vec::with_capacity(rows.len());
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        parts.push(cx.eval_all(&call.partition, row)?);
        keys.push(key_values(&call.order, row, cx)?);
    }
    let by_part = |a: &usize, b: &usize| {
        for (left, right) in parts[*a].iter().zip(&parts[*b]) {
            let found = compare(left, right);
            if found.is_ne() {
                return found;
            }
        }
        std::cmp::Ordering::Equal
    };
    order.sort_by(|a, b| by_part(a, b).then_with(|| compare_keys(&keys[*a], &keys[*b], &call.order)));
    let mut out = vec![Value::Null; rows.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && same_row(&parts[order[start]], &parts[order[end]]) {
            end += 1;
        }
        let places = &order[start..end];
        let part_keys: Vec<&[Value]> = places.iter().map(|place| keys[*place].as_slice()).collect();
        let peers = peer_groups(&part_keys);
        let part = Partition { rows, places, keys: part_keys, peers };
        match &call.function {
            WindowTarget::Function(function) => ranked(function.name, &part, call, cx, &mut out)?,
            WindowTarget::Aggregate(_) => aggregated(&part, call, cx, &mut out)?,
        }
        start = end;
    }
    Ok(out)
}

fn peer_groups(keys: &[&[Value]]) -> Vec<(usize, usize, usize)> {
    let mut peers = Vec::with_capacity(keys.len());
    let mut start = 0;
    let mut number = 0;
    while start < keys.len() {
        let mut end = start + 1;
        while end < keys.len() && same_row(keys[start], keys[end]) {
            end += 1;
        }
        peers.extend(std::iter::repeat_n((start, end, number), end - start));
        number += 1;
        start = end;
    }
    peers
}

fn int8(n: usize) -> Value {
    Value::Int8(i64::try_from(n).unwrap_or(i64::MAX))
}

#[allow(clippy::cast_precision_loss, reason = "the result is a double")]
fn ranked(name: &str, part: &Partition<'_>, call: &WindowCall, cx: &Cx<'_>, out: &mut [Value]) -> Result<()> {
    let count = part.places.len();
    for i in 0..count {
        cx.exec.tick()?;
        let row = &part.rows[part.places[i]];
        let (first, last, number) = part.peers[i];
        let value = match name {
            "row_number" => int8(i + 1),
            "rank" => int8(first + 1),
            "dense_rank" => int8(number + 1),
            "percent_rank" => Value::Float8(if count < 2 { 0.0 } else { first as f64 / (count - 1) as f64 }),
            "cume_dist" => Value::Float8(last as f64 / count as f64),
            "ntile" => ntile(i, count, &cx.eval(&call.args[0], row)?)?,
            "lag" | "lead" => shifted(name == "lead", i, part, call, cx)?,
            "first_value" | "last_value" | "nth_value" => framed_value(name, i, part, call, cx)?,
            _ => return Err(SqlError::unsupported(format!("window function {name}"))),
        };
        out[part.places[i]] = value;
    }
    Ok(())
}

fn ntile(i: usize, count: usize, buckets: &Value) -> Result<Value> {
    let Some(buckets) = buckets.as_i64() else { return Ok(Value::Null) };
    let buckets = usize::try_from(buckets).ok().filter(|n| *n > 0).ok_or_else(|| {
        SqlError::new(SqlState::INVALID_PARAMETER_VALUE, "argument of ntile must be greater than zero")
    })?;
    let (size, larger) = (count / buckets, count % buckets);
    let in_larger = larger * (size + 1);
    let bucket = if i < in_larger { i / (size + 1) } else { larger + (i - in_larger) / size.max(1) };
    Ok(Value::Int4(i32::try_from(bucket + 1).unwrap_or(i32::MAX)))
}

fn shifted(ahead: bool, i: usize, part: &Partition<'_>, call: &WindowCall, cx: &Cx<'_>) -> Result<Value> {
    let row = &part.rows[part.places[i]];
    let offset = match call.args.get(1) {
        Some(expr) => match cx.eval(expr, row)?.as_i64() {
            Some(n) => n,
            None => return Ok(Value::Null),
        },
        None => 1,
    };
    let here = i64::try_from(i).unwrap_or(i64::MAX);
    let target = if ahead { here.checked_add(offset) } else { here.checked_sub(offset) };
    let found = target.and_then(|n| usize::try_from(n).ok()).and_then(|n| part.places.get(n));
    match (found, call.args.get(2)) {
        (Some(place), _) => cx.eval(&call.args[0], &part.rows[*place]),
        (None, Some(default)) => cx.eval(default, row),
        (None, None) => Ok(Value::Null),
    }
}

fn framed_value(name: &str, i: usize, part: &Partition<'_>, call: &WindowCall, cx: &Cx<'_>) -> Result<Value> {
    let (start, end) = frame(i, part, call, cx)?;
    let mut members = (start..end).filter(|j| !excluded(*j, i, part, call.frame.exclude));
    let found = match name {
        "first_value" => members.next(),
        "last_value" => members.next_back(),
        _ => {
            let n = match cx.eval(&call.args[1], &part.rows[part.places[i]])?.as_i64() {
                Some(n) => n,
                None => return Ok(Value::Null),
            };
            let n = usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
                SqlError::new(SqlState::INVALID_PARAMETER_VALUE, "argument of nth_value must be greater than zero")
            })?;
            members.nth(n - 1)
        }
    };
    match found {
        Some(j) => cx.eval(&call.args[0], &part.rows[part.places[j]]),
        None => Ok(Value::Null),
    }
}

fn excluded(j: usize, i: usize, part: &Partition<'_>, exclude: FrameExclude) -> bool {
    match exclude {
        FrameExclude::NoOthers => false,
        FrameExclude::CurrentRow => j == i,
        FrameExclude::Group => part.peers[j].2 == part.peers[i].2,
        FrameExclude::Ties => j != i && part.peers[j].2 == part.peers[i].2,
    }
}

fn aggregated(part: &Partition<'_>, call: &WindowCall, cx: &Cx<'_>, out: &mut [Value]) -> Result<()> {
    let WindowTarget::Aggregate(function) = &call.function else { return Ok(()) };
    let plain = AggregateCall {
        function,
        args: call.args.clone(),
        distinct: false,
        order: Vec::new(),
        filter: call.filter.clone(),
        ty: call.ty,
    };
    let info = AggregateInfo {
        arg_types: call.args.iter().map(Expr::data_type).collect(),
        result: call.ty,
        style: cx.eval.style.clone(),
    };
    let simple =
        call.frame.exclude == FrameExclude::NoOthers && matches!(call.frame.start, FrameBound::UnboundedPreceding);
    let mut running = Running::new(&plain, &info);
    let mut done = 0;
    let mut kept: Option<(usize, Value)> = None;
    for i in 0..part.places.len() {
        cx.exec.tick()?;
        let (start, end) = frame(i, part, call, cx)?;
        if simple && end >= done {
            for j in done..end {
                running.add(&plain, &part.rows[part.places[j]], cx)?;
            }
            done = end;
            let value = match &kept {
                Some((at, value)) if *at == end => value.clone(),
                _ => running.result(&plain)?,
            };
            kept = Some((end, value.clone()));
            out[part.places[i]] = value;
            continue;
        }
        let mut fresh = Running::new(&plain, &info);
        for j in start..end {
            cx.exec.tick()?;
            if !excluded(j, i, part, call.frame.exclude) {
                fresh.add(&plain, &part.rows[part.places[j]], cx)?;
            }
        }
        out[part.places[i]] = fresh.result(&plain)?;
    }
    Ok(())
}

/// First and past-the-last row of the frame of row `i`.
fn frame(i: usize, part: &Partition<'_>, call: &WindowCall, cx: &Cx<'_>) -> Result<(usize, usize)> {
    let start = bound(&call.frame.start, true, i, part, call, cx)?;
    let end = bound(&call.frame.end, false, i, part, call, cx)?;
    let count = part.places.len();
    Ok((start.min(count), end.min(count).max(start.min(count))))
}

fn bound(
    bound: &FrameBound,
    start: bool,
    i: usize,
    part: &Partition<'_>,
    call: &WindowCall,
    cx: &Cx<'_>,
) -> Result<usize> {
    let count = part.places.len();
    let (first, last, number) = part.peers[i];
    let (expr, ahead) = match bound {
        FrameBound::UnboundedPreceding => return Ok(0),
        FrameBound::UnboundedFollowing => return Ok(count),
        FrameBound::CurrentRow => {
            return Ok(match (call.frame.units, start) {
                (FrameUnits::Rows, true) => i,
                (FrameUnits::Rows, false) => i + 1,
                (_, true) => first,
                (_, false) => last,
            });
        }
        FrameBound::Preceding(expr) => (expr, false),
        FrameBound::Following(expr) => (expr, true),
    };
    let row = &part.rows[part.places[i]];
    let offset = cx.eval(expr, row)?;
    if offset.is_null() {
        let side = if start { "starting" } else { "ending" };
        return Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, format!("frame {side} offset must not be null")));
    }
    if call.frame.units == FrameUnits::Range {
        return range_bound(&offset, ahead, start, i, part, call);
    }
    let n = offset.as_i64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
        let side = if start { "starting" } else { "ending" };
        SqlError::new(SqlState::new("22013"), format!("frame {side} offset must not be negative"))
    })?;
    if call.frame.units == FrameUnits::Rows {
        let at = if ahead { i.checked_add(n) } else { i.checked_sub(n) };
        return Ok(match (at, start) {
            (Some(at), true) => at,
            (Some(at), false) => at.saturating_add(1),
            (None, _) => {
                if ahead {
                    count
                } else {
                    0
                }
            }
        });
    }
    let group = if ahead { number.checked_add(n) } else { number.checked_sub(n) };
    let Some(group) = group else { return Ok(if ahead { count } else { 0 }) };
    let found = part.peers.iter().find(|peer| peer.2 == group);
    Ok(match (found, start) {
        (Some(peer), true) => peer.0,
        (Some(peer), false) => peer.1,
        (None, _) => count,
    })
}

fn range_bound(
    offset: &Value,
    ahead: bool,
    start: bool,
    i: usize,
    part: &Partition<'_>,
    call: &WindowCall,
) -> Result<usize> {
    let key = call.order.first().ok_or_else(|| SqlError::internal("RANGE frame without order"))?;
    let here = &part.keys[i][0];
    let (first, last, _) = part.peers[i];
    if here.is_null() {
        return Ok(if start { first } else { last });
    }
    let limit = shift(here, offset, ahead != key.descending)?;
    let before = |value: &Value| -> bool {
        if value.is_null() {
            return key.nulls_first;
        }
        let order = match (value, &limit) {
            (Value::Date(day), Value::Timestamp(limit)) => date_to_timestamp(*day).cmp(limit),
            _ => compare(value, &limit),
        };
        let order = if key.descending { order.reverse() } else { order };
        if start { order.is_lt() } else { order.is_le() }
    };
    Ok(part.keys.partition_point(|keys| before(&keys[0])))
}

/// `value + offset`, or minus.
fn shift(value: &Value, offset: &Value, add: bool) -> Result<Value> {
    if let (Some(a), Some(b)) = (value.as_i64(), offset.as_i64()) {
        let sum = if add { a.saturating_add(b) } else { a.saturating_sub(b) };
        return Ok(Value::Int8(sum));
    }
    match (value, offset) {
        (Value::Float8(_) | Value::Float4(_), other) => {
            let (a, b) = (value.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            Ok(Value::Float8(if add { a + b } else { a - b }))
        }
        (Value::Numeric(a), Value::Numeric(b)) => {
            let result: Numeric = if add { a.add(b)? } else { a.sub(b)? };
            Ok(Value::Numeric(Box::new(result)))
        }
        (Value::Timestamp(a), Value::Interval(b)) => moved(*a, *b, add).map(Value::Timestamp),
        (Value::TimestampTz(a), Value::Interval(b)) => moved(*a, *b, add).map(Value::TimestampTz),
        (Value::Date(a), Value::Interval(b)) => moved(date_to_timestamp(*a), *b, add).map(Value::Timestamp),
        _ => Err(SqlError::unsupported("RANGE with an offset over this type")),
    }
}

/// A timestamp moved by an interval, calendar months included.
fn moved(at: i64, by: Interval, add: bool) -> Result<i64> {
    datetime::add_interval(at, if add { by } else { datetime::negate_interval(by)? })
}

/// Midnight of a day; the infinities stay what they are.
fn date_to_timestamp(day: i32) -> i64 {
    match day {
        i32::MAX => i64::MAX,
        i32::MIN => i64::MIN,
        _ => i64::from(day).saturating_mul(datetime::MICROS_PER_DAY),
    }
}
