//! Dates, times, intervals and zones: settings here, day arithmetic in `civil`, rules of zones in `zone`, text in
//! `parse`, `print` and `interval`, arithmetic and fields in `arith`.
//!
//! All of it counts in days and microseconds from 2000-01-01 and reaches as far as PostgreSQL does (dates to year
//! 5874897, timestamps to 294276), so jiff, which ends with year 9999, is asked for nothing but zone offsets.
mod arith;
mod civil;
mod interval;
mod parse;
mod print;
mod zone;

pub use arith::{
    DateTimeFields, add_interval, add_interval_at_zone, add_intervals, age, date_trunc, date_trunc_interval,
    divide_interval, fields_of, fields_of_interval, interval_span, justify_days, justify_hours, justify_interval,
    multiply_interval, negate_interval, subtract_timestamps,
};
pub(in crate::types) use civil::date_in_range;
pub use civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, date_from_civil, date_to_timestamp, day_of_year, days_in_month,
    iso_week, iso_year, timestamp_from_parts, timestamp_to_date, weekday,
};
pub use interval::{parse_interval, print_interval};
pub use parse::{parse_date, parse_time, parse_timestamp, parse_timestamptz, parse_timetz};
pub use print::{print_date, print_time, print_timestamp, print_timestamptz, print_timetz};

/// DateStyle: output format and field order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateStyle {
    /// Output format.
    pub format: DateFormat,
    /// Field order of ambiguous input.
    pub order: DateOrder,
}

/// Output format of dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum DateFormat {
    #[default]
    Iso,
    Sql,
    Postgres,
    German,
}

/// Field order of ambiguous dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum DateOrder {
    #[default]
    Mdy,
    Dmy,
    Ymd,
}

/// IntervalStyle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum IntervalStyle {
    #[default]
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

/// A time zone: rules by name, or a fixed offset.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeZone(pub jiff::tz::TimeZone, /** The name as SHOW prints it. */ pub String);

impl Default for TimeZone {
    fn default() -> Self {
        TimeZone(jiff::tz::TimeZone::UTC, "UTC".to_owned())
    }
}
