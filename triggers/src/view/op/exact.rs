//! Exact sums of doubles: a sum kept as doubles that do not overlap, so that what was added can be taken away again to
//! the last bit, in any order, and a sum maintained for a year equals one computed afresh.

/// An exact sum of finite doubles, with counts of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ExactSum {
    /// Parts by rising magnitude, not overlapping.
    parts: Vec<f64>,
    infinities: i64,
    negative_infinities: i64,
    nans: i64,
}

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
            self.add_part(if weight < 0 { -value } else { value });
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

    fn add_part(&mut self, value: f64) {
        let mut x = value;
        let mut kept = 0;
        for i in 0..self.parts.len() {
            let (high, low) = two_sum(x, self.parts[i]);
            if low != 0.0 {
                self.parts[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.parts.truncate(kept);
        if !x.is_finite() {
            // Beyond the range of doubles: no exact form exists.
            self.parts.clear();
            self.nans += i64::from(x.is_nan());
            self.infinities += i64::from(x == f64::INFINITY);
            self.negative_infinities += i64::from(x == f64::NEG_INFINITY);
        } else if x != 0.0 {
            self.parts.push(x);
        }
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &ExactSum) {
        for part in &other.parts {
            self.add_part(*part);
        }
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
        self.special().unwrap_or_else(|| self.parts.iter().sum())
    }

    /// `n * squares - sum²`, exactly until the last rounding: n² times the variance.
    pub(crate) fn spread(n: i64, sum: &ExactSum, squares: &ExactSum) -> f64 {
        if sum.special().is_some() || squares.special().is_some() {
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

    /// Appends the stored form: `[u8 parts][parts…]`, then the three counts if the high bit of the first byte is set.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let odd = self.infinities != 0 || self.negative_infinities != 0 || self.nans != 0;
        let count = u8::try_from(self.parts.len()).unwrap_or(63).min(63);
        out.push(count | if odd { 0x80 } else { 0 });
        for part in self.parts.iter().skip(self.parts.len().saturating_sub(usize::from(count))) {
            out.extend_from_slice(&part.to_le_bytes());
        }
        if odd {
            for n in [self.infinities, self.negative_infinities, self.nans] {
                out.extend_from_slice(&n.to_le_bytes());
            }
        }
    }

    /// Reads the stored form; none if it is not one.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<ExactSum> {
        let (&head, rest) = bytes.split_first()?;
        *bytes = rest;
        let mut word = || {
            let (word, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            Some(*word)
        };
        let mut sum = ExactSum::default();
        for _ in 0..head & 0x3f {
            sum.parts.push(f64::from_le_bytes(word()?));
        }
        if head & 0x80 != 0 {
            sum.infinities = i64::from_le_bytes(word()?);
            sum.negative_infinities = i64::from_le_bytes(word()?);
            sum.nans = i64::from_le_bytes(word()?);
        }
        Some(sum)
    }
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
}
