//! Roots, exponentials, logarithms and powers of numeric with PostgreSQL's result scales (PG-95).
//!
//! Inexact functions compute in binary fixed point, an integer times 2^-bits with 64 guard bits beyond the digits that
//! the result keeps, and round once at the end.
use num_bigint::{BigInt, Sign};

use super::arith::{RESULT_SCALE_MAX, SIGNIFICANT_DIGITS_MIN, divide, weight};
use super::{INTEGER_DIGITS_MAX, Numeric, decimal_digits, finite, overflow, pow10, round_digits};
use crate::error::{Result, SqlError, SqlState};

const GUARD_BITS: u64 = 64;
/// Halvings of an argument before its series is summed.
const REDUCTIONS: u32 = 12;
/// Powers with more digits than this are computed with only the digits that the result keeps.
const EXACT_POWER_DIGITS_MAX: u64 = 2_000;
/// PostgreSQL refuses larger arguments of exp, and inexact powers with larger logarithms.
const EXP_ARGUMENT_MAX: f64 = 6000.0;
const POWER_LN_MAX: f64 = 6020.0;
const LOG10_E: f64 = std::f64::consts::LOG10_E;

fn bits_for_digits(digits: i64) -> u64 {
    digits.max(0).unsigned_abs() * 3322 / 1000 + GUARD_BITS
}

fn one(bits: u64) -> BigInt {
    BigInt::from(1) << bits
}

/// `digits * 10^-scale` in fixed point.
fn to_fixed(digits: &BigInt, scale: i64, bits: u64) -> BigInt {
    if scale >= 0 {
        (digits << bits) / pow10(scale.unsigned_abs())
    } else {
        (digits * pow10(scale.unsigned_abs())) << bits
    }
}

/// `2 * atanh(numerator / denominator)`, a small quotient.
fn twice_atanh(numerator: &BigInt, denominator: &BigInt, bits: u64) -> BigInt {
    let y: BigInt = (numerator << bits) / denominator;
    let y_squared: BigInt = (&y * &y) >> bits;
    let (mut term, mut sum, mut n) = (y.clone(), y, 1u32);
    loop {
        term = (&term * &y_squared) >> bits;
        n += 2;
        let part: BigInt = &term / n;
        if part.magnitude().bits() <= 1 {
            return sum << 1u32;
        }
        sum += part;
    }
}

fn ln2(bits: u64) -> BigInt {
    twice_atanh(&BigInt::from(1), &BigInt::from(3), bits)
}

/// The natural logarithm of a positive value in fixed point.
fn ln_fixed(digits: &BigInt, scale: i64, bits: u64) -> BigInt {
    let work = bits + GUARD_BITS;
    let denominator = pow10(scale.max(0).unsigned_abs());
    let halvings = i64::try_from(digits.bits()).unwrap_or(0) - i64::try_from(denominator.bits()).unwrap_or(0);
    let mut m: BigInt = if halvings >= 0 {
        (digits << work) / (denominator << halvings.unsigned_abs())
    } else {
        (digits << (work + halvings.unsigned_abs())) / denominator
    };
    for _ in 0..REDUCTIONS {
        m = (m << work).sqrt();
    }
    let unit = one(work);
    let series = twice_atanh(&(&m - &unit), &(&m + &unit), work) << REDUCTIONS;
    (series + ln2(work) * halvings) >> GUARD_BITS
}

/// e to a fixed point value: a mantissa in fixed point and a power of two.
fn exp_fixed(y: &BigInt, bits: u64) -> (BigInt, i64) {
    let work = bits + GUARD_BITS;
    let y: BigInt = y << GUARD_BITS;
    let ln2 = ln2(work);
    let n = i64::try_from(&(&y / &ln2)).unwrap_or(0);
    let r: BigInt = (y - ln2 * n) >> REDUCTIONS;
    let (mut term, mut sum, mut i) = (one(work), one(work), 1u32);
    loop {
        term = ((&term * &r) >> work) / i;
        if term.magnitude().bits() <= 1 {
            break;
        }
        sum += &term;
        i += 1;
    }
    for _ in 0..REDUCTIONS {
        sum = (&sum * &sum) >> work;
    }
    (sum >> GUARD_BITS, n)
}

/// `mantissa * 2^(power - bits)` as digits with `scale`, rounded.
fn from_fixed(mantissa: &BigInt, power: i64, bits: u64, scale: i64) -> BigInt {
    let scaled = mantissa * pow10(scale.unsigned_abs());
    let shift = i64::try_from(bits).unwrap_or(i64::MAX) - power;
    if shift <= 0 {
        return scaled << shift.unsigned_abs();
    }
    let half = BigInt::from(1) << (shift - 1).unsigned_abs();
    let negative = scaled.sign() == Sign::Minus;
    let magnitude: BigInt = (BigInt::from(scaled.magnitude().clone()) + half) >> shift.unsigned_abs();
    if negative { -magnitude } else { magnitude }
}

/// ln of a positive value as a double, without overflow.
fn ln_estimate(digits: &BigInt, scale: i64) -> f64 {
    let count = decimal_digits(digits.magnitude());
    let kept = count.min(17);
    let leading = digits.magnitude() / pow10((count - kept).unsigned_abs()).magnitude();
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let estimate =
        (u64::try_from(&leading).unwrap_or(1) as f64).ln() + ((count - kept - scale) as f64) * std::f64::consts::LN_10;
    estimate
}

/// The decimal weight of ln(x): what the result scale starts from.
fn ln_weight(digits: &BigInt, scale: i64) -> i64 {
    let unit = pow10(scale.unsigned_abs());
    let tenth_of = digits * 10i32;
    if tenth_of >= &unit * 9i32 && tenth_of <= &unit * 11i32 {
        let distance = digits - unit;
        let count = decimal_digits(distance.magnitude());
        return if count == 0 { 0 } else { count - scale - 1 };
    }
    let ln = ln_estimate(digits, scale).abs();
    #[allow(clippy::cast_possible_truncation, reason = "a logarithm of a logarithm is small")]
    let weight = ln.log10() as i64;
    weight
}

fn log_error(what: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, format!("cannot take logarithm of {what}"))
}

fn power_error(message: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

#[allow(clippy::cast_possible_truncation, reason = "callers bound the estimate")]
fn scale_for_exponent(decimal_exponent: f64) -> i64 {
    SIGNIFICANT_DIGITS_MIN - decimal_exponent as i64
}

impl Numeric {
    /// Digits and scale of a positive argument of a logarithm; `None` for infinity and NaN. Errors: 2201E.
    fn log_argument(&self) -> Result<Option<(BigInt, i64)>> {
        match self {
            Numeric::NaN | Numeric::Infinity => Ok(None),
            _ if self.signum() < 0 => Err(log_error("a negative number")),
            _ if self.is_zero() => Err(log_error("zero")),
            _ => Ok(self.digits_and_scale()),
        }
    }

    /// Square root. Errors: 2201F of a negative number.
    pub fn sqrt(&self) -> Result<Numeric> {
        if self.signum() < 0 {
            return Err(power_error("cannot take square root of a negative number"));
        }
        let Some((digits, scale)) = self.digits_and_scale() else { return Ok(self.clone()) };
        let root_weight = weight(&digits, scale) * 2 + 1;
        let result_scale = (SIGNIFICANT_DIGITS_MIN - root_weight).max(scale).clamp(0, RESULT_SCALE_MAX.max(scale));
        // One digit more than needed, then rounded: the cut root decides correctly unless it is exact, and then it is exact.
        let shift = 2 * (result_scale + 1) - scale;
        let root = (digits * pow10(shift.max(0).unsigned_abs())).sqrt();
        finite(round_digits(&root, 1), result_scale)
    }

    /// e to this power. Errors: 22003.
    pub fn exp(&self) -> Result<Numeric> {
        let Some((digits, scale)) = self.digits_and_scale() else {
            return Ok(if matches!(self, Numeric::NegativeInfinity) { Numeric::zero() } else { self.clone() });
        };
        let estimate = self.to_f64() * LOG10_E;
        if estimate >= EXP_ARGUMENT_MAX * LOG10_E {
            return Err(overflow());
        }
        let result_scale = scale_for_exponent(estimate.max(-20_000.0)).max(scale).clamp(0, RESULT_SCALE_MAX.max(scale));
        if estimate <= -EXP_ARGUMENT_MAX * LOG10_E {
            return finite(BigInt::from(0), result_scale);
        }
        #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
        let whole_digits = estimate.max(0.0) as i64 + 2;
        let bits = bits_for_digits(result_scale + whole_digits);
        let (mantissa, power) = exp_fixed(&to_fixed(&digits, scale, bits), bits);
        finite(from_fixed(&mantissa, power, bits, result_scale), result_scale)
    }

    /// Natural logarithm. Errors: 2201E of zero or less.
    pub fn ln(&self) -> Result<Numeric> {
        let Some((digits, scale)) = self.log_argument()? else { return Ok(self.clone()) };
        let result_scale =
            (SIGNIFICANT_DIGITS_MIN - ln_weight(&digits, scale)).max(scale).clamp(0, RESULT_SCALE_MAX.max(scale));
        let bits = bits_for_digits(result_scale + 8);
        finite(from_fixed(&ln_fixed(&digits, scale, bits), 0, bits, result_scale), result_scale)
    }

    /// Logarithm to a base. Errors: 2201E of zero or less, 22012 to base 1.
    pub fn log(&self, base: &Numeric) -> Result<Numeric> {
        if self.is_nan() || base.is_nan() {
            return Ok(Numeric::NaN);
        }
        let (number, base_parts) = (self.log_argument()?, base.log_argument()?);
        let (Some((digits, scale)), Some((base_digits, base_scale))) = (number, base_parts) else {
            return Ok(match (self, base) {
                (Numeric::NaN, _) | (_, Numeric::NaN) | (Numeric::Infinity, Numeric::Infinity) => Numeric::NaN,
                (_, Numeric::Infinity) => Numeric::zero(),
                _ => Numeric::Infinity,
            });
        };
        let weights = ln_weight(&digits, scale) - ln_weight(&base_digits, base_scale);
        let result_scale = (SIGNIFICANT_DIGITS_MIN - weights).max(scale).max(base_scale).clamp(0, RESULT_SCALE_MAX);
        let bits = bits_for_digits(result_scale + 16 + 2 * weights.abs());
        let ln_base = ln_fixed(&base_digits, base_scale, bits);
        if ln_base.sign() == Sign::NoSign {
            return Err(SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        let quotient = (ln_fixed(&digits, scale, bits) << bits) / ln_base;
        finite(from_fixed(&quotient, 0, bits, result_scale), result_scale)
    }

    /// Logarithm to base 10. Errors: 2201E of zero or less.
    pub fn log10(&self) -> Result<Numeric> {
        self.log(&Numeric::from(10i64))
    }

    /// This value to a power. Errors: 2201F, 22003.
    pub fn pow(&self, exponent: &Numeric) -> Result<Numeric> {
        let (Some((digits, scale)), Some((e_digits, e_scale))) = (self.digits_and_scale(), exponent.digits_and_scale())
        else {
            return self.pow_special(exponent);
        };
        let negative = self.signum() < 0;
        if self.is_zero() && exponent.signum() < 0 {
            return Err(power_error("zero raised to a negative power is undefined"));
        }
        let integer = exponent.is_integer();
        if negative && !integer {
            return Err(power_error("a negative number raised to a non-integer power yields a complex result"));
        }
        let whole = if integer { exponent.to_i128().and_then(|n| i32::try_from(n).ok()) } else { None };
        if let Some(whole) = whole {
            return power_integer(&digits, scale, whole);
        }
        if self.is_zero() {
            return finite(BigInt::from(0), SIGNIFICANT_DIGITS_MIN.max(scale).max(e_scale).min(RESULT_SCALE_MAX));
        }
        let magnitude = BigInt::from(digits.magnitude().clone());
        let estimate = ln_estimate(&magnitude, scale) * exponent.to_f64() * LOG10_E;
        if estimate > POWER_LN_MAX * LOG10_E {
            return Err(overflow());
        }
        let result_scale =
            scale_for_exponent(estimate.max(-20_000.0)).max(scale).max(e_scale).clamp(0, RESULT_SCALE_MAX);
        let odd = integer && (&e_digits / pow10(e_scale.unsigned_abs())).bit(0);
        let value = power_inexact((&magnitude, scale), (&e_digits, e_scale), estimate, result_scale);
        finite(if negative && odd { -value } else { value }, result_scale)
    }

    fn pow_special(&self, exponent: &Numeric) -> Result<Numeric> {
        let one = Numeric::from(1i64);
        if exponent.is_zero() || self.compare(&one).is_eq() {
            return Ok(one);
        }
        if self.is_nan() || exponent.is_nan() {
            return Ok(Numeric::NaN);
        }
        if self.is_zero() && exponent.signum() < 0 {
            return Err(power_error("zero raised to a negative power is undefined"));
        }
        if self.signum() < 0 && exponent.is_finite() && !exponent.is_integer() {
            return Err(power_error("a negative number raised to a non-integer power yields a complex result"));
        }
        if !exponent.is_finite() {
            let magnitude = self.abs().compare(&one);
            return Ok(if magnitude.is_eq() {
                one
            } else if magnitude.is_gt() == (exponent.signum() > 0) {
                Numeric::Infinity
            } else {
                Numeric::zero()
            });
        }
        if exponent.signum() < 0 {
            return Ok(Numeric::zero());
        }
        let odd = exponent.rem(&Numeric::from(2i64))?.signum() != 0;
        Ok(if self.signum() < 0 && odd { Numeric::NegativeInfinity } else { Numeric::Infinity })
    }
}

fn power_inexact(base: (&BigInt, i64), exponent: (&BigInt, i64), decimal_estimate: f64, result_scale: i64) -> BigInt {
    if decimal_estimate < -20_000.0 {
        return BigInt::from(0);
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded by the caller")]
    let whole_digits = decimal_estimate.max(0.0) as i64 + 2;
    let bits = bits_for_digits(result_scale + whole_digits);
    let work = bits + exponent.0.bits() + GUARD_BITS;
    let ln = ln_fixed(base.0, base.1, work);
    let y: BigInt = (ln * exponent.0) / pow10(exponent.1.unsigned_abs());
    let (mantissa, power) = exp_fixed(&(y >> (work - bits)), bits);
    from_fixed(&mantissa, power, bits, result_scale)
}

/// A positive base to an integer power, each product cut to the digits that matter.
fn power_by_squaring(base: (&BigInt, i64), exponent: i32, decimal_estimate: f64, result_scale: i64) -> BigInt {
    #[allow(clippy::cast_possible_truncation, reason = "bounded by the caller")]
    let whole_digits = decimal_estimate.max(0.0) as i64 + 2;
    // Every step doubles the error at most: 32 bits for 32 steps, and the guard.
    let bits = bits_for_digits(result_scale + whole_digits) + 32;
    // A number here is an integer times a power of two.
    let cut = |(number, power): (BigInt, i64)| {
        let excess = number.bits().saturating_sub(bits);
        (number >> excess, power + i64::try_from(excess).unwrap_or(0))
    };
    let divisor = pow10(base.1.unsigned_abs());
    let lift = bits + divisor.bits();
    let factor = cut(((base.0 << lift) / divisor, -i64::try_from(lift).unwrap_or(0)));
    let mut power = (BigInt::from(1), 0i64);
    for bit in (0..u32::BITS - exponent.unsigned_abs().leading_zeros()).rev() {
        power = cut((&power.0 * &power.0, power.1 * 2));
        if exponent.unsigned_abs() >> bit & 1 == 1 {
            power = cut((&power.0 * &factor.0, power.1 + factor.1));
        }
    }
    if exponent < 0 {
        let lift = bits + power.0.bits();
        power = ((BigInt::from(1) << lift) / power.0, -power.1 - i64::try_from(lift).unwrap_or(0));
    }
    from_fixed(&power.0, power.1, 0, result_scale)
}

fn power_integer(digits: &BigInt, scale: i64, exponent: i32) -> Result<Numeric> {
    let result_scale = SIGNIFICANT_DIGITS_MIN.max(scale).min(RESULT_SCALE_MAX);
    let times = exponent.unsigned_abs();
    if digits.sign() == Sign::NoSign {
        let value = if exponent == 0 { pow10(result_scale.unsigned_abs()) } else { BigInt::from(0) };
        return finite(value, result_scale);
    }
    let magnitude = BigInt::from(digits.magnitude().clone());
    let estimate = ln_estimate(&magnitude, scale) * f64::from(exponent) * LOG10_E;
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    if estimate > INTEGER_DIGITS_MAX as f64 + 1.0 {
        return Err(overflow());
    }
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    if estimate < -(result_scale as f64) - 2.0 {
        return finite(BigInt::from(0), result_scale);
    }
    if digits.bits().saturating_mul(u64::from(times)) / 3 <= EXACT_POWER_DIGITS_MAX {
        let power = digits.pow(times);
        let power_scale = scale * i64::from(times);
        let value = if exponent >= 0 {
            divide((&power, power_scale), (&BigInt::from(1), 0), result_scale)
        } else {
            divide((&BigInt::from(1), 0), (&power, power_scale), result_scale)
        };
        return finite(value, result_scale);
    }
    let value = power_by_squaring((&magnitude, scale), exponent, estimate, result_scale);
    finite(if digits.sign() == Sign::Minus && times % 2 == 1 { -value } else { value }, result_scale)
}

#[cfg(test)]
mod tests {
    use super::super::tests::n;
    use super::*;

    // PG-95; expected values are PostgreSQL's.
    #[test]
    fn functions_give_the_digits_of_postgresql() {
        let check = |result: Result<Numeric>, expected: &str| {
            assert_eq!(result.expect(expected).to_string(), expected);
        };
        check(n("2").sqrt(), "1.414213562373095");
        check(n("1234567").sqrt(), "1111.1107055554815");
        check(n("0.0001").sqrt(), "0.01000000000000000");
        check(n("0.000000001").sqrt(), "0.000031622776601683793");
        check(n("12345678901234567890.5").sqrt(), "3513641828.8201443");
        check(n("1").exp(), "2.7182818284590452");
        check(n("10.5").exp(), "36315.502674246638");
        check(n("-5.0").exp(), "0.006737946999085467");
        check(n("2").ln(), "0.6931471805599453");
        check(n("1.05").ln(), "0.048790164169432003");
        check(n("0.99999").ln(), "-0.000010000050000333336");
        check(n("1e50").ln(), "115.12925464970228");
        check(n("100").log10(), "2.0000000000000000");
        check(n("2").log10(), "0.3010299956639812");
        check(n("64.0").log(&n("2.0")), "6.0000000000000000");
        check(n("1e-10").log10(), "-10.000000000000000");
        check(n("2").pow(&n("3")), "8.0000000000000000");
        check(n("2").pow(&n("0.5")), "1.4142135623730950");
        check(n("1.5").pow(&n("2.5")), "2.7556759606310754");
        check(n("1.1").pow(&n("100")), "13780.6123398222701841");
        check(n("0.5").pow(&n("10")), "0.0009765625000000");
        check(n("3.14159").pow(&n("7")), "3020.2753698941840346");
        check(n("10").pow(&n("20")), "100000000000000000000.0000000000000000");
        check(n("1.00000001").pow(&n("1999999999")), "485165142.0416220658431834");
        check(n("1.5").pow(&n("-3000")), "0.0000000000000000");
        check(n("-1.001").pow(&n("5001")), "-148.1908789988031719");
        check(n("NaN").pow(&n("0")), "1");
        assert_eq!(n("-1").sqrt().map_err(|e| e.state()), Err(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION));
        assert_eq!(n("0").ln().map_err(|e| e.state()), Err(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM));
        assert_eq!(n("10").pow(&n("200000")).map_err(|e| e.state()), Err(SqlState::NUMERIC_VALUE_OUT_OF_RANGE));
        assert_eq!(n("1e100").exp().map_err(|e| e.state()), Err(SqlState::NUMERIC_VALUE_OUT_OF_RANGE));
    }
}
