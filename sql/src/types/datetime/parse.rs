//! Input of dates and times in the many forms that PostgreSQL takes (PG-93).
//!
//! The text is cut into words, numbers, dates with separators, clock times and offsets; then the parts are put
//! together in any order, ambiguous dates by DateStyle's field order.
use super::civil::{
    JULIAN_EPOCH, MICROS_PER_DAY, MICROS_PER_SECOND, date_from_civil, date_in_range, days_in_month,
    timestamp_from_parts, timestamp_to_date,
};
use super::zone::abbreviation_offset;
use super::{DateOrder, TimeZone};
use crate::error::{Result, SqlError, SqlState};
use crate::types::TextStyle;

/// Why a text is no date or time.
enum Fault {
    Format,
    Field,
    FieldOrder,
    Displacement,
    UnknownZone(String),
}

impl Fault {
    fn into_error(self, type_name: &str, text: &str) -> SqlError {
        match self {
            Fault::Format => SqlError::new(
                SqlState::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Fault::Field => field_error(text),
            Fault::FieldOrder => field_error(text).hint("Perhaps you need a different \"datestyle\" setting."),
            Fault::Displacement => SqlError::new(
                SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Fault::UnknownZone(name) => {
                SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized"))
            }
        }
    }
}

fn field_error(text: &str) -> SqlError {
    SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""))
}

fn range_error(type_name: &str, text: &str) -> SqlError {
    SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{type_name} out of range: \"{text}\""))
}

type Parsed<T> = std::result::Result<T, Fault>;

/// A word that stands for a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Now,
    /// Midnight, this many days from today.
    Day(i64),
    Epoch,
    Infinity,
    NegativeInfinity,
}

enum Zone {
    Offset(i32),
    Named(TimeZone),
}

#[derive(Default)]
struct Fields {
    special: Option<Special>,
    /// Day count since 2000-01-01.
    day: Option<i64>,
    /// Microseconds of the day.
    clock: Option<i64>,
    zone: Option<Zone>,
}

/// One part of a date: its value, how many digits it had, whether it was a month's name.
#[derive(Clone, Copy)]
struct Part {
    value: i64,
    digits: usize,
    named: bool,
}

/// Reads a date. Errors: 22007, 22008.
pub fn parse_date(text: &str, style: &TextStyle) -> Result<i32> {
    let fields = parse_fields(text, style, false).map_err(|fault| fault.into_error("date", text))?;
    match fields.special {
        Some(Special::Infinity) => return Ok(i32::MAX),
        Some(Special::NegativeInfinity) => return Ok(i32::MIN),
        Some(Special::Epoch) => return Ok(-10_957),
        Some(Special::Now) => return Ok(timestamp_to_date(style.time_zone.to_local(style.now))),
        Some(Special::Day(_)) | None => {}
    }
    let day = fields.day.ok_or_else(|| Fault::Format.into_error("date", text))?;
    if !date_in_range(day) {
        return Err(range_error("date", text));
    }
    i32::try_from(day).map_err(|_| range_error("date", text))
}

/// Reads a timestamp; a zone in the text is read and ignored. Errors: 22007, 22008, 22009, 22023.
pub fn parse_timestamp(text: &str, style: &TextStyle) -> Result<i64> {
    let fields = parse_fields(text, style, false).map_err(|fault| fault.into_error("timestamp", text))?;
    match fields.special {
        Some(Special::Infinity) => return Ok(i64::MAX),
        Some(Special::NegativeInfinity) => return Ok(i64::MIN),
        Some(Special::Epoch) => return Ok(-10_957 * MICROS_PER_DAY),
        Some(Special::Now) => return Ok(style.time_zone.to_local(style.now)),
        Some(Special::Day(_)) | None => {}
    }
    let day = fields.day.ok_or_else(|| Fault::Format.into_error("timestamp", text))?;
    timestamp_from_parts(day, fields.clock.unwrap_or(0)).map_err(|_| range_error("timestamp", text))
}

/// Reads a timestamp with time zone; without a zone in the text it is local time. Errors: 22007, 22008, 22009, 22023.
pub fn parse_timestamptz(text: &str, style: &TextStyle) -> Result<i64> {
    let fields =
        parse_fields(text, style, false).map_err(|fault| fault.into_error("timestamp with time zone", text))?;
    match fields.special {
        Some(Special::Infinity) => return Ok(i64::MAX),
        Some(Special::NegativeInfinity) => return Ok(i64::MIN),
        Some(Special::Epoch) => return Ok(-10_957 * MICROS_PER_DAY),
        Some(Special::Now) => return Ok(style.now),
        Some(Special::Day(_)) | None => {}
    }
    let day = fields.day.ok_or_else(|| Fault::Format.into_error("timestamp with time zone", text))?;
    // The local time may lie outside the range where the moment does not.
    let local = day.checked_mul(MICROS_PER_DAY).and_then(|start| start.checked_add(fields.clock.unwrap_or(0)));
    let local = local.ok_or_else(|| range_error("timestamp", text))?;
    let utc = match fields.zone {
        Some(Zone::Offset(east)) => local.saturating_sub(i64::from(east) * MICROS_PER_SECOND),
        Some(Zone::Named(zone)) => zone.to_utc(local),
        None => style.time_zone.to_utc(local),
    };
    timestamp_from_parts(0, utc).map_err(|_| range_error("timestamp", text))
}

/// Reads a time, microseconds since midnight; a date or zone in the text is ignored. Errors: 22007, 22008.
pub fn parse_time(text: &str, style: &TextStyle) -> Result<i64> {
    let fields = parse_fields(text, style, true).map_err(|fault| fault.into_error("time", text))?;
    time_of(&fields, style).ok_or_else(|| Fault::Format.into_error("time", text))
}

fn time_of(fields: &Fields, style: &TextStyle) -> Option<i64> {
    match fields.special {
        Some(Special::Now) => Some(style.time_zone.to_local(style.now).rem_euclid(MICROS_PER_DAY)),
        Some(Special::Day(_)) => Some(fields.clock.unwrap_or(0)),
        Some(Special::Epoch | Special::Infinity | Special::NegativeInfinity) => None,
        None => fields.clock,
    }
}

/// Reads a time with its zone: microseconds since midnight and seconds west of UTC. Errors: 22007, 22008, 22009, 22023.
pub fn parse_timetz(text: &str, style: &TextStyle) -> Result<(i64, i32)> {
    let name = "time with time zone";
    let fields = parse_fields(text, style, true).map_err(|fault| fault.into_error(name, text))?;
    let clock = time_of(&fields, style).ok_or_else(|| Fault::Format.into_error(name, text))?;
    // A zone with rules needs a day: the one given, else today.
    let offset_in = |zone: &TimeZone| match fields.day {
        Some(day) => zone.offset_of_local(day.saturating_mul(MICROS_PER_DAY).saturating_add(clock)),
        None => zone.offset_at(style.now),
    };
    let east = match &fields.zone {
        Some(Zone::Offset(east)) => *east,
        Some(Zone::Named(zone)) => offset_in(zone),
        None => offset_in(&style.time_zone),
    };
    Ok((clock, -east))
}

fn month_by_name(word: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if word == "sept" {
        return Some(9);
    }
    let at = MONTHS.iter().position(|month| word == *month || (word.len() == 3 && month.starts_with(word)))?;
    i64::try_from(at + 1).ok()
}

fn is_weekday(word: &str) -> bool {
    matches!(
        word,
        "sun"
            | "sunday"
            | "mon"
            | "monday"
            | "tue"
            | "tues"
            | "tuesday"
            | "wed"
            | "weds"
            | "wednesday"
            | "thu"
            | "thur"
            | "thurs"
            | "thursday"
            | "fri"
            | "friday"
            | "sat"
            | "saturday"
    )
}

/// What is known while the text is read.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    style: &'a TextStyle,
    fields: Fields,
    parts: Vec<Part>,
    bc: bool,
    afternoon: Option<bool>,
    time_follows: bool,
    /// A time is wanted: digits alone are one.
    time_only: bool,
}

fn parse_fields(text: &str, style: &TextStyle, time_only: bool) -> Parsed<Fields> {
    if text.len() > 200 {
        return Err(Fault::Format);
    }
    let mut reader = Reader {
        text,
        at: 0,
        style,
        fields: Fields::default(),
        parts: Vec::with_capacity(3),
        bc: false,
        afternoon: None,
        time_follows: false,
        time_only,
    };
    while let Some(byte) = reader.peek() {
        match byte {
            b'0'..=b'9' => reader.number()?,
            b'+' | b'-' => reader.signed()?,
            b if b.is_ascii_alphabetic() => reader.word()?,
            b if b.is_ascii_whitespace() || b.is_ascii_punctuation() => reader.at += 1,
            _ => return Err(Fault::Format),
        }
    }
    reader.finish()
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn take(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn number(&mut self) -> Parsed<()> {
        let start = self.at;
        let digits = self.take(|b| b.is_ascii_digit());
        match self.peek() {
            Some(b':') => {
                self.take(|b| b.is_ascii_digit() || b == b':' || b == b'.');
                self.set_clock(&self.text[start..self.at])
            }
            Some(b'-') if self.time_only && digits.len() == 6 => self.set_clock_digits(digits),
            Some(delimiter @ (b'-' | b'/' | b'.')) if !self.time_follows => self.delimited(start, digits, delimiter),
            Some(b'.') => {
                self.take(|b| b.is_ascii_digit() || b == b'.');
                self.set_clock_digits(&self.text[start..self.at])
            }
            _ if self.time_follows => self.set_clock_digits(digits),
            _ => self.plain_number(digits),
        }
    }

    /// A date with separators; `digits` is its first part, the cursor on the separator.
    fn delimited(&mut self, start: usize, digits: &str, delimiter: u8) -> Parsed<()> {
        self.parts_are_free()?;
        self.push_part(digits)?;
        self.at += 1;
        let second = self.take(|b| b.is_ascii_alphanumeric());
        if delimiter == b'.' && self.peek() != Some(b'.') {
            return self.fraction_or_day_of_year(&self.text[start..self.at], second);
        }
        self.push_part(second)?;
        if self.peek() != Some(delimiter) {
            return Err(Fault::Format);
        }
        self.at += 1;
        let third = if self.parts.iter().any(|part| part.named) || self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.take(|b| b.is_ascii_digit())
        } else {
            self.take(|b| b.is_ascii_alphabetic())
        };
        if self.peek() == Some(delimiter) {
            return Err(Fault::Format);
        }
        self.push_part(third)
    }

    /// `1999.008` is a day of the year; `040506.7` a time after a date.
    fn fraction_or_day_of_year(&mut self, whole: &'a str, second: &str) -> Parsed<()> {
        let first = self.parts.pop().ok_or(Fault::Format)?;
        if self.parts.len() == 3 || self.fields.day.is_some() {
            return self.set_clock_digits(whole);
        }
        if second.len() != 3 || first.digits < 4 || !self.parts.is_empty() {
            return Err(Fault::Format);
        }
        let day: i64 = second.parse().map_err(|_| Fault::Format)?;
        if !(1..=366).contains(&day) {
            return Err(Fault::Field);
        }
        let january_first = date_from_civil(first.value, 1, 1).ok_or(Fault::Field)?;
        self.fields.day = Some(i64::from(january_first) + day - 1);
        Ok(())
    }

    fn parts_are_free(&self) -> Parsed<()> {
        let clock_only = self.parts.len() == 3 || self.fields.day.is_some();
        // After a complete date only `hhmmss.fraction` may follow; `delimited` finds out.
        if clock_only && (self.fields.clock.is_some() || self.peek() != Some(b'.')) {
            Err(Fault::Format)
        } else {
            Ok(())
        }
    }

    fn push_part(&mut self, text: &str) -> Parsed<()> {
        if text.is_empty() || self.parts.len() >= 4 {
            return Err(Fault::Format);
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let value = text.parse().map_err(|_| Fault::Field)?;
            self.parts.push(Part { value, digits: text.len(), named: false });
            return Ok(());
        }
        let value = month_by_name(&text.to_ascii_lowercase()).ok_or(Fault::Format)?;
        if self.parts.iter().any(|part| part.named) {
            return Err(Fault::Format);
        }
        self.parts.push(Part { value, digits: 0, named: true });
        Ok(())
    }

    fn plain_number(&mut self, digits: &'a str) -> Parsed<()> {
        if self.time_only && self.fields.clock.is_none() && matches!(digits.len(), 4 | 6) {
            return self.set_clock_digits(digits);
        }
        let date_complete = self.parts.len() == 3 || self.fields.day.is_some();
        if date_complete {
            return if matches!(digits.len(), 4 | 6) { self.set_clock_digits(digits) } else { Err(Fault::Format) };
        }
        if digits.len() >= 6 && self.parts.is_empty() {
            let (year, rest) = digits.split_at(digits.len() - 4);
            self.push_part(year)?;
            self.push_part(&rest[..2])?;
            self.push_part(&rest[2..])?;
            // Year first whatever the field order: mark it as such.
            self.parts[0].digits = self.parts[0].digits.max(2);
            let year = two_digit_year(self.parts[0]);
            self.parts[0] = Part { value: year, digits: 4, named: false };
            return Ok(());
        }
        self.push_part(digits)
    }

    fn set_clock(&mut self, text: &str) -> Parsed<()> {
        if self.fields.clock.is_some() {
            return Err(Fault::Format);
        }
        self.time_follows = false;
        let (clock, fraction) = match text.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (text, None),
        };
        let mut numbers = [0i64; 3];
        let mut count = 0;
        for part in clock.split(':') {
            if count == 3 || part.is_empty() || part.len() > 9 {
                return Err(Fault::Format);
            }
            numbers[count] = part.parse().map_err(|_| Fault::Format)?;
            count += 1;
        }
        let [hours, minutes, seconds] = match (count, fraction) {
            (2, None) | (3, _) => numbers,
            // `mm:ss.fraction`
            (2, Some(_)) => [0, numbers[0], numbers[1]],
            _ => return Err(Fault::Format),
        };
        self.store_clock(hours, minutes, seconds, fraction.unwrap_or(""))
    }

    /// `hhmmss`, `hhmm` or `hh`, with a fraction.
    fn set_clock_digits(&mut self, text: &str) -> Parsed<()> {
        if self.fields.clock.is_some() {
            return Err(Fault::Format);
        }
        self.time_follows = false;
        let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
        let two = |from: usize| digits.get(from..from + 2).and_then(|part| part.parse::<i64>().ok()).unwrap_or(0);
        if !matches!(digits.len(), 2 | 4 | 6) {
            return Err(Fault::Format);
        }
        self.store_clock(two(0), two(2), two(4), fraction)
    }

    fn store_clock(&mut self, hours: i64, minutes: i64, seconds: i64, fraction: &str) -> Parsed<()> {
        let micros = fraction_micros(fraction).ok_or(Fault::Format)?;
        if hours > 24 || minutes > 59 || seconds > 60 {
            return Err(Fault::Field);
        }
        let clock = ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + micros;
        if clock > MICROS_PER_DAY || (hours == 24 && clock != MICROS_PER_DAY) {
            return Err(Fault::Field);
        }
        self.fields.clock = Some(clock);
        Ok(())
    }

    /// An offset, or `-infinity`.
    fn signed(&mut self) -> Parsed<()> {
        let negative = self.peek() == Some(b'-');
        self.at += 1;
        self.take(|b| b == b' ');
        match self.peek() {
            Some(b) if b.is_ascii_digit() => {}
            Some(b) if b.is_ascii_alphabetic() => {
                let word = self.take(|b| b.is_ascii_alphabetic()).to_ascii_lowercase();
                if word != "infinity" && word != "inf" {
                    return Err(Fault::Format);
                }
                if !negative {
                    return Err(Fault::Format);
                }
                return self.set_special(Special::NegativeInfinity);
            }
            _ => return Err(Fault::Format),
        }
        let text = self.take(|b| b.is_ascii_digit() || b == b':');
        if self.fields.zone.is_some()
            || (self.fields.clock.is_none() && self.parts.len() < 3 && self.fields.day.is_none())
        {
            return Err(Fault::Format);
        }
        let seconds = offset_seconds(text)?;
        self.fields.zone = Some(Zone::Offset(if negative { -seconds } else { seconds }));
        Ok(())
    }

    fn set_special(&mut self, special: Special) -> Parsed<()> {
        if self.fields.special.is_some() {
            return Err(Fault::Format);
        }
        self.fields.special = Some(special);
        Ok(())
    }

    fn word(&mut self) -> Parsed<()> {
        let start = self.at;
        let word = self.take(|b| b.is_ascii_alphabetic()).to_ascii_lowercase();
        let next_is_digit = self.peek().is_some_and(|b| b.is_ascii_digit());
        if word == "t" && next_is_digit {
            self.time_follows = true;
            return Ok(());
        }
        if word == "j" && next_is_digit {
            let digits = self.take(|b| b.is_ascii_digit());
            let julian: i64 = digits.parse().map_err(|_| Fault::Field)?;
            self.fields.day = Some(julian.saturating_sub(JULIAN_EPOCH));
            return Ok(());
        }
        if month_by_name(&word).is_some() {
            return self.month(&word);
        }
        match word.as_str() {
            "now" => return self.set_special(Special::Now),
            "today" => return self.set_special(Special::Day(0)),
            "tomorrow" => return self.set_special(Special::Day(1)),
            "yesterday" => return self.set_special(Special::Day(-1)),
            "epoch" => return self.set_special(Special::Epoch),
            "infinity" | "inf" => return self.set_special(Special::Infinity),
            "allballs" => {
                self.fields.zone = Some(Zone::Offset(0));
                return self.store_clock(0, 0, 0, "");
            }
            "am" | "pm" => {
                self.afternoon = Some(word == "pm");
                return Ok(());
            }
            "bc" => {
                self.bc = true;
                return Ok(());
            }
            "ad" | "at" | "on" | "t" => return Ok(()),
            _ if is_weekday(&word) => return Ok(()),
            _ => {}
        }
        self.zone_name(start)
    }

    /// A month's name, alone or first of a date with separators (`Jan-08-1999`).
    fn month(&mut self, word: &str) -> Parsed<()> {
        self.push_part(word)?;
        if let Some(delimiter @ (b'-' | b'/' | b'.')) = self.peek()
            && self.peek_at(1).is_some_and(|b| b.is_ascii_digit())
            && self.parts.len() == 1
        {
            self.at += 1;
            let second = self.take(|b| b.is_ascii_digit());
            self.push_part(second)?;
            if self.peek() == Some(delimiter) {
                self.at += 1;
                let third = self.take(|b| b.is_ascii_digit());
                self.push_part(third)?;
            }
        }
        Ok(())
    }

    fn zone_name(&mut self, start: usize) -> Parsed<()> {
        self.take(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'+' | b'-'));
        let name = &self.text[start..self.at];
        if self.fields.zone.is_some() {
            return Err(Fault::Format);
        }
        if let Some(offset) = abbreviation_offset(name) {
            self.fields.zone = Some(Zone::Offset(offset));
            return Ok(());
        }
        match TimeZone::lookup(name) {
            Some(zone) => {
                self.fields.zone = Some(Zone::Named(zone));
                Ok(())
            }
            None if name.contains('/') && !self.parts.is_empty() => Err(Fault::UnknownZone(name.to_ascii_lowercase())),
            None => Err(Fault::Format),
        }
    }

    fn finish(mut self) -> Parsed<Fields> {
        if let Some(special) = self.fields.special {
            let with_clock = matches!(special, Special::Day(_));
            if !self.parts.is_empty() || self.fields.day.is_some() || (self.fields.clock.is_some() && !with_clock) {
                return Err(Fault::Format);
            }
            if let Special::Day(days) = special {
                let today = timestamp_to_date(self.style.time_zone.to_local(self.style.now));
                self.fields.day = Some(i64::from(today) + days);
            }
        }
        if !self.parts.is_empty() {
            if self.fields.day.is_some() {
                return Err(Fault::Format);
            }
            self.fields.day = Some(self.assemble_date()?);
        }
        if let Some(afternoon) = self.afternoon {
            let clock = self.fields.clock.ok_or(Fault::Format)?;
            let half_day = MICROS_PER_DAY / 2;
            // Hours run from 1 to 12, 12 being the first.
            if clock >= half_day + MICROS_PER_DAY / 24 {
                return Err(Fault::Field);
            }
            self.fields.clock = Some(clock % half_day + if afternoon { half_day } else { 0 });
        }
        if self.fields.special.is_none() && self.fields.day.is_none() && self.fields.clock.is_none() {
            return Err(Fault::Format);
        }
        Ok(self.fields)
    }

    fn assemble_date(&self) -> Parsed<i64> {
        let [a, b, c] = self.parts[..] else { return Err(Fault::Format) };
        let order = self.style.date_style.order;
        let (year, month, day) = match (a.named, b.named, c.named) {
            (true, _, _) if b.digits >= 3 || (order == DateOrder::Ymd && c.digits < 3) => (b, a, c),
            (true, _, _) => (c, a, b),
            (_, true, _) if a.digits >= 3 || (order == DateOrder::Ymd && c.digits < 3) => (a, b, c),
            (_, true, _) => (c, b, a),
            (_, _, true) if a.digits >= 3 || order == DateOrder::Ymd => (a, c, b),
            (_, _, true) => (b, c, a),
            _ if a.digits >= 3 => (a, b, c),
            _ => match order {
                DateOrder::Ymd => (a, b, c),
                DateOrder::Dmy => (c, b, a),
                DateOrder::Mdy => (c, a, b),
            },
        };
        let mut year_value = if self.bc { year.value } else { two_digit_year(year) };
        if self.bc {
            if year_value <= 0 {
                return Err(Fault::Field);
            }
            year_value = 1 - year_value;
        } else if year_value <= 0 {
            return Err(Fault::Field);
        }
        if !(1..=12).contains(&month.value) || !(1..=31).contains(&day.value) {
            return Err(Fault::FieldOrder);
        }
        let (month, day) = (u32::try_from(month.value).unwrap_or(0), u32::try_from(day.value).unwrap_or(0));
        if day > days_in_month(year_value, month) {
            return Err(Fault::Field);
        }
        if year_value.abs() > 10_000_000 {
            // Out of every type's range, but not out of ours: callers report it.
            return Ok(i64::from(i32::MAX) + 1);
        }
        Ok(super::civil::days_from_civil(year_value, month, i64::from(day)))
    }
}

fn two_digit_year(part: Part) -> i64 {
    match part.value {
        value @ 0..=69 if part.digits <= 2 => value + 2000,
        value @ 70..=99 if part.digits <= 2 => value + 1900,
        value => value,
    }
}

/// Microseconds of the digits after a point, rounded as a double; `None` if they are not digits.
pub(in crate::types) fn fraction_micros(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if digits.len() > 6 {
        let fraction: f64 = format!("0.{digits}").parse().ok()?;
        #[allow(clippy::cast_possible_truncation, reason = "at most a million")]
        return Some((fraction * 1e6).round_ties_even() as i64);
    }
    let places =
        |micros: i64, place: usize| micros * 10 + digits.as_bytes().get(place).map_or(0, |b| i64::from(b - b'0'));
    Some((0..6).fold(0, places))
}

/// Seconds of `HH`, `HHMM`, `HH:MM` or `HH:MM:SS`.
fn offset_seconds(text: &str) -> Parsed<i32> {
    let mut numbers = [0i32; 3];
    if text.contains(':') {
        for (index, part) in text.split(':').enumerate() {
            if index == 3 || part.is_empty() || part.len() > 4 {
                return Err(Fault::Format);
            }
            numbers[index] = part.parse().map_err(|_| Fault::Format)?;
        }
    } else {
        let whole: i32 = text.parse().map_err(|_| Fault::Displacement)?;
        numbers = match text.len() {
            1 | 2 => [whole, 0, 0],
            3 | 4 => [whole / 100, whole % 100, 0],
            5 | 6 => [whole / 10_000, whole / 100 % 100, whole % 100],
            _ => return Err(Fault::Displacement),
        };
    }
    let [hours, minutes, seconds] = numbers;
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::Displacement);
    }
    Ok((hours * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::super::{DateStyle, civil_from_days, print_date, print_timestamp, print_timestamptz};
    use super::*;

    fn shown(date: i32) -> String {
        let (year, month, day) = civil_from_days(i64::from(date));
        format!("{year}-{month:02}-{day:02}")
    }

    fn with_order(order: DateOrder) -> TextStyle {
        TextStyle { date_style: DateStyle { order, ..DateStyle::default() }, ..TextStyle::default() }
    }

    // PG-93
    #[test]
    fn dates_are_read_in_every_form() {
        for text in [
            "1999-01-08",
            "January 8, 1999",
            "1/8/1999",
            "1999-Jan-08",
            "Jan-08-1999",
            "08-Jan-1999",
            "08-Jan-99",
            "Jan-08-99",
            "19990108",
            "990108",
            "1999.008",
            "J2451187",
            "8 Jan 1999",
            "Fri Jan 8 1999",
            "1999/1/8",
            "1999 Jan 8",
            "  1999-01-08  ",
        ] {
            let date = parse_date(text, &TextStyle::default()).expect(text);
            assert_eq!(shown(date), "1999-01-08", "{text}");
        }
        assert_eq!(shown(parse_date("1/2/03", &with_order(DateOrder::Dmy)).expect("dmy")), "2003-02-01");
        assert_eq!(shown(parse_date("1/2/03", &with_order(DateOrder::Ymd)).expect("ymd")), "2001-02-03");
        assert_eq!(shown(parse_date("01.02.2003", &with_order(DateOrder::Dmy)).expect("dmy")), "2003-02-01");
        let mut text = String::new();
        print_date(parse_date("0044-03-15 BC", &TextStyle::default()).expect("bc"), DateStyle::default(), &mut text);
        assert_eq!(text, "0044-03-15 BC");
        assert_eq!(parse_date("infinity", &TextStyle::default()).ok(), Some(i32::MAX));
        for (text, state) in [
            ("2023-02-30", SqlState::DATETIME_FIELD_OVERFLOW),
            ("2023-13-01", SqlState::DATETIME_FIELD_OVERFLOW),
            ("0000-01-01", SqlState::DATETIME_FIELD_OVERFLOW),
            ("5874898-01-01", SqlState::DATETIME_FIELD_OVERFLOW),
            ("99999999999999999999-01-01", SqlState::DATETIME_FIELD_OVERFLOW),
            ("", SqlState::INVALID_DATETIME_FORMAT),
            ("abc", SqlState::INVALID_DATETIME_FORMAT),
            ("2023-01", SqlState::INVALID_DATETIME_FORMAT),
            ("1999 Jan", SqlState::INVALID_DATETIME_FORMAT),
            ("1999-01-08-02", SqlState::INVALID_DATETIME_FORMAT),
            ("+infinity", SqlState::INVALID_DATETIME_FORMAT),
            ("10:00", SqlState::INVALID_DATETIME_FORMAT),
        ] {
            assert_eq!(parse_date(text, &TextStyle::default()).map_err(|e| e.state()), Err(state), "{text}");
        }
    }

    // PG-92, PG-93
    #[test]
    fn timestamps_are_read_and_printed() {
        let style =
            TextStyle { time_zone: TimeZone::parse("America/New_York").expect("known"), ..TextStyle::default() };
        for (text, plain, zoned) in [
            ("2023-01-02 03:04:05", "2023-01-02 03:04:05", "2023-01-02 03:04:05-05"),
            ("2023-07-02T03:04:05.5Z", "2023-07-02 03:04:05.5", "2023-07-01 23:04:05.5-04"),
            ("20230102T030405", "2023-01-02 03:04:05", "2023-01-02 03:04:05-05"),
            ("2023-01-02 0304", "2023-01-02 03:04:00", "2023-01-02 03:04:00-05"),
            ("2023-07-02 03:04:05 IST", "2023-07-02 03:04:05", "2023-07-01 21:04:05-04"),
            ("2023-01-02 03:04 PM", "2023-01-02 15:04:00", "2023-01-02 15:04:00-05"),
            ("2023-01-02 24:00", "2023-01-03 00:00:00", "2023-01-03 00:00:00-05"),
            ("2023-01-02 03:04:05 America/Los_Angeles", "2023-01-02 03:04:05", "2023-01-02 06:04:05-05"),
            ("2023-01-02 03:04:05+05:30", "2023-01-02 03:04:05", "2023-01-01 16:34:05-05"),
            ("2023-01-02 03:04:05 PST", "2023-01-02 03:04:05", "2023-01-02 06:04:05-05"),
            ("Mon Jan 02 03:04:05 2023", "2023-01-02 03:04:05", "2023-01-02 03:04:05-05"),
            ("12345-01-02 03:04:05", "12345-01-02 03:04:05", "12345-01-02 03:04:05-05"),
            ("0044-03-15 12:00 BC", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00-04:56:02 BC"),
            ("epoch", "1970-01-01 00:00:00", "1969-12-31 19:00:00-05"),
            ("-infinity", "-infinity", "-infinity"),
            ("2023-01-02 03:04:05.1234567", "2023-01-02 03:04:05.123457", "2023-01-02 03:04:05.123457-05"),
        ] {
            let mut out = String::new();
            print_timestamp(parse_timestamp(text, &style).expect(text), style.date_style, &mut out);
            assert_eq!(out, plain, "{text}");
            out.clear();
            let timestamp = parse_timestamptz(text, &style).expect(text);
            print_timestamptz(timestamp, style.date_style, &style.time_zone, &mut out);
            assert_eq!(out, zoned, "{text}");
        }
        let state = |text: &str| parse_timestamptz(text, &style).map_err(|e| e.state());
        assert_eq!(state("2023-01-02 25:00"), Err(SqlState::DATETIME_FIELD_OVERFLOW));
        assert_eq!(state("2023-01-02 10:00 Foo/Bar"), Err(SqlState::INVALID_PARAMETER_VALUE));
        assert_eq!(state("2023-01-02 10:00 nix"), Err(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(state("300000-01-01"), Err(SqlState::DATETIME_FIELD_OVERFLOW));
        assert_eq!(state("2023-01-02 10:00+99"), Err(SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE));
    }

    #[test]
    fn times_are_read() {
        let style = TextStyle::default();
        let hour = 3600 * MICROS_PER_SECOND;
        assert_eq!(parse_time("04:05", &style).ok(), Some(4 * hour + 300 * MICROS_PER_SECOND));
        assert_eq!(parse_time("12:00 am", &style).ok(), Some(0));
        assert_eq!(parse_time("allballs", &style).ok(), Some(0));
        assert_eq!(parse_time("0405", &style).ok(), Some(4 * hour + 300 * MICROS_PER_SECOND));
        assert_eq!(parse_time("00:00:00.0000005", &style).ok(), Some(0));
        assert_eq!(parse_timetz("040506-08", &style).ok().map(|(_, zone)| zone), Some(28_800));
        assert_eq!(parse_timetz("04:00-08:30", &style).ok(), Some((4 * hour, 30_600)));
        assert!(parse_time("13:00 pm", &style).is_err());
        assert!(parse_time("2023-01-01", &style).is_err());
    }
}
