//! Aggregates that depend on an order: min, max, and the ordered-set ones.
use std::cmp::Ordering;
use std::sync::Arc;

use super::numbers::first;
use super::{Accumulator, AggregateInfo};
use crate::error::{Result, SqlError, SqlState};
use crate::types::datetime::{add_intervals, multiply_interval, negate_interval};
use crate::types::{Array, Oid, Value, compare, equal, oid};

struct Extreme {
    best: Value,
    wanted: Ordering,
    trimmed: bool,
}

pub(super) fn min(info: &AggregateInfo) -> Box<dyn Accumulator> {
    extreme(info, Ordering::Less)
}

pub(super) fn max(info: &AggregateInfo) -> Box<dyn Accumulator> {
    extreme(info, Ordering::Greater)
}

fn extreme(info: &AggregateInfo, wanted: Ordering) -> Box<dyn Accumulator> {
    let trimmed = info.arg_types.first().is_some_and(|ty| ty.oid == oid::BPCHAR);
    Box::new(Extreme { best: Value::Null, wanted, trimmed })
}

impl Accumulator for Extreme {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let value = first(args);
        if value.is_null() {
            return Ok(());
        }
        let better = match (&self.best, value) {
            (Value::Null, _) => true,
            (Value::Text(best), Value::Text(value)) if self.trimmed => {
                value.trim_end_matches(' ').as_bytes().cmp(best.trim_end_matches(' ').as_bytes()) == self.wanted
            }
            (best, value) => compare(value, best) == self.wanted,
        };
        if better {
            self.best = value.clone();
        }
        Ok(())
    }

    /// Taking away a value that is not the best changes nothing; the best itself needs the other rows.
    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        let value = first(args);
        Ok(value.is_null() || (!self.best.is_null() && compare(value, &self.best) == self.wanted.reverse()))
    }

    fn result(&self) -> Result<Value> {
        Ok(self.best.clone())
    }
}

/// The most frequent value; of equally frequent ones the first.
#[derive(Default)]
struct Mode {
    best: Value,
    best_count: u64,
    current: Value,
    current_count: u64,
}

pub(super) fn mode(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Mode::default())
}

impl Accumulator for Mode {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let value = first(args);
        if value.is_null() {
            return Ok(());
        }
        if self.current_count > 0 && equal(&self.current, value) {
            self.current_count += 1;
        } else {
            self.current = value.clone();
            self.current_count = 1;
        }
        if self.current_count > self.best_count {
            self.best = self.current.clone();
            self.best_count = self.current_count;
        }
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null())
    }

    fn result(&self) -> Result<Value> {
        Ok(self.best.clone())
    }
}

struct Percentile {
    fraction: Option<Value>,
    values: Vec<Value>,
    continuous: bool,
    element: Oid,
}

pub(super) fn percentile_cont(info: &AggregateInfo) -> Box<dyn Accumulator> {
    percentile(info, true)
}

pub(super) fn percentile_cont_array(info: &AggregateInfo) -> Box<dyn Accumulator> {
    percentile(info, true)
}

pub(super) fn percentile_disc(info: &AggregateInfo) -> Box<dyn Accumulator> {
    percentile(info, false)
}

pub(super) fn percentile_disc_array(info: &AggregateInfo) -> Box<dyn Accumulator> {
    percentile(info, false)
}

fn percentile(info: &AggregateInfo, continuous: bool) -> Box<dyn Accumulator> {
    let element = info.arg_types.get(1).map_or(oid::UNKNOWN, |ty| ty.oid);
    Box::new(Percentile { fraction: None, values: Vec::new(), continuous, element })
}

impl Percentile {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a fraction of a count of rows in memory"
    )]
    fn at(&self, fraction: &Value) -> Result<Value> {
        let Some(fraction) = fraction.as_f64() else { return Ok(Value::Null) };
        if !(0.0..=1.0).contains(&fraction) {
            return Err(SqlError::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("percentile value {fraction} is not between 0 and 1"),
            ));
        }
        let count = self.values.len();
        if count == 0 {
            return Ok(Value::Null);
        }
        if !self.continuous {
            let place = ((fraction * count as f64).ceil() as usize).clamp(1, count) - 1;
            return Ok(self.values[place].clone());
        }
        let place = fraction * (count - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let (low_value, high_value) = (&self.values[low], &self.values[high.min(count - 1)]);
        if low == high {
            return Ok(low_value.clone());
        }
        let part = place - low as f64;
        match (low_value, high_value) {
            (Value::Interval(low), Value::Interval(high)) => {
                let distance = add_intervals(*high, negate_interval(*low)?)?;
                Ok(Value::Interval(add_intervals(*low, multiply_interval(distance, part)?)?))
            }
            (low, high) => {
                let (low, high) = (low.as_f64().unwrap_or(f64::NAN), high.as_f64().unwrap_or(f64::NAN));
                Ok(Value::Float8(low + part * (high - low)))
            }
        }
    }
}

impl Accumulator for Percentile {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        if self.fraction.is_none() {
            self.fraction = args.first().cloned();
        }
        if let Some(value) = args.get(1).filter(|value| !value.is_null()) {
            self.values.push(value.clone());
        }
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(args.get(1).is_none_or(Value::is_null))
    }

    fn result(&self) -> Result<Value> {
        match &self.fraction {
            None | Some(Value::Null) => Ok(Value::Null),
            Some(Value::Array(_)) if self.values.is_empty() => Ok(Value::Null),
            Some(Value::Array(fractions)) => {
                let items = fractions.items.iter().map(|fraction| self.at(fraction)).collect::<Result<Vec<_>>>()?;
                let dims = fractions.dims.clone();
                Ok(Value::Array(Arc::new(Array { element: self.element, dims, items })))
            }
            Some(fraction) => self.at(fraction),
        }
    }
}
