//! count, sum and avg. Integers and numerics are exact, so rows can be taken away again; floats cannot.
use std::collections::BTreeMap;

use super::{Accumulator, AggregateInfo};
use crate::error::{Result, SqlError, SqlState};
use crate::types::datetime::{add_intervals, divide_interval, negate_interval};
use crate::types::{Interval, Numeric, Value};

fn overflow(what: &str) -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{what} out of range"))
}

pub(super) fn unexpected(value: &Value) -> SqlError {
    SqlError::internal(format!("an aggregate got {value:?}"))
}

/// The first argument; NULL if there is none.
pub(super) fn first(args: &[Value]) -> &Value {
    args.first().unwrap_or(&Value::Null)
}

pub(super) fn numeric_of(n: i128) -> Numeric {
    Numeric::Finite(bigdecimal::BigDecimal::from(n))
}

pub(super) fn numeric_value(n: Numeric) -> Value {
    Value::Numeric(Box::new(n))
}

struct Count(i64);

pub(super) fn count(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Count(0))
}

impl Accumulator for Count {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        if args.iter().all(|value| !value.is_null()) {
            self.0 += 1;
        }
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        if args.iter().all(|value| !value.is_null()) {
            self.0 -= 1;
        }
        Ok(true)
    }

    fn result(&self) -> Result<Value> {
        Ok(Value::Int8(self.0))
    }
}

/// What the sum of integers is given as.
#[derive(Clone, Copy)]
enum IntegerResult {
    Bigint,
    Numeric,
    Average,
}

struct Integers {
    sum: i128,
    count: i64,
    result: IntegerResult,
}

pub(super) fn sum_integer(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Integers { sum: 0, count: 0, result: IntegerResult::Bigint })
}

pub(super) fn sum_integer_numeric(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Integers { sum: 0, count: 0, result: IntegerResult::Numeric })
}

pub(super) fn avg_integer(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Integers { sum: 0, count: 0, result: IntegerResult::Average })
}

impl Accumulator for Integers {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let value = first(args);
        if let Some(n) = value.as_i64() {
            self.sum += i128::from(n);
            self.count += 1;
        } else if !value.is_null() {
            return Err(unexpected(value));
        }
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        if let Some(n) = first(args).as_i64() {
            self.sum -= i128::from(n);
            self.count -= 1;
        }
        Ok(true)
    }

    fn result(&self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        match self.result {
            IntegerResult::Bigint => i64::try_from(self.sum).map(Value::Int8).map_err(|_| overflow("bigint")),
            IntegerResult::Numeric => Ok(numeric_value(numeric_of(self.sum))),
            IntegerResult::Average => numeric_of(self.sum).div(&numeric_of(i128::from(self.count))).map(numeric_value),
        }
    }
}

/// A sum of numerics that remembers which scales and special values went in, so that each can leave again.
#[derive(Default)]
pub(super) struct NumericSum {
    sum: Option<Numeric>,
    scales: BTreeMap<i64, i64>,
    pub(super) count: i64,
    nan: i64,
    infinite: i64,
    negative_infinite: i64,
}

impl NumericSum {
    pub(super) fn change(&mut self, n: &Numeric, add: bool) -> Result<()> {
        let step = if add { 1 } else { -1 };
        self.count += step;
        match n {
            Numeric::NaN => self.nan += step,
            Numeric::Infinity => self.infinite += step,
            Numeric::NegativeInfinity => self.negative_infinite += step,
            Numeric::Finite(_) => {
                let scale = n.scale();
                let of_scale = self.scales.entry(scale).or_insert(0);
                *of_scale += step;
                if *of_scale <= 0 {
                    self.scales.remove(&scale);
                }
                self.sum = Some(match (&self.sum, add) {
                    (None, true) => n.clone(),
                    (None, false) => n.neg(),
                    (Some(sum), true) => sum.add(n)?,
                    (Some(sum), false) => sum.sub(n)?,
                });
            }
        }
        Ok(())
    }

    pub(super) fn total(&self) -> Result<Numeric> {
        if self.nan > 0 || (self.infinite > 0 && self.negative_infinite > 0) {
            return Ok(Numeric::NaN);
        }
        if self.infinite > 0 {
            return Ok(Numeric::Infinity);
        }
        if self.negative_infinite > 0 {
            return Ok(Numeric::NegativeInfinity);
        }
        let scale = self.scales.last_key_value().map_or(0, |(scale, _)| *scale);
        match &self.sum {
            Some(sum) if sum.scale() == scale => Ok(sum.clone()),
            Some(sum) => sum.round(scale),
            None => Ok(numeric_of(0)),
        }
    }
}

struct Numerics {
    state: NumericSum,
    average: bool,
}

pub(super) fn sum_numeric(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Numerics { state: NumericSum::default(), average: false })
}

pub(super) fn avg_numeric(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Numerics { state: NumericSum::default(), average: true })
}

impl Accumulator for Numerics {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        match first(args) {
            Value::Numeric(n) => self.state.change(n, true),
            Value::Null => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        if let Value::Numeric(n) = first(args) {
            self.state.change(n, false)?;
        }
        Ok(true)
    }

    fn result(&self) -> Result<Value> {
        if self.state.count == 0 {
            return Ok(Value::Null);
        }
        let total = self.state.total()?;
        let result = if self.average { total.div(&numeric_of(i128::from(self.state.count)))? } else { total };
        Ok(numeric_value(result))
    }
}

/// sum(real) adds in single precision.
struct SumFloat4(Option<f32>);

pub(super) fn sum_float4(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(SumFloat4(None))
}

impl Accumulator for SumFloat4 {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        match first(args) {
            Value::Float4(n) => {
                let sum = self.0.map_or(*n, |sum| sum + n);
                if sum.is_infinite() && n.is_finite() && self.0.is_none_or(f32::is_finite) {
                    return Err(overflow_float());
                }
                self.0 = Some(sum);
                Ok(())
            }
            Value::Null => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null())
    }

    fn result(&self) -> Result<Value> {
        Ok(self.0.map_or(Value::Null, Value::Float4))
    }
}

pub(super) fn overflow_float() -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

struct Floats {
    sum: f64,
    count: u64,
    average: bool,
}

pub(super) fn sum_float8(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Floats { sum: 0.0, count: 0, average: false })
}

pub(super) fn avg_float(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Floats { sum: 0.0, count: 0, average: true })
}

impl Accumulator for Floats {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let value = first(args);
        match value.as_f64() {
            Some(n) => {
                let sum = if self.count == 0 { n } else { self.sum + n };
                if sum.is_infinite() && n.is_finite() && self.sum.is_finite() {
                    return Err(overflow_float());
                }
                self.sum = sum;
                self.count += 1;
                Ok(())
            }
            None if value.is_null() => Ok(()),
            None => Err(unexpected(value)),
        }
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null())
    }

    #[allow(clippy::cast_precision_loss, reason = "as PostgreSQL counts, in a double")]
    fn result(&self) -> Result<Value> {
        Ok(match (self.count, self.average) {
            (0, _) => Value::Null,
            (_, false) => Value::Float8(self.sum),
            (count, true) => Value::Float8(self.sum / count as f64),
        })
    }
}

struct Intervals {
    sum: Interval,
    count: i64,
    average: bool,
}

pub(super) fn sum_interval(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Intervals { sum: Interval::default(), count: 0, average: false })
}

pub(super) fn avg_interval(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Intervals { sum: Interval::default(), count: 0, average: true })
}

impl Accumulator for Intervals {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        match first(args) {
            Value::Interval(interval) => {
                self.sum = add_intervals(self.sum, *interval)?;
                self.count += 1;
                Ok(())
            }
            Value::Null => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        if let Value::Interval(interval) = first(args) {
            self.sum = add_intervals(self.sum, negate_interval(*interval)?)?;
            self.count -= 1;
        }
        Ok(true)
    }

    #[allow(clippy::cast_precision_loss, reason = "the division is in doubles")]
    fn result(&self) -> Result<Value> {
        Ok(match (self.count, self.average) {
            (0, _) => Value::Null,
            (_, false) => Value::Interval(self.sum),
            (count, true) => Value::Interval(divide_interval(self.sum, count as f64)?),
        })
    }
}
