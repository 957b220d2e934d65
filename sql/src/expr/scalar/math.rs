//! Arithmetic operators and mathematical functions (PG-114) over int2, int4, int8, float4, float8 and numeric.
use super::OperatorRow;
use super::args::{division_by_zero, invalid, out_of_range};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::oid::{ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, VOID};
use crate::types::{Numeric, Value, compare};

fn int2_value(n: Option<i64>) -> Result<Value> {
    n.and_then(|n| i16::try_from(n).ok()).map(Value::Int2).ok_or_else(|| out_of_range("smallint"))
}

fn int4_value(n: Option<i64>) -> Result<Value> {
    n.and_then(|n| i32::try_from(n).ok()).map(Value::Int4).ok_or_else(|| out_of_range("integer"))
}

fn int8_value(n: Option<i64>) -> Result<Value> {
    n.map(Value::Int8).ok_or_else(|| out_of_range("bigint"))
}

macro_rules! integer_families {
    ($($binary:ident, $unary:ident, $divide:ident, $value:ident;)*) => {$(
        #[inline]
        fn $binary(call: &Call<'_>, op: impl Fn(i64, i64) -> Option<i64>) -> Result<Value> {
            $value(op(call.int(0)?, call.int(1)?))
        }

        #[inline]
        fn $unary(call: &Call<'_>, op: impl Fn(i64) -> Option<i64>) -> Result<Value> {
            $value(op(call.int(0)?))
        }

        fn $divide(call: &Call<'_>, op: impl Fn(i64, i64) -> Option<i64>) -> Result<Value> {
            match call.int(1)? {
                0 => Err(division_by_zero()),
                divisor => $value(op(call.int(0)?, divisor)),
            }
        }
    )*};
}

integer_families! {
    int2, int2_unary, int2_divide, int2_value;
    int4, int4_unary, int4_divide, int4_value;
    int8, int8_unary, int8_divide, int8_value;
}

/// Shifts by the low bits of the distance only, as the processor does for PostgreSQL.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits are what is wanted")]
fn int2_shift(call: &Call<'_>, left: bool) -> Result<Value> {
    let (n, by) = (i32::try_from(call.int(0)?).unwrap_or(0), call.int(1)? as u32);
    Ok(Value::Int2(if left { n.wrapping_shl(by) as i16 } else { n.wrapping_shr(by) as i16 }))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits are what is wanted")]
fn int4_shift(call: &Call<'_>, left: bool) -> Result<Value> {
    let (n, by) = (call.int(0)? as i32, call.int(1)? as u32);
    Ok(Value::Int4(if left { n.wrapping_shl(by) } else { n.wrapping_shr(by) }))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits are what is wanted")]
fn int8_shift(call: &Call<'_>, left: bool) -> Result<Value> {
    let (n, by) = (call.int(0)?, call.int(1)? as u32);
    Ok(Value::Int8(if left { n.wrapping_shl(by) } else { n.wrapping_shr(by) }))
}

fn overflow() -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

fn underflow() -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

/// A result that is infinite though no input was has overflowed.
fn float8_result(result: f64, inputs_finite: bool) -> Result<Value> {
    if result.is_infinite() && inputs_finite { Err(overflow()) } else { Ok(Value::Float8(result)) }
}

fn float4_result(result: f32, inputs_finite: bool) -> Result<Value> {
    if result.is_infinite() && inputs_finite { Err(overflow()) } else { Ok(Value::Float4(result)) }
}

#[inline]
fn float8(call: &Call<'_>, op: impl Fn(f64, f64) -> f64) -> Result<Value> {
    let (left, right) = (call.float(0)?, call.float(1)?);
    float8_result(op(left, right), left.is_finite() && right.is_finite())
}

fn float4(call: &Call<'_>, op: impl Fn(f32, f32) -> f32) -> Result<Value> {
    let (left, right) = (call.float4(0)?, call.float4(1)?);
    float4_result(op(left, right), left.is_finite() && right.is_finite())
}

fn float8_multiply(call: &Call<'_>) -> Result<Value> {
    let (left, right) = (call.float(0)?, call.float(1)?);
    let product = left * right;
    if product == 0.0 && left != 0.0 && right != 0.0 {
        return Err(underflow());
    }
    float8_result(product, left.is_finite() && right.is_finite())
}

fn float8_divide(call: &Call<'_>) -> Result<Value> {
    let (left, right) = (call.float(0)?, call.float(1)?);
    if right == 0.0 && !left.is_nan() {
        return Err(division_by_zero());
    }
    let quotient = left / right;
    if quotient == 0.0 && left != 0.0 && right.is_finite() {
        return Err(underflow());
    }
    float8_result(quotient, left.is_finite())
}

fn float4_divide(call: &Call<'_>) -> Result<Value> {
    let (left, right) = (call.float4(0)?, call.float4(1)?);
    if right == 0.0 && !left.is_nan() {
        return Err(division_by_zero());
    }
    float4_result(left / right, left.is_finite())
}

fn float8_unary(call: &Call<'_>, op: impl Fn(f64) -> f64) -> Result<Value> {
    let n = call.float(0)?;
    float8_result(op(n), n.is_finite())
}

fn float4_unary(call: &Call<'_>, op: impl Fn(f32) -> f32) -> Result<Value> {
    Ok(Value::Float4(op(call.float4(0)?)))
}

/// An argument outside of a function's domain.
fn domain() -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

fn within_one(call: &Call<'_>, op: impl Fn(f64) -> f64) -> Result<Value> {
    let n = call.float(0)?;
    if n.abs() > 1.0 { Err(domain()) } else { Ok(Value::Float8(op(n))) }
}

fn finite_angle(call: &Call<'_>, op: impl Fn(f64) -> f64) -> Result<Value> {
    let n = call.float(0)?;
    if n.is_infinite() { Err(domain()) } else { Ok(Value::Float8(op(n))) }
}

fn number(n: Numeric) -> Value {
    Value::Numeric(Box::new(n))
}

fn numeric(call: &Call<'_>, op: impl Fn(&Numeric, &Numeric) -> Result<Numeric>) -> Result<Value> {
    op(call.numeric(0)?, call.numeric(1)?).map(number)
}

fn numeric_unary(call: &Call<'_>, op: impl Fn(&Numeric) -> Result<Numeric>) -> Result<Value> {
    op(call.numeric(0)?).map(number)
}

#[allow(clippy::unnecessary_wraps, reason = "a ScalarFn")]
fn same(call: &Call<'_>) -> Result<Value> {
    Ok(call.args.first().cloned().unwrap_or_default())
}

fn sqrt(call: &Call<'_>) -> Result<Value> {
    let n = call.float(0)?;
    if n < 0.0 {
        return Err(SqlError::new(
            SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "cannot take square root of a negative number",
        ));
    }
    Ok(Value::Float8(n.sqrt()))
}

fn power(call: &Call<'_>) -> Result<Value> {
    let (base, exponent) = (call.float(0)?, call.float(1)?);
    let error = |message: &str| Err(SqlError::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
    if base == 0.0 && exponent < 0.0 {
        return error("zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return error("a negative number raised to a non-integer power yields a complex result");
    }
    let result = base.powf(exponent);
    if result == 0.0 && base != 0.0 && base.is_finite() && exponent.is_finite() {
        return Err(underflow());
    }
    float8_result(result, base.is_finite() && exponent.is_finite())
}

fn logarithm(call: &Call<'_>, op: impl Fn(f64) -> f64) -> Result<Value> {
    let n = call.float(0)?;
    let error = |message: &str| Err(SqlError::new(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, message));
    if n == 0.0 {
        return error("cannot take logarithm of zero");
    }
    if n < 0.0 {
        return error("cannot take logarithm of a negative number");
    }
    Ok(Value::Float8(op(n)))
}

fn exponential(call: &Call<'_>) -> Result<Value> {
    let n = call.float(0)?;
    let result = n.exp();
    if result == 0.0 && n.is_finite() {
        return Err(underflow());
    }
    float8_result(result, n.is_finite())
}

/// Sine and its relatives of degrees; exact at the multiples of 30 and 45 where the result is.
fn degrees(call: &Call<'_>, op: impl Fn(f64) -> f64) -> Result<Value> {
    finite_angle(call, |angle| {
        let result = op((angle % 360.0).to_radians());
        let near = (result * 2.0).round() / 2.0;
        if (result - near).abs() < 1e-15 { near } else { result }
    })
}

fn arc_degrees(angle: f64) -> f64 {
    let degrees = angle.to_degrees();
    let near = degrees.round();
    if (degrees - near).abs() < 1e-13 { near } else { degrees }
}

fn gcd(mut left: u128, mut right: u128) -> u128 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

fn int_gcd(left: i64, right: i64) -> Option<i64> {
    i64::try_from(gcd(u128::from(left.unsigned_abs()), u128::from(right.unsigned_abs()))).ok()
}

fn int_lcm(left: i64, right: i64) -> Option<i64> {
    let (left, right) = (u128::from(left.unsigned_abs()), u128::from(right.unsigned_abs()));
    if left == 0 || right == 0 {
        return Some(0);
    }
    i64::try_from(left / gcd(left, right) * right).ok()
}

fn numeric_gcd(left: &Numeric, right: &Numeric) -> Result<Numeric> {
    let (mut left, mut right) = (left.abs(), right.abs());
    if !matches!((&left, &right), (Numeric::Finite(_), Numeric::Finite(_))) {
        return Ok(Numeric::NaN);
    }
    while !right.is_zero() {
        let rest = left.rem(&right)?;
        left = std::mem::replace(&mut right, rest);
    }
    Ok(left)
}

fn numeric_lcm(left: &Numeric, right: &Numeric) -> Result<Numeric> {
    if left.is_zero() || right.is_zero() {
        return left.mul(&Numeric::Finite(0.into()));
    }
    let divisor = numeric_gcd(left, right)?;
    left.abs().div_trunc(&divisor)?.mul(&right.abs())
}

fn factorial(call: &Call<'_>) -> Result<Value> {
    let n = call.int(0)?;
    if n < 0 {
        return Err(SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "factorial of a negative number is undefined"));
    }
    if n > 32_177 {
        return Err(SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format"));
    }
    let mut product = num_bigint::BigInt::from(1);
    for factor in 2..=n {
        if factor % 1024 == 0 {
            call.ctx.runtime.check_cancel()?;
        }
        product *= factor;
    }
    Ok(number(Numeric::Finite(bigdecimal::BigDecimal::from(product))))
}

/// A double in [0, 1) from 53 random bits.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
fn random(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Float8((call.ctx.runtime.random() >> 11) as f64 / (1u64 << 53) as f64))
}

fn set_seed(call: &Call<'_>) -> Result<Value> {
    let seed = call.float(0)?;
    if !(-1.0..=1.0).contains(&seed) {
        return Err(invalid(format!("setseed parameter {seed} is out of allowed range [-1,1]")));
    }
    call.ctx.runtime.set_seed(seed);
    Ok(Value::text(""))
}

fn width_bucket_error(message: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_ARGUMENT_FOR_WIDTH_BUCKET, message)
}

#[allow(clippy::cast_possible_truncation, reason = "clamped by the comparisons before")]
fn width_bucket(operand: f64, low: f64, high: f64, count: i64) -> Result<Value> {
    if count <= 0 {
        return Err(width_bucket_error("count must be greater than zero"));
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(width_bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(width_bucket_error("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(width_bucket_error("lower bound cannot equal upper bound"));
    }
    #[allow(clippy::cast_precision_loss, reason = "an int4")]
    let buckets = count as f64;
    let bucket = if low < high {
        if operand < low {
            0
        } else if operand >= high {
            count + 1
        } else {
            (((operand - low) / (high - low) * buckets) as i64).min(count - 1) + 1
        }
    } else if operand > low {
        0
    } else if operand <= high {
        count + 1
    } else {
        (((low - operand) / (low - high) * buckets) as i64).min(count - 1) + 1
    };
    int4_value(Some(bucket))
}

fn width_bucket_array(call: &Call<'_>) -> Result<Value> {
    let thresholds = call.array(1)?;
    if thresholds.dims.len() > 1 {
        return Err(SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, "thresholds must be one-dimensional array"));
    }
    if thresholds.items.iter().any(Value::is_null) {
        return Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs"));
    }
    let operand = call.args.first().unwrap_or(&Value::Null);
    let bucket = thresholds.items.partition_point(|item| compare(item, operand).is_le());
    int4_value(i64::try_from(bucket).ok())
}

/// Rounds half to even, as float8's round does.
fn round_even(n: f64) -> f64 {
    n.round_ties_even()
}

fn min_scale(call: &Call<'_>) -> Result<Value> {
    match call.numeric(0)? {
        n @ Numeric::Finite(_) => int4_value(Some(n.trim_scale().scale())),
        _ => Ok(Value::Null),
    }
}

fn scale(call: &Call<'_>) -> Result<Value> {
    match call.numeric(0)? {
        n @ Numeric::Finite(_) => int4_value(Some(n.scale())),
        _ => Ok(Value::Null),
    }
}

fn numeric_sign(n: &Numeric) -> Result<Numeric> {
    Ok(if matches!(n, Numeric::NaN) { Numeric::NaN } else { Numeric::Finite(n.signum().into()) })
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(231, "dcbrt", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::cbrt)),
    Function::new(232, "dpow", &[FLOAT8, FLOAT8], FLOAT8, power),
    Function::new(230, "dsqrt", &[FLOAT8], FLOAT8, sqrt),
    Function::new(280, "float48div", &[FLOAT4, FLOAT8], FLOAT8, float8_divide),
    Function::new(282, "float48mi", &[FLOAT4, FLOAT8], FLOAT8, |c| float8(c, |a, b| a - b)),
    Function::new(279, "float48mul", &[FLOAT4, FLOAT8], FLOAT8, float8_multiply),
    Function::new(281, "float48pl", &[FLOAT4, FLOAT8], FLOAT8, |c| float8(c, |a, b| a + b)),
    Function::new(207, "float4abs", &[FLOAT4], FLOAT4, |c| float4_unary(c, f32::abs)),
    Function::new(203, "float4div", &[FLOAT4, FLOAT4], FLOAT4, float4_divide),
    Function::new(205, "float4mi", &[FLOAT4, FLOAT4], FLOAT4, |c| float4(c, |a, b| a - b)),
    Function::new(202, "float4mul", &[FLOAT4, FLOAT4], FLOAT4, |c| float4(c, |a, b| a * b)),
    Function::new(204, "float4pl", &[FLOAT4, FLOAT4], FLOAT4, |c| float4(c, |a, b| a + b)),
    Function::new(206, "float4um", &[FLOAT4], FLOAT4, |c| float4_unary(c, |a| -a)),
    Function::new(1913, "float4up", &[FLOAT4], FLOAT4, same),
    Function::new(284, "float84div", &[FLOAT8, FLOAT4], FLOAT8, float8_divide),
    Function::new(286, "float84mi", &[FLOAT8, FLOAT4], FLOAT8, |c| float8(c, |a, b| a - b)),
    Function::new(283, "float84mul", &[FLOAT8, FLOAT4], FLOAT8, float8_multiply),
    Function::new(285, "float84pl", &[FLOAT8, FLOAT4], FLOAT8, |c| float8(c, |a, b| a + b)),
    Function::new(221, "float8abs", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::abs)),
    Function::new(217, "float8div", &[FLOAT8, FLOAT8], FLOAT8, float8_divide),
    Function::new(219, "float8mi", &[FLOAT8, FLOAT8], FLOAT8, |c| float8(c, |a, b| a - b)),
    Function::new(216, "float8mul", &[FLOAT8, FLOAT8], FLOAT8, float8_multiply),
    Function::new(218, "float8pl", &[FLOAT8, FLOAT8], FLOAT8, |c| float8(c, |a, b| a + b)),
    Function::new(220, "float8um", &[FLOAT8], FLOAT8, |c| float8_unary(c, |a| -a)),
    Function::new(1914, "float8up", &[FLOAT8], FLOAT8, same),
    Function::new(172, "int24div", &[INT2, INT4], INT4, |c| int4_divide(c, i64::checked_div)),
    Function::new(182, "int24mi", &[INT2, INT4], INT4, |c| int4(c, i64::checked_sub)),
    Function::new(170, "int24mul", &[INT2, INT4], INT4, |c| int4(c, i64::checked_mul)),
    Function::new(178, "int24pl", &[INT2, INT4], INT4, |c| int4(c, i64::checked_add)),
    Function::new(948, "int28div", &[INT2, INT8], INT8, |c| int8_divide(c, i64::checked_div)),
    Function::new(942, "int28mi", &[INT2, INT8], INT8, |c| int8(c, i64::checked_sub)),
    Function::new(943, "int28mul", &[INT2, INT8], INT8, |c| int8(c, i64::checked_mul)),
    Function::new(841, "int28pl", &[INT2, INT8], INT8, |c| int8(c, i64::checked_add)),
    Function::new(1253, "int2abs", &[INT2], INT2, |c| int2_unary(c, i64::checked_abs)),
    Function::new(1892, "int2and", &[INT2, INT2], INT2, |c| int2(c, |a, b| Some(a & b))),
    Function::new(153, "int2div", &[INT2, INT2], INT2, |c| int2_divide(c, i64::checked_div)),
    Function::new(180, "int2mi", &[INT2, INT2], INT2, |c| int2(c, i64::checked_sub)),
    Function::new(155, "int2mod", &[INT2, INT2], INT2, |c| int2_divide(c, i64::checked_rem)),
    Function::new(152, "int2mul", &[INT2, INT2], INT2, |c| int2(c, i64::checked_mul)),
    Function::new(1895, "int2not", &[INT2], INT2, |c| int2_unary(c, |a| Some(!a))),
    Function::new(1893, "int2or", &[INT2, INT2], INT2, |c| int2(c, |a, b| Some(a | b))),
    Function::new(176, "int2pl", &[INT2, INT2], INT2, |c| int2(c, i64::checked_add)),
    Function::new(1896, "int2shl", &[INT2, INT4], INT2, |c| int2_shift(c, true)),
    Function::new(1897, "int2shr", &[INT2, INT4], INT2, |c| int2_shift(c, false)),
    Function::new(213, "int2um", &[INT2], INT2, |c| int2_unary(c, i64::checked_neg)),
    Function::new(1911, "int2up", &[INT2], INT2, same),
    Function::new(1894, "int2xor", &[INT2, INT2], INT2, |c| int2(c, |a, b| Some(a ^ b))),
    Function::new(173, "int42div", &[INT4, INT2], INT4, |c| int4_divide(c, i64::checked_div)),
    Function::new(183, "int42mi", &[INT4, INT2], INT4, |c| int4(c, i64::checked_sub)),
    Function::new(171, "int42mul", &[INT4, INT2], INT4, |c| int4(c, i64::checked_mul)),
    Function::new(179, "int42pl", &[INT4, INT2], INT4, |c| int4(c, i64::checked_add)),
    Function::new(1281, "int48div", &[INT4, INT8], INT8, |c| int8_divide(c, i64::checked_div)),
    Function::new(1279, "int48mi", &[INT4, INT8], INT8, |c| int8(c, i64::checked_sub)),
    Function::new(1280, "int48mul", &[INT4, INT8], INT8, |c| int8(c, i64::checked_mul)),
    Function::new(1278, "int48pl", &[INT4, INT8], INT8, |c| int8(c, i64::checked_add)),
    Function::new(1251, "int4abs", &[INT4], INT4, |c| int4_unary(c, i64::checked_abs)),
    Function::new(1898, "int4and", &[INT4, INT4], INT4, |c| int4(c, |a, b| Some(a & b))),
    Function::new(154, "int4div", &[INT4, INT4], INT4, |c| int4_divide(c, i64::checked_div)),
    Function::new(181, "int4mi", &[INT4, INT4], INT4, |c| int4(c, i64::checked_sub)),
    Function::new(156, "int4mod", &[INT4, INT4], INT4, |c| int4_divide(c, i64::checked_rem)),
    Function::new(141, "int4mul", &[INT4, INT4], INT4, |c| int4(c, i64::checked_mul)),
    Function::new(1901, "int4not", &[INT4], INT4, |c| int4_unary(c, |a| Some(!a))),
    Function::new(1899, "int4or", &[INT4, INT4], INT4, |c| int4(c, |a, b| Some(a | b))),
    Function::new(177, "int4pl", &[INT4, INT4], INT4, |c| int4(c, i64::checked_add)),
    Function::new(1902, "int4shl", &[INT4, INT4], INT4, |c| int4_shift(c, true)),
    Function::new(1903, "int4shr", &[INT4, INT4], INT4, |c| int4_shift(c, false)),
    Function::new(212, "int4um", &[INT4], INT4, |c| int4_unary(c, i64::checked_neg)),
    Function::new(1912, "int4up", &[INT4], INT4, same),
    Function::new(1900, "int4xor", &[INT4, INT4], INT4, |c| int4(c, |a, b| Some(a ^ b))),
    Function::new(840, "int82div", &[INT8, INT2], INT8, |c| int8_divide(c, i64::checked_div)),
    Function::new(838, "int82mi", &[INT8, INT2], INT8, |c| int8(c, i64::checked_sub)),
    Function::new(839, "int82mul", &[INT8, INT2], INT8, |c| int8(c, i64::checked_mul)),
    Function::new(837, "int82pl", &[INT8, INT2], INT8, |c| int8(c, i64::checked_add)),
    Function::new(1277, "int84div", &[INT8, INT4], INT8, |c| int8_divide(c, i64::checked_div)),
    Function::new(1275, "int84mi", &[INT8, INT4], INT8, |c| int8(c, i64::checked_sub)),
    Function::new(1276, "int84mul", &[INT8, INT4], INT8, |c| int8(c, i64::checked_mul)),
    Function::new(1274, "int84pl", &[INT8, INT4], INT8, |c| int8(c, i64::checked_add)),
    Function::new(1230, "int8abs", &[INT8], INT8, |c| int8_unary(c, i64::checked_abs)),
    Function::new(1904, "int8and", &[INT8, INT8], INT8, |c| int8(c, |a, b| Some(a & b))),
    Function::new(466, "int8div", &[INT8, INT8], INT8, |c| int8_divide(c, i64::checked_div)),
    Function::new(464, "int8mi", &[INT8, INT8], INT8, |c| int8(c, i64::checked_sub)),
    Function::new(945, "int8mod", &[INT8, INT8], INT8, |c| int8_divide(c, |a, b| Some(a.wrapping_rem(b)))),
    Function::new(465, "int8mul", &[INT8, INT8], INT8, |c| int8(c, i64::checked_mul)),
    Function::new(1907, "int8not", &[INT8], INT8, |c| int8_unary(c, |a| Some(!a))),
    Function::new(1905, "int8or", &[INT8, INT8], INT8, |c| int8(c, |a, b| Some(a | b))),
    Function::new(463, "int8pl", &[INT8, INT8], INT8, |c| int8(c, i64::checked_add)),
    Function::new(1908, "int8shl", &[INT8, INT4], INT8, |c| int8_shift(c, true)),
    Function::new(1909, "int8shr", &[INT8, INT4], INT8, |c| int8_shift(c, false)),
    Function::new(462, "int8um", &[INT8], INT8, |c| int8_unary(c, i64::checked_neg)),
    Function::new(1910, "int8up", &[INT8], INT8, same),
    Function::new(1906, "int8xor", &[INT8, INT8], INT8, |c| int8(c, |a, b| Some(a ^ b))),
    Function::new(1704, "numeric_abs", &[NUMERIC], NUMERIC, |c| Ok(number(c.numeric(0)?.abs()))),
    Function::new(1724, "numeric_add", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::add)),
    Function::new(1727, "numeric_div", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::div)),
    Function::new(1729, "numeric_mod", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::rem)),
    Function::new(1726, "numeric_mul", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::mul)),
    Function::new(1739, "numeric_power", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::pow)),
    Function::new(1725, "numeric_sub", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::sub)),
    Function::new(1771, "numeric_uminus", &[NUMERIC], NUMERIC, |c| Ok(number(c.numeric(0)?.neg()))),
    Function::new(1915, "numeric_uplus", &[NUMERIC], NUMERIC, same),
    Function::new(1394, "abs", &[FLOAT4], FLOAT4, |c| float4_unary(c, f32::abs)),
    Function::new(1395, "abs", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::abs)),
    Function::new(1396, "abs", &[INT8], INT8, |c| int8_unary(c, i64::checked_abs)),
    Function::new(1397, "abs", &[INT4], INT4, |c| int4_unary(c, i64::checked_abs)),
    Function::new(1398, "abs", &[INT2], INT2, |c| int2_unary(c, i64::checked_abs)),
    Function::new(1705, "abs", &[NUMERIC], NUMERIC, |c| Ok(number(c.numeric(0)?.abs()))),
    Function::new(1601, "acos", &[FLOAT8], FLOAT8, |c| within_one(c, f64::acos)),
    Function::new(2732, "acosd", &[FLOAT8], FLOAT8, |c| within_one(c, |n| arc_degrees(n.acos()))),
    Function::new(2466, "acosh", &[FLOAT8], FLOAT8, |c| { let n = c.float(0)?; if n < 1.0 { Err(domain()) } else { Ok(Value::Float8(n.acosh())) } }),
    Function::new(1600, "asin", &[FLOAT8], FLOAT8, |c| within_one(c, f64::asin)),
    Function::new(2731, "asind", &[FLOAT8], FLOAT8, |c| within_one(c, |n| arc_degrees(n.asin()))),
    Function::new(2465, "asinh", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::asinh)),
    Function::new(1602, "atan", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::atan)),
    Function::new(1603, "atan2", &[FLOAT8, FLOAT8], FLOAT8, |c| float8(c, f64::atan2)),
    Function::new(2734, "atan2d", &[FLOAT8, FLOAT8], FLOAT8, |c| float8(c, |a, b| arc_degrees(a.atan2(b)))),
    Function::new(2733, "atand", &[FLOAT8], FLOAT8, |c| float8_unary(c, |n| arc_degrees(n.atan()))),
    Function::new(2467, "atanh", &[FLOAT8], FLOAT8, |c| within_one(c, f64::atanh)),
    Function::new(1345, "cbrt", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::cbrt)),
    Function::new(1711, "ceil", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::ceil)),
    Function::new(2308, "ceil", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::ceil)),
    Function::new(2167, "ceiling", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::ceil)),
    Function::new(2320, "ceiling", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::ceil)),
    Function::new(1605, "cos", &[FLOAT8], FLOAT8, |c| finite_angle(c, f64::cos)),
    Function::new(2736, "cosd", &[FLOAT8], FLOAT8, |c| degrees(c, f64::cos)),
    Function::new(2463, "cosh", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::cosh)),
    Function::new(1607, "cot", &[FLOAT8], FLOAT8, |c| finite_angle(c, |n| 1.0 / n.tan())),
    Function::new(2738, "cotd", &[FLOAT8], FLOAT8, |c| degrees(c, |n| n.cos() / n.sin())),
    Function::new(1608, "degrees", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::to_degrees)),
    Function::new(1973, "div", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::div_trunc)),
    Function::new(1347, "exp", &[FLOAT8], FLOAT8, exponential),
    Function::new(1732, "exp", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::exp)),
    Function::new(1376, "factorial", &[INT8], NUMERIC, factorial),
    Function::new(1712, "floor", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::floor)),
    Function::new(2309, "floor", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::floor)),
    Function::new(5044, "gcd", &[INT4, INT4], INT4, |c| int4(c, int_gcd)),
    Function::new(5045, "gcd", &[INT8, INT8], INT8, |c| int8(c, int_gcd)),
    Function::new(5048, "gcd", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, numeric_gcd)),
    Function::new(5046, "lcm", &[INT4, INT4], INT4, |c| int4(c, int_lcm)),
    Function::new(5047, "lcm", &[INT8, INT8], INT8, |c| int8(c, int_lcm)),
    Function::new(5049, "lcm", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, numeric_lcm)),
    Function::new(1341, "ln", &[FLOAT8], FLOAT8, |c| logarithm(c, f64::ln)),
    Function::new(1734, "ln", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::ln)),
    Function::new(1340, "log", &[FLOAT8], FLOAT8, |c| logarithm(c, f64::log10)),
    Function::new(1736, "log", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, |base, n| n.log(base))),
    Function::new(1741, "log", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::log10)),
    Function::new(1194, "log10", &[FLOAT8], FLOAT8, |c| logarithm(c, f64::log10)),
    Function::new(1481, "log10", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::log10)),
    Function::new(5042, "min_scale", &[NUMERIC], INT4, min_scale),
    Function::new(940, "mod", &[INT2, INT2], INT2, |c| int2_divide(c, i64::checked_rem)),
    Function::new(941, "mod", &[INT4, INT4], INT4, |c| int4_divide(c, i64::checked_rem)),
    Function::new(947, "mod", &[INT8, INT8], INT8, |c| int8_divide(c, |a, b| Some(a.wrapping_rem(b)))),
    Function::new(1728, "mod", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::rem)),
    Function::new(1610, "pi", &[], FLOAT8, |_| Ok(Value::Float8(std::f64::consts::PI))),
    Function::new(1346, "pow", &[FLOAT8, FLOAT8], FLOAT8, power),
    Function::new(1738, "pow", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::pow)),
    Function::new(1368, "power", &[FLOAT8, FLOAT8], FLOAT8, power),
    Function::new(2169, "power", &[NUMERIC, NUMERIC], NUMERIC, |c| numeric(c, Numeric::pow)),
    Function::new(1609, "radians", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::to_radians)),
    Function::new(1598, "random", &[], FLOAT8, random).volatile(),
    Function::new(1342, "round", &[FLOAT8], FLOAT8, |c| float8_unary(c, round_even)),
    Function::new(1707, "round", &[NUMERIC, INT4], NUMERIC, |c| c.numeric(0)?.round(c.int(1)?).map(number)),
    Function::new(1708, "round", &[NUMERIC], NUMERIC, |c| numeric_unary(c, |n| n.round(0))),
    Function::new(3281, "scale", &[NUMERIC], INT4, scale),
    Function::new(1599, "setseed", &[FLOAT8], VOID, set_seed).volatile(),
    Function::new(1706, "sign", &[NUMERIC], NUMERIC, |c| numeric_unary(c, numeric_sign)),
    Function::new(2310, "sign", &[FLOAT8], FLOAT8, |c| float8_unary(c, |n| if n == 0.0 { 0.0 } else { n.signum() })),
    Function::new(1604, "sin", &[FLOAT8], FLOAT8, |c| finite_angle(c, f64::sin)),
    Function::new(2735, "sind", &[FLOAT8], FLOAT8, |c| degrees(c, f64::sin)),
    Function::new(2462, "sinh", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::sinh)),
    Function::new(1344, "sqrt", &[FLOAT8], FLOAT8, sqrt),
    Function::new(1730, "sqrt", &[NUMERIC], NUMERIC, |c| numeric_unary(c, Numeric::sqrt)),
    Function::new(1606, "tan", &[FLOAT8], FLOAT8, |c| finite_angle(c, f64::tan)),
    Function::new(2737, "tand", &[FLOAT8], FLOAT8, |c| degrees(c, f64::tan)),
    Function::new(2464, "tanh", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::tanh)),
    Function::new(5043, "trim_scale", &[NUMERIC], NUMERIC, |c| Ok(number(c.numeric(0)?.trim_scale()))),
    Function::new(1343, "trunc", &[FLOAT8], FLOAT8, |c| float8_unary(c, f64::trunc)),
    Function::new(1709, "trunc", &[NUMERIC, INT4], NUMERIC, |c| c.numeric(0)?.trunc(c.int(1)?).map(number)),
    Function::new(1710, "trunc", &[NUMERIC], NUMERIC, |c| numeric_unary(c, |n| n.trunc(0))),
    Function::new(320, "width_bucket", &[FLOAT8, FLOAT8, FLOAT8, INT4], INT4, |c| width_bucket(c.float(0)?, c.float(1)?, c.float(2)?, c.int(3)?)),
    Function::new(2170, "width_bucket", &[NUMERIC, NUMERIC, NUMERIC, INT4], INT4, |c| width_bucket(c.numeric(0)?.to_f64(), c.numeric(1)?.to_f64(), c.numeric(2)?.to_f64(), c.int(3)?)),
    Function::new(3218, "width_bucket", &[ANYCOMPATIBLE, ANYCOMPATIBLEARRAY], INT4, width_bucket_array),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (597, "||/", 0, FLOAT8, 231),
    (965, "^", FLOAT8, FLOAT8, 232),
    (596, "|/", 0, FLOAT8, 230),
    (1118, "/", FLOAT4, FLOAT8, 280),
    (1117, "-", FLOAT4, FLOAT8, 282),
    (1119, "*", FLOAT4, FLOAT8, 279),
    (1116, "+", FLOAT4, FLOAT8, 281),
    (590, "@", 0, FLOAT4, 207),
    (588, "/", FLOAT4, FLOAT4, 203),
    (587, "-", FLOAT4, FLOAT4, 205),
    (589, "*", FLOAT4, FLOAT4, 202),
    (586, "+", FLOAT4, FLOAT4, 204),
    (584, "-", 0, FLOAT4, 206),
    (1919, "+", 0, FLOAT4, 1913),
    (1128, "/", FLOAT8, FLOAT4, 284),
    (1127, "-", FLOAT8, FLOAT4, 286),
    (1129, "*", FLOAT8, FLOAT4, 283),
    (1126, "+", FLOAT8, FLOAT4, 285),
    (595, "@", 0, FLOAT8, 221),
    (593, "/", FLOAT8, FLOAT8, 217),
    (592, "-", FLOAT8, FLOAT8, 219),
    (594, "*", FLOAT8, FLOAT8, 216),
    (591, "+", FLOAT8, FLOAT8, 218),
    (585, "-", 0, FLOAT8, 220),
    (1920, "+", 0, FLOAT8, 1914),
    (546, "/", INT2, INT4, 172),
    (556, "-", INT2, INT4, 182),
    (544, "*", INT2, INT4, 170),
    (552, "+", INT2, INT4, 178),
    (825, "/", INT2, INT8, 948),
    (823, "-", INT2, INT8, 942),
    (824, "*", INT2, INT8, 943),
    (822, "+", INT2, INT8, 841),
    (682, "@", 0, INT2, 1253),
    (1874, "&", INT2, INT2, 1892),
    (527, "/", INT2, INT2, 153),
    (554, "-", INT2, INT2, 180),
    (529, "%", INT2, INT2, 155),
    (526, "*", INT2, INT2, 152),
    (1877, "~", 0, INT2, 1895),
    (1875, "|", INT2, INT2, 1893),
    (550, "+", INT2, INT2, 176),
    (1878, "<<", INT2, INT4, 1896),
    (1879, ">>", INT2, INT4, 1897),
    (559, "-", 0, INT2, 213),
    (1917, "+", 0, INT2, 1911),
    (1876, "#", INT2, INT2, 1894),
    (547, "/", INT4, INT2, 173),
    (557, "-", INT4, INT2, 183),
    (545, "*", INT4, INT2, 171),
    (553, "+", INT4, INT2, 179),
    (695, "/", INT4, INT8, 1281),
    (693, "-", INT4, INT8, 1279),
    (694, "*", INT4, INT8, 1280),
    (692, "+", INT4, INT8, 1278),
    (773, "@", 0, INT4, 1251),
    (1880, "&", INT4, INT4, 1898),
    (528, "/", INT4, INT4, 154),
    (555, "-", INT4, INT4, 181),
    (530, "%", INT4, INT4, 156),
    (514, "*", INT4, INT4, 141),
    (1883, "~", 0, INT4, 1901),
    (1881, "|", INT4, INT4, 1899),
    (551, "+", INT4, INT4, 177),
    (1884, "<<", INT4, INT4, 1902),
    (1885, ">>", INT4, INT4, 1903),
    (558, "-", 0, INT4, 212),
    (1918, "+", 0, INT4, 1912),
    (1882, "#", INT4, INT4, 1900),
    (821, "/", INT8, INT2, 840),
    (819, "-", INT8, INT2, 838),
    (820, "*", INT8, INT2, 839),
    (818, "+", INT8, INT2, 837),
    (691, "/", INT8, INT4, 1277),
    (689, "-", INT8, INT4, 1275),
    (690, "*", INT8, INT4, 1276),
    (688, "+", INT8, INT4, 1274),
    (473, "@", 0, INT8, 1230),
    (1886, "&", INT8, INT8, 1904),
    (687, "/", INT8, INT8, 466),
    (685, "-", INT8, INT8, 464),
    (439, "%", INT8, INT8, 945),
    (686, "*", INT8, INT8, 465),
    (1889, "~", 0, INT8, 1907),
    (1887, "|", INT8, INT8, 1905),
    (684, "+", INT8, INT8, 463),
    (1890, "<<", INT8, INT4, 1908),
    (1891, ">>", INT8, INT4, 1909),
    (484, "-", 0, INT8, 462),
    (1916, "+", 0, INT8, 1910),
    (1888, "#", INT8, INT8, 1906),
    (1763, "@", 0, NUMERIC, 1704),
    (1758, "+", NUMERIC, NUMERIC, 1724),
    (1761, "/", NUMERIC, NUMERIC, 1727),
    (1762, "%", NUMERIC, NUMERIC, 1729),
    (1760, "*", NUMERIC, NUMERIC, 1726),
    (1038, "^", NUMERIC, NUMERIC, 1739),
    (1759, "-", NUMERIC, NUMERIC, 1725),
    (1751, "-", 0, NUMERIC, 1771),
    (1921, "+", 0, NUMERIC, 1915),
];
