//! Arithmetic of the type Complex (AMI-67), whose values are texts `a+bi`, so that a column can hold them.

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Complex, Value};

use super::ast::Arith;
use super::builtins::BuiltinFn;
use super::interp::Frame;
use super::value::{self, Val};

/// The number that a text or a number stands for.
pub(crate) fn parse(value: &Value) -> Option<Complex> {
    match value {
        Value::Text(text) => Complex::parse(text),
        value => value::as_f64(value).map(|re| Complex { re, im: 0.0 }),
    }
}

/// Its text.
pub(crate) fn text(number: Complex) -> Value {
    Value::text(number.to_string())
}

/// The code of an operator. Errors: 42883.
pub(crate) fn function(op: Arith) -> Result<BuiltinFn> {
    Ok(match op {
        Arith::Add => |_, args| binary(args, |a, b| Complex { re: a.re + b.re, im: a.im + b.im }),
        Arith::Sub => |_, args| binary(args, |a, b| Complex { re: a.re - b.re, im: a.im - b.im }),
        Arith::Mul => {
            |_, args| binary(args, |a, b| Complex { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re })
        }
        Arith::Div => |_: &mut Frame<'_>, args: &[Val]| {
            binary(args, |a, b| {
                let size = b.re * b.re + b.im * b.im;
                Complex { re: (a.re * b.re + a.im * b.im) / size, im: (a.im * b.re - a.re * b.im) / size }
            })
        },
        _ => {
            return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, "this operator does not exist for Complex"));
        }
    })
}

fn binary(args: &[Val], f: impl Fn(Complex, Complex) -> Complex) -> Result<Val> {
    let part = |arg: &Val| match arg {
        Val::S(value) => parse(value),
        _ => None,
    };
    Ok(part(&args[0]).zip(part(&args[1])).map_or(Val::NULL, |(a, b)| Val::S(text(f(a, b)))))
}
