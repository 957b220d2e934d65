//! AMI's Complex numbers (AMI-15, AMI-67): read from and written as text, `a+bi`.

use std::fmt;

use super::{DataType, Value, ami_text};

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Complex {
    /// The real part.
    pub re: f64,
    /// The imaginary part.
    pub im: f64,
}

impl Complex {
    /// Reads `a+bi`, `a`, `bi` or `i`, blanks anywhere; none for another text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Complex> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let Some(body) = text.strip_suffix('i') else { return text.parse().ok().map(|re| Complex { re, im: 0.0 }) };
        let imaginary = |text: &str| match text {
            "" | "+" => Some(1.0),
            "-" => Some(-1.0),
            text => text.parse().ok(),
        };
        // The sign between the parts: not the first character, not one of an exponent.
        let bytes = body.as_bytes();
        let split = (1..bytes.len())
            .rev()
            .find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[*at - 1], b'e' | b'E'));
        let (re, im) = match split {
            Some(at) => (body[..at].parse().ok()?, imaginary(&body[at..])?),
            None => (0.0, imaginary(body)?),
        };
        Some(Complex { re, im })
    }
}

impl fmt::Display for Complex {
    /// Both parts as AMI writes a Double (AMI-33).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |n: f64| ami_text(&Value::Float8(n), DataType::FLOAT8);
        let sign = if self.im.is_sign_negative() && !self.im.is_nan() { "" } else { "+" };
        write!(f, "{}{sign}{}i", part(self.re), part(self.im))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-15
    #[test]
    fn complex_numbers_as_text() {
        for (text, shown) in [
            ("1+2i", "1.0+2.0i"),
            (" 1.5 - 2i ", "1.5-2.0i"),
            ("i", "0.0+1.0i"),
            ("-i", "0.0-1.0i"),
            ("7", "7.0+0.0i"),
            ("1e-3+1e+10i", "0.001+1.0E10i"),
            ("0-0i", "0.0-0.0i"),
            ("1+NaNi", "1.0+NaNi"),
        ] {
            let number = Complex::parse(text).unwrap();
            assert_eq!(number.to_string(), shown);
            assert_eq!(Complex::parse(shown).unwrap().to_string(), shown);
        }
        for text in ["", "hello", "1+i2", "1++2i", "ü+2i", "2ii"] {
            assert_eq!(Complex::parse(text), None, "{text}");
        }
    }
}
