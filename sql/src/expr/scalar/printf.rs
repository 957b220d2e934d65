//! Functions that Comdb2 has beside PostgreSQL's: `printf(format, …)` with C's format (CDB-407), `sleep(n)` (CDB-410).

use crate::error::Result;
use crate::expr::function::{Call, Function};
use crate::types::{Value, oid, to_text};

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    hash: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widths and precisions beyond this are cut.
const WIDTH_MAX: usize = 100_000;

impl Spec {
    fn pad(&self, text: String, out: &mut String) {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            out.push_str(&text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            out.extend(std::iter::repeat_n(' ', missing));
            out.push_str(&text);
        }
    }

    /// A number: sign, then digits, with zeros between if asked.
    fn number(&self, negative: bool, prefix: &str, digits: &str, out: &mut String) {
        let sign = if negative {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        let missing = self.width.saturating_sub(sign.len() + prefix.len() + digits.len());
        if self.zero && !self.left {
            out.push_str(sign);
            out.push_str(prefix);
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(digits);
        } else {
            self.pad(format!("{sign}{prefix}{digits}"), out);
        }
    }
}

/// C's `%e`: at least two digits of exponent.
fn exponent(n: f64, precision: usize) -> String {
    let text = format!("{n:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// C's `%g`.
fn general(n: f64, precision: usize) -> String {
    let precision = precision.max(1);
    if n == 0.0 {
        return "0".to_owned();
    }
    #[allow(clippy::cast_possible_truncation, reason = "an exponent")]
    let magnitude = n.abs().log10().floor() as i32;
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if magnitude < -4 || magnitude >= limit {
        let text = exponent(n, precision - 1);
        let (mantissa, rest) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{rest}", trimmed(mantissa));
    }
    let places = usize::try_from(limit - 1 - magnitude).unwrap_or(0);
    trimmed(&format!("{n:.places$}"))
}

fn printf(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) {
        return Ok(Value::Null);
    }
    let format = call.text(0)?;
    let mut out = String::with_capacity(format.len() + 16);
    let mut chars = format.chars().peekable();
    let mut next = 1;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.hash = true,
                _ => spec.zero = true,
            }
        }
        let digits = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut n = 0_usize;
            while let Some(digit) = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
                n = (n * 10 + digit as usize).min(WIDTH_MAX);
            }
            n
        };
        spec.width = digits(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(digits(&mut chars));
        }
        while chars.next_if(|c| "hlqLjzt".contains(*c)).is_some() {}
        let Some(kind) = chars.next() else { break };
        if kind == '%' {
            out.push('%');
            continue;
        }
        if kind == 'n' {
            continue;
        }
        let place = next;
        next += 1;
        let value = call.args.get(place).unwrap_or(&Value::Null);
        let ty = call.arg_types.get(place).copied().unwrap_or(crate::types::DataType::TEXT);
        let text = || {
            let mut text = String::new();
            if !value.is_null() {
                to_text(value, ty, call.ctx.style, &mut text);
            }
            text
        };
        let float = || value.as_f64().or_else(|| text().trim().parse().ok()).unwrap_or(0.0);
        #[allow(clippy::cast_possible_truncation, reason = "C's conversion, saturating")]
        let whole = || value.as_i64().unwrap_or_else(|| float() as i64);
        match kind {
            'd' | 'i' => spec.number(whole() < 0, "", &whole().unsigned_abs().to_string(), &mut out),
            'u' => spec.number(false, "", &whole().cast_unsigned().to_string(), &mut out),
            'x' => spec.number(false, if spec.hash { "0x" } else { "" }, &format!("{:x}", whole()), &mut out),
            'X' => spec.number(false, if spec.hash { "0X" } else { "" }, &format!("{:X}", whole()), &mut out),
            'o' => spec.number(false, if spec.hash { "0" } else { "" }, &format!("{:o}", whole()), &mut out),
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                let (n, precision) = (float(), spec.precision.unwrap_or(6).min(1000));
                let digits = match kind {
                    'f' | 'F' => format!("{:.precision$}", n.abs()),
                    'e' | 'E' => exponent(n.abs(), precision),
                    _ => general(n.abs(), precision),
                };
                let digits = if kind.is_uppercase() { digits.to_uppercase() } else { digits };
                spec.number(n.is_sign_negative() && n != 0.0, "", &digits, &mut out);
            }
            'c' => spec.pad(text().chars().take(1).collect(), &mut out),
            's' => {
                let all = text();
                let cut = spec.precision.map_or(all.clone(), |precision| all.chars().take(precision).collect());
                spec.pad(cut, &mut out);
            }
            other => {
                out.push('%');
                out.push(other);
            }
        }
    }
    Ok(Value::from(out))
}

/// Waits so many seconds and gives them back; ended early by a cancel (57014). NULL gives NULL.
fn sleep(call: &Call<'_>) -> Result<Value> {
    let seconds = call.float(0)?;
    if seconds > 0.0 {
        call.ctx.runtime.sleep(seconds)?;
    }
    Ok(Value::Float8(seconds))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(15_991, "printf", &[oid::TEXT, oid::ANY], oid::TEXT, printf).stable().lax().variadic(),
    Function::new(15_993, "sleep", &[oid::FLOAT8], oid::FLOAT8, sleep).volatile(),
    Function::new(15_992, "printf", &[oid::TEXT], oid::TEXT, printf).stable().lax(),
];
