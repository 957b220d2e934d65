//! generate_series in all its forms, and other functions that make rows from nothing.
use super::args::invalid;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::datetime::{add_interval, add_interval_at_zone, interval_span};
use crate::types::oid::{INT4, INT8, INTERVAL, NUMERIC, TIMESTAMP, TIMESTAMPTZ};
use crate::types::{Interval, Numeric, Row, Value};

/// Rows between looks for a cancel request.
const CHECK_EVERY: usize = 65_536;
/// More rows than memory should hold at once.
const ROWS_MAX: usize = 50_000_000;

fn zero_step() -> SqlError {
    invalid("step size cannot equal zero")
}

fn check(call: &Call<'_>, rows: usize) -> Result<()> {
    if rows >= ROWS_MAX {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "generate_series makes too many rows"));
    }
    if rows % CHECK_EVERY == CHECK_EVERY - 1 { call.ctx.runtime.check_cancel() } else { Ok(()) }
}

fn integers(call: &Call<'_>, value: fn(i64) -> Value) -> Result<Vec<Row>> {
    let (start, stop) = (call.int(0)?, call.int(1)?);
    let step = if call.args.len() > 2 { call.int(2)? } else { 1 };
    if step == 0 {
        return Err(zero_step());
    }
    let mut rows = Vec::new();
    let mut at = start;
    while if step > 0 { at <= stop } else { at >= stop } {
        check(call, rows.len())?;
        rows.push(vec![value(at)]);
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(rows)
}

#[allow(clippy::cast_possible_truncation, reason = "between two int4 bounds")]
fn int4_series(call: &Call<'_>) -> Result<Vec<Row>> {
    integers(call, |n| Value::Int4(n as i32))
}

fn int8_series(call: &Call<'_>) -> Result<Vec<Row>> {
    integers(call, Value::Int8)
}

fn numeric_series(call: &Call<'_>) -> Result<Vec<Row>> {
    let (start, stop) = (call.numeric(0)?, call.numeric(1)?);
    let one = Numeric::Finite(1.into());
    let step = if call.args.len() > 2 { call.numeric(2)? } else { &one };
    for (name, n) in [("start", start), ("stop", stop), ("step size", step)] {
        if !n.is_finite() {
            let what = if n.is_nan() { "NaN" } else { "infinity" };
            return Err(invalid(format!("{name} value cannot be {what}").replace("step size value", "step size")));
        }
    }
    if step.is_zero() {
        return Err(zero_step());
    }
    let up = step.signum() > 0;
    let mut rows = Vec::new();
    let mut at = start.clone();
    while if up { at.compare(stop).is_le() } else { at.compare(stop).is_ge() } {
        check(call, rows.len())?;
        rows.push(vec![Value::Numeric(Box::new(at.clone()))]);
        at = at.add(step)?;
    }
    Ok(rows)
}

fn timestamps(
    call: &Call<'_>,
    value: fn(i64) -> Value,
    next: impl Fn(i64, Interval) -> Result<i64>,
) -> Result<Vec<Row>> {
    let (start, stop, step) = (call.time(0)?, call.time(1)?, call.interval(2)?);
    let direction = interval_span(step);
    if direction == 0 {
        return Err(zero_step());
    }
    let mut rows = Vec::new();
    let mut at = start;
    while if direction > 0 { at <= stop } else { at >= stop } {
        check(call, rows.len())?;
        rows.push(vec![value(at)]);
        let after = next(at, step)?;
        // Infinities do not move.
        if after == at {
            break;
        }
        at = after;
    }
    Ok(rows)
}

fn timestamp_series(call: &Call<'_>) -> Result<Vec<Row>> {
    timestamps(call, Value::Timestamp, add_interval)
}

fn timestamptz_series(call: &Call<'_>) -> Result<Vec<Row>> {
    let zone = &call.ctx.style.time_zone;
    timestamps(call, Value::TimestampTz, |at, step| add_interval_at_zone(at, step, zone))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::set(1066, "generate_series", &[INT4, INT4, INT4], INT4, int4_series),
    Function::set(1067, "generate_series", &[INT4, INT4], INT4, int4_series),
    Function::set(1068, "generate_series", &[INT8, INT8, INT8], INT8, int8_series),
    Function::set(1069, "generate_series", &[INT8, INT8], INT8, int8_series),
    Function::set(3259, "generate_series", &[NUMERIC, NUMERIC, NUMERIC], NUMERIC, numeric_series),
    Function::set(3260, "generate_series", &[NUMERIC, NUMERIC], NUMERIC, numeric_series),
    Function::set(938, "generate_series", &[TIMESTAMP, TIMESTAMP, INTERVAL], TIMESTAMP, timestamp_series),
    Function::set(939, "generate_series", &[TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL], TIMESTAMPTZ, timestamptz_series).stable(),
];
pub(super) const OPERATORS: &[super::OperatorRow] = &[];
