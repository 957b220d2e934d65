//! Variance, standard deviation, covariance, correlation and regression.
use super::numbers::{NumericSum, first, numeric_of, numeric_value, overflow_float, unexpected};
use super::{Accumulator, AggregateInfo};
use crate::error::Result;
use crate::types::{Numeric, Value};

/// Over the whole population or a sample of it; as a variance or its root.
#[derive(Clone, Copy)]
struct Spread {
    sample: bool,
    root: bool,
}

/// Sums of the values and of their squares, exact.
struct NumericSpread {
    values: NumericSum,
    squares: NumericSum,
    spread: Spread,
}

macro_rules! spreads {
    ($($numeric:ident, $float:ident, $sample:literal, $root:literal;)*) => {$(
        pub(super) fn $numeric(_: &AggregateInfo) -> Box<dyn Accumulator> {
            Box::new(NumericSpread {
                values: NumericSum::default(),
                squares: NumericSum::default(),
                spread: Spread { sample: $sample, root: $root },
            })
        }
        pub(super) fn $float(_: &AggregateInfo) -> Box<dyn Accumulator> {
            Box::new(FloatSpread { moments: Moments::default(), spread: Spread { sample: $sample, root: $root } })
        }
    )*};
}

spreads! {
    var_pop_numeric, var_pop_float, false, false;
    var_samp_numeric, var_samp_float, true, false;
    stddev_pop_numeric, stddev_pop_float, false, true;
    stddev_samp_numeric, stddev_samp_float, true, true;
}

impl NumericSpread {
    fn change(&mut self, value: &Value, add: bool) -> Result<()> {
        let n = match value {
            Value::Null => return Ok(()),
            Value::Numeric(n) => (**n).clone(),
            other => numeric_of(i128::from(other.as_i64().ok_or_else(|| unexpected(other))?)),
        };
        self.squares.change(&n.mul(&n)?, add)?;
        self.values.change(&n, add)
    }
}

impl Accumulator for NumericSpread {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        self.change(first(args), true)
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        self.change(first(args), false)?;
        Ok(true)
    }

    fn result(&self) -> Result<Value> {
        let count = self.values.count;
        if count == 0 || (self.spread.sample && count == 1) {
            return Ok(Value::Null);
        }
        let sum = self.values.total()?;
        if !matches!(sum, Numeric::Finite(_)) {
            return Ok(numeric_value(Numeric::NaN));
        }
        let count = numeric_of(i128::from(count));
        let squares = self.squares.total()?;
        let numerator = count.mul(&squares)?.sub(&sum.mul(&sum)?)?;
        if numerator.signum() <= 0 {
            return Ok(numeric_value(numeric_of(0)));
        }
        let divisor = if self.spread.sample { count.mul(&count.sub(&numeric_of(1))?)? } else { count.mul(&count)? };
        let variance = numerator.div(&divisor)?;
        if !self.spread.root {
            return Ok(numeric_value(variance));
        }
        let scale = variance.scale();
        variance.sqrt()?.round(scale).map(numeric_value)
    }
}

/// Count, sum and sum of squared deviations, updated without cancellation.
#[derive(Default)]
struct Moments {
    count: f64,
    sum: f64,
    deviations: f64,
}

struct FloatSpread {
    moments: Moments,
    spread: Spread,
}

impl Accumulator for FloatSpread {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let value = first(args);
        let n = match value.as_f64() {
            Some(n) => n,
            None if value.is_null() => return Ok(()),
            None => return Err(unexpected(value)),
        };
        let before = &self.moments;
        let (count, sum) = (before.count + 1.0, before.sum + n);
        let deviations = if before.count > 0.0 {
            let step = n * count - sum;
            before.deviations + step * step / (count * before.count)
        } else if n.is_finite() {
            0.0
        } else {
            f64::NAN
        };
        if (sum.is_infinite() || deviations.is_infinite()) && before.sum.is_finite() && n.is_finite() {
            return Err(overflow_float());
        }
        let deviations = if sum.is_finite() { deviations } else { f64::NAN };
        self.moments = Moments { count, sum, deviations };
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null())
    }

    fn result(&self) -> Result<Value> {
        let Moments { count, deviations, .. } = self.moments;
        let divisor = if self.spread.sample { count - 1.0 } else { count };
        if divisor <= 0.0 {
            return Ok(Value::Null);
        }
        let variance = deviations / divisor;
        Ok(Value::Float8(if self.spread.root { variance.sqrt() } else { variance }))
    }
}

/// The same over pairs (Y, X), as SQL orders them.
#[derive(Default)]
struct Pairs {
    count: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
}

struct Regression {
    pairs: Pairs,
    result: fn(&Pairs) -> Option<f64>,
    counts: bool,
}

impl Accumulator for Regression {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let (Some(y), Some(x)) = (args.first().and_then(Value::as_f64), args.get(1).and_then(Value::as_f64)) else {
            return Ok(());
        };
        let before = &self.pairs;
        let count = before.count + 1.0;
        let (sum_x, sum_y) = (before.x + x, before.y + y);
        let (mut xx, mut yy, mut xy) = (before.xx, before.yy, before.xy);
        if before.count > 0.0 {
            let (step_x, step_y) = (x * count - sum_x, y * count - sum_y);
            let scale = 1.0 / (count * before.count);
            xx += step_x * step_x * scale;
            yy += step_y * step_y * scale;
            xy += step_x * step_y * scale;
        } else {
            if !x.is_finite() {
                (xx, xy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (yy, xy) = (f64::NAN, f64::NAN);
            }
        }
        let overflown = sum_x.is_infinite() || sum_y.is_infinite() || xx.is_infinite() || yy.is_infinite();
        if overflown && x.is_finite() && y.is_finite() && before.x.is_finite() && before.y.is_finite() {
            return Err(overflow_float());
        }
        self.pairs = Pairs { count, x: sum_x, xx, y: sum_y, yy, xy };
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(args.iter().any(Value::is_null))
    }

    #[allow(clippy::cast_possible_truncation, reason = "a count")]
    fn result(&self) -> Result<Value> {
        if self.counts {
            return Ok(Value::Int8(self.pairs.count as i64));
        }
        Ok((self.result)(&self.pairs).map_or(Value::Null, Value::Float8))
    }
}

macro_rules! regressions {
    ($($name:ident($pairs:ident) = $result:expr;)*) => {$(
        pub(super) fn $name(_: &AggregateInfo) -> Box<dyn Accumulator> {
            let result: fn(&Pairs) -> Option<f64> = |$pairs| $result;
            Box::new(Regression { pairs: Pairs::default(), result, counts: false })
        }
    )*};
}

pub(super) fn regr_count(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Regression { pairs: Pairs::default(), result: |_| None, counts: true })
}

fn at_least(pairs: &Pairs, count: f64) -> Option<&Pairs> {
    (pairs.count >= count).then_some(pairs)
}

regressions! {
    regr_sxx(p) = at_least(p, 1.0).map(|p| p.xx);
    regr_syy(p) = at_least(p, 1.0).map(|p| p.yy);
    regr_sxy(p) = at_least(p, 1.0).map(|p| p.xy);
    regr_avgx(p) = at_least(p, 1.0).map(|p| p.x / p.count);
    regr_avgy(p) = at_least(p, 1.0).map(|p| p.y / p.count);
    covar_pop(p) = at_least(p, 1.0).map(|p| p.xy / p.count);
    covar_samp(p) = at_least(p, 2.0).map(|p| p.xy / (p.count - 1.0));
    corr(p) = at_least(p, 1.0).filter(|p| p.xx != 0.0 && p.yy != 0.0).map(|p| p.xy / (p.xx * p.yy).sqrt());
    regr_r2(p) = at_least(p, 1.0).filter(|p| p.xx != 0.0).map(|p| {
        if p.yy == 0.0 { 1.0 } else { (p.xy * p.xy) / (p.xx * p.yy) }
    });
    regr_slope(p) = at_least(p, 1.0).filter(|p| p.xx != 0.0).map(|p| p.xy / p.xx);
    regr_intercept(p) = at_least(p, 1.0).filter(|p| p.xx != 0.0).map(|p| (p.y - p.x * p.xy / p.xx) / p.count);
}
