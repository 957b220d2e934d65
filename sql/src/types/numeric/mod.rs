//! numeric: arbitrary precision decimals with NaN and the infinities (PG-95).
//!
//! A finite value is an integer and a display scale, `digits * 10^-scale`, scale never negative and at most 16383,
//! at most 131072 digits before the point: every result passes `finite`, which is where 22003 is raised, so no
//! operation hands out a value beyond that. Result scales are PostgreSQL's. Arithmetic lives in `arith`, roots and
//! logarithms in `math`. Modifiers (`numeric(p,s)`) are not applied here.
mod arith;
mod math;

use std::cmp::Ordering;
use std::fmt;

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, BigUint, Sign};

use crate::error::{Result, SqlError, SqlState};

/// A numeric value. A finite one keeps its display scale (the scale of the `BigDecimal`, never negative).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are PostgreSQL's")]
pub enum Numeric {
    Finite(BigDecimal),
    NaN,
    Infinity,
    NegativeInfinity,
}

impl Numeric {
    /// About how many bytes its digits take on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Numeric::Finite(number) => usize::try_from(number.as_bigint_and_scale().0.bits() / 8).unwrap_or(usize::MAX),
            _ => 0,
        }
    }
}

/// Most digits after the point.
pub(in crate::types) const SCALE_MAX: i64 = 16_383;
/// Most digits before the point.
pub(in crate::types) const INTEGER_DIGITS_MAX: i64 = 131_072;

/// 22003 as PostgreSQL words it for a value that no numeric can hold.
fn overflow() -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

/// 10^n.
pub(in crate::types) fn pow10(n: u64) -> BigInt {
    match u32::try_from(n) {
        Ok(n) if n <= 38 => BigInt::from(10u128.pow(n)),
        Ok(n) => BigInt::from(10).pow(n),
        Err(_) => BigInt::from(0), // unreachable: every caller's exponent is bounded by the limits above
    }
}

/// Number of decimal digits; 0 for zero.
pub(in crate::types) fn decimal_digits(magnitude: &BigUint) -> i64 {
    if let Ok(small) = u128::try_from(magnitude) {
        return if small == 0 { 0 } else { i64::from(small.ilog10()) + 1 };
    }
    // log10(2) to 18 digits; the estimate of the decimal exponent is at most one too small.
    let estimate = u64::try_from(u128::from(magnitude.bits() - 1) * 301_029_995_663_981_195 / 10u128.pow(18));
    let estimate = estimate.unwrap_or(u64::MAX - 1);
    let reached = pow10(estimate + 1).magnitude() <= magnitude;
    i64::try_from(estimate).unwrap_or(i64::MAX).saturating_add(1 + i64::from(reached))
}

/// `digits / 10^places`, rounded half away from zero.
pub(in crate::types) fn round_digits(digits: &BigInt, places: u64) -> BigInt {
    if places == 0 {
        return digits.clone();
    }
    let divisor = pow10(places);
    let half: BigInt = &divisor >> 1u32;
    match digits.sign() {
        Sign::Minus => (digits - half) / divisor,
        _ => (digits + half) / divisor,
    }
}

/// A finite value from digits and a scale of any size: a negative scale is multiplied out, one above the limit is
/// rounded. Errors: 22003.
pub(in crate::types) fn finite(digits: BigInt, scale: i64) -> Result<Numeric> {
    let (digits, scale) = if scale < 0 {
        if digits.sign() == Sign::NoSign {
            (digits, 0)
        } else if scale < -INTEGER_DIGITS_MAX {
            return Err(overflow());
        } else {
            (digits * pow10(scale.unsigned_abs()), 0)
        }
    } else if scale > SCALE_MAX {
        let excess = scale - SCALE_MAX;
        if excess > decimal_digits(digits.magnitude()) {
            (BigInt::from(0), SCALE_MAX)
        } else {
            (round_digits(&digits, excess.unsigned_abs()), SCALE_MAX)
        }
    } else {
        (digits, scale)
    };
    // Cheap first: 3.32 bits are a digit.
    if i64::try_from(digits.bits()).unwrap_or(i64::MAX) > INTEGER_DIGITS_MAX * 3
        && decimal_digits(digits.magnitude()) - scale > INTEGER_DIGITS_MAX
    {
        return Err(overflow());
    }
    Ok(Numeric::Finite(BigDecimal::new(digits, scale)))
}

impl Numeric {
    /// Zero with scale 0.
    #[must_use]
    pub fn zero() -> Numeric {
        Numeric::from(0i64)
    }

    /// A finite value from its unscaled digits and its scale. Errors: 22003 beyond numeric's limits.
    pub fn from_digits(digits: BigInt, scale: i64) -> Result<Numeric> {
        finite(digits, scale)
    }

    /// The unscaled digits and the display scale of a finite value.
    #[must_use]
    pub fn digits_and_scale(&self) -> Option<(BigInt, i64)> {
        match self {
            Numeric::Finite(decimal) => Some(decimal.as_bigint_and_exponent()),
            Numeric::NaN | Numeric::Infinity | Numeric::NegativeInfinity => None,
        }
    }

    /// Display scale: digits after the point; 0 for NaN and the infinities.
    #[must_use]
    pub fn scale(&self) -> i64 {
        match self {
            Numeric::Finite(decimal) => decimal.fractional_digit_count(),
            Numeric::NaN | Numeric::Infinity | Numeric::NegativeInfinity => 0,
        }
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self, Numeric::Finite(decimal) if decimal.sign() == Sign::NoSign)
    }

    /// Whether it is NaN.
    #[must_use]
    pub fn is_nan(&self) -> bool {
        matches!(self, Numeric::NaN)
    }

    /// Whether it is neither NaN nor infinite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        matches!(self, Numeric::Finite(_))
    }

    /// -1, 0 or 1; NaN counts as positive.
    #[must_use]
    pub fn signum(&self) -> i32 {
        match self {
            Numeric::Finite(decimal) => match decimal.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
            Numeric::NegativeInfinity => -1,
            Numeric::NaN | Numeric::Infinity => 1,
        }
    }

    /// Reads a decimal with optional sign, fraction and exponent, `NaN`, `Infinity` or `inf`; blanks around are allowed.
    /// Errors: 22P02 not a number, 22003 beyond numeric's limits.
    pub fn parse(text: &str) -> Result<Numeric> {
        let invalid = || {
            SqlError::new(
                SqlState::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type numeric: \"{text}\""),
            )
        };
        let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let (negative, body) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        if body.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) {
            let word = body.to_ascii_lowercase();
            return match word.as_str() {
                "nan" if body.len() == trimmed.len() => Ok(Numeric::NaN),
                "infinity" | "inf" if negative => Ok(Numeric::NegativeInfinity),
                "infinity" | "inf" => Ok(Numeric::Infinity),
                _ => Err(invalid()),
            };
        }
        let (mantissa, exponent) = match body.find(['e', 'E']) {
            Some(at) => (&body[..at], parse_exponent(&body[at + 1..]).ok_or_else(invalid)?),
            None => (body, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(invalid());
        }
        let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let scale = fraction_digits.saturating_sub(exponent);
        let significant = whole.trim_start_matches('0');
        let whole_digits = i64::try_from(significant.len()).unwrap_or(i64::MAX);
        if whole_digits.saturating_add(exponent) > INTEGER_DIGITS_MAX
            && (!significant.is_empty() || exponent > 2 * INTEGER_DIGITS_MAX)
            || scale > SCALE_MAX
        {
            return Err(overflow());
        }
        let mut digits = parse_digits(significant, fraction);
        if negative {
            digits = -digits;
        }
        finite(digits, scale)
    }

    /// Appends the text form: all digits, as many after the point as the scale says.
    pub fn print(&self, out: &mut String) {
        let decimal = match self {
            Numeric::Finite(decimal) => decimal,
            Numeric::NaN => return out.push_str("NaN"),
            Numeric::Infinity => return out.push_str("Infinity"),
            Numeric::NegativeInfinity => return out.push_str("-Infinity"),
        };
        let scale = usize::try_from(decimal.fractional_digit_count()).unwrap_or(0);
        let (digits, _) = decimal.as_bigint_and_scale();
        if digits.sign() == Sign::Minus {
            out.push('-');
        }
        let mut buffer = [0u8; 40];
        let large;
        let text: &str = if let Ok(mut small) = u128::try_from(digits.magnitude()) {
            let mut at = buffer.len();
            loop {
                at -= 1;
                buffer[at] = b'0' + u8::try_from(small % 10).unwrap_or(0);
                small /= 10;
                if small == 0 {
                    break;
                }
            }
            std::str::from_utf8(&buffer[at..]).unwrap_or("0")
        } else {
            large = digits.magnitude().to_string();
            &large
        };
        if scale == 0 {
            out.push_str(text);
        } else if text.len() > scale {
            out.push_str(&text[..text.len() - scale]);
            out.push('.');
            out.push_str(&text[text.len() - scale..]);
        } else {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - text.len()));
            out.push_str(text);
        }
    }

    /// From a double, to 15 significant digits as PostgreSQL does.
    #[must_use]
    pub fn from_f64(value: f64) -> Numeric {
        Numeric::from_float_text(value, format!("{value:.14e}"))
    }

    /// From a float, to 6 significant digits as PostgreSQL does.
    #[must_use]
    pub fn from_f32(value: f32) -> Numeric {
        Numeric::from_float_text(f64::from(value), format!("{value:.5e}"))
    }

    fn from_float_text(value: f64, text: String) -> Numeric {
        if value.is_nan() {
            return Numeric::NaN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Numeric::Infinity } else { Numeric::NegativeInfinity };
        }
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        Numeric::parse(&format!("{mantissa}e{exponent}")).unwrap_or_else(|_| Numeric::zero())
    }

    /// The nearest double; NaN and the infinities map to theirs, and values beyond a double's range to infinity.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match self {
            Numeric::NaN => f64::NAN,
            Numeric::Infinity => f64::INFINITY,
            Numeric::NegativeInfinity => f64::NEG_INFINITY,
            Numeric::Finite(decimal) => {
                let (digits, scale) = decimal.as_bigint_and_scale();
                if let (Ok(small), Ok(places @ 0..=22)) = (i64::try_from(&*digits), i32::try_from(scale))
                    && small.unsigned_abs() < 1 << 53
                {
                    // Both are exact doubles, so that one division rounds once.
                    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
                    return small as f64 / 10f64.powi(places);
                }
                self.to_string().parse().unwrap_or(f64::NAN)
            }
        }
    }

    /// The nearest integer, halves away from zero; `None` if it does not fit or is not finite.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        self.to_i128().and_then(|n| i64::try_from(n).ok())
    }

    /// The nearest integer, halves away from zero; `None` if it does not fit or is not finite.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        let Numeric::Finite(decimal) = self else { return None };
        let (digits, scale) = decimal.as_bigint_and_scale();
        i128::try_from(&round_digits(&digits, scale.unsigned_abs())).ok()
    }

    /// Whether the value has no fraction.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        match self.digits_and_scale() {
            Some((digits, scale)) => scale <= 0 || (digits % pow10(scale.unsigned_abs())).sign() == Sign::NoSign,
            None => false,
        }
    }

    /// The class (-infinity 0, negative 1, zero 2, positive 3, infinity 4, NaN 5), the exponent `e` and the significant
    /// decimal digits `d` without zeros at either end, value = ±0.d * 10^e: the same for equal values.
    pub(in crate::types) fn canonical(&self) -> (u8, i32, String) {
        let decimal = match self {
            Numeric::NegativeInfinity => return (0, 0, String::new()),
            Numeric::Infinity => return (4, 0, String::new()),
            Numeric::NaN => return (5, 0, String::new()),
            Numeric::Finite(decimal) => decimal,
        };
        let (digits, scale) = decimal.as_bigint_and_scale();
        let class = match digits.sign() {
            Sign::NoSign => return (2, 0, String::new()),
            Sign::Minus => 1,
            Sign::Plus => 3,
        };
        let mut text = match u64::try_from(digits.magnitude()) {
            Ok(small) => small.to_string(),
            Err(_) => digits.magnitude().to_string(),
        };
        let exponent = i64::try_from(text.len()).unwrap_or(i64::MAX).saturating_sub(scale);
        text.truncate(text.trim_end_matches('0').len());
        (class, i32::try_from(exponent).unwrap_or(i32::MAX), text)
    }

    /// Order by value: NaN equals NaN and is above infinity.
    #[must_use]
    pub fn compare(&self, other: &Numeric) -> Ordering {
        let rank = |n: &Numeric| match n {
            Numeric::NegativeInfinity => 0,
            Numeric::Finite(_) => 1,
            Numeric::Infinity => 2,
            Numeric::NaN => 3,
        };
        let (Numeric::Finite(left), Numeric::Finite(right)) = (self, other) else {
            return rank(self).cmp(&rank(other));
        };
        let (left_digits, left_scale) = left.as_bigint_and_scale();
        let (right_digits, right_scale) = right.as_bigint_and_scale();
        if left_scale == right_scale {
            return left_digits.cmp(&right_digits);
        }
        match left_digits.sign().cmp(&right_digits.sign()) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
        if left_scale < right_scale {
            (&*left_digits * pow10((right_scale - left_scale).unsigned_abs())).cmp(&right_digits)
        } else {
            (*left_digits).cmp(&(&*right_digits * pow10((left_scale - right_scale).unsigned_abs())))
        }
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.print(&mut text);
        f.write_str(&text)
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Numeric::Finite(BigDecimal::new(BigInt::from(value), 0))
    }
}

impl From<i32> for Numeric {
    fn from(value: i32) -> Self {
        Numeric::from(i64::from(value))
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Self {
        Numeric::Finite(BigDecimal::new(BigInt::from(value), 0))
    }
}

/// An exponent: sign and digits; an enormous one saturates, which every later check refuses.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    Some(if text.starts_with('-') { -value } else { value })
}

fn parse_digits(whole: &str, fraction: &str) -> BigInt {
    if whole.len() + fraction.len() <= 38 {
        let value = whole.bytes().chain(fraction.bytes()).fold(0u128, |n, b| n * 10 + u128::from(b - b'0'));
        return BigInt::from(value);
    }
    let mut text = Vec::with_capacity(whole.len() + fraction.len());
    text.extend_from_slice(whole.as_bytes());
    text.extend_from_slice(fraction.as_bytes());
    BigInt::parse_bytes(&text, 10).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn n(text: &str) -> Numeric {
        Numeric::parse(text).expect(text)
    }

    // PG-95
    #[test]
    fn numbers_print_as_read() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("1.50", "1.50"),
            ("  -12.340  ", "-12.340"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.5e1", "15"),
            ("1e-5", "0.00001"),
            ("0.00", "0.00"),
            ("NaN", "NaN"),
            ("inf", "Infinity"),
            ("-Infinity", "-Infinity"),
            ("00012", "12"),
            ("123456789012345678901234567890123456789012.5", "123456789012345678901234567890123456789012.5"),
        ] {
            assert_eq!(n(text).to_string(), expected, "{text}");
        }
        for text in ["", "abc", "1e", "1.2.3", "--1", "1 2", "-nan", ".", "1_000"] {
            assert_eq!(
                Numeric::parse(text).map_err(|e| e.state()),
                Err(SqlState::INVALID_TEXT_REPRESENTATION),
                "{text}"
            );
        }
        for text in ["1e131073", "1e999999999999", "1e-16384", "1e-99999999999999999999"] {
            let state = Numeric::parse(text).map_err(|e| e.state());
            assert_eq!(state, Err(SqlState::NUMERIC_VALUE_OUT_OF_RANGE), "{text}");
        }
        assert_eq!(n("1e1000").to_string().len(), 1001);
    }

    // PG-95
    #[test]
    fn order_is_by_value() {
        assert_eq!(n("1.0").compare(&n("1.00")), Ordering::Equal);
        assert_eq!(n("-1.5").compare(&n("-1.49")), Ordering::Less);
        assert_eq!(n("NaN").compare(&n("inf")), Ordering::Greater);
        assert_eq!(n("NaN").compare(&n("NaN")), Ordering::Equal);
        assert_eq!(n("-inf").compare(&n("-1e1000")), Ordering::Less);
        assert_eq!(n("100").canonical(), n("1e2").canonical());
    }

    #[test]
    fn digits_are_counted() {
        for count in [1u64, 2, 37, 38, 39, 40, 77, 78, 500, 131_072] {
            let power = pow10(count);
            assert_eq!(decimal_digits(power.magnitude()), i64::try_from(count).expect("small") + 1);
            assert_eq!(decimal_digits((power - 1i32).magnitude()), i64::try_from(count).expect("small"));
        }
    }

    #[test]
    fn doubles_convert() {
        assert_eq!(Numeric::from_f64(0.1).to_string(), "0.1");
        assert_eq!(Numeric::from_f64(1e20).to_string(), "100000000000000000000");
        assert_eq!(Numeric::from_f64(1.0 / 3.0).to_string(), "0.333333333333333");
        assert_eq!(Numeric::from_f32(1.1).to_string(), "1.1");
        assert_eq!(n("0.1").to_f64(), 0.1);
        assert_eq!(n("2.5").to_i64(), Some(3));
        assert_eq!(n("-2.5").to_i64(), Some(-3));
        assert_eq!(n("9223372036854775807.5").to_i64(), None);
    }
}
