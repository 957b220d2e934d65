//! Template formatting of numbers: to_char and to_number (PG-113).
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::oid::{FLOAT4, FLOAT8, INT4, INT8, NUMERIC, TEXT};
use crate::types::{Numeric, Value};

/// One piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Nine,
    Zero,
    Point,
    Comma,
    Sign,
    Minus,
    Plus,
    SignOrPlus,
    Brackets,
    Currency,
    Roman(bool),
    Ordinal(bool),
    Shift,
    Exponent,
    Literal(char),
}

/// A template: its pieces, and whether FM stands in it.
struct Template {
    pieces: Vec<Piece>,
    bare: bool,
}

fn read(template: &str) -> Template {
    let mut pieces = Vec::new();
    let mut bare = false;
    let mut rest = template;
    const WORDS: &[(&str, Option<Piece>)] = &[
        ("EEEE", Some(Piece::Exponent)),
        ("FM", None),
        ("MI", Some(Piece::Minus)),
        ("PL", Some(Piece::Plus)),
        ("SG", Some(Piece::SignOrPlus)),
        ("PR", Some(Piece::Brackets)),
        ("S", Some(Piece::Sign)),
        ("9", Some(Piece::Nine)),
        ("0", Some(Piece::Zero)),
        (".", Some(Piece::Point)),
        ("D", Some(Piece::Point)),
        (",", Some(Piece::Comma)),
        ("G", Some(Piece::Comma)),
        ("L", Some(Piece::Currency)),
        ("V", Some(Piece::Shift)),
    ];
    'outer: while let Some(c) = rest.chars().next() {
        if c == '"' {
            let inner: String = rest[1..].chars().take_while(|c| *c != '"').collect();
            rest = rest.get(inner.len() + 2..).unwrap_or("");
            pieces.extend(inner.chars().map(Piece::Literal));
            continue;
        }
        if let Some(piece) = match rest.get(..2) {
            Some("RN") => Some(Piece::Roman(true)),
            Some("rn") => Some(Piece::Roman(false)),
            Some("TH") => Some(Piece::Ordinal(true)),
            Some("th") => Some(Piece::Ordinal(false)),
            _ => None,
        } {
            pieces.push(piece);
            rest = &rest[2..];
            continue;
        }
        for (word, piece) in WORDS {
            if rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
                match piece {
                    Some(piece) => pieces.push(piece.clone()),
                    None => bare = true,
                }
                rest = &rest[word.len()..];
                continue 'outer;
            }
        }
        pieces.push(Piece::Literal(c));
        rest = &rest[c.len_utf8()..];
    }
    Template { pieces, bare }
}

fn roman(n: i128) -> Option<String> {
    if !(1..=3999).contains(&n) {
        return None;
    }
    const STEPS: [(i128, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut n = n;
    let mut out = String::new();
    for (value, text) in STEPS {
        while n >= value {
            out.push_str(text);
            n -= value;
        }
    }
    Some(out)
}

fn exponent_form(n: &Numeric, places: usize) -> String {
    let value = n.to_f64();
    // A double has no more digits than that.
    let shown = places.min(1000);
    let text = format!("{value:.shown$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text.as_str(), "0"));
    let mantissa = format!("{mantissa}{}", "0".repeat(places - shown));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let lead = if value < 0.0 { "" } else { " " };
    format!("{lead}{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn format_number(n: &Numeric, template: &str) -> Result<String> {
    let Template { pieces, bare } = read(template);
    let point = pieces.iter().position(|piece| matches!(piece, Piece::Point | Piece::Shift));
    let is_digit = |piece: &&Piece| matches!(piece, Piece::Nine | Piece::Zero);
    let whole_places = pieces[..point.unwrap_or(pieces.len())].iter().filter(is_digit).count();
    let places = point.map_or(0, |point| pieces[point..].iter().filter(is_digit).count());
    if pieces.contains(&Piece::Exponent) {
        let text = if n.is_finite() {
            exponent_form(n, places)
        } else {
            " ".to_owned() + &"#".repeat(whole_places + places + 5)
        };
        return Ok(if bare { text.trim_start().to_owned() } else { text });
    }
    if let Some(Piece::Roman(upper)) = pieces.iter().find(|piece| matches!(piece, Piece::Roman(_))) {
        let text = n.round(0)?.to_i128().and_then(roman).unwrap_or_else(|| "#".repeat(15));
        let text = if *upper { text } else { text.to_lowercase() };
        return Ok(if bare { text } else { format!("{text:>15}") });
    }
    let shifted = pieces.contains(&Piece::Shift);
    let scaled = if shifted {
        n.mul(&Numeric::from_digits(num_bigint::BigInt::from(10).pow(u32::try_from(places).unwrap_or(0)), 0)?)?
            .round(0)?
    } else {
        n.round(i64::try_from(places).unwrap_or(0))?
    };
    let negative = scaled.signum() < 0 || matches!(n, Numeric::NegativeInfinity);
    let mut text = String::new();
    scaled.abs().print(&mut text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let width = if shifted { whole_places + places } else { whole_places };
    let overflow = !n.is_finite() || whole.len() > width && !(whole == "0" && width == 0);
    let whole: Vec<char> = if overflow { vec!['#'; width] } else { whole.chars().collect() };
    // Zero before a point is only shown where the template has a 0 for it.
    let hidden_zero = !shifted && whole == ['0'] && point.is_some() && places > 0;
    let digits_end = if shifted { pieces.len() } else { point.unwrap_or(pieces.len()) };
    let first_zero = pieces[..digits_end].iter().filter(is_digit).position(|piece| *piece == Piece::Zero);
    let mut start = width.saturating_sub(whole.len());
    if hidden_zero {
        start = width;
    }
    if let Some(zero) = first_zero {
        start = start.min(zero);
    }
    // In bare form the fraction ends with the last 0 of the template or the last digit that counts.
    let fraction: Vec<char> = if overflow { vec!['#'; places] } else { fraction.chars().collect() };
    let mut fraction_end = places;
    if bare && !overflow {
        let last_zero = point.and_then(|point| {
            let zeros: Vec<bool> = pieces[point..].iter().filter(is_digit).map(|piece| *piece == Piece::Zero).collect();
            zeros.iter().rposition(|zero| *zero)
        });
        let last_digit = fraction.iter().rposition(|digit| *digit != '0');
        fraction_end = last_zero.map_or(0, |place| place + 1).max(last_digit.map_or(0, |place| place + 1));
    }
    let has_sign =
        pieces.iter().any(|piece| matches!(piece, Piece::Sign | Piece::Minus | Piece::SignOrPlus | Piece::Brackets));
    let sign_last = pieces
        .iter()
        .position(|piece| *piece == Piece::Sign)
        .is_some_and(|place| pieces[..place].iter().any(|piece| is_digit(&piece)));
    let floating = pieces.contains(&Piece::Sign) && !sign_last;
    let brackets = pieces.contains(&Piece::Brackets);
    let mut out = String::new();
    let (mut place, mut fraction_place, mut in_fraction, mut signed) = (0, 0, false, false);
    let put_sign = |out: &mut String, signed: &mut bool| {
        if std::mem::replace(signed, true) {
            return;
        }
        if brackets {
            if negative {
                out.push('<')
            } else if !bare {
                out.push(' ')
            }
        } else if floating {
            out.push(if negative { '-' } else { '+' });
        } else if !has_sign {
            if negative {
                out.push('-')
            } else if !bare {
                out.push(' ')
            }
        }
    };
    for piece in &pieces {
        match piece {
            Piece::Nine | Piece::Zero if !in_fraction || shifted => {
                if place < start {
                    if !bare {
                        out.push(' ');
                    }
                } else {
                    put_sign(&mut out, &mut signed);
                    let have = place + whole.len();
                    out.push(if have >= width { whole[have - width] } else { '0' });
                }
                place += 1;
            }
            Piece::Nine | Piece::Zero => {
                if fraction_place < fraction_end {
                    out.push(fraction.get(fraction_place).copied().unwrap_or('0'));
                }
                fraction_place += 1;
            }
            Piece::Point => {
                put_sign(&mut out, &mut signed);
                in_fraction = true;
                // A zero that would leave nothing at all is shown.
                if bare && hidden_zero && fraction_end == 0 && first_zero.is_none() && width > 0 {
                    out.push('0');
                }
                out.push('.');
            }
            Piece::Comma => {
                if place > start || first_zero.is_some_and(|zero| place > zero) {
                    out.push(',');
                } else if !bare {
                    out.push(' ');
                }
            }
            Piece::Sign if sign_last => out.push(if negative { '-' } else { '+' }),
            Piece::Sign => {}
            Piece::Minus => {
                if negative {
                    out.push('-');
                } else if !bare {
                    out.push(' ');
                }
            }
            Piece::Plus => {
                if !negative {
                    out.push('+');
                } else if !bare {
                    out.push(' ');
                }
            }
            Piece::SignOrPlus => out.push(if negative { '-' } else { '+' }),
            Piece::Brackets => {
                if negative {
                    out.push('>');
                } else if !bare {
                    out.push(' ');
                }
            }
            Piece::Currency => out.push(' '),
            Piece::Ordinal(upper) => {
                if !negative && fraction.is_empty() {
                    let last = whole.last().copied().unwrap_or('0');
                    let teen = whole.len() >= 2 && whole[whole.len() - 2] == '1';
                    let suffix = match last {
                        '1' if !teen => "st",
                        '2' if !teen => "nd",
                        '3' if !teen => "rd",
                        _ => "th",
                    };
                    out.push_str(&if *upper { suffix.to_uppercase() } else { suffix.to_owned() });
                }
            }
            Piece::Shift => in_fraction = true,
            Piece::Literal(c) => out.push(*c),
            Piece::Roman(_) | Piece::Exponent => {}
        }
    }
    Ok(out)
}

fn to_char(call: &Call<'_>) -> Result<Value> {
    let template = call.text(1)?;
    if template.is_empty() {
        return Ok(Value::Null);
    }
    let n = match call.args.first() {
        Some(Value::Numeric(n)) => (**n).clone(),
        Some(Value::Float4(n)) => Numeric::from_f32(*n),
        Some(Value::Float8(n)) => Numeric::from_f64(*n),
        _ => Numeric::Finite(call.int(0)?.into()),
    };
    format_number(&n, template).map(Value::from)
}

/// Reads the digits where the template has them; other characters of the template skip one character each.
fn to_number(call: &Call<'_>) -> Result<Value> {
    let (text, template) = (call.text(0)?, read(call.text(1)?));
    let (mut digits, mut negative, mut seen_point, mut scale) = (String::new(), false, false, 0i64);
    let mut chars = text.trim().chars().peekable();
    let mut shift = None;
    for piece in &template.pieces {
        while chars.peek().is_some_and(|c| *c == ' ') && !matches!(piece, Piece::Literal(_)) {
            chars.next();
        }
        let Some(next) = chars.peek().copied() else { break };
        if matches!(next, '-' | '+' | '<') && digits.is_empty() && !matches!(piece, Piece::Literal(_)) {
            negative |= next != '+';
            chars.next();
        }
        match piece {
            Piece::Nine | Piece::Zero => {
                if let Some(digit) = chars.peek().copied().filter(char::is_ascii_digit) {
                    digits.push(digit);
                    scale += i64::from(seen_point);
                    chars.next();
                    if let Some(shift) = &mut shift {
                        *shift += 1;
                    }
                }
            }
            Piece::Point if chars.peek() == Some(&'.') => {
                seen_point = true;
                chars.next();
            }
            Piece::Comma if chars.peek() == Some(&',') => {
                chars.next();
            }
            Piece::Shift => shift = Some(0i64),
            Piece::Sign | Piece::Minus | Piece::SignOrPlus | Piece::Plus => {
                if let Some(sign) = chars.peek().copied().filter(|c| matches!(c, '-' | '+')) {
                    negative |= sign == '-';
                    chars.next();
                }
            }
            Piece::Literal(_) | Piece::Currency => {
                chars.next();
            }
            _ => {}
        }
    }
    if chars.next() == Some('-') {
        negative = true;
    }
    if digits.is_empty() {
        return Err(SqlError::new(
            SqlState::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type numeric: \"{text}\""),
        ));
    }
    let whole: num_bigint::BigInt = digits.parse().map_err(|_| SqlError::internal("digits are a number"))?;
    let n = Numeric::from_digits(if negative { -whole } else { whole }, scale + shift.unwrap_or(0))?;
    Ok(Value::Numeric(Box::new(n)))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(1772, "to_char", &[NUMERIC, TEXT], TEXT, to_char).stable(),
    Function::new(1773, "to_char", &[INT4, TEXT], TEXT, to_char).stable(),
    Function::new(1774, "to_char", &[INT8, TEXT], TEXT, to_char).stable(),
    Function::new(1775, "to_char", &[FLOAT4, TEXT], TEXT, to_char).stable(),
    Function::new(1776, "to_char", &[FLOAT8, TEXT], TEXT, to_char).stable(),
    Function::new(1777, "to_number", &[TEXT, TEXT], NUMERIC, to_number).stable(),
];
pub(super) const OPERATORS: &[super::OperatorRow] = &[];
