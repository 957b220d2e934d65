//! Dates, times and intervals: operators, fields, truncation, construction, zones (PG-115).
use super::OperatorRow;
use super::args::{division_by_zero, invalid, out_of_range};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::datetime::{
    MICROS_PER_DAY, MICROS_PER_SECOND, add_interval, add_interval_at_zone, add_intervals, age, civil_from_days,
    date_from_civil, date_to_timestamp, date_trunc, date_trunc_interval, day_of_year, divide_interval, fields_of,
    fields_of_interval, interval_span, iso_week, iso_year, justify_days, justify_hours, justify_interval,
    multiply_interval, negate_interval, subtract_timestamps, timestamp_from_parts, weekday,
};
use crate::types::oid::{
    BOOL, DATE, FLOAT8, INT4, INTERVAL, NUMERIC, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ, VOID,
};
use crate::types::{Interval, Numeric, TimeZone, Value};

/// Days from 4714-11-24 BC to 2000-01-01.
const JULIAN_OF_2000: i64 = 2_451_545;
/// Seconds from 1970-01-01 to 2000-01-01.
const UNIX_OF_2000: i64 = 946_684_800;

fn overflow(message: &str) -> SqlError {
    SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, message)
}

fn infinite(timestamp: i64) -> bool {
    timestamp == i64::MIN || timestamp == i64::MAX
}

fn zone<'a>(call: &'a Call<'_>) -> &'a TimeZone {
    &call.ctx.style.time_zone
}

/// A zone as AT TIME ZONE takes it: a name, or an offset that POSIX counts west of UTC.
fn zone_named(name: &str) -> Result<TimeZone> {
    let unknown = || invalid(format!("time zone \"{name}\" not recognized"));
    let trimmed = name.trim();
    if let Some(digits) = trimmed.strip_prefix(['+', '-']) {
        let mut parts = digits.split(':').map(str::parse::<i32>);
        let mut part = || parts.next().unwrap_or(Ok(0)).map_err(|_| unknown());
        let (hours, minutes, seconds) = (part()?, part()?, part()?);
        let west = hours.checked_mul(3600).ok_or_else(unknown)? + minutes * 60 + seconds;
        let east = if trimmed.starts_with('-') { west } else { -west };
        return TimeZone::fixed(east).ok_or_else(unknown);
    }
    TimeZone::lookup(trimmed).ok_or_else(unknown)
}

/// Seconds east of UTC of an interval used as a zone.
fn interval_offset(interval: Interval) -> Result<i64> {
    if interval.months != 0 || interval.days != 0 {
        return Err(invalid("interval time zone must not include months or days"));
    }
    Ok(interval.micros / MICROS_PER_SECOND)
}

fn shift(timestamp: i64, seconds: i64) -> Result<i64> {
    if infinite(timestamp) {
        return Ok(timestamp);
    }
    timestamp_from_parts(0, timestamp.saturating_add(seconds * MICROS_PER_SECOND))
}

fn wrap_day(micros: i64) -> i64 {
    micros.rem_euclid(MICROS_PER_DAY)
}

fn date_value(days: i64) -> Result<Value> {
    let (year, month, day) = civil_from_days(days);
    date_from_civil(year, month, day).map(Value::Date).ok_or_else(|| overflow("date out of range"))
}

fn date_plus(call: &Call<'_>, date: usize, days: i64) -> Result<Value> {
    match call.args.get(date) {
        Some(Value::Date(date)) if *date == i32::MIN || *date == i32::MAX => Ok(Value::Date(*date)),
        _ => date_value(call.time(date)?.saturating_add(days)),
    }
}

fn date_minus_date(call: &Call<'_>) -> Result<Value> {
    let (left, right) = (call.time(0)?, call.time(1)?);
    let ends = [i64::from(i32::MIN), i64::from(i32::MAX)];
    if ends.contains(&left) || ends.contains(&right) {
        return Err(overflow("cannot subtract infinite dates"));
    }
    i32::try_from(left - right).map(Value::Int4).map_err(|_| out_of_range("integer"))
}

fn as_date(call: &Call<'_>, index: usize) -> Result<i32> {
    i32::try_from(call.time(index)?).map_err(|_| overflow("date out of range"))
}

/// Argument `index`, a date or timestamp, as a timestamp.
fn as_timestamp(call: &Call<'_>, index: usize) -> Result<i64> {
    match call.args.get(index) {
        Some(Value::Date(date)) => date_to_timestamp(*date),
        _ => call.time(index),
    }
}

fn timestamp_plus(call: &Call<'_>, timestamp: usize, interval: Interval) -> Result<Value> {
    match call.args.get(timestamp) {
        Some(Value::TimestampTz(micros)) => add_interval_at_zone(*micros, interval, zone(call)).map(Value::TimestampTz),
        Some(Value::Time(micros)) => Ok(Value::Time(wrap_day(micros + interval.micros % MICROS_PER_DAY))),
        Some(Value::TimeTz(micros, west)) => {
            Ok(Value::TimeTz(wrap_day(micros + interval.micros % MICROS_PER_DAY), *west))
        }
        _ => add_interval(as_timestamp(call, timestamp)?, interval).map(Value::Timestamp),
    }
}

fn date_with_time(call: &Call<'_>, date: usize, time: usize) -> Result<Value> {
    let days = as_date(call, date)?;
    let start = date_to_timestamp(days)?;
    if infinite(start) {
        return Ok(if matches!(call.args.get(time), Some(Value::TimeTz(..))) {
            Value::TimestampTz(start)
        } else {
            Value::Timestamp(start)
        });
    }
    match call.args.get(time) {
        Some(Value::TimeTz(micros, west)) => {
            timestamp_from_parts(i64::from(days), micros + i64::from(*west) * MICROS_PER_SECOND).map(Value::TimestampTz)
        }
        _ => timestamp_from_parts(i64::from(days), call.time(time)?).map(Value::Timestamp),
    }
}

fn subtract(call: &Call<'_>) -> Result<Value> {
    subtract_timestamps(call.time(0)?, call.time(1)?).map(Value::Interval)
}

fn interval_value(interval: Result<Interval>) -> Result<Value> {
    interval.map(Value::Interval)
}

fn divide(call: &Call<'_>) -> Result<Value> {
    let divisor = call.float(1)?;
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    interval_value(divide_interval(call.interval(0)?, divisor))
}

/// A field's value: an exact decimal, or an infinity, or nothing.
enum Field {
    Exact(i128, u32),
    Infinite(bool),
    None,
}

fn whole(n: i64) -> Field {
    Field::Exact(i128::from(n), 0)
}

fn unit_error(unit: &str, known: bool, of: &str) -> SqlError {
    if known {
        SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("unit \"{unit}\" not supported for type {of}"))
    } else {
        invalid(format!("unit \"{unit}\" not recognized for type {of}"))
    }
}

/// One name per unit.
fn unit_name(unit: &str) -> String {
    let lower = unit.to_ascii_lowercase();
    match lower.as_str() {
        "microseconds" | "microsecond" | "us" | "usec" | "usecs" => "microseconds",
        "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" => "milliseconds",
        "second" | "seconds" | "sec" | "secs" | "s" => "second",
        "minute" | "minutes" | "min" | "mins" | "m" => "minute",
        "hour" | "hours" | "hr" | "hrs" | "h" => "hour",
        "day" | "days" | "d" => "day",
        "week" | "weeks" | "w" => "week",
        "month" | "months" | "mon" | "mons" => "month",
        "quarter" | "qtr" => "quarter",
        "year" | "years" | "yr" | "yrs" | "y" => "year",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "century" | "centuries" | "cent" | "c" => "century",
        "millennium" | "millennia" | "mil" | "mils" => "millennium",
        _ => return lower,
    }
    .to_owned()
}

const KNOWN_UNITS: &[&str] = &[
    "microseconds",
    "milliseconds",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "decade",
    "century",
    "millennium",
    "dow",
    "isodow",
    "doy",
    "isoyear",
    "epoch",
    "julian",
    "timezone",
    "timezone_hour",
    "timezone_minute",
];

/// A field of a local timestamp; `offset` is the zone's, in seconds east, of a timestamptz.
fn timestamp_field(unit: &str, timestamp: i64, offset: Option<i64>, of: &str) -> Result<Field> {
    let name = unit_name(unit);
    if infinite(timestamp) {
        return match name.as_str() {
            "year" | "decade" | "century" | "millennium" | "julian" | "isoyear" | "epoch" => {
                Ok(Field::Infinite(timestamp == i64::MIN))
            }
            other if KNOWN_UNITS.contains(&other) => Ok(Field::None),
            other => Err(unit_error(other, false, of)),
        };
    }
    let fields = fields_of(timestamp);
    let days = timestamp.div_euclid(MICROS_PER_DAY);
    let seconds = i128::from(fields.second * MICROS_PER_SECOND + fields.micros);
    // There is no year 0: 1 BC is -1.
    let year = if fields.year > 0 { fields.year } else { fields.year - 1 };
    Ok(match name.as_str() {
        "microseconds" => Field::Exact(seconds, 0),
        "milliseconds" => Field::Exact(seconds, 3),
        "second" => Field::Exact(seconds, 6),
        "minute" => whole(fields.minute),
        "hour" => whole(fields.hour),
        "day" => whole(fields.day),
        "week" => whole(iso_week(days)),
        "month" => whole(fields.month),
        "quarter" => whole((fields.month - 1) / 3 + 1),
        "year" => whole(year),
        "decade" => whole(fields.year.div_euclid(10)),
        "century" => whole(if fields.year > 0 { (fields.year + 99) / 100 } else { -((99 - (fields.year - 1)) / 100) }),
        "millennium" => {
            whole(if fields.year > 0 { (fields.year + 999) / 1000 } else { -((999 - (fields.year - 1)) / 1000) })
        }
        "dow" => whole(i64::from(weekday(days))),
        "isodow" => whole(match i64::from(weekday(days)) {
            0 => 7,
            day => day,
        }),
        "doy" => whole(day_of_year(days)),
        "isoyear" => {
            let year = iso_year(days);
            whole(if year > 0 { year } else { year - 1 })
        }
        "epoch" => Field::Exact(
            i128::from(timestamp) + i128::from(UNIX_OF_2000 - offset.unwrap_or(0)) * i128::from(MICROS_PER_SECOND),
            6,
        ),
        "julian" => {
            let clock = i128::from(timestamp.rem_euclid(MICROS_PER_DAY));
            let day = i128::from(days + JULIAN_OF_2000);
            if clock == 0 {
                Field::Exact(day, 0)
            } else {
                // Twenty digits of the day's fraction, as numeric division gives.
                let scale = 10i128.pow(20);
                Field::Exact(day * scale + clock * scale / i128::from(MICROS_PER_DAY), 20)
            }
        }
        "timezone" if offset.is_some() => whole(offset.unwrap_or(0)),
        "timezone_hour" if offset.is_some() => whole(offset.unwrap_or(0) / 3600),
        "timezone_minute" if offset.is_some() => whole(offset.unwrap_or(0) / 60 % 60),
        other => return Err(unit_error(other, KNOWN_UNITS.contains(&other), of)),
    })
}

fn date_field(unit: &str, date: i32) -> Result<Field> {
    let of = "date";
    let name = unit_name(unit);
    match name.as_str() {
        "microseconds" | "milliseconds" | "second" | "minute" | "hour" | "timezone" | "timezone_hour"
        | "timezone_minute" => Err(unit_error(&name, true, of)),
        "epoch" if date != i32::MIN && date != i32::MAX => Ok(whole(i64::from(date) * 86_400 + UNIX_OF_2000)),
        // Days beyond the timestamps have fields too; only the day counts.
        _ => match date_to_timestamp(date) {
            Ok(timestamp) => timestamp_field(unit, timestamp, None, of),
            Err(error) => Err(error),
        },
    }
}

fn time_field(unit: &str, micros: i64, offset: Option<i64>, of: &str) -> Result<Field> {
    let name = unit_name(unit);
    let seconds = i128::from(micros % (60 * MICROS_PER_SECOND));
    Ok(match name.as_str() {
        "microseconds" => Field::Exact(seconds, 0),
        "milliseconds" => Field::Exact(seconds, 3),
        "second" => Field::Exact(seconds, 6),
        "minute" => whole(micros / MICROS_PER_SECOND / 60 % 60),
        "hour" => whole(micros / MICROS_PER_SECOND / 3600),
        "epoch" => Field::Exact(i128::from(micros) - i128::from(offset.unwrap_or(0) * MICROS_PER_SECOND), 6),
        "timezone" if offset.is_some() => whole(offset.unwrap_or(0)),
        "timezone_hour" if offset.is_some() => whole(offset.unwrap_or(0) / 3600),
        "timezone_minute" if offset.is_some() => whole(offset.unwrap_or(0) / 60 % 60),
        other => return Err(unit_error(other, KNOWN_UNITS.contains(&other), of)),
    })
}

fn interval_field(unit: &str, interval: Interval) -> Result<Field> {
    let name = unit_name(unit);
    let fields = fields_of_interval(interval);
    let seconds = i128::from(interval.micros % (60 * MICROS_PER_SECOND));
    let years = i64::from(interval.months / 12);
    let months = i64::from(interval.months % 12);
    Ok(match name.as_str() {
        "microseconds" => Field::Exact(seconds, 0),
        "milliseconds" => Field::Exact(seconds, 3),
        "second" => Field::Exact(seconds, 6),
        "minute" => whole(fields.minute),
        "hour" => whole(interval.micros / MICROS_PER_SECOND / 3600),
        "day" => whole(i64::from(interval.days)),
        "month" => whole(months),
        "quarter" => whole(months / 3 + 1),
        "year" => whole(years),
        "decade" => whole(years / 10),
        "century" => whole(years / 100),
        "millennium" => whole(years / 1000),
        "epoch" => {
            // A year has 365.25 days here, a month 30.
            let days = i128::from(years) * 1461 + (i128::from(months) * 30 + i128::from(interval.days)) * 4;
            Field::Exact(days * i128::from(MICROS_PER_DAY) / 4 + i128::from(interval.micros), 6)
        }
        other => return Err(unit_error(other, KNOWN_UNITS.contains(&other), "interval")),
    })
}

fn field(call: &Call<'_>) -> Result<Field> {
    let unit = call.text(0)?;
    match call.args.get(1) {
        Some(Value::Date(date)) => date_field(unit, *date),
        Some(Value::Time(micros)) => time_field(unit, *micros, None, "time without time zone"),
        Some(Value::TimeTz(micros, west)) => time_field(unit, *micros, Some(-i64::from(*west)), "time with time zone"),
        Some(Value::TimestampTz(micros)) => {
            let offset = if infinite(*micros) { 0 } else { i64::from(zone(call).offset_at(*micros)) };
            timestamp_field(unit, zone(call).to_local(*micros), Some(offset), "timestamp with time zone")
        }
        Some(Value::Interval(interval)) => interval_field(unit, *interval),
        _ => timestamp_field(unit, call.time(1)?, None, "timestamp without time zone"),
    }
}

fn extract(call: &Call<'_>) -> Result<Value> {
    Ok(match field(call)? {
        Field::Exact(digits, scale) => Value::Numeric(Box::new(Numeric::from_digits(digits.into(), i64::from(scale))?)),
        Field::Infinite(false) => Value::Numeric(Box::new(Numeric::Infinity)),
        Field::Infinite(true) => Value::Numeric(Box::new(Numeric::NegativeInfinity)),
        Field::None => Value::Null,
    })
}

fn date_part(call: &Call<'_>) -> Result<Value> {
    // Of a date this goes through timestamp, so the clock's fields are there.
    let found = match call.args.get(1) {
        Some(Value::Date(date)) => {
            timestamp_field(call.text(0)?, date_to_timestamp(*date)?, None, "timestamp without time zone")?
        }
        _ => field(call)?,
    };
    #[allow(clippy::cast_precision_loss, reason = "date_part gives a double")]
    Ok(match found {
        Field::Exact(digits, scale) => Value::Float8(digits as f64 / 10f64.powi(i32::try_from(scale).unwrap_or(0))),
        Field::Infinite(false) => Value::Float8(f64::INFINITY),
        Field::Infinite(true) => Value::Float8(f64::NEG_INFINITY),
        Field::None => Value::Null,
    })
}

fn truncate(call: &Call<'_>) -> Result<Value> {
    let unit = call.text(0)?.to_ascii_lowercase();
    match call.args.get(1) {
        Some(Value::Interval(interval)) => interval_value(date_trunc_interval(&unit, *interval)),
        Some(Value::TimestampTz(micros)) => {
            let named = if call.args.len() > 2 { Some(zone_named(call.text(2)?)?) } else { None };
            let zone = named.as_ref().unwrap_or_else(|| zone(call));
            Ok(Value::TimestampTz(zone.to_utc(date_trunc(&unit, zone.to_local(*micros))?)))
        }
        _ => date_trunc(&unit, call.time(1)?).map(Value::Timestamp),
    }
}

fn bin(call: &Call<'_>) -> Result<Value> {
    let (stride, source, origin) = (call.interval(0)?, call.time(1)?, call.time(2)?);
    if stride.months != 0 {
        return Err(SqlError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    if infinite(source) {
        return Ok(call.args.get(1).cloned().unwrap_or_default());
    }
    if infinite(origin) {
        return Err(overflow("origin out of range"));
    }
    let step = i128::from(stride.days) * i128::from(MICROS_PER_DAY) + i128::from(stride.micros);
    if step <= 0 {
        return Err(overflow("stride must be greater than zero"));
    }
    let distance = i128::from(source) - i128::from(origin);
    let result = i128::from(origin) + distance.div_euclid(step) * step;
    let result = timestamp_from_parts(0, i64::try_from(result).map_err(|_| overflow("timestamp out of range"))?)?;
    Ok(match call.args.get(1) {
        Some(Value::TimestampTz(_)) => Value::TimestampTz(result),
        _ => Value::Timestamp(result),
    })
}

fn call_age(call: &Call<'_>) -> Result<Value> {
    let zone = zone(call);
    let local = |index: usize| -> Result<i64> {
        Ok(match call.args.get(index) {
            Some(Value::TimestampTz(micros)) => zone.to_local(*micros),
            _ => call.time(index)?,
        })
    };
    if call.args.len() > 1 {
        return interval_value(age(local(0)?, local(1)?));
    }
    let today = zone.to_local(call.ctx.runtime.transaction_time());
    interval_value(age(today - today.rem_euclid(MICROS_PER_DAY), local(0)?))
}

fn make_date(call: &Call<'_>) -> Result<Value> {
    let (year, month, day) = (call.int(0)?, call.int(1)?, call.int(2)?);
    date_of(year, month, day).map(Value::Date)
}

/// A negative year is BC; there is no year 0.
fn date_of(year: i64, month: i64, day: i64) -> Result<i32> {
    let bad = || overflow(&format!("date field value out of range: {year}-{month:02}-{day:02}"));
    if year == 0 {
        return Err(bad());
    }
    let astronomical = if year < 0 { year + 1 } else { year };
    let month = u32::try_from(month).map_err(|_| bad())?;
    let day = u32::try_from(day).map_err(|_| bad())?;
    date_from_civil(astronomical, month, day).ok_or_else(bad)
}

#[allow(clippy::cast_possible_truncation, reason = "seconds are below 60")]
fn time_of(hour: i64, minute: i64, seconds: f64) -> Result<i64> {
    let whole = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&seconds);
    let micros = if whole {
        (hour * 3600 + minute * 60) * MICROS_PER_SECOND + (seconds * 1e6).round_ties_even() as i64
    } else {
        i64::MAX
    };
    if micros > MICROS_PER_DAY {
        let shown = if (0.0..10.0).contains(&seconds) { format!("0{seconds}") } else { format!("{seconds}") };
        return Err(overflow(&format!("time field value out of range: {hour}:{minute:02}:{shown}")));
    }
    Ok(micros)
}

fn make_timestamp(call: &Call<'_>) -> Result<i64> {
    let date = date_of(call.int(0)?, call.int(1)?, call.int(2)?)?;
    timestamp_from_parts(i64::from(date), time_of(call.int(3)?, call.int(4)?, call.float(5)?)?)
}

fn make_timestamptz(call: &Call<'_>) -> Result<Value> {
    let local = make_timestamp(call)?;
    let named = if call.args.len() > 6 { Some(make_zone(call.text(6)?)?) } else { None };
    Ok(Value::TimestampTz(named.as_ref().unwrap_or_else(|| zone(call)).to_utc(local)))
}

/// Unlike AT TIME ZONE, a numeric offset counts east here.
fn make_zone(name: &str) -> Result<TimeZone> {
    match name.strip_prefix('+') {
        Some(digits) => zone_named(&format!("-{digits}")),
        None => match name.strip_prefix('-') {
            Some(digits) => zone_named(&format!("+{digits}")),
            None => zone_named(name),
        },
    }
}

#[allow(clippy::cast_possible_truncation, reason = "checked against the range before")]
fn make_interval(call: &Call<'_>) -> Result<Value> {
    let bad = || overflow("interval out of range");
    let int = |index: usize| if call.has(index) { call.int(index) } else { Ok(0) };
    let seconds = if call.has(6) { call.float(6)? } else { 0.0 };
    let months = int(0)? * 12 + int(1)?;
    let days = int(2)? * 7 + int(3)?;
    let micros = seconds * 1e6;
    if micros.is_nan() || micros.abs() >= 9.0e18 {
        return Err(bad());
    }
    let clock = (int(4)? * 3600 + int(5)? * 60) * MICROS_PER_SECOND;
    Ok(Value::Interval(Interval {
        months: i32::try_from(months).map_err(|_| bad())?,
        days: i32::try_from(days).map_err(|_| bad())?,
        micros: clock.checked_add(micros.round_ties_even() as i64).ok_or_else(bad)?,
    }))
}

#[allow(clippy::cast_possible_truncation, reason = "checked against the range before")]
fn from_epoch(call: &Call<'_>) -> Result<Value> {
    let seconds = call.float(0)?;
    if seconds.is_nan() {
        return Err(overflow("timestamp cannot be NaN"));
    }
    if seconds.is_infinite() {
        return Ok(Value::TimestampTz(if seconds > 0.0 { i64::MAX } else { i64::MIN }));
    }
    if seconds.abs() > 1e13 {
        return Err(overflow(&format!("timestamp out of range: \"{seconds}\"")));
    }
    let whole = seconds.floor();
    let micros = ((seconds - whole) * 1e6).round_ties_even() as i64;
    timestamp_from_parts(0, (whole as i64 - UNIX_OF_2000) * MICROS_PER_SECOND + micros).map(Value::TimestampTz)
}

/// timezone(zone, x): AT TIME ZONE.
fn at_zone(call: &Call<'_>) -> Result<Value> {
    enum Zone {
        Named(TimeZone),
        Offset(i64),
    }
    let zone = match call.args.first() {
        Some(Value::Interval(interval)) => Zone::Offset(interval_offset(*interval)?),
        _ => Zone::Named(zone_named(call.text(0)?)?),
    };
    match call.args.get(1) {
        Some(Value::TimestampTz(micros)) => match zone {
            Zone::Named(zone) => Ok(Value::Timestamp(zone.to_local(*micros))),
            Zone::Offset(east) => shift(*micros, east).map(Value::Timestamp),
        },
        Some(Value::TimeTz(micros, west)) => {
            let east = match zone {
                Zone::Named(zone) => i64::from(zone.offset_at(call.ctx.runtime.transaction_time())),
                Zone::Offset(east) => east,
            };
            let moved = wrap_day(micros + (i64::from(*west) + east) * MICROS_PER_SECOND);
            Ok(Value::TimeTz(moved, i32::try_from(-east).unwrap_or(0)))
        }
        _ => {
            let local = call.time(1)?;
            match zone {
                Zone::Named(zone) => shift(zone.to_utc(local), 0).map(Value::TimestampTz),
                Zone::Offset(east) => shift(local, -east).map(Value::TimestampTz),
            }
        }
    }
}

/// `(a, b) OVERLAPS (c, d)`: the second of each pair may be an interval; NULLs as PostgreSQL treats them.
fn overlaps(call: &Call<'_>) -> Result<Value> {
    let pair = |first: usize| -> Result<(Option<i64>, Option<i64>)> {
        let start = if call.has(first) { Some(call.time(first)?) } else { None };
        let end = match call.args.get(first + 1) {
            Some(Value::Interval(interval)) => match start {
                Some(_) => match timestamp_plus(call, first, *interval)? {
                    Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) => Some(micros),
                    _ => None,
                },
                None => None,
            },
            Some(value) if !value.is_null() => Some(call.time(first + 1)?),
            _ => None,
        };
        // The smaller first; a lone value stands for the start.
        Ok(match (start, end) {
            (Some(start), Some(end)) => (Some(start.min(end)), Some(start.max(end))),
            (None, end) => (end, None),
            pair => pair,
        })
    };
    let ((start, end), (other_start, other_end)) = (pair(0)?, pair(2)?);
    let (Some(start), Some(other_start)) = (start, other_start) else { return Ok(Value::Null) };
    let check = |end: Option<i64>, later: i64, later_end: Option<i64>| match end {
        Some(end) if later < end => Value::Bool(true),
        None => Value::Null,
        Some(_) if later_end.is_none() => Value::Null,
        Some(_) => Value::Bool(false),
    };
    Ok(match start.cmp(&other_start) {
        std::cmp::Ordering::Greater => check(other_end, start, end),
        std::cmp::Ordering::Less => check(end, other_start, other_end),
        std::cmp::Ordering::Equal if end.is_none() || other_end.is_none() => Value::Null,
        std::cmp::Ordering::Equal => Value::Bool(true),
    })
}

fn time_of_day(call: &Call<'_>) -> Result<Value> {
    let now = call.ctx.runtime.clock_time();
    let local = zone(call).to_local(now);
    let fields = fields_of(local);
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = DAYS[weekday(local.div_euclid(MICROS_PER_DAY)) as usize % 7];
    let month = MONTHS[usize::try_from(fields.month - 1).unwrap_or(0) % 12];
    Ok(Value::from(format!(
        "{day} {month} {:02} {:02}:{:02}:{:02}.{:06} {} {}",
        fields.day,
        fields.hour,
        fields.minute,
        fields.second,
        fields.micros,
        fields.year,
        zone(call).abbreviation_at(now)
    )))
}

fn is_finite(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Bool(match call.args.first() {
        Some(Value::Date(date)) => *date != i32::MIN && *date != i32::MAX,
        Some(Value::Interval(_)) => true,
        _ => !infinite(call.time(0)?),
    }))
}

fn sleep(call: &Call<'_>, seconds: f64) -> Result<Value> {
    if seconds > 0.0 {
        call.ctx.runtime.sleep(seconds)?;
    }
    Ok(Value::text(""))
}

#[allow(clippy::cast_precision_loss, reason = "a time to sleep")]
fn seconds_of(micros: i128) -> f64 {
    micros as f64 / 1e6
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(1299, "now", &[], TIMESTAMPTZ, |c| Ok(Value::TimestampTz(c.ctx.runtime.transaction_time()))).stable(),
    Function::new(2647, "transaction_timestamp", &[], TIMESTAMPTZ, |c| Ok(Value::TimestampTz(c.ctx.runtime.transaction_time()))).stable(),
    Function::new(2648, "statement_timestamp", &[], TIMESTAMPTZ, |c| Ok(Value::TimestampTz(c.ctx.runtime.statement_time()))).stable(),
    Function::new(2649, "clock_timestamp", &[], TIMESTAMPTZ, |c| Ok(Value::TimestampTz(c.ctx.runtime.clock_time()))).volatile(),
    Function::new(274, "timeofday", &[], TEXT, time_of_day).volatile(),
    Function::new(1140, "date_mi", &[DATE, DATE], INT4, date_minus_date),
    Function::new(1141, "date_pli", &[DATE, INT4], DATE, |c| date_plus(c, 0, c.int(1)?)),
    Function::new(1142, "date_mii", &[DATE, INT4], DATE, |c| date_plus(c, 0, -c.int(1)?)),
    Function::new(2550, "integer_pl_date", &[INT4, DATE], DATE, |c| date_plus(c, 1, c.int(0)?)),
    Function::new(2071, "date_pl_interval", &[DATE, INTERVAL], TIMESTAMP, |c| timestamp_plus(c, 0, c.interval(1)?)),
    Function::new(2072, "date_mi_interval", &[DATE, INTERVAL], TIMESTAMP, |c| timestamp_plus(c, 0, negate_interval(c.interval(1)?)?)),
    Function::new(2546, "interval_pl_date", &[INTERVAL, DATE], TIMESTAMP, |c| timestamp_plus(c, 1, c.interval(0)?)),
    Function::new(2547, "interval_pl_timetz", &[INTERVAL, TIMETZ], TIMETZ, |c| timestamp_plus(c, 1, c.interval(0)?)),
    Function::new(2548, "interval_pl_timestamp", &[INTERVAL, TIMESTAMP], TIMESTAMP, |c| timestamp_plus(c, 1, c.interval(0)?)),
    Function::new(2549, "interval_pl_timestamptz", &[INTERVAL, TIMESTAMPTZ], TIMESTAMPTZ, |c| timestamp_plus(c, 1, c.interval(0)?)).stable(),
    Function::new(1848, "interval_pl_time", &[INTERVAL, TIME], TIME, |c| timestamp_plus(c, 1, c.interval(0)?)),
    Function::new(2032, "timestamp_pl_interval", &[TIMESTAMP, INTERVAL], TIMESTAMP, |c| timestamp_plus(c, 0, c.interval(1)?)),
    Function::new(2033, "timestamp_mi_interval", &[TIMESTAMP, INTERVAL], TIMESTAMP, |c| timestamp_plus(c, 0, negate_interval(c.interval(1)?)?)),
    Function::new(1189, "timestamptz_pl_interval", &[TIMESTAMPTZ, INTERVAL], TIMESTAMPTZ, |c| timestamp_plus(c, 0, c.interval(1)?)).stable(),
    Function::new(1190, "timestamptz_mi_interval", &[TIMESTAMPTZ, INTERVAL], TIMESTAMPTZ, |c| timestamp_plus(c, 0, negate_interval(c.interval(1)?)?)).stable(),
    Function::new(1747, "time_pl_interval", &[TIME, INTERVAL], TIME, |c| timestamp_plus(c, 0, c.interval(1)?)),
    Function::new(1748, "time_mi_interval", &[TIME, INTERVAL], TIME, |c| timestamp_plus(c, 0, negate_interval(c.interval(1)?)?)),
    Function::new(1749, "timetz_pl_interval", &[TIMETZ, INTERVAL], TIMETZ, |c| timestamp_plus(c, 0, c.interval(1)?)),
    Function::new(1750, "timetz_mi_interval", &[TIMETZ, INTERVAL], TIMETZ, |c| timestamp_plus(c, 0, negate_interval(c.interval(1)?)?)),
    Function::new(1272, "datetime_pl", &[DATE, TIME], TIMESTAMP, |c| date_with_time(c, 0, 1)),
    Function::new(1297, "datetimetz_pl", &[DATE, TIMETZ], TIMESTAMPTZ, |c| date_with_time(c, 0, 1)),
    Function::new(1296, "timedate_pl", &[TIME, DATE], TIMESTAMP, |c| date_with_time(c, 1, 0)),
    Function::new(1298, "timetzdate_pl", &[TIMETZ, DATE], TIMESTAMPTZ, |c| date_with_time(c, 1, 0)),
    Function::new(1690, "time_mi_time", &[TIME, TIME], INTERVAL, |c| Ok(Value::Interval(Interval { micros: c.time(0)? - c.time(1)?, days: 0, months: 0 }))),
    Function::new(2031, "timestamp_mi", &[TIMESTAMP, TIMESTAMP], INTERVAL, subtract),
    Function::new(1188, "timestamptz_mi", &[TIMESTAMPTZ, TIMESTAMPTZ], INTERVAL, subtract),
    Function::new(1168, "interval_um", &[INTERVAL], INTERVAL, |c| interval_value(negate_interval(c.interval(0)?))),
    Function::new(1169, "interval_pl", &[INTERVAL, INTERVAL], INTERVAL, |c| interval_value(add_intervals(c.interval(0)?, c.interval(1)?))),
    Function::new(1170, "interval_mi", &[INTERVAL, INTERVAL], INTERVAL, |c| interval_value(add_intervals(c.interval(0)?, negate_interval(c.interval(1)?)?))),
    Function::new(1326, "interval_div", &[INTERVAL, FLOAT8], INTERVAL, divide),
    Function::new(1618, "interval_mul", &[INTERVAL, FLOAT8], INTERVAL, |c| interval_value(multiply_interval(c.interval(0)?, c.float(1)?))),
    Function::new(1624, "mul_d_interval", &[FLOAT8, INTERVAL], INTERVAL, |c| interval_value(multiply_interval(c.interval(1)?, c.float(0)?))),
    Function::new(6199, "extract", &[TEXT, DATE], NUMERIC, extract),
    Function::new(6200, "extract", &[TEXT, TIME], NUMERIC, extract),
    Function::new(6201, "extract", &[TEXT, TIMETZ], NUMERIC, extract),
    Function::new(6202, "extract", &[TEXT, TIMESTAMP], NUMERIC, extract),
    Function::new(6203, "extract", &[TEXT, TIMESTAMPTZ], NUMERIC, extract).stable(),
    Function::new(6204, "extract", &[TEXT, INTERVAL], NUMERIC, extract),
    Function::new(1171, "date_part", &[TEXT, TIMESTAMPTZ], FLOAT8, date_part).stable(),
    Function::new(1172, "date_part", &[TEXT, INTERVAL], FLOAT8, date_part),
    Function::new(1273, "date_part", &[TEXT, TIMETZ], FLOAT8, date_part),
    Function::new(1384, "date_part", &[TEXT, DATE], FLOAT8, date_part),
    Function::new(1385, "date_part", &[TEXT, TIME], FLOAT8, date_part),
    Function::new(2021, "date_part", &[TEXT, TIMESTAMP], FLOAT8, date_part),
    Function::new(1217, "date_trunc", &[TEXT, TIMESTAMPTZ], TIMESTAMPTZ, truncate).stable(),
    Function::new(1218, "date_trunc", &[TEXT, INTERVAL], INTERVAL, truncate),
    Function::new(1284, "date_trunc", &[TEXT, TIMESTAMPTZ, TEXT], TIMESTAMPTZ, truncate).stable(),
    Function::new(2020, "date_trunc", &[TEXT, TIMESTAMP], TIMESTAMP, truncate),
    Function::new(6177, "date_bin", &[INTERVAL, TIMESTAMP, TIMESTAMP], TIMESTAMP, bin),
    Function::new(6178, "date_bin", &[INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ], TIMESTAMPTZ, bin),
    Function::new(1199, "age", &[TIMESTAMPTZ, TIMESTAMPTZ], INTERVAL, call_age),
    Function::new(1386, "age", &[TIMESTAMPTZ], INTERVAL, call_age).stable(),
    Function::new(2058, "age", &[TIMESTAMP, TIMESTAMP], INTERVAL, call_age),
    Function::new(2059, "age", &[TIMESTAMP], INTERVAL, call_age).stable(),
    Function::new(3846, "make_date", &[INT4, INT4, INT4], DATE, make_date),
    Function::new(3847, "make_time", &[INT4, INT4, FLOAT8], TIME, |c| time_of(c.int(0)?, c.int(1)?, c.float(2)?).map(Value::Time)),
    Function::new(3461, "make_timestamp", &[INT4, INT4, INT4, INT4, INT4, FLOAT8], TIMESTAMP, |c| make_timestamp(c).map(Value::Timestamp)),
    Function::new(3462, "make_timestamptz", &[INT4, INT4, INT4, INT4, INT4, FLOAT8], TIMESTAMPTZ, make_timestamptz).stable(),
    Function::new(3463, "make_timestamptz", &[INT4, INT4, INT4, INT4, INT4, FLOAT8, TEXT], TIMESTAMPTZ, make_timestamptz).stable(),
    Function::new(3464, "make_interval", &[INT4, INT4, INT4, INT4, INT4, INT4, FLOAT8], INTERVAL, make_interval).defaults(&["0", "0", "0", "0", "0", "0", "0"]),
    Function::new(1158, "to_timestamp", &[FLOAT8], TIMESTAMPTZ, from_epoch),
    Function::new(1026, "timezone", &[INTERVAL, TIMESTAMPTZ], TIMESTAMP, at_zone),
    Function::new(1159, "timezone", &[TEXT, TIMESTAMPTZ], TIMESTAMP, at_zone),
    Function::new(2037, "timezone", &[TEXT, TIMETZ], TIMETZ, at_zone).stable(),
    Function::new(2038, "timezone", &[INTERVAL, TIMETZ], TIMETZ, at_zone),
    Function::new(2069, "timezone", &[TEXT, TIMESTAMP], TIMESTAMPTZ, at_zone),
    Function::new(2070, "timezone", &[INTERVAL, TIMESTAMP], TIMESTAMPTZ, at_zone),
    Function::new(1271, "overlaps", &[TIMETZ, TIMETZ, TIMETZ, TIMETZ], BOOL, overlaps).lax(),
    Function::new(1304, "overlaps", &[TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ], BOOL, overlaps).lax(),
    Function::new(1305, "overlaps", &[TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, INTERVAL], BOOL, overlaps).stable().lax(),
    Function::new(1306, "overlaps", &[TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL], BOOL, overlaps).stable().lax(),
    Function::new(1307, "overlaps", &[TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ], BOOL, overlaps).stable().lax(),
    Function::new(1308, "overlaps", &[TIME, TIME, TIME, TIME], BOOL, overlaps).lax(),
    Function::new(1309, "overlaps", &[TIME, INTERVAL, TIME, INTERVAL], BOOL, overlaps).lax(),
    Function::new(1310, "overlaps", &[TIME, TIME, TIME, INTERVAL], BOOL, overlaps).lax(),
    Function::new(1311, "overlaps", &[TIME, INTERVAL, TIME, TIME], BOOL, overlaps).lax(),
    Function::new(2041, "overlaps", &[TIMESTAMP, TIMESTAMP, TIMESTAMP, TIMESTAMP], BOOL, overlaps).lax(),
    Function::new(2042, "overlaps", &[TIMESTAMP, INTERVAL, TIMESTAMP, INTERVAL], BOOL, overlaps).lax(),
    Function::new(2043, "overlaps", &[TIMESTAMP, TIMESTAMP, TIMESTAMP, INTERVAL], BOOL, overlaps).lax(),
    Function::new(2044, "overlaps", &[TIMESTAMP, INTERVAL, TIMESTAMP, TIMESTAMP], BOOL, overlaps).lax(),
    Function::new(1373, "isfinite", &[DATE], BOOL, is_finite),
    Function::new(1389, "isfinite", &[TIMESTAMPTZ], BOOL, is_finite),
    Function::new(1390, "isfinite", &[INTERVAL], BOOL, is_finite),
    Function::new(2048, "isfinite", &[TIMESTAMP], BOOL, is_finite),
    Function::new(1175, "justify_hours", &[INTERVAL], INTERVAL, |c| interval_value(justify_hours(c.interval(0)?))),
    Function::new(1295, "justify_days", &[INTERVAL], INTERVAL, |c| interval_value(justify_days(c.interval(0)?))),
    Function::new(2711, "justify_interval", &[INTERVAL], INTERVAL, |c| interval_value(justify_interval(c.interval(0)?))),
    Function::new(2626, "pg_sleep", &[FLOAT8], VOID, |c| sleep(c, c.float(0)?)).volatile(),
    Function::new(3935, "pg_sleep_for", &[INTERVAL], VOID, |c| sleep(c, seconds_of(interval_span(c.interval(0)?)))).volatile(),
    Function::new(3936, "pg_sleep_until", &[TIMESTAMPTZ], VOID, |c| sleep(c, seconds_of(i128::from(c.time(0)?) - i128::from(c.ctx.runtime.clock_time())))).volatile(),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (1076, "+", DATE, INTERVAL, 2071),
    (1077, "-", DATE, INTERVAL, 2072),
    (1099, "-", DATE, DATE, 1140),
    (1100, "+", DATE, INT4, 1141),
    (1101, "-", DATE, INT4, 1142),
    (1327, "+", TIMESTAMPTZ, INTERVAL, 1189),
    (1328, "-", TIMESTAMPTZ, TIMESTAMPTZ, 1188),
    (1329, "-", TIMESTAMPTZ, INTERVAL, 1190),
    (1336, "-", 0, INTERVAL, 1168),
    (1337, "+", INTERVAL, INTERVAL, 1169),
    (1338, "-", INTERVAL, INTERVAL, 1170),
    (1360, "+", DATE, TIME, 1272),
    (1361, "+", DATE, TIMETZ, 1297),
    (1363, "+", TIME, DATE, 1296),
    (1366, "+", TIMETZ, DATE, 1298),
    (1399, "-", TIME, TIME, 1690),
    (1583, "*", INTERVAL, FLOAT8, 1618),
    (1584, "*", FLOAT8, INTERVAL, 1624),
    (1585, "/", INTERVAL, FLOAT8, 1326),
    (1800, "+", TIME, INTERVAL, 1747),
    (1801, "-", TIME, INTERVAL, 1748),
    (1802, "+", TIMETZ, INTERVAL, 1749),
    (1803, "-", TIMETZ, INTERVAL, 1750),
    (1849, "+", INTERVAL, TIME, 1848),
    (2066, "+", TIMESTAMP, INTERVAL, 2032),
    (2067, "-", TIMESTAMP, TIMESTAMP, 2031),
    (2068, "-", TIMESTAMP, INTERVAL, 2033),
    (2551, "+", INTERVAL, DATE, 2546),
    (2552, "+", INTERVAL, TIMETZ, 2547),
    (2553, "+", INTERVAL, TIMESTAMP, 2548),
    (2554, "+", INTERVAL, TIMESTAMPTZ, 2549),
    (2555, "+", INT4, DATE, 2550),
];
