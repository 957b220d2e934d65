//! Arithmetic of numeric with PostgreSQL's result scales (PG-95): the four operations, remainder, rounding.
use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};

use super::{Numeric, SCALE_MAX, decimal_digits, finite, pow10, round_digits};
use crate::error::{Result, SqlError, SqlState};

/// Least significant digits of a quotient.
pub(super) const SIGNIFICANT_DIGITS_MIN: i64 = 16;
/// Largest scale chosen by an inexact operation.
pub(super) const RESULT_SCALE_MAX: i64 = 1000;
/// PostgreSQL keeps four decimal digits together; its result scales are counted in such groups.
const GROUP: i64 = 4;

fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

/// The weight of the first group of four digits, and that group; zero gives (0, 0).
fn leading_group(digits: &BigInt, scale: i64) -> (i64, u32) {
    let count = decimal_digits(digits.magnitude());
    if count == 0 {
        return (0, 0);
    }
    let exponent = count - scale - 1;
    let weight = exponent.div_euclid(GROUP);
    let taken = exponent.rem_euclid(GROUP) + 1;
    let group = if count >= taken {
        digits.magnitude() / pow10((count - taken).unsigned_abs()).magnitude()
    } else {
        digits.magnitude() * pow10((taken - count).unsigned_abs()).magnitude()
    };
    (weight, u32::try_from(&group).unwrap_or(0))
}

/// The weight of a value's first group of four digits.
pub(super) fn weight(digits: &BigInt, scale: i64) -> i64 {
    leading_group(digits, scale).0
}

/// Scale of a quotient: at least 16 significant digits and the scales of both sides.
fn quotient_scale(left: (&BigInt, i64), right: (&BigInt, i64)) -> i64 {
    let (left_weight, left_first) = leading_group(left.0, left.1);
    let (right_weight, right_first) = leading_group(right.0, right.1);
    let mut weight = left_weight - right_weight;
    if left_first <= right_first {
        weight -= 1;
    }
    (SIGNIFICANT_DIGITS_MIN - weight * GROUP).max(left.1).max(right.1).clamp(0, RESULT_SCALE_MAX)
}

/// `left / right` rounded half away from zero to `scale`. `right` is not zero.
pub(super) fn divide(left: (&BigInt, i64), right: (&BigInt, i64), scale: i64) -> BigInt {
    let shift = scale - left.1 + right.1;
    let (mut numerator, mut denominator) = (left.0.clone(), right.0.clone());
    if shift >= 0 {
        numerator *= pow10(shift.unsigned_abs());
    } else {
        denominator *= pow10(shift.unsigned_abs());
    }
    let negative = (numerator.sign() == Sign::Minus) != (denominator.sign() == Sign::Minus);
    let (numerator, denominator) = (numerator.magnitude(), denominator.magnitude());
    let quotient = (numerator + (denominator >> 1u32)) / denominator;
    BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, quotient)
}

fn aligned(left: &BigDecimal, right: &BigDecimal) -> (BigInt, BigInt, i64) {
    let (left_digits, left_scale) = left.as_bigint_and_scale();
    let (right_digits, right_scale) = right.as_bigint_and_scale();
    let scale = left_scale.max(right_scale);
    let lift = |digits: &BigInt, from: i64| {
        if from == scale { digits.clone() } else { digits * pow10((scale - from).unsigned_abs()) }
    };
    (lift(&left_digits, left_scale), lift(&right_digits, right_scale), scale)
}

impl Numeric {
    fn infinity(negative: bool) -> Numeric {
        if negative { Numeric::NegativeInfinity } else { Numeric::Infinity }
    }

    /// Sum; the larger scale. Errors: 22003.
    pub fn add(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(left), Numeric::Finite(right)) => {
                let (left, right, scale) = aligned(left, right);
                finite(left + right, scale)
            }
            (Numeric::NaN, _)
            | (_, Numeric::NaN)
            | (Numeric::Infinity, Numeric::NegativeInfinity)
            | (Numeric::NegativeInfinity, Numeric::Infinity) => Ok(Numeric::NaN),
            (Numeric::Finite(_), infinite) | (infinite, _) => Ok(infinite.clone()),
        }
    }

    /// Difference; the larger scale. Errors: 22003.
    pub fn sub(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(left), Numeric::Finite(right)) => {
                let (left, right, scale) = aligned(left, right);
                finite(left - right, scale)
            }
            _ => self.add(&other.neg()),
        }
    }

    /// Product; the sum of the scales. Errors: 22003.
    pub fn mul(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(left), Numeric::Finite(right)) => {
                let (left, left_scale) = left.as_bigint_and_scale();
                let (right, right_scale) = right.as_bigint_and_scale();
                finite(&*left * &*right, left_scale + right_scale)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            _ if self.is_zero() || other.is_zero() => Ok(Numeric::NaN),
            _ => Ok(Numeric::infinity(self.signum() * other.signum() < 0)),
        }
    }

    /// Quotient with at least 16 significant digits. Errors: 22012, 22003.
    pub fn div(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(left), Numeric::Finite(right)) => {
                let (left, left_scale) = left.as_bigint_and_scale();
                let (right, right_scale) = right.as_bigint_and_scale();
                if right.sign() == Sign::NoSign {
                    return Err(division_by_zero());
                }
                let scale = quotient_scale((&left, left_scale), (&right, right_scale));
                finite(divide((&left, left_scale), (&right, right_scale), scale), scale)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (Numeric::Finite(_), _) => Ok(Numeric::zero()),
            (_, Numeric::Finite(_)) if other.is_zero() => Err(division_by_zero()),
            (_, Numeric::Finite(_)) => Ok(Numeric::infinity(self.signum() * other.signum() < 0)),
            _ => Ok(Numeric::NaN),
        }
    }

    /// Quotient cut to an integer, as `div()` does. Errors: 22012, 22003.
    pub fn div_trunc(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(left), Numeric::Finite(right)) => {
                let (left, right, _) = aligned(left, right);
                if right.sign() == Sign::NoSign {
                    return Err(division_by_zero());
                }
                finite(left / right, 0)
            }
            _ => self.div(other),
        }
    }

    /// Remainder with the sign of the dividend; the larger scale. Errors: 22012.
    pub fn rem(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(left), Numeric::Finite(right)) => {
                let (left, right, scale) = aligned(left, right);
                if right.sign() == Sign::NoSign {
                    return Err(division_by_zero());
                }
                finite(left % right, scale)
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (Numeric::Finite(_), _) => Ok(self.clone()),
            _ if other.is_zero() => Err(division_by_zero()),
            _ => Ok(Numeric::NaN),
        }
    }

    /// The negated value.
    #[must_use]
    pub fn neg(&self) -> Numeric {
        match self {
            Numeric::Finite(decimal) => Numeric::Finite(-decimal),
            Numeric::NaN => Numeric::NaN,
            Numeric::Infinity => Numeric::NegativeInfinity,
            Numeric::NegativeInfinity => Numeric::Infinity,
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(&self) -> Numeric {
        if self.signum() < 0 { self.neg() } else { self.clone() }
    }

    /// Rounds half away from zero to `places` after the point (negative: before it). Errors: 22003.
    pub fn round(&self, places: i64) -> Result<Numeric> {
        self.rescale(places, round_digits)
    }

    /// Cuts to `places` after the point (negative: before it). Errors: 22003.
    pub fn trunc(&self, places: i64) -> Result<Numeric> {
        self.rescale(places, |digits, excess| digits / pow10(excess))
    }

    fn rescale(&self, places: i64, cut: impl Fn(&BigInt, u64) -> BigInt) -> Result<Numeric> {
        let Numeric::Finite(decimal) = self else { return Ok(self.clone()) };
        let places = places.clamp(-SCALE_MAX * 10, SCALE_MAX);
        let (digits, scale) = decimal.as_bigint_and_scale();
        if places >= scale {
            return finite(&*digits * pow10((places - scale).unsigned_abs()), places);
        }
        let excess = scale - places;
        if excess > decimal_digits(digits.magnitude()) {
            return finite(BigInt::from(0), places.max(0));
        }
        let kept = cut(&digits, excess.unsigned_abs());
        finite(kept, places)
    }

    /// The largest integer not above. Errors: 22003.
    pub fn floor(&self) -> Result<Numeric> {
        let cut = self.trunc(0)?;
        if self.signum() < 0 && !self.is_integer() && self.is_finite() {
            cut.sub(&Numeric::from(1i64))
        } else {
            Ok(cut)
        }
    }

    /// The smallest integer not below. Errors: 22003.
    pub fn ceil(&self) -> Result<Numeric> {
        let cut = self.trunc(0)?;
        if self.signum() > 0 && !self.is_integer() && self.is_finite() {
            cut.add(&Numeric::from(1i64))
        } else {
            Ok(cut)
        }
    }

    /// Without the zeros at the end of the fraction, as `trim_scale()` does.
    #[must_use]
    pub fn trim_scale(&self) -> Numeric {
        let Numeric::Finite(decimal) = self else { return self.clone() };
        let (digits, mut scale) = decimal.as_bigint_and_exponent();
        let mut digits = digits;
        while scale > 0 && (&digits % 10i32).sign() == Sign::NoSign {
            digits /= 10i32;
            scale -= 1;
        }
        Numeric::Finite(BigDecimal::new(digits, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::n;
    use super::*;

    // PG-95
    #[test]
    fn results_have_the_scale_of_postgresql() {
        let check = |result: Result<Numeric>, expected: &str| {
            assert_eq!(result.expect(expected).to_string(), expected);
        };
        check(n("1").div(&n("3")), "0.33333333333333333333");
        check(n("5").div(&n("2.0")), "2.5000000000000000");
        check(n("100").div(&n("7.0")), "14.2857142857142857");
        check(n("1").div(&n("7e10")), "0.0000000000142857142857142857");
        check(n("0").div(&n("3")), "0.00000000000000000000");
        check(n("-7").div(&n("2")), "-3.5000000000000000");
        check(n("12345678").div(&n("1")), "12345678.000000000000");
        check(n("1.10").add(&n("2.205")), "3.305");
        check(n("1.10").mul(&n("2.205")), "2.42550");
        check(n("-7.5").rem(&n("2")), "-1.5");
        check(n("2.5").round(0), "3");
        check(n("-2.5").round(0), "-3");
        check(n("1250").round(-2), "1300");
        check(n("1.5").round(4), "1.5000");
        check(n("0.004").round(2), "0.00");
        check(n("49").round(-2), "0");
        check(n("50").round(-2), "100");
        check(n("-1.9").trunc(0), "-1");
        check(n("-1.1").floor(), "-2");
        check(n("1.1").ceil(), "2");
        check(n("7").div_trunc(&n("2")), "3");
        check(n("inf").sub(&n("inf")), "NaN");
        check(n("1").div(&n("inf")), "0");
        assert_eq!(n("1.500").trim_scale().to_string(), "1.5");
        assert_eq!(n("1").div(&n("0")).map_err(|e| e.state()), Err(SqlState::DIVISION_BY_ZERO));
        assert_eq!(n("1e131071").mul(&n("10")).map_err(|e| e.state()), Err(SqlState::NUMERIC_VALUE_OUT_OF_RANGE));
    }
}
