//! Text forms of dates and times in every DateStyle (PG-92).
use super::civil::{MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, weekday};
use super::{DateFormat, DateOrder, DateStyle, TimeZone};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Appends a number with at least `width` digits.
pub(in crate::types) fn push_padded(out: &mut String, mut number: u64, width: usize) {
    let mut buffer = [b'0'; 20];
    let mut at = buffer.len();
    while number > 0 || at + width > buffer.len() {
        at -= 1;
        buffer[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if at == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&buffer[at..]).unwrap_or(""));
}

/// Appends `.ffffff` without zeros at its end; nothing for 0.
pub(in crate::types) fn push_fraction(out: &mut String, micros: u64) {
    if micros == 0 {
        return;
    }
    out.push('.');
    push_padded(out, micros, 6);
    out.truncate(out.trim_end_matches('0').len());
}

/// Year as printed and whether it is BC.
fn era(year: i64) -> (u64, bool) {
    if year > 0 { (year.unsigned_abs(), false) } else { ((1 - year).unsigned_abs(), true) }
}

fn push_clock(out: &mut String, micros: i64) {
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    push_padded(out, seconds / 3600, 2);
    out.push(':');
    push_padded(out, seconds / 60 % 60, 2);
    out.push(':');
    push_padded(out, seconds % 60, 2);
    push_fraction(out, micros % 1_000_000);
}

/// Appends `+HH`, `+HH:MM` or `+HH:MM:SS`.
fn push_offset(out: &mut String, seconds_east: i32) {
    out.push(if seconds_east < 0 { '-' } else { '+' });
    let total = u64::from(seconds_east.unsigned_abs());
    push_padded(out, total / 3600, 2);
    if total % 3600 != 0 {
        out.push(':');
        push_padded(out, total / 60 % 60, 2);
    }
    if total % 60 != 0 {
        out.push(':');
        push_padded(out, total % 60, 2);
    }
}

/// Appends the day in a style, without era; the Postgres style here is that of a date.
fn push_day(out: &mut String, year: u64, month: u32, day: u32, style: DateStyle) {
    let (month, day) = (u64::from(month), u64::from(day));
    let mut three = |first: (u64, usize), second: (u64, usize), third: (u64, usize), separator: char| {
        push_padded(out, first.0, first.1);
        out.push(separator);
        push_padded(out, second.0, second.1);
        out.push(separator);
        push_padded(out, third.0, third.1);
    };
    let (year, month, day) = ((year, 4), (month, 2), (day, 2));
    match (style.format, style.order) {
        (DateFormat::Iso, _) => three(year, month, day, '-'),
        (DateFormat::German, _) => three(day, month, year, '.'),
        (DateFormat::Sql, DateOrder::Dmy) => three(day, month, year, '/'),
        (DateFormat::Sql, _) => three(month, day, year, '/'),
        (DateFormat::Postgres, DateOrder::Dmy) => three(day, month, year, '-'),
        (DateFormat::Postgres, _) => three(month, day, year, '-'),
    }
}

/// Appends a date.
pub fn print_date(date: i32, style: DateStyle, out: &mut String) {
    match date {
        i32::MIN => return out.push_str("-infinity"),
        i32::MAX => return out.push_str("infinity"),
        _ => {}
    }
    let (year, month, day) = civil_from_days(i64::from(date));
    let (year, bc) = era(year);
    push_day(out, year, month, day, style);
    if bc {
        out.push_str(" BC");
    }
}

/// Appends a time.
pub fn print_time(micros: i64, out: &mut String) {
    push_clock(out, micros);
}

/// Appends a time with its offset, `zone` seconds west.
pub fn print_timetz(micros: i64, zone: i32, out: &mut String) {
    push_clock(out, micros);
    push_offset(out, zone.saturating_neg());
}

/// Appends a timestamp without a zone.
pub fn print_timestamp(timestamp: i64, style: DateStyle, out: &mut String) {
    print_local(timestamp, None, style, out);
}

/// Appends a timestamp in a zone.
pub fn print_timestamptz(timestamp: i64, style: DateStyle, zone: &TimeZone, out: &mut String) {
    if timestamp == i64::MIN || timestamp == i64::MAX {
        return print_local(timestamp, None, style, out);
    }
    let offset = zone.offset_at(timestamp);
    let local = timestamp.saturating_add(i64::from(offset) * MICROS_PER_SECOND);
    let abbreviation = if style.format == DateFormat::Iso { String::new() } else { zone.abbreviation_at(timestamp) };
    print_local(local, Some((offset, &abbreviation)), style, out);
}

fn print_local(local: i64, zone: Option<(i32, &str)>, style: DateStyle, out: &mut String) {
    match local {
        i64::MIN => return out.push_str("-infinity"),
        i64::MAX => return out.push_str("infinity"),
        _ => {}
    }
    let days = local.div_euclid(MICROS_PER_DAY);
    let clock = local.rem_euclid(MICROS_PER_DAY);
    let (year, month, day) = civil_from_days(days);
    let (year, bc) = era(year);
    if style.format == DateFormat::Postgres {
        let month_name = MONTHS[month as usize - 1];
        out.push_str(WEEKDAYS[weekday(days) as usize]);
        out.push(' ');
        if style.order == DateOrder::Dmy {
            push_padded(out, u64::from(day), 2);
            out.push(' ');
            out.push_str(month_name);
        } else {
            out.push_str(month_name);
            out.push(' ');
            push_padded(out, u64::from(day), 2);
        }
        out.push(' ');
        push_clock(out, clock);
        out.push(' ');
        push_padded(out, year, 4);
    } else {
        push_day(out, year, month, day, style);
        out.push(' ');
        push_clock(out, clock);
    }
    match zone {
        Some((offset, _)) if style.format == DateFormat::Iso => push_offset(out, offset),
        Some((_, abbreviation)) => {
            out.push(' ');
            out.push_str(abbreviation);
        }
        None => {}
    }
    if bc {
        out.push_str(" BC");
    }
}
