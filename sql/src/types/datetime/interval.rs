//! Text forms of intervals: input in all styles at once, output in each (PG-92, PG-93).
use super::IntervalStyle;
use super::civil::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::parse::fraction_micros;
use super::print::{push_fraction, push_padded};
use crate::error::{Result, SqlError, SqlState};
use crate::types::Interval;
use crate::types::typmod::{FIELD_DAY, FIELD_HOUR, FIELD_MINUTE, FIELD_MONTH, FIELD_SECOND, FIELD_YEAR};

enum Fault {
    Format,
    Range,
    /// Each part fits, their sum does not.
    Total,
}

type Parsed<T> = std::result::Result<T, Fault>;

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Micros(i64),
    Days(i64),
    Months(i64),
}

/// A number as written: whole part and fraction, both with its sign.
#[derive(Clone, Copy)]
struct Amount {
    whole: i64,
    fraction: f64,
}

/// Sums that overflow nowhere: each is checked when it becomes an interval.
#[derive(Default)]
struct Sum {
    micros: i128,
    days: i128,
    months: i128,
}

impl Sum {
    fn add(&mut self, amount: Amount, unit: Unit) {
        let whole = i128::from(amount.whole);
        match unit {
            Unit::Micros(size) => {
                self.micros += whole * i128::from(size);
                self.add_micros(amount.fraction, size);
            }
            Unit::Days(size) => {
                self.days += whole * i128::from(size);
                self.add_days(amount.fraction, size);
            }
            Unit::Months(1) => {
                self.months += whole;
                self.add_days(amount.fraction, 30);
            }
            Unit::Months(size) => {
                self.months += whole * i128::from(size);
                #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "below one unit")]
                let months = (amount.fraction * size as f64).round_ties_even() as i128;
                self.months += months;
            }
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "below one unit")]
    fn add_micros(&mut self, fraction: f64, size: i64) {
        self.micros += (fraction * size as f64).round_ties_even() as i128;
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "below one unit")]
    fn add_days(&mut self, fraction: f64, size: i64) {
        let days = fraction * size as f64;
        self.days += days.trunc() as i128;
        self.add_micros(days - days.trunc(), MICROS_PER_DAY);
    }

    fn interval(&self) -> Parsed<Interval> {
        Ok(Interval {
            micros: i64::try_from(self.micros).map_err(|_| Fault::Range)?,
            days: i32::try_from(self.days).map_err(|_| Fault::Range)?,
            months: i32::try_from(self.months)
                .map_err(|_| if i32::try_from(self.months / 12).is_ok() { Fault::Total } else { Fault::Range })?,
        })
    }

    fn negate(&mut self) {
        self.micros = -self.micros;
        self.days = -self.days;
        self.months = -self.months;
    }
}

/// Reads an interval. A number without a unit counts the smallest of `fields` (a field mask, 0x7FFF for all: seconds).
/// Errors: 22007, 22015.
pub fn parse_interval(text: &str, style: IntervalStyle, fields: i32) -> Result<Interval> {
    let parsed = match text.trim().strip_prefix('P') {
        Some(iso) => parse_iso(iso),
        None => parse_words(text.trim(), style, fields),
    };
    parsed.map_err(|fault| match fault {
        Fault::Format => SqlError::new(
            SqlState::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type interval: \"{text}\""),
        ),
        Fault::Total => SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range"),
        Fault::Range => {
            SqlError::new(SqlState::INTERVAL_FIELD_OVERFLOW, format!("interval field value out of range: \"{text}\""))
        }
    })
}

fn unit_by_name(word: &str) -> Option<Unit> {
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" | "microsecon" => {
            Unit::Micros(1)
        }
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => Unit::Micros(1000),
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Micros(MICROS_PER_SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Micros(60 * MICROS_PER_SECOND),
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Micros(3600 * MICROS_PER_SECOND),
        "d" | "day" | "days" => Unit::Days(1),
        "w" | "week" | "weeks" => Unit::Days(7),
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Months(12),
        "dec" | "decs" | "decade" | "decades" => Unit::Months(120),
        "c" | "cent" | "century" | "centuries" => Unit::Months(1200),
        "mil" | "mils" | "millennia" | "millennium" => Unit::Months(12_000),
        _ => return None,
    })
}

fn default_unit(fields: i32) -> Unit {
    let has = |field: i32| fields & field != 0;
    if fields == 0 || has(FIELD_SECOND) {
        Unit::Micros(MICROS_PER_SECOND)
    } else if has(FIELD_MINUTE) {
        Unit::Micros(60 * MICROS_PER_SECOND)
    } else if has(FIELD_HOUR) {
        Unit::Micros(3600 * MICROS_PER_SECOND)
    } else if has(FIELD_DAY) {
        Unit::Days(1)
    } else if has(FIELD_MONTH) {
        Unit::Months(1)
    } else if has(FIELD_YEAR) {
        Unit::Months(12)
    } else {
        Unit::Micros(MICROS_PER_SECOND)
    }
}

/// A number with optional fraction; the sign counts for both.
fn parse_amount(text: &str) -> Parsed<Amount> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    if (whole.is_empty() && fraction.is_empty()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    if !whole.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Fault::Range)? };
    let fraction: f64 =
        if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().map_err(|_| Fault::Format)? };
    Ok(if negative { Amount { whole: -whole, fraction: -fraction } } else { Amount { whole, fraction } })
}

/// `H:MM`, `H:MM:SS` or `MM:SS.f` in microseconds, with a sign before it.
fn parse_clock(text: &str, minutes_first: bool) -> Parsed<i128> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (clock, fraction) = body.split_once('.').map_or((body, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut numbers = [0i128; 3];
    let mut count = 0;
    for part in clock.split(':') {
        if count == 3 || !part.bytes().all(|b| b.is_ascii_digit()) || (part.is_empty() && count == 0) {
            return Err(Fault::Format);
        }
        numbers[count] = if part.is_empty() { 0 } else { i128::from(part.parse::<i64>().map_err(|_| Fault::Range)?) };
        count += 1;
    }
    let [hours, minutes, seconds] =
        if count == 2 && (fraction.is_some() || minutes_first) { [0, numbers[0], numbers[1]] } else { numbers };
    if minutes > 59 || seconds > 60 {
        return Err(Fault::Range);
    }
    let micros = i128::from(fraction_micros(fraction.unwrap_or("")).ok_or(Fault::Format)?);
    let total = ((hours * 60 + minutes) * 60 + seconds) * i128::from(MICROS_PER_SECOND) + micros;
    Ok(if negative { -total } else { total })
}

/// Cuts the text into signed numbers (with `:` and `-` inside) and words.
fn tokens(text: &str) -> Parsed<Vec<&str>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        if byte.is_ascii_whitespace() || byte == b'@' || byte == b',' {
            at += 1;
            continue;
        }
        if byte.is_ascii_alphabetic() {
            while at < bytes.len() && bytes[at].is_ascii_alphabetic() {
                at += 1;
            }
        } else if byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.') {
            at += 1;
            // A dash joins only after a digit: `1-2` is years and months, `1 -2` is not.
            while at < bytes.len()
                && (bytes[at].is_ascii_digit()
                    || matches!(bytes[at], b':' | b'.')
                    || (bytes[at] == b'-' && bytes[at - 1].is_ascii_digit()))
            {
                at += 1;
            }
        } else {
            return Err(Fault::Format);
        }
        found.push(&text[start..at]);
        if found.len() > 50 {
            return Err(Fault::Format);
        }
    }
    Ok(found)
}

fn parse_words(text: &str, style: IntervalStyle, fields: i32) -> Parsed<Interval> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(Fault::Format);
    }
    let is_number = |token: &str| !token.as_bytes()[0].is_ascii_alphabetic();
    let signs = tokens.iter().filter(|token| token.starts_with(['+', '-'])).count();
    // In SQL's own form one leading sign counts for all fields.
    let sign_for_all = style == IntervalStyle::SqlStandard && signs == 1 && tokens[0].starts_with('-');
    let mut sum = Sum::default();
    let (mut index, mut ago, mut found) = (0, false, false);
    // Each unit may be given once.
    let mut given: Vec<Unit> = Vec::new();
    let mut once = |unit: Unit| {
        let repeated = given.contains(&unit);
        given.push(unit);
        if repeated { Err(Fault::Format) } else { Ok(unit) }
    };
    while index < tokens.len() {
        let token = if sign_for_all && index == 0 { &tokens[0][1..] } else { tokens[index] };
        if token.is_empty() {
            return Err(Fault::Format);
        }
        let next = tokens.get(index + 1);
        index += 1;
        if !is_number(token) {
            if token.eq_ignore_ascii_case("ago") && index == tokens.len() && found {
                ago = true;
                continue;
            }
            return Err(Fault::Format);
        }
        found = true;
        if token.contains(':') {
            for size in [1, 60, 3600] {
                once(Unit::Micros(size * MICROS_PER_SECOND))?;
            }
            let minutes_first = fields != 0 && fields & FIELD_HOUR == 0 && fields & FIELD_MINUTE != 0;
            sum.micros += parse_clock(token, minutes_first)?;
        } else if token[1..].contains('-') {
            once(Unit::Months(12))?;
            once(Unit::Months(1))?;
            sum.months += i128::from(parse_year_month(token)?);
        } else if let Some(unit) = next.filter(|next| !is_number(next) && !next.eq_ignore_ascii_case("ago")) {
            let unit = unit_by_name(&unit.to_ascii_lowercase()).ok_or(Fault::Format)?;
            sum.add(parse_amount(token)?, once(unit)?);
            index += 1;
        } else if next.is_some_and(|next| next.contains(':')) {
            sum.add(parse_amount(token)?, once(Unit::Days(1))?);
        } else {
            sum.add(parse_amount(token)?, once(default_unit(fields))?);
        }
    }
    if ago || sign_for_all {
        sum.negate();
    }
    sum.interval()
}

/// `Y-M` in months.
fn parse_year_month(text: &str) -> Parsed<i64> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (years, months) = body.split_once('-').ok_or(Fault::Format)?;
    let years: i64 = years.parse::<u32>().map_err(|_| Fault::Format)?.into();
    let months: i64 = months.parse::<u32>().map_err(|_| Fault::Format)?.into();
    if months > 11 {
        return Err(Fault::Range);
    }
    let total = years * 12 + months;
    Ok(if negative { -total } else { total })
}

/// ISO 8601, what follows the `P`: with designators (`1Y2M3DT4H`), or as a date and time (`0001-02-03T04:05:06`).
fn parse_iso(text: &str) -> Parsed<Interval> {
    let mut sum = Sum::default();
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    if date.is_empty() && time.is_none() {
        return Err(Fault::Format);
    }
    if date.bytes().skip(1).any(|b| b == b'-') && !date.bytes().any(|b| b.is_ascii_alphabetic()) {
        let mut parts = date.splitn(3, '-');
        for unit in [Unit::Months(12), Unit::Months(1), Unit::Days(1)] {
            if let Some(part) = parts.next() {
                sum.add(parse_amount(part)?, unit);
            }
        }
    } else {
        designated(date, false, &mut sum)?;
    }
    if let Some(time) = time {
        if time.contains(':') {
            sum.micros += parse_clock(time, false)?;
        } else {
            designated(time, true, &mut sum)?;
        }
    }
    sum.interval()
}

fn designated(mut text: &str, is_time: bool, sum: &mut Sum) -> Parsed<()> {
    while !text.is_empty() {
        let Some(end) = text.find(|c: char| c.is_ascii_alphabetic()) else {
            // A lone number is years.
            if is_time {
                return Err(Fault::Format);
            }
            sum.add(parse_amount(text)?, Unit::Months(12));
            return Ok(());
        };
        let unit = match (text.as_bytes()[end], is_time) {
            (b'Y', false) => Unit::Months(12),
            (b'M', false) => Unit::Months(1),
            (b'W', false) => Unit::Days(7),
            (b'D', false) => Unit::Days(1),
            (b'H', true) => Unit::Micros(3600 * MICROS_PER_SECOND),
            (b'M', true) => Unit::Micros(60 * MICROS_PER_SECOND),
            (b'S', true) => Unit::Micros(MICROS_PER_SECOND),
            _ => return Err(Fault::Format),
        };
        sum.add(parse_amount(&text[..end])?, unit);
        text = &text[end + 1..];
    }
    Ok(())
}

/// The parts that are printed; all parts of one of the three numbers have the same sign.
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

impl Parts {
    fn new(interval: Interval) -> Parts {
        let seconds = interval.micros / MICROS_PER_SECOND;
        Parts {
            years: i64::from(interval.months / 12),
            months: i64::from(interval.months % 12),
            days: i64::from(interval.days),
            hours: seconds / 3600,
            minutes: seconds / 60 % 60,
            seconds: seconds % 60,
            micros: interval.micros % MICROS_PER_SECOND,
        }
    }
}

/// Appends an interval.
pub fn print_interval(interval: Interval, style: IntervalStyle, out: &mut String) {
    let parts = Parts::new(interval);
    match style {
        IntervalStyle::Postgres => print_postgres(interval, &parts, out),
        IntervalStyle::PostgresVerbose => print_verbose(interval, &parts, out),
        IntervalStyle::SqlStandard => print_sql(interval, out),
        IntervalStyle::Iso8601 => print_iso(&parts, out),
    }
}

fn push_number(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    push_padded(out, number.unsigned_abs(), 1);
}

fn push_clock(out: &mut String, micros: i64, hour_width: usize) {
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    push_padded(out, seconds / 3600, hour_width);
    out.push(':');
    push_padded(out, seconds / 60 % 60, 2);
    out.push(':');
    push_padded(out, seconds % 60, 2);
    push_fraction(out, micros % 1_000_000);
}

fn print_postgres(interval: Interval, parts: &Parts, out: &mut String) {
    let start = out.len();
    let mut negative_before = false;
    for (number, unit) in [(parts.years, "year"), (parts.months, "mon"), (parts.days, "day")] {
        if number == 0 {
            continue;
        }
        if out.len() > start {
            out.push(' ');
        }
        if negative_before && number > 0 {
            out.push('+');
        }
        push_number(out, number);
        out.push(' ');
        out.push_str(unit);
        if number != 1 {
            out.push('s');
        }
        negative_before = number < 0;
    }
    if out.len() > start && interval.micros == 0 {
        return;
    }
    if out.len() > start {
        out.push(' ');
    }
    if interval.micros < 0 {
        out.push('-');
    } else if negative_before {
        out.push('+');
    }
    push_clock(out, interval.micros, 2);
}

fn print_verbose(interval: Interval, parts: &Parts, out: &mut String) {
    out.push('@');
    let (mut first, mut ago) = (true, false);
    for (number, unit) in [
        (parts.years, "year"),
        (parts.months, "mon"),
        (parts.days, "day"),
        (parts.hours, "hour"),
        (parts.minutes, "min"),
    ] {
        if number == 0 {
            continue;
        }
        if first {
            ago = number < 0;
            first = false;
        }
        let shown = if ago { -number } else { number };
        out.push(' ');
        push_number(out, shown);
        out.push(' ');
        out.push_str(unit);
        if shown != 1 {
            out.push('s');
        }
    }
    if parts.seconds != 0 || parts.micros != 0 {
        let negative = interval.micros < 0;
        if first {
            ago = negative;
            first = false;
        }
        out.push(' ');
        if negative != ago {
            out.push('-');
        }
        push_padded(out, parts.seconds.unsigned_abs(), 1);
        push_fraction(out, parts.micros.unsigned_abs());
        out.push_str(if parts.seconds.abs() != 1 || parts.micros != 0 { " secs" } else { " sec" });
    }
    if first {
        out.push_str(" 0");
    }
    if ago {
        out.push_str(" ago");
    }
}

fn print_sql(interval: Interval, out: &mut String) {
    let Interval { micros, days, months } = interval;
    let any_negative = micros < 0 || days < 0 || months < 0;
    let any_positive = micros > 0 || days > 0 || months > 0;
    let has_months = months != 0;
    let has_time = days != 0 || micros != 0;
    if !any_negative && !any_positive {
        return out.push('0');
    }
    let push_year_month = |out: &mut String| {
        let months = u64::from(months.unsigned_abs());
        push_padded(out, months / 12, 1);
        out.push('-');
        push_padded(out, months % 12, 1);
    };
    if (any_negative && any_positive) || (has_months && has_time) {
        let sign = |negative: bool| if negative { '-' } else { '+' };
        out.push(sign(months < 0));
        push_year_month(out);
        out.push(' ');
        out.push(sign(days < 0));
        push_padded(out, u64::from(days.unsigned_abs()), 1);
        out.push(' ');
        out.push(sign(micros < 0));
        return push_clock(out, micros, 1);
    }
    if any_negative {
        out.push('-');
    }
    if has_months {
        return push_year_month(out);
    }
    if days != 0 {
        push_padded(out, u64::from(days.unsigned_abs()), 1);
        out.push(' ');
    }
    push_clock(out, micros, 1);
}

fn print_iso(parts: &Parts, out: &mut String) {
    out.push('P');
    let start = out.len();
    for (number, unit) in [(parts.years, 'Y'), (parts.months, 'M'), (parts.days, 'D')] {
        if number != 0 {
            push_number(out, number);
            out.push(unit);
        }
    }
    let has_time = parts.hours != 0 || parts.minutes != 0 || parts.seconds != 0 || parts.micros != 0;
    if !has_time {
        if out.len() == start {
            out.push_str("T0S");
        }
        return;
    }
    out.push('T');
    for (number, unit) in [(parts.hours, 'H'), (parts.minutes, 'M')] {
        if number != 0 {
            push_number(out, number);
            out.push(unit);
        }
    }
    if parts.seconds != 0 || parts.micros != 0 {
        if parts.seconds < 0 || parts.micros < 0 {
            out.push('-');
        }
        push_padded(out, parts.seconds.unsigned_abs(), 1);
        push_fraction(out, parts.micros.unsigned_abs());
        out.push('S');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-92, PG-93; expected texts are PostgreSQL's.
    #[test]
    fn intervals_print_in_every_style() {
        for (text, postgres, verbose, sql, iso) in [
            (
                "1 year 2 mons 3 days 04:05:06.789",
                "1 year 2 mons 3 days 04:05:06.789",
                "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs",
                "+1-2 +3 +4:05:06.789",
                "P1Y2M3DT4H5M6.789S",
            ),
            ("0", "00:00:00", "@ 0", "0", "PT0S"),
            ("1 day ago", "-1 days", "@ 1 day ago", "-1 0:00:00", "P-1D"),
            (
                "-1 year 2 days -03:04",
                "-1 years +2 days -03:04:00",
                "@ 1 year -2 days 3 hours 4 mins ago",
                "-1-0 +2 -3:04:00",
                "P-1Y2DT-3H-4M",
            ),
            ("1-2", "1 year 2 mons", "@ 1 year 2 mons", "1-2", "P1Y2M"),
            ("-00:00:01.5", "-00:00:01.5", "@ 1.5 secs ago", "-0:00:01.5", "PT-1.5S"),
        ] {
            let interval = parse_interval(text, IntervalStyle::Postgres, 0x7FFF).expect(text);
            for (style, expected) in [
                (IntervalStyle::Postgres, postgres),
                (IntervalStyle::PostgresVerbose, verbose),
                (IntervalStyle::SqlStandard, sql),
                (IntervalStyle::Iso8601, iso),
            ] {
                let mut out = String::new();
                print_interval(interval, style, &mut out);
                assert_eq!(out, expected, "{text}");
                assert_eq!(parse_interval(&out, style, 0x7FFF).expect(&out), interval, "{out}");
            }
        }
    }

    // PG-93
    #[test]
    fn intervals_are_read_in_every_form() {
        for (text, months, days, micros) in [
            ("1.5 years", 18, 0, 0),
            ("1.5 months", 1, 15, 0),
            ("1.5 days", 0, 1, 12 * 3600 * MICROS_PER_SECOND),
            ("2 weeks", 0, 14, 0),
            ("1 2:03:04", 0, 1, 7_384 * MICROS_PER_SECOND),
            ("90", 0, 0, 90 * MICROS_PER_SECOND),
            ("1h 30m", 0, 0, 5400 * MICROS_PER_SECOND),
            ("P1Y2M3DT4H5M6S", 14, 3, 14_706 * MICROS_PER_SECOND),
            ("P0001-02-03T04:05:06", 14, 3, 14_706 * MICROS_PER_SECOND),
            ("P1W", 0, 7, 0),
            ("PT", 0, 0, 0),
            ("P1", 12, 0, 0),
            ("@ 1 minute", 0, 0, 60 * MICROS_PER_SECOND),
            ("1 century 1 decade", 1320, 0, 0),
            ("10 ms", 0, 0, 10_000),
            ("250:00", 0, 0, 900_000 * MICROS_PER_SECOND),
        ] {
            let interval = parse_interval(text, IntervalStyle::Postgres, 0x7FFF).expect(text);
            assert_eq!(interval, Interval { micros, days, months }, "{text}");
        }
        let state = |text: &str| parse_interval(text, IntervalStyle::Postgres, 0x7FFF).map_err(|e| e.state());
        assert_eq!(state(""), Err(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(state("1 day 2 days"), Err(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(state("178956970 years 8 mons"), Err(SqlState::DATETIME_FIELD_OVERFLOW));
        assert_eq!(state("1 nix"), Err(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(state("Pé-1"), Err(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(state("P"), Err(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(state("99999999999 years"), Err(SqlState::INTERVAL_FIELD_OVERFLOW));
        let minutes = parse_interval("5", IntervalStyle::Postgres, FIELD_MINUTE).expect("minutes");
        assert_eq!(minutes.micros, 300 * MICROS_PER_SECOND);
    }
}
