//! Arithmetic of timestamps and intervals, and the fields that EXTRACT and date_trunc work on.
use super::TimeZone;
use super::civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, days_from_civil, days_in_month, timestamp_from_parts,
    timestamp_out_of_range,
};
use crate::error::{Result, SqlError, SqlState};
use crate::types::Interval;

const DAYS_PER_MONTH: i64 = 30;

/// A timestamp or interval taken apart. Of an interval all parts may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTimeFields {
    /// Year, astronomical: 0 is 1 BC (EXTRACT gives -1 for it).
    pub year: i64,
    /// Month, 1 to 12 (interval: months left of whole years).
    pub month: i64,
    /// Day of the month.
    pub day: i64,
    /// Hour.
    pub hour: i64,
    /// Minute.
    pub minute: i64,
    /// Second.
    pub second: i64,
    /// Microsecond of the second.
    pub micros: i64,
}

fn interval_out_of_range() -> SqlError {
    SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

fn is_infinite(timestamp: i64) -> bool {
    timestamp == i64::MIN || timestamp == i64::MAX
}

/// The fields of a finite timestamp.
#[must_use]
pub fn fields_of(timestamp: i64) -> DateTimeFields {
    let (year, month, day) = civil_from_days(timestamp.div_euclid(MICROS_PER_DAY));
    let clock = timestamp.rem_euclid(MICROS_PER_DAY);
    let seconds = clock / MICROS_PER_SECOND;
    DateTimeFields {
        year,
        month: i64::from(month),
        day: i64::from(day),
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        micros: clock % MICROS_PER_SECOND,
    }
}

/// The fields of an interval.
#[must_use]
pub fn fields_of_interval(interval: Interval) -> DateTimeFields {
    let seconds = interval.micros / MICROS_PER_SECOND;
    DateTimeFields {
        year: i64::from(interval.months / 12),
        month: i64::from(interval.months % 12),
        day: i64::from(interval.days),
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        micros: interval.micros % MICROS_PER_SECOND,
    }
}

/// Adds months and days to a local timestamp: the day is cut to the length of its month. Errors: 22008.
fn add_months_days(timestamp: i64, interval: Interval) -> Result<i64> {
    let mut days = timestamp.div_euclid(MICROS_PER_DAY);
    let clock = timestamp.rem_euclid(MICROS_PER_DAY);
    if interval.months != 0 {
        let (year, month, day) = civil_from_days(days);
        let total = year * 12 + i64::from(month) - 1 + i64::from(interval.months);
        let (year, month) = (total.div_euclid(12), u32::try_from(total.rem_euclid(12) + 1).unwrap_or(1));
        days = days_from_civil(year, month, i64::from(day.min(days_in_month(year, month))));
    }
    timestamp_from_parts(days + i64::from(interval.days), clock)
}

/// Adds an interval to a timestamp: months, then days, then microseconds; infinities stay. Errors: 22008.
pub fn add_interval(timestamp: i64, interval: Interval) -> Result<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let moved = add_months_days(timestamp, interval)?;
    timestamp_from_parts(0, moved.checked_add(interval.micros).ok_or_else(timestamp_out_of_range)?)
}

/// Adds an interval to a timestamptz: months and days in the zone's local time. Errors: 22008.
pub fn add_interval_at_zone(timestamp: i64, interval: Interval, zone: &TimeZone) -> Result<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let moved = if interval.months == 0 && interval.days == 0 {
        timestamp
    } else {
        zone.to_utc(add_months_days(zone.to_local(timestamp), interval)?)
    };
    timestamp_from_parts(0, moved.checked_add(interval.micros).ok_or_else(timestamp_out_of_range)?)
}

/// `left - right` in days of 24 hours and the rest. Errors: 22008 for infinities.
pub fn subtract_timestamps(left: i64, right: i64) -> Result<Interval> {
    if is_infinite(left) || is_infinite(right) {
        return Err(SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite timestamps"));
    }
    let micros = left.checked_sub(right).ok_or_else(interval_out_of_range)?;
    justify_hours(Interval { micros, days: 0, months: 0 })
}

/// Sum of two intervals, part by part. Errors: 22008.
pub fn add_intervals(left: Interval, right: Interval) -> Result<Interval> {
    Ok(Interval {
        micros: left.micros.checked_add(right.micros).ok_or_else(interval_out_of_range)?,
        days: left.days.checked_add(right.days).ok_or_else(interval_out_of_range)?,
        months: left.months.checked_add(right.months).ok_or_else(interval_out_of_range)?,
    })
}

/// The interval with every part negated. Errors: 22008.
pub fn negate_interval(interval: Interval) -> Result<Interval> {
    Ok(Interval {
        micros: interval.micros.checked_neg().ok_or_else(interval_out_of_range)?,
        days: interval.days.checked_neg().ok_or_else(interval_out_of_range)?,
        months: interval.months.checked_neg().ok_or_else(interval_out_of_range)?,
    })
}

/// An interval times a factor: fractions of months go to days, of days to microseconds. Errors: 22008.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds are checked before")]
pub fn multiply_interval(interval: Interval, factor: f64) -> Result<Interval> {
    let whole = |number: f64| {
        if number.is_nan() || number > f64::from(i32::MAX) || number < f64::from(i32::MIN) {
            Err(interval_out_of_range())
        } else {
            Ok(number as i32)
        }
    };
    let months_exact = f64::from(interval.months) * factor;
    let days_exact = f64::from(interval.days) * factor;
    let (months, days) = (whole(months_exact)?, whole(days_exact)?);
    let round_micros = |number: f64| (number * 1e6).round_ties_even() / 1e6;
    // What is left of months as days, and of days as seconds.
    let month_days = round_micros((months_exact - f64::from(months)) * DAYS_PER_MONTH as f64);
    let mut seconds = round_micros((days_exact - f64::from(days) + month_days - month_days.trunc()) * 86_400.0);
    let mut extra_days = month_days.trunc();
    if seconds.abs() >= 86_400.0 {
        extra_days += (seconds / 86_400.0).trunc();
        seconds %= 86_400.0;
    }
    let days = days.checked_add(whole(extra_days)?).ok_or_else(interval_out_of_range)?;
    let micros = (interval.micros as f64).mul_add(factor, seconds * 1e6).round_ties_even();
    if micros.is_nan() || micros.abs() >= 9.223_372_036_854_775e18 {
        return Err(interval_out_of_range());
    }
    Ok(Interval { micros: micros as i64, days, months })
}

/// An interval divided by a number. Errors: 22012, 22008.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds are checked before")]
pub fn divide_interval(interval: Interval, divisor: f64) -> Result<Interval> {
    if divisor == 0.0 {
        return Err(SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
    }
    multiply_interval(interval, 1.0 / divisor).and_then(|product| {
        // Only the reciprocal's rounding is corrected: microseconds alone divide exactly.
        if interval.months == 0 && interval.days == 0 {
            let micros = (interval.micros as f64 / divisor).round_ties_even();
            if micros.is_nan() || micros.abs() >= 9.223_372_036_854_775e18 {
                return Err(interval_out_of_range());
            }
            return Ok(Interval { micros: micros as i64, ..product });
        }
        Ok(product)
    })
}

/// The length that comparisons use: a month is 30 days, a day 24 hours.
#[must_use]
pub fn interval_span(interval: Interval) -> i128 {
    let days = i128::from(interval.months) * i128::from(DAYS_PER_MONTH) + i128::from(interval.days);
    days * i128::from(MICROS_PER_DAY) + i128::from(interval.micros)
}

/// Turns 24 hours into days and makes signs agree. Errors: 22008.
pub fn justify_hours(interval: Interval) -> Result<Interval> {
    let mut micros = interval.micros % MICROS_PER_DAY;
    let mut days = i64::from(interval.days) + interval.micros / MICROS_PER_DAY;
    if days > 0 && micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= MICROS_PER_DAY;
        days += 1;
    }
    let days = i32::try_from(days).map_err(|_| interval_out_of_range())?;
    Ok(Interval { micros, days, months: interval.months })
}

/// Turns 30 days into months and makes signs agree. Errors: 22008.
pub fn justify_days(interval: Interval) -> Result<Interval> {
    let mut days = i64::from(interval.days) % DAYS_PER_MONTH;
    let mut months = i64::from(interval.months) + i64::from(interval.days) / DAYS_PER_MONTH;
    if months > 0 && days < 0 {
        days += DAYS_PER_MONTH;
        months -= 1;
    } else if months < 0 && days > 0 {
        days -= DAYS_PER_MONTH;
        months += 1;
    }
    Ok(Interval {
        micros: interval.micros,
        days: i32::try_from(days).map_err(|_| interval_out_of_range())?,
        months: i32::try_from(months).map_err(|_| interval_out_of_range())?,
    })
}

/// Both, with all signs alike. Errors: 22008.
pub fn justify_interval(interval: Interval) -> Result<Interval> {
    let mut micros = interval.micros % MICROS_PER_DAY;
    let mut days = i64::from(interval.days) + interval.micros / MICROS_PER_DAY;
    let mut months = i64::from(interval.months) + days / DAYS_PER_MONTH;
    days %= DAYS_PER_MONTH;
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        days += DAYS_PER_MONTH;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        days -= DAYS_PER_MONTH;
        months += 1;
    }
    if days > 0 && micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= MICROS_PER_DAY;
        days += 1;
    }
    Ok(Interval {
        micros,
        days: i32::try_from(days).map_err(|_| interval_out_of_range())?,
        months: i32::try_from(months).map_err(|_| interval_out_of_range())?,
    })
}

/// `left - right` in years, months, days and time, as `age()` gives it, of two local timestamps. Errors: 22008.
pub fn age(left: i64, right: i64) -> Result<Interval> {
    if is_infinite(left) || is_infinite(right) {
        return Err(timestamp_out_of_range());
    }
    let negative = left < right;
    let (later, earlier) =
        if negative { (fields_of(right), fields_of(left)) } else { (fields_of(left), fields_of(right)) };
    let clock = |f: DateTimeFields| ((f.hour * 60 + f.minute) * 60 + f.second) * MICROS_PER_SECOND + f.micros;
    let mut micros = clock(later) - clock(earlier);
    let mut days = later.day - earlier.day;
    let mut months = (later.year - earlier.year) * 12 + later.month - earlier.month;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    // A missing day is borrowed from the month of the earlier one.
    while days < 0 {
        days += i64::from(days_in_month(earlier.year, u32::try_from(earlier.month).unwrap_or(1)));
        months -= 1;
    }
    let sign = if negative { -1 } else { 1 };
    Ok(Interval {
        micros: micros * sign,
        days: i32::try_from(days * sign).map_err(|_| interval_out_of_range())?,
        months: i32::try_from(months * sign).map_err(|_| interval_out_of_range())?,
    })
}

fn unknown_unit(unit: &str, type_name: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("unit \"{unit}\" not recognized for type {type_name}"))
}

/// How many microseconds a unit of time below a day has.
fn clock_unit(unit: &str) -> Option<i64> {
    Some(match unit {
        "microsecond" | "microseconds" | "us" => 1,
        "millisecond" | "milliseconds" | "ms" => 1000,
        "second" | "seconds" | "sec" | "secs" | "s" => MICROS_PER_SECOND,
        "minute" | "minutes" | "min" | "mins" | "m" => 60 * MICROS_PER_SECOND,
        "hour" | "hours" | "hr" | "hrs" | "h" => 3600 * MICROS_PER_SECOND,
        _ => return None,
    })
}

/// How many months a unit of a month and above has.
fn month_unit(unit: &str) -> Option<i64> {
    Some(match unit {
        "month" | "months" | "mon" | "mons" => 1,
        "quarter" | "qtr" => 3,
        "year" | "years" | "yr" | "yrs" | "y" => 12,
        "decade" | "decades" | "dec" | "decs" => 120,
        "century" | "centuries" | "cent" | "c" => 1200,
        "millennium" | "millennia" | "mil" | "mils" => 12_000,
        _ => return None,
    })
}

/// Cuts a local timestamp to a unit in lower case, `year` or `hour`; infinities stay.
/// Errors: 22023 unknown unit, 22008.
pub fn date_trunc(unit: &str, timestamp: i64) -> Result<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let days = timestamp.div_euclid(MICROS_PER_DAY);
    if let Some(size) = clock_unit(unit) {
        return Ok(timestamp - timestamp.rem_euclid(size));
    }
    let first_day = match unit {
        "day" | "days" | "d" => days,
        "week" | "weeks" | "w" => days - (days + 5).rem_euclid(7),
        _ => {
            let months = month_unit(unit).ok_or_else(|| unknown_unit(unit, "timestamp without time zone"))?;
            let (year, month, _) = civil_from_days(days);
            let years = (months / 12).max(1);
            // Centuries and millennia begin with their year 1, decades with their year 0.
            let offset = i64::from(years >= 100);
            let year = (year - offset).div_euclid(years) * years + offset;
            let month = match months {
                1 => month,
                3 => (month - 1) / 3 * 3 + 1,
                _ => 1,
            };
            days_from_civil(year, month, 1)
        }
    };
    timestamp_from_parts(first_day, 0)
}

/// Cuts an interval to a unit in lower case. Errors: 22023.
pub fn date_trunc_interval(unit: &str, interval: Interval) -> Result<Interval> {
    let Interval { micros, days, months } = interval;
    if let Some(size) = clock_unit(unit) {
        return Ok(Interval { micros: micros - micros % size, days, months });
    }
    if matches!(unit, "day" | "days" | "d") {
        return Ok(Interval { micros: 0, days, months });
    }
    if matches!(unit, "week" | "weeks" | "w") {
        let message = format!("unit \"{unit}\" not supported for type interval");
        return Err(
            SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, message).detail("Months usually have fractional weeks.")
        );
    }
    let size = month_unit(unit).ok_or_else(|| unknown_unit(unit, "interval"))?;
    let size = i32::try_from(size).unwrap_or(1);
    Ok(Interval { micros: 0, days: 0, months: months - months % size })
}

#[cfg(test)]
mod tests {
    use super::super::{IntervalStyle, parse_interval, parse_timestamp, print_interval, print_timestamp};
    use super::*;
    use crate::types::TextStyle;

    fn ts(text: &str) -> i64 {
        parse_timestamp(text, &TextStyle::default()).expect(text)
    }

    fn iv(text: &str) -> Interval {
        parse_interval(text, IntervalStyle::Postgres, 0x7FFF).expect(text)
    }

    fn shown(timestamp: i64) -> String {
        let mut out = String::new();
        print_timestamp(timestamp, TextStyle::default().date_style, &mut out);
        out
    }

    fn shown_interval(interval: Interval) -> String {
        let mut out = String::new();
        print_interval(interval, IntervalStyle::Postgres, &mut out);
        out
    }

    #[test]
    fn intervals_add_to_timestamps() {
        assert_eq!(shown(add_interval(ts("2023-01-31"), iv("1 month")).expect("fits")), "2023-02-28 00:00:00");
        assert_eq!(shown(add_interval(ts("2024-02-29"), iv("-1 year")).expect("fits")), "2023-02-28 00:00:00");
        assert_eq!(add_interval(i64::MAX, iv("1 day")).ok(), Some(i64::MAX));
        assert!(add_interval(ts("294276-12-31"), iv("1 day")).is_err());
        let zone = TimeZone::parse("America/New_York").expect("known");
        let before = zone.to_utc(ts("2023-03-11 12:00"));
        let after = add_interval_at_zone(before, iv("1 day"), &zone).expect("fits");
        assert_eq!(after - before, 23 * 3600 * MICROS_PER_SECOND);
    }

    #[test]
    fn differences_and_ages_are_postgresqls() {
        let difference = subtract_timestamps(ts("2023-03-01 01:00"), ts("2023-01-01")).expect("finite");
        assert_eq!(shown_interval(difference), "59 days 01:00:00");
        for (left, right, expected) in [
            ("2001-04-10", "1957-06-13", "43 years 9 mons 27 days"),
            ("2023-03-01", "2023-01-31", "1 mon 1 day"),
            ("2023-01-31", "2023-03-01", "-1 mons -1 days"),
            ("2024-03-31", "2024-02-29", "1 mon 2 days"),
            ("2023-01-31 10:00", "2024-02-29", "-1 years -28 days -14:00:00"),
        ] {
            assert_eq!(shown_interval(age(ts(left), ts(right)).expect("finite")), expected, "{left} {right}");
        }
    }

    #[test]
    fn units_cut() {
        for (unit, expected) in [
            ("hour", "2023-11-21 07:00:00"),
            ("day", "2023-11-21 00:00:00"),
            ("week", "2023-11-20 00:00:00"),
            ("month", "2023-11-01 00:00:00"),
            ("quarter", "2023-10-01 00:00:00"),
            ("decade", "2020-01-01 00:00:00"),
            ("century", "2001-01-01 00:00:00"),
            ("millennium", "2001-01-01 00:00:00"),
        ] {
            assert_eq!(shown(date_trunc(unit, ts("2023-11-21 07:42:13.5")).expect(unit)), expected);
        }
        assert!(date_trunc("nix", 0).is_err());
        assert_eq!(shown_interval(date_trunc_interval("year", iv("1 year 5 mons 3 days")).expect("ok")), "1 year");
    }

    #[test]
    fn intervals_multiply_and_justify() {
        assert_eq!(shown_interval(multiply_interval(iv("1 month"), 1.5).expect("fits")), "1 mon 15 days");
        assert_eq!(shown_interval(multiply_interval(iv("1 day"), 0.5).expect("fits")), "12:00:00");
        assert_eq!(shown_interval(divide_interval(iv("1 hour"), 3.0).expect("fits")), "00:20:00");
        assert_eq!(shown_interval(justify_interval(iv("1 month -1 hour")).expect("fits")), "29 days 23:00:00");
        assert_eq!(shown_interval(justify_days(iv("65 days")).expect("fits")), "2 mons 5 days");
        assert_eq!(interval_span(iv("1 month")), interval_span(iv("30 days")));
    }
}
