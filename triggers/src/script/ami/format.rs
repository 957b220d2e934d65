//! Dates and numbers by Java's patterns (AMI-69): `formatDate`, `parseDate`, `formatNumber`.

use std::fmt::Write;

use bigdecimal::{BigDecimal, RoundingMode, Signed, Zero};
use jiff::civil::{Date, Time};
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{Timestamp, Zoned};
use tripline_sql::error::{Result, SqlError, SqlState};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A part of a date pattern.
enum Item {
    Text(String),
    Field(char, usize),
}

/// A zone by its name. Errors: 22023.
pub(crate) fn zone(name: &str) -> Result<TimeZone> {
    if name.eq_ignore_ascii_case("gmt") || name.eq_ignore_ascii_case("utc") || name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name)
        .map_err(|_| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized")))
}

/// Cuts a pattern. Errors: 22023 for a letter without a meaning, an open quote.
fn items(pattern: &str) -> Result<Vec<Item>> {
    let bad = |what: String| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, what);
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c == '\'' {
            if chars.get(at + 1) == Some(&'\'') {
                text.push('\'');
                at += 2;
                continue;
            }
            at += 1;
            loop {
                match chars.get(at) {
                    Some('\'') if chars.get(at + 1) == Some(&'\'') => {
                        text.push('\'');
                        at += 2;
                    }
                    Some('\'') => {
                        at += 1;
                        break;
                    }
                    Some(c) => {
                        text.push(*c);
                        at += 1;
                    }
                    None => return Err(bad(format!("unterminated quote in pattern \"{pattern}\""))),
                }
            }
            continue;
        }
        if c.is_ascii_alphabetic() {
            if !"GyYMLdDEuaHkKhmsSzZXw".contains(c) {
                return Err(bad(format!("invalid letter \"{c}\" in pattern \"{pattern}\"")));
            }
            if !text.is_empty() {
                out.push(Item::Text(std::mem::take(&mut text)));
            }
            let count = chars[at..].iter().take_while(|next| **next == c).count();
            out.push(Item::Field(c, count));
            at += count;
            continue;
        }
        text.push(c);
        at += 1;
    }
    if !text.is_empty() {
        out.push(Item::Text(text));
    }
    Ok(out)
}

/// Digits with zeros before them, so that there are so many. (A format's own width has a limit of its own.)
fn padded(digits: &str, width: usize) -> String {
    let mut out = "0".repeat(width.saturating_sub(digits.len()));
    out.push_str(digits);
    out
}

fn offset(seconds: i32, colon: bool, out: &mut String) {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    let between = if colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}{between}{:02}", minutes / 60, minutes % 60);
}

/// Milliseconds since 1970 by a pattern; none outside the years that are known. Errors: 22023.
pub(crate) fn format_date(millis: i64, pattern: &str, tz: &str) -> Result<Option<String>> {
    let zone = zone(tz)?;
    let items = items(pattern)?;
    let Ok(timestamp) = Timestamp::from_millisecond(millis) else { return Ok(None) };
    let at = timestamp.to_zoned(zone);
    let mut out = String::new();
    for item in &items {
        match item {
            Item::Text(text) => out.push_str(text),
            Item::Field(letter, width) => field(&at, *letter, *width, &mut out),
        }
    }
    Ok(Some(out))
}

fn field(at: &Zoned, letter: char, width: usize, out: &mut String) {
    let number = |n: i64, out: &mut String| {
        let sign = if n < 0 { "-" } else { "" };
        out.push_str(sign);
        out.push_str(&padded(&n.unsigned_abs().to_string(), width - sign.len().min(width)));
    };
    let hour = i64::from(at.hour());
    match letter {
        'G' => out.push_str(if at.year() > 0 { "AD" } else { "BC" }),
        'y' | 'Y' if width == 2 => {
            let _ = write!(out, "{:02}", at.year().rem_euclid(100));
        }
        'y' | 'Y' => number(i64::from(at.year()), out),
        'M' | 'L' if width >= 3 => {
            let name = MONTHS[usize::try_from(at.month() - 1).unwrap_or(0)];
            out.push_str(if width == 3 { &name[..3] } else { name });
        }
        'M' | 'L' => number(i64::from(at.month()), out),
        'd' => number(i64::from(at.day()), out),
        'D' => number(i64::from(at.day_of_year()), out),
        'w' => number(i64::from(at.date().iso_week_date().week()), out),
        'E' => {
            let name = DAYS[usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0)];
            out.push_str(if width <= 3 { &name[..3] } else { name });
        }
        'u' => number(i64::from(at.weekday().to_monday_one_offset()), out),
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => number(hour, out),
        'k' => number(if hour == 0 { 24 } else { hour }, out),
        'K' => number(hour % 12, out),
        'h' => number(if hour % 12 == 0 { 12 } else { hour % 12 }, out),
        'm' => number(i64::from(at.minute()), out),
        's' => number(i64::from(at.second()), out),
        'S' => number(i64::from(at.millisecond()), out),
        'z' => {
            let info = at.time_zone().to_offset_info(at.timestamp());
            out.push_str(info.abbreviation());
        }
        'Z' => offset(at.offset().seconds(), false, out),
        'X' if at.offset().seconds() == 0 => out.push('Z'),
        'X' if width == 1 => {
            let _ = write!(out, "{:+03}", at.offset().seconds() / 3600);
        }
        'X' => offset(at.offset().seconds(), width >= 3, out),
        _ => {}
    }
}

/// Milliseconds since 1970 of a text by a pattern; none when the text does not have that form. Errors: 22023.
pub(crate) fn parse_date(text: &str, pattern: &str, tz: &str) -> Result<Option<i64>> {
    let zone = zone(tz)?;
    let items = items(pattern)?;
    Ok(read_date(text, &items, zone))
}

fn read_date(text: &str, items: &[Item], zone: TimeZone) -> Option<i64> {
    let (mut year, mut month, mut day, mut day_of_year) = (1970_i64, 1_i64, 1_i64, None);
    let (mut hour, mut half, mut minute, mut second, mut milli) = (0_i64, None, 0_i64, 0_i64, 0_i64);
    let mut shift: Option<i64> = None;
    let mut zone = zone;
    let mut rest = text;
    for (place, item) in items.iter().enumerate() {
        let (letter, width) = match item {
            Item::Text(text) => {
                rest = rest.strip_prefix(text.as_str())?;
                continue;
            }
            Item::Field(letter, width) => (*letter, *width),
        };
        // A number directly before another takes only its own digits.
        let adjacent = matches!(items.get(place + 1), Some(Item::Field(c, w)) if "yYdDHkKhmsSMLuw".contains(*c) && !("ML".contains(*c) && *w >= 3));
        let number = |rest: &mut &str| -> Option<i64> {
            let limit = if adjacent { width } else { 18 };
            let digits = rest.bytes().take(limit).take_while(u8::is_ascii_digit).count();
            let (found, after) = rest.split_at(digits);
            *rest = after;
            found.parse().ok()
        };
        match letter {
            'y' | 'Y' => {
                let before = rest.len();
                year = number(&mut rest)?;
                if width <= 2 && before - rest.len() == 2 {
                    year += if year < 70 { 2000 } else { 1900 };
                }
            }
            'M' | 'L' if width >= 3 => {
                let lower = rest.to_ascii_lowercase();
                let found = MONTHS.iter().position(|name| lower.starts_with(&name[..3].to_ascii_lowercase()))?;
                let name = MONTHS[found];
                let len = if lower.starts_with(&name.to_ascii_lowercase()) { name.len() } else { 3 };
                rest = &rest[len..];
                month = i64::try_from(found).ok()? + 1;
            }
            'M' | 'L' => month = number(&mut rest)?,
            'd' => day = number(&mut rest)?,
            'D' => day_of_year = Some(number(&mut rest)?),
            'E' => {
                let lower = rest.to_ascii_lowercase();
                let name = DAYS.iter().find(|name| lower.starts_with(&name[..3].to_ascii_lowercase()))?;
                let len = if lower.starts_with(&name.to_ascii_lowercase()) { name.len() } else { 3 };
                rest = &rest[len..];
            }
            'a' => {
                let lower = rest.get(..2)?.to_ascii_lowercase();
                half = Some(match lower.as_str() {
                    "am" => 0,
                    "pm" => 12,
                    _ => return None,
                });
                rest = &rest[2..];
            }
            'H' => hour = number(&mut rest)?,
            'k' => hour = number(&mut rest)? % 24,
            'K' => hour = number(&mut rest)?,
            'h' => hour = number(&mut rest)? % 12,
            'm' => minute = number(&mut rest)?,
            's' => second = number(&mut rest)?,
            'S' => milli = number(&mut rest)?,
            'G' => rest = rest.strip_prefix("AD")?,
            'u' | 'w' => {
                number(&mut rest)?;
            }
            'z' => {
                let len = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(b)).count();
                zone = self::zone(&rest[..len]).ok()?;
                rest = &rest[len..];
            }
            _ => {
                if let Some(after) = rest.strip_prefix('Z') {
                    shift = Some(0);
                    rest = after;
                    continue;
                }
                let sign = match rest.as_bytes().first()? {
                    b'+' => 1,
                    b'-' => -1,
                    _ => return None,
                };
                rest = &rest[1..];
                let hours: i64 = rest.get(..2)?.parse().ok()?;
                rest = rest[2..].strip_prefix(':').unwrap_or(&rest[2..]);
                let minutes: i64 = match rest.get(..2).and_then(|two| two.parse().ok()) {
                    Some(minutes) => {
                        rest = &rest[2..];
                        minutes
                    }
                    None => 0,
                };
                shift = Some(sign * (hours * 3600 + minutes * 60));
            }
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let hour = hour + half.unwrap_or(0);
    let year = i16::try_from(year).ok()?;
    let date = match day_of_year {
        Some(day) => Date::new(year, 1, 1).ok()?.checked_add(jiff::Span::new().try_days(day - 1).ok()?).ok()?,
        None => Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?,
    };
    let nanos = i32::try_from(milli.checked_mul(1_000_000)?).ok()?;
    let time =
        Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, nanos).ok()?;
    let civil = date.to_datetime(time);
    let zoned = match shift {
        Some(shift) => {
            let at = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
            return at.checked_sub(shift * 1000);
        }
        None => zone.to_ambiguous_zoned(civil).disambiguate(Disambiguation::Compatible).ok()?,
    };
    Some(zoned.timestamp().as_millisecond())
}

/// The parts of one half of a number pattern.
#[derive(Clone, Debug, Default)]
struct Shape {
    prefix: String,
    suffix: String,
    whole_min: usize,
    fraction_min: usize,
    fraction_max: usize,
    group: usize,
    shift: i64,
    exponent: usize,
    whole_max: usize,
}

/// A number by a pattern of Java's DecimalFormat, half even. Errors: 22023.
pub(crate) fn format_number(n: &BigDecimal, pattern: &str) -> Result<String> {
    let bad = || SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid number pattern \"{pattern}\""));
    let (positive, negative) = halves(pattern);
    let shape = shape(&positive).ok_or_else(bad)?;
    let minus = match negative {
        Some(text) => self::shape(&text).map(|other| (other.prefix, other.suffix)).ok_or_else(bad)?,
        None => (format!("-{}", shape.prefix), shape.suffix.clone()),
    };
    let digits = if shape.exponent > 0 { scientific(n, &shape) } else { plain(n, &shape) };
    let zero = digits.chars().all(|c| !c.is_ascii_digit() || c == '0');
    let (prefix, suffix) = if n.is_negative() && !zero { minus } else { (shape.prefix, shape.suffix) };
    Ok(format!("{prefix}{digits}{suffix}"))
}

fn halves(pattern: &str) -> (String, Option<String>) {
    let mut quoted = false;
    for (at, c) in pattern.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            ';' if !quoted => return (pattern[..at].to_owned(), Some(pattern[at + 1..].to_owned())),
            _ => {}
        }
    }
    (pattern.to_owned(), None)
}

fn shape(text: &str) -> Option<Shape> {
    let mut out = Shape::default();
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut stage, mut since_comma) = (0, 0, None::<usize>);
    let mut quoted = false;
    while at < chars.len() {
        let c = chars[at];
        if c == '\'' {
            if chars.get(at + 1) == Some(&'\'') {
                if stage == 0 {
                    out.prefix.push('\'')
                } else {
                    out.suffix.push('\'')
                }
                at += 1;
            } else {
                quoted = !quoted;
            }
            at += 1;
            continue;
        }
        let special = !quoted && matches!(c, '0' | '#' | ',' | '.') && stage < 3;
        if special {
            match (c, stage) {
                ('.', 0 | 1) => stage = 2,
                (',', 0 | 1) => {
                    stage = 1;
                    since_comma = Some(0);
                }
                ('0' | '#', 0 | 1) => {
                    stage = 1;
                    if c == '#' && out.whole_min > 0 {
                        return None;
                    }
                    out.whole_min += usize::from(c == '0');
                    out.whole_max += 1;
                    if let Some(n) = since_comma.as_mut() {
                        *n += 1;
                    }
                }
                ('0', 2) => {
                    if out.fraction_max > out.fraction_min {
                        return None;
                    }
                    out.fraction_min += 1;
                    out.fraction_max += 1;
                }
                ('#', 2) => out.fraction_max += 1,
                _ => return None,
            }
        } else if !quoted && c == 'E' && (stage == 1 || stage == 2) && chars.get(at + 1) == Some(&'0') {
            out.exponent = chars[at + 1..].iter().take_while(|c| **c == '0').count();
            at += out.exponent;
            stage = 3;
        } else {
            if !quoted && (c == '%' || c == '\u{2030}') {
                out.shift = if c == '%' { 2 } else { 3 };
            }
            if stage == 0 {
                out.prefix.push(c);
            } else {
                stage = 3;
                out.suffix.push(c);
            }
        }
        at += 1;
    }
    out.group = since_comma.unwrap_or(0);
    (!quoted && (out.whole_max > 0 || out.fraction_max > 0)).then_some(out)
}

/// Whole and fraction digits of a magnitude, rounded to the shape.
fn parts(n: &BigDecimal, shape: &Shape) -> (String, String) {
    let scale = i64::try_from(shape.fraction_max).unwrap_or(0);
    let text = n.abs().with_scale_round(scale, RoundingMode::HalfEven).to_plain_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let mut fraction = fraction.to_owned();
    while fraction.len() > shape.fraction_min && fraction.ends_with('0') {
        fraction.pop();
    }
    while fraction.len() < shape.fraction_min {
        fraction.push('0');
    }
    let whole = whole.trim_start_matches('0');
    (padded(whole, shape.whole_min), fraction)
}

fn plain(n: &BigDecimal, shape: &Shape) -> String {
    let n = n * power(shape.shift);
    let (mut whole, fraction) = parts(&n, shape);
    if whole.is_empty() && fraction.is_empty() {
        whole.push('0');
    }
    if shape.group > 0 {
        let len = whole.len();
        let grouped: Vec<String> = whole
            .chars()
            .enumerate()
            .map(
                |(at, c)| {
                    if at > 0 && (len - at).is_multiple_of(shape.group) { format!(",{c}") } else { c.to_string() }
                },
            )
            .collect();
        whole = grouped.concat();
    }
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

fn power(exponent: i64) -> BigDecimal {
    BigDecimal::new(1.into(), -exponent)
}

fn scientific(n: &BigDecimal, shape: &Shape) -> String {
    let digits = i64::try_from(n.digits()).unwrap_or(0);
    // Digits before the point: as many as the pattern asks for, one at least.
    let before = i64::try_from(shape.whole_min.max(1)).unwrap_or(1);
    let mut exponent = if n.is_zero() { 0 } else { digits - n.fractional_digit_count() - before };
    let (mut whole, mut fraction) = parts(&(n * power(-exponent)), shape);
    if i64::try_from(whole.len()).unwrap_or(0) > before {
        exponent += 1;
        (whole, fraction) = parts(&(n * power(-exponent)), shape);
    }
    let sign = if exponent < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    let exponent = padded(&exponent.unsigned_abs().to_string(), shape.exponent);
    format!("{whole}{point}{fraction}E{sign}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-69
    #[test]
    fn dates() {
        let at = 1_422_059_533_454;
        for (pattern, tz, text) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "UTC", "2015-01-24 00:32:13.454"),
            ("yyyyMMdd", "America/New_York", "20150123"),
            ("EEE, d MMM yyyy hh:mm a Z", "EST5EDT", "Fri, 23 Jan 2015 07:32 PM -0500"),
            ("EEEE MMMM yy 'o''clock' X", "GMT", "Saturday January 15 o'clock Z"),
            ("D u k K", "UTC", "24 6 24 0"),
        ] {
            assert_eq!(format_date(at, pattern, tz).unwrap().as_deref(), Some(text), "{pattern}");
        }
        assert_eq!(parse_date("2015-01-24 00:32:13.454", "yyyy-MM-dd HH:mm:ss.SSS", "UTC").unwrap(), Some(at));
        assert_eq!(parse_date("20140503", "yyyyMMdd", "UTC").unwrap(), Some(1_399_075_200_000));
        assert_eq!(
            parse_date("23 Jan 2015 07:32 PM -0500", "d MMM yyyy hh:mm a Z", "UTC").unwrap(),
            Some(1_422_059_520_000)
        );
        assert_eq!(parse_date("2015-02-30", "yyyy-MM-dd", "UTC").unwrap(), None);
        assert_eq!(parse_date("nonsense", "yyyy", "UTC").unwrap(), None);
        assert!(parse_date("1", "yyyy", "Nowhere/Land").is_err());
        assert!(format_date(0, "bbb", "UTC").is_err());
    }

    // AMI-69: wider than Rust's own formats may be.
    #[test]
    fn wide_patterns() {
        let wide = "0".repeat(100_000);
        let number = BigDecimal::from(1);
        assert_eq!(format_number(&number, &wide).unwrap().len(), 100_000);
        assert_eq!(format_number(&number, &format!("0E{wide}")).unwrap().len(), 100_002);
        assert_eq!(format_number(&number, &format!("0.{wide}")).unwrap().len(), 100_002);
        assert_eq!(format_date(0, &"y".repeat(100_000), "UTC").unwrap().unwrap().len(), 100_000);
        assert_eq!(format_date(-99_999_999_999_999, "yyyyy", "UTC").unwrap().unwrap(), "-1199");
    }

    // AMI-69
    #[test]
    fn numbers() {
        for (n, pattern, text) in [
            ("1234567.891", "#,##0.00", "1,234,567.89"),
            ("0.5", "0", "0"),
            ("1.5", "0", "2"),
            ("2.5", "0", "2"),
            ("-12.5", "0.0", "-12.5"),
            ("-12.5", "0.0;(0.0)", "(12.5)"),
            ("0.256", "0.#%", "25.6%"),
            ("12", "000", "012"),
            ("12345", "0.###E0", "1.234E4"),
            ("0.00012", "0.0E0", "1.2E-4"),
            ("7", "$#,##0.00' USD'", "$7.00 USD"),
            ("0.25", "#.##", ".25"),
            ("-0.001", "0.0", "0.0"),
        ] {
            assert_eq!(format_number(&n.parse().unwrap(), pattern).unwrap(), text, "{n} {pattern}");
        }
        assert!(format_number(&BigDecimal::from(1), "0#").is_err());
    }
}
