//! Exact sums of doubles: a sum kept as doubles that do not overlap, so that what was added can be taken away again to
//! the last bit, in any order, and a sum maintained for a year equals one computed afresh.

use bigdecimal::{BigDecimal, Zero};
use tripline_sql::types::Numeric;

/// An exact sum of finite doubles, with counts of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ExactSum {
    /// Parts by rising magnitude, not overlapping.
    parts: Vec<f64>,
    /// The same of large values, times `SCALE`: their sum may be beyond a double's range, and come back into it.
    large: Vec<f64>,
    infinities: i64,
    negative_infinities: i64,
    nans: i64,
}

/// 2^900: values from here on are summed apart.
const LARGE: f64 = f64::from_bits((1023 + 900) << 52);
/// 2^-200.
const SCALE: f64 = f64::from_bits((1023 - 200) << 52);
/// 2^200.
const UNSCALE: f64 = f64::from_bits((1023 + 200) << 52);

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let (a, b) = if a.abs() < b.abs() { (b, a) } else { (a, b) };
    let high = a + b;
    (high, b - (high - a))
}

impl ExactSum {
    /// Adds `value` (weight 1) or takes it away (weight -1).
    pub(crate) fn add(&mut self, value: f64, weight: i64) {
        if value.is_nan() {
            self.nans += weight;
        } else if value == f64::INFINITY {
            self.infinities += weight;
        } else if value == f64::NEG_INFINITY {
            self.negative_infinities += weight;
        } else {
            let value = if weight < 0 { -value } else { value };
            if value.abs() < LARGE {
                add_part(&mut self.parts, value);
            } else {
                add_part(&mut self.large, value * SCALE);
            }
        }
    }

    /// Adds the square of `value`, exactly.
    pub(crate) fn add_square(&mut self, value: f64, weight: i64) {
        let high = value * value;
        if !high.is_finite() {
            self.add(high, weight);
            return;
        }
        let low = value.mul_add(value, -high);
        self.add(high, weight);
        self.add(low, weight);
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &ExactSum) {
        other.parts.iter().for_each(|part| add_part(&mut self.parts, *part));
        other.large.iter().for_each(|part| add_part(&mut self.large, *part));
        self.infinities += other.infinities;
        self.negative_infinities += other.negative_infinities;
        self.nans += other.nans;
    }

    fn special(&self) -> Option<f64> {
        match (self.nans != 0, self.infinities != 0, self.negative_infinities != 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The sum, rounded once.
    pub(crate) fn value(&self) -> f64 {
        self.special().unwrap_or_else(|| self.finite())
    }

    /// The sum of the finite values; infinite beyond a double's range.
    fn finite(&self) -> f64 {
        if self.large.is_empty() {
            return self.parts.iter().sum();
        }
        let near = self.large.iter().sum::<f64>().abs() < LARGE * SCALE;
        let (mut all, from, by) =
            if near { (self.parts.clone(), &self.large, UNSCALE) } else { (self.large.clone(), &self.parts, SCALE) };
        from.iter().for_each(|part| add_part(&mut all, part * by));
        let sum: f64 = all.iter().sum();
        if near { sum } else { sum * UNSCALE }
    }

    /// `n * squares - sum²`, exactly until the last rounding: n² times the variance.
    pub(crate) fn spread(n: i64, sum: &ExactSum, squares: &ExactSum) -> f64 {
        // The square of a large value is infinite; a sum of squares that is large is beyond what n² leaves room for.
        if sum.special().or(squares.special()).is_some() || !sum.large.is_empty() || !squares.large.is_empty() {
            return f64::NAN;
        }
        let mut out = ExactSum::default();
        #[allow(clippy::cast_precision_loss, reason = "row counts stay below 2^53")]
        let n = n as f64;
        for part in &squares.parts {
            out.add_product(n, *part);
        }
        for a in &sum.parts {
            for b in &sum.parts {
                out.add_product(-*a, *b);
            }
        }
        out.value()
    }

    fn add_product(&mut self, a: f64, b: f64) {
        let high = a * b;
        self.add(high, 1);
        if high.is_finite() {
            self.add(a.mul_add(b, -high), 1);
        }
    }

    /// Appends the stored form: `[u8 parts][parts…]`, then the large ones in the same form if the second bit of the first
    /// byte is set, and the three counts if the first one is.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let odd = self.infinities != 0 || self.negative_infinities != 0 || self.nans != 0;
        let count = u8::try_from(self.parts.len()).unwrap_or(63).min(63);
        let large = u8::from(!self.large.is_empty()) << 6;
        out.push(count | large | if odd { 0x80 } else { 0 });
        for part in self.parts.iter().skip(self.parts.len().saturating_sub(usize::from(count))) {
            out.extend_from_slice(&part.to_le_bytes());
        }
        if large != 0 {
            // Few: they lie between 2^848 and 2^1024 and a half-filled word more.
            out.push(u8::try_from(self.large.len()).unwrap_or(u8::MAX));
            self.large.iter().take(255).for_each(|part| out.extend_from_slice(&part.to_le_bytes()));
        }
        if odd {
            for n in [self.infinities, self.negative_infinities, self.nans] {
                out.extend_from_slice(&n.to_le_bytes());
            }
        }
    }

    /// Reads the stored form; none if it is not one.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<ExactSum> {
        let head = byte(bytes)?;
        let mut sum = ExactSum::default();
        for _ in 0..head & 0x3f {
            sum.parts.push(f64::from_le_bytes(word(bytes)?));
        }
        if head & 0x40 != 0 {
            for _ in 0..byte(bytes)? {
                sum.large.push(f64::from_le_bytes(word(bytes)?));
            }
        }
        if head & 0x80 != 0 {
            sum.infinities = i64::from_le_bytes(word(bytes)?);
            sum.negative_infinities = i64::from_le_bytes(word(bytes)?);
            sum.nans = i64::from_le_bytes(word(bytes)?);
        }
        Some(sum)
    }
}

/// A sum of decimals, with counts of those that are no finite numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DecimalSum {
    sum: BigDecimal,
    /// NaN, Infinity, -Infinity.
    odd: [i64; 3],
}

impl DecimalSum {
    /// Adds `value` (weight 1) or takes it away (weight -1).
    pub(crate) fn add(&mut self, value: &Numeric, weight: i64) {
        match value {
            Numeric::Finite(value) => self.sum += value * BigDecimal::from(weight),
            Numeric::NaN => self.odd[0] += weight,
            Numeric::Infinity => self.odd[1] += weight,
            Numeric::NegativeInfinity => self.odd[2] += weight,
        }
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &DecimalSum) {
        self.sum += &other.sum;
        self.odd.iter_mut().zip(other.odd).for_each(|(own, other)| *own += other);
    }

    /// Whether nothing was added.
    pub(crate) fn is_nothing(&self) -> bool {
        self.sum.is_zero() && self.odd == [0; 3]
    }

    /// The sum.
    pub(crate) fn value(&self) -> Numeric {
        match self.odd {
            [0, 0, 0] => Numeric::Finite(self.sum.clone()),
            [0, _, 0] => Numeric::Infinity,
            [0, 0, _] => Numeric::NegativeInfinity,
            _ => Numeric::NaN,
        }
    }

    /// The stored form: the finite sum, then the three counts if one is not 0.
    pub(crate) fn to_text(&self) -> String {
        match self.odd {
            [0, 0, 0] => self.sum.to_string(),
            [nans, infinities, negative] => format!("{};{nans};{infinities};{negative}", self.sum),
        }
    }

    /// Reads the stored form; none if it is not one.
    pub(crate) fn from_text(text: &str) -> Option<DecimalSum> {
        let mut parts = text.split(';');
        let mut out = DecimalSum { sum: parts.next()?.parse().ok()?, odd: [0; 3] };
        for (own, part) in out.odd.iter_mut().zip(parts) {
            *own = part.parse().ok()?;
        }
        Some(out)
    }
}

/// Adds a value to parts.
fn add_part(parts: &mut Vec<f64>, value: f64) {
    let mut x = value;
    let mut kept = 0;
    for i in 0..parts.len() {
        let (high, low) = two_sum(x, parts[i]);
        if low != 0.0 {
            parts[kept] = low;
            kept += 1;
        }
        x = high;
    }
    parts.truncate(kept);
    if x != 0.0 {
        parts.push(x);
    }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

fn word(bytes: &mut &[u8]) -> Option<[u8; 8]> {
    let (word, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(*word)
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-127
    #[test]
    fn takes_back_exactly() {
        let mut sum = ExactSum::default();
        for v in [1e20, 1.0, -3.5e-9, 0.1, f64::INFINITY] {
            sum.add(v, 1);
        }
        for v in [1e20, f64::INFINITY, 0.1, -3.5e-9] {
            sum.add(v, -1);
        }
        assert_eq!(sum.value(), 1.0);
        let mut bytes = Vec::new();
        sum.encode(&mut bytes);
        assert_eq!(ExactSum::decode(&mut bytes.as_slice()), Some(sum));
    }

    // AMI-125
    #[test]
    fn variance_of_close_large_values() {
        let (mut sum, mut squares) = (ExactSum::default(), ExactSum::default());
        for v in [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0] {
            sum.add(v, 1);
            squares.add_square(v, 1);
        }
        let var = ExactSum::spread(3, &sum, &squares) / 9.0;
        assert!((var - 2.0 / 3.0).abs() < 1e-12, "{var}");
    }

    // AMI-127: what was beyond the range of doubles on the way is no trace of it.
    #[test]
    fn comes_back_from_beyond_the_range() {
        let mut sum = ExactSum::default();
        for v in [f64::MAX, f64::MAX, 1.0, f64::MAX] {
            sum.add(v, 1);
        }
        assert_eq!(sum.value(), f64::INFINITY);
        let mut bytes = Vec::new();
        sum.encode(&mut bytes);
        assert_eq!(ExactSum::decode(&mut bytes.as_slice()), Some(sum.clone()));
        let mut other = ExactSum::default();
        other.add(-f64::MAX, 1);
        other.add(f64::MAX / 2.0, 1);
        sum.merge(&other);
        sum.add(f64::MAX, -1);
        assert_eq!(sum.value(), f64::INFINITY);
        sum.add(f64::MAX, -1);
        assert_eq!(sum.value(), f64::MAX / 2.0);
        sum.add(f64::MAX / 2.0, -1);
        assert_eq!(sum.value(), 1.0);
        sum.add(1.0, -1);
        assert_eq!(sum, ExactSum::default());
    }

    // AMI-127
    #[test]
    fn decimals_that_are_no_numbers_come_and_go() {
        let mut sum = DecimalSum::default();
        let two = Numeric::Finite(BigDecimal::from(2));
        for value in [&two, &Numeric::Infinity, &Numeric::NaN, &Numeric::NegativeInfinity] {
            sum.add(value, 1);
        }
        assert_eq!(sum.value(), Numeric::NaN);
        assert_eq!(DecimalSum::from_text(&sum.to_text()), Some(sum.clone()));
        sum.add(&Numeric::NaN, -1);
        assert_eq!(sum.value(), Numeric::NaN);
        sum.add(&Numeric::Infinity, -1);
        assert_eq!(sum.value(), Numeric::NegativeInfinity);
        sum.add(&Numeric::NegativeInfinity, -1);
        assert_eq!(sum.value(), two);
        assert_eq!(DecimalSum::from_text(&sum.to_text()), Some(sum));
    }
}
