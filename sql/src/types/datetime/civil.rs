//! Day arithmetic of the proleptic Gregorian calendar, with years counted astronomically (0 is 1 BC).
use crate::error::{Result, SqlError, SqlState};

/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days from 1970-01-01 to 2000-01-01.
pub(in crate::types) const UNIX_EPOCH_DAYS: i64 = 10_957;
/// Seconds from 1970-01-01 to 2000-01-01.
pub(in crate::types) const UNIX_EPOCH_SECONDS: i64 = UNIX_EPOCH_DAYS * 86_400;
/// Julian day number of 2000-01-01.
pub(in crate::types) const JULIAN_EPOCH: i64 = 2_451_545;
/// The first date, 4714-11-24 BC.
const DATE_MIN: i64 = -JULIAN_EPOCH;
/// The first timestamp.
pub(in crate::types) const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
/// One past the last timestamp, 294277-01-01.
pub(in crate::types) const TIMESTAMP_END: i64 = 9_223_371_331_200_000_000;

/// Days since 2000-01-01 of a date; month 1 to 12, day may lie outside its month.
pub(in crate::types) fn days_from_civil(year: i64, month: u32, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_index = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 730_425
}

/// Year, month and day of a day count since 2000-01-01.
#[must_use]
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "month and day are small and positive")]
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days.saturating_add(730_425);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

/// Whether a year has 366 days.
fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Number of days of a month.
#[must_use]
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The date value of a valid year, month and day; `None` outside PostgreSQL's range or the calendar.
#[must_use]
pub fn date_from_civil(year: i64, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) || year.abs() > 6_000_000 {
        return None;
    }
    let days = days_from_civil(year, month, i64::from(day));
    let end = days_from_civil(5_874_898, 1, 1);
    if (DATE_MIN..end).contains(&days) { i32::try_from(days).ok() } else { None }
}

/// Whether a day count is a date.
pub(in crate::types) fn date_in_range(days: i64) -> bool {
    (DATE_MIN..days_from_civil(5_874_898, 1, 1)).contains(&days)
}

/// The timestamp of a day count and microseconds of that day. Errors: 22008.
pub fn timestamp_from_parts(days: i64, micros: i64) -> Result<i64> {
    days.checked_mul(MICROS_PER_DAY)
        .and_then(|start| start.checked_add(micros))
        .filter(|ts| (TIMESTAMP_MIN..TIMESTAMP_END).contains(ts))
        .ok_or_else(timestamp_out_of_range)
}

/// Midnight of a date; infinities stay. Errors: 22008 `date out of range for timestamp`.
pub fn date_to_timestamp(date: i32) -> Result<i64> {
    match date {
        i32::MIN => Ok(i64::MIN),
        i32::MAX => Ok(i64::MAX),
        _ => timestamp_from_parts(i64::from(date), 0)
            .map_err(|_| SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")),
    }
}

/// The date of a timestamp; infinities stay.
#[must_use]
pub fn timestamp_to_date(timestamp: i64) -> i32 {
    match timestamp {
        i64::MIN => i32::MIN,
        i64::MAX => i32::MAX,
        _ => i32::try_from(timestamp.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX),
    }
}

/// 22008 for a timestamp beyond the range.
pub(in crate::types) fn timestamp_out_of_range() -> SqlError {
    SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// Day of the week, 0 is Sunday.
#[must_use]
pub fn weekday(days: i64) -> u32 {
    u32::try_from((days + 6).rem_euclid(7)).unwrap_or(0)
}

/// Day of the year, 1 to 366.
#[must_use]
pub fn day_of_year(days: i64) -> i64 {
    let (year, _, _) = civil_from_days(days);
    days - days_from_civil(year, 1, 1) + 1
}

/// ISO 8601 year and week of a day.
fn iso_year_week(days: i64) -> (i64, i64) {
    // The year of a week is the year of its Thursday.
    let thursday = days - (days + 5).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// ISO 8601 week of a day, 1 to 53.
#[must_use]
pub fn iso_week(days: i64) -> i64 {
    iso_year_week(days).1
}

/// ISO 8601 year of a day, astronomical.
#[must_use]
pub fn iso_year(days: i64) -> i64 {
    iso_year_week(days).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_convert_both_ways() {
        assert_eq!(days_from_civil(2000, 1, 1), 0);
        assert_eq!(days_from_civil(1970, 1, 1), -UNIX_EPOCH_DAYS);
        assert_eq!(date_from_civil(-4713, 11, 24), Some(-2_451_545));
        assert_eq!(date_from_civil(5_874_897, 12, 31), Some(2_145_031_948));
        assert_eq!(date_from_civil(2023, 2, 29), None);
        for days in (-2_451_545..3_000_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, i64::from(day)), days);
        }
        assert_eq!(weekday(0), 6);
        assert_eq!((iso_year(-1), iso_week(-1)), (1999, 52));
        assert_eq!(day_of_year(59), 60);
    }
}
