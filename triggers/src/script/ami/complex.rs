//! The type Complex (AMI-15, AMI-67): a text `a+bi`, so that a column can hold it; arithmetic reads and writes that form.

use tripline_sql::error::{Result, SqlError};
use tripline_sql::types::Value;

use super::ast::Arith;
use super::builtins::BuiltinFn;
use super::interp::Frame;
use super::value::{self, Val};

/// The real and imaginary part of `a+bi`, `a`, `bi` or a number.
pub(crate) fn parse(value: &Value) -> Option<(f64, f64)> {
    let Value::Text(text) = value else { return value::as_f64(value).map(|re| (re, 0.0)) };
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let Some(body) = text.strip_suffix('i') else { return text.parse().ok().map(|re| (re, 0.0)) };
    let imaginary = |text: &str| match text {
        "" | "+" => Some(1.0),
        "-" => Some(-1.0),
        text => text.parse().ok(),
    };
    // The sign between the parts: not the first character, not one of an exponent.
    let bytes = body.as_bytes();
    let split =
        (1..bytes.len()).rev().find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[*at - 1], b'e' | b'E'));
    match split {
        Some(at) => Some((body[..at].parse().ok()?, imaginary(&body[at..])?)),
        None => Some((0.0, imaginary(body)?)),
    }
}

/// `a+bi`, both parts as Double.
pub(crate) fn text((re, im): (f64, f64)) -> Value {
    let part = |n: f64| value::text_of(&Value::Float8(n));
    let sign = if im < 0.0 { "" } else { "+" };
    Value::text(format!("{}{sign}{}i", part(re), part(im)))
}

/// The code of an operator. Errors: 42883.
pub(crate) fn function(op: Arith) -> Result<BuiltinFn> {
    Ok(match op {
        Arith::Add => |_, args| binary(args, |a, b| (a.0 + b.0, a.1 + b.1)),
        Arith::Sub => |_, args| binary(args, |a, b| (a.0 - b.0, a.1 - b.1)),
        Arith::Mul => |_, args| binary(args, |a, b| (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)),
        Arith::Div => |_: &mut Frame<'_>, args: &[Val]| {
            binary(args, |a, b| {
                let size = b.0 * b.0 + b.1 * b.1;
                ((a.0 * b.0 + a.1 * b.1) / size, (a.1 * b.0 - a.0 * b.1) / size)
            })
        },
        _ => {
            return Err(SqlError::new(
                tripline_sql::error::SqlState::UNDEFINED_FUNCTION,
                "this operator does not exist for Complex",
            ));
        }
    })
}

fn binary(args: &[Val], f: impl Fn((f64, f64), (f64, f64)) -> (f64, f64)) -> Result<Val> {
    let part = |arg: &Val| match arg {
        Val::S(value) => parse(value),
        _ => None,
    };
    Ok(part(&args[0]).zip(part(&args[1])).map_or(Val::NULL, |(a, b)| Val::S(text(f(a, b)))))
}
