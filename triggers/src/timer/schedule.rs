//! When a timer runs (AMI-79): every so many milliseconds, never, or by six cron fields and a time zone.
//!
//! `sec min hour day month weekday [zone]`; a field is `*`, a number, a name (months, weekdays), a range `a-b`, a list
//! with commas, and `/n` for every n-th. Day and weekday must both fit. Times are microseconds since 1970.

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::TimeZone;
use tripline_sql::types::datetime::{civil_from_days, weekday};

/// Microseconds from 1970-01-01 to 2000-01-01, from which days and zones count.
const EPOCH: i64 = 946_684_800_000_000;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days looked at for the next fitting one: a leap day on a certain weekday may be 28 years away.
const DAYS_MAX: i64 = 366 * 40;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A schedule.
#[derive(Debug)]
pub(crate) enum Schedule {
    /// It only runs when `__SCHEDULE_TIMER` says so.
    Never,
    /// Microseconds between the starts of two runs.
    Every(i64),
    /// Cron fields.
    Cron(Box<Cron>),
}

/// Bits of the values that fit, by field.
#[derive(Debug)]
pub(crate) struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    zone: TimeZone,
}

fn bad(text: &str, why: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid schedule \"{text}\": {why}"))
}

/// The value of a name or number.
fn value(text: &str, names: &[&str], first: u32) -> Option<u32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let place = names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
    Some(u32::try_from(place).ok()? + first)
}

fn field(text: &str, (low, high): (u32, u32), names: &[&str]) -> Option<u64> {
    let mut bits = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range {
            "*" | "?" => (low, high),
            _ => match range.split_once('-') {
                Some((from, to)) => (value(from, names, low)?, value(to, names, low)?),
                None => {
                    let only = value(range, names, low)?;
                    (only, if part.contains('/') { high } else { only })
                }
            },
        };
        if from < low || to > high || from > to {
            return None;
        }
        let mut at = from;
        while at <= to {
            bits |= 1 << at;
            at += step;
        }
    }
    Some(bits)
}

impl Schedule {
    /// Reads a schedule. Errors: 22023.
    pub(crate) fn parse(text: &str) -> Result<Schedule> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Schedule::Never);
        }
        let words: Vec<&str> = trimmed.split_whitespace().collect();
        if let [only] = words.as_slice() {
            let period = only.parse::<i64>().ok().filter(|ms| *ms > 0 && *ms <= i64::MAX / 1000);
            return period
                .map(|ms| Schedule::Every(ms * 1000))
                .ok_or_else(|| bad(text, "a period is whole milliseconds"));
        }
        let (fields, zone) = match words.as_slice() {
            [fields @ .., zone] if fields.len() == 6 => (fields, *zone),
            fields if fields.len() == 6 => (fields, "UTC"),
            _ => return Err(bad(text, "six fields and a time zone are needed")),
        };
        let zone = TimeZone::lookup(zone).ok_or_else(|| bad(text, &format!("unknown time zone \"{zone}\"")))?;
        let read = |at: usize, range: (u32, u32), names: &[&str]| {
            field(fields[at], range, names).ok_or_else(|| bad(text, &format!("\"{}\" does not fit", fields[at])))
        };
        // Sunday is 0 and 7.
        let weekdays = read(5, (0, 7), &WEEKDAYS)?;
        Ok(Schedule::Cron(Box::new(Cron {
            seconds: read(0, (0, 59), &[])?,
            minutes: read(1, (0, 59), &[])?,
            hours: read(2, (0, 23), &[])?,
            days: read(3, (1, 31), &[])?,
            months: read(4, (1, 12), &MONTHS)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            zone,
        })))
    }

    /// The first time after `now` at which it is due; none for never. `last` is the time at which it was due before.
    pub(crate) fn next(&self, now: i64, last: Option<i64>) -> Option<i64> {
        match self {
            Schedule::Never => None,
            Schedule::Every(period) => {
                let next = last.map_or(now, |last| last).saturating_add(*period);
                // Runs that were missed are not made up for.
                Some(if next > now { next } else { now.saturating_add(*period) })
            }
            Schedule::Cron(cron) => cron.next(now),
        }
    }
}

impl Cron {
    fn next(&self, now: i64) -> Option<i64> {
        // One second on, cut to the second, in local time.
        let start = (now.div_euclid(SECOND) + 1) * SECOND - EPOCH;
        let local = self.zone.to_local(start);
        let first = local.div_euclid(DAY);
        for day in first..first + DAYS_MAX {
            let (_, month, date) = civil_from_days(day);
            let fits =
                self.months & 1 << month != 0 && self.days & 1 << date != 0 && self.weekdays & 1 << weekday(day) != 0;
            if !fits {
                continue;
            }
            let from = if day == first { local.rem_euclid(DAY) / SECOND } else { 0 };
            let mut second = self.second_of_day(from);
            while let Some(at) = second {
                let utc = self.zone.to_utc(day * DAY + at * SECOND);
                if utc >= start {
                    return Some(utc + EPOCH);
                }
                // The clocks went back: this time of day was before now.
                second = self.second_of_day(at + 1);
            }
        }
        None
    }

    /// The first fitting second of a day from this one on.
    fn second_of_day(&self, from: i64) -> Option<i64> {
        for hour in from / 3600..24 {
            if self.hours & 1 << hour == 0 {
                continue;
            }
            let minute_from = if hour == from / 3600 { from / 60 % 60 } else { 0 };
            for minute in minute_from..60 {
                if self.minutes & 1 << minute == 0 {
                    continue;
                }
                let same = hour == from / 3600 && minute == from / 60 % 60;
                let second_from = if same { from % 60 } else { 0 };
                if let Some(second) = (second_from..60).find(|second| self.seconds & 1 << second != 0) {
                    return Some(hour * 3600 + minute * 60 + second);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        let style = tripline_sql::types::TextStyle::default();
        match tripline_sql::types::from_text(text, tripline_sql::types::DataType::TIMESTAMPTZ, &style) {
            Ok(tripline_sql::types::Value::TimestampTz(at)) => at + EPOCH,
            other => panic!("{text}: {other:?}"),
        }
    }

    // AMI-79
    #[test]
    fn the_next_run() {
        for (schedule, now, expected) in [
            ("0 30 9 * * MON UTC", "2026-11-21 10:00:00+00", "2026-11-23 09:30:00+00"),
            ("0 30 9 * * MON EST5EDT", "2026-11-21 10:00:00+00", "2026-11-23 14:30:00+00"),
            ("*/20 * * * * * UTC", "2026-11-21 10:00:19.5+00", "2026-11-21 10:00:20+00"),
            ("*/20 * * * * * UTC", "2026-11-21 10:00:40+00", "2026-11-21 10:01:00+00"),
            ("0 0 0 29 2 * UTC", "2026-11-21 10:00:00+00", "2028-02-29 00:00:00+00"),
            ("0 0 0 1 JAN-MAR/2 ? UTC", "2026-01-05 00:00:00+00", "2026-03-01 00:00:00+00"),
            ("0 0 12 * * 0,6 UTC", "2026-11-20 13:00:00+00", "2026-11-21 12:00:00+00"),
        ] {
            let parsed = Schedule::parse(schedule).expect(schedule);
            assert_eq!(parsed.next(micros(now), None), Some(micros(expected)), "{schedule} after {now}");
        }
        let every = Schedule::parse("500").expect("a period");
        assert_eq!(every.next(1_000_000, Some(800_000)), Some(1_300_000));
        assert_eq!(every.next(9_000_000, Some(800_000)), Some(9_500_000));
        assert!(Schedule::parse("").expect("never").next(0, None).is_none());
        for wrong in ["-5", "0", "soon", "61 * * * * *", "* * * * *", "0 0 0 * * * Nowhere/Else", "0 0 0 5-1 * *"] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
