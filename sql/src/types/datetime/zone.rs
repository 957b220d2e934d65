//! Time zones: names, abbreviations and offsets; local time to UTC and back.
use std::sync::LazyLock;

use jiff::tz::AmbiguousOffset;

use super::TimeZone;
use super::civil::{MICROS_PER_DAY, MICROS_PER_SECOND, UNIX_EPOCH_SECONDS, civil_from_days};
use crate::error::{Result, SqlError, SqlState};

/// Abbreviations that input knows, with seconds east of UTC: PostgreSQL's default set. Some of them meant
/// other offsets in the past, which is not followed.
#[rustfmt::skip]
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("utc", 0),
    ("gmt", 0),
    ("ut", 0),
    ("uct", 0),
    ("z", 0),
    ("zulu", 0),
    ("acdt", 37800),
    ("acsst", 37800),
    ("acst", 34200),
    ("act", -18000),
    ("acwst", 31500),
    ("adt", -10800),
    ("aedt", 39600),
    ("aesst", 39600),
    ("aest", 36000),
    ("aft", 16200),
    ("akdt", -28800),
    ("akst", -32400),
    ("almst", 25200),
    ("almt", 21600),
    ("amst", 14400),
    ("amt", -14400),
    ("anast", 43200),
    ("anat", 43200),
    ("arst", -10800),
    ("art", -10800),
    ("ast", -14400),
    ("awsst", 32400),
    ("awst", 28800),
    ("azost", 0),
    ("azot", -3600),
    ("azst", 14400),
    ("azt", 14400),
    ("bdst", 7200),
    ("bdt", 21600),
    ("bnt", 28800),
    ("bort", 28800),
    ("bot", -14400),
    ("bra", -10800),
    ("brst", -7200),
    ("brt", -10800),
    ("bst", 3600),
    ("btt", 21600),
    ("cadt", 37800),
    ("cast", 34200),
    ("cct", 28800),
    ("cdt", -18000),
    ("cest", 7200),
    ("cet", 3600),
    ("cetdst", 7200),
    ("chadt", 49500),
    ("chast", 45900),
    ("chut", 36000),
    ("ckt", -36000),
    ("clst", -10800),
    ("clt", -10800),
    ("cot", -18000),
    ("cst", -21600),
    ("cxt", 25200),
    ("davt", 25200),
    ("ddut", 36000),
    ("easst", -18000),
    ("east", -18000),
    ("eat", 10800),
    ("edt", -14400),
    ("eest", 10800),
    ("eet", 7200),
    ("eetdst", 10800),
    ("egst", 0),
    ("egt", -3600),
    ("est", -18000),
    ("fet", 10800),
    ("fjst", 46800),
    ("fjt", 43200),
    ("fkst", -10800),
    ("fkt", -10800),
    ("fnst", -3600),
    ("fnt", -7200),
    ("galt", -21600),
    ("gamt", -32400),
    ("gest", 14400),
    ("get", 14400),
    ("gft", -10800),
    ("gilt", 43200),
    ("gyt", -14400),
    ("hkt", 28800),
    ("hst", -36000),
    ("ict", 25200),
    ("idt", 10800),
    ("iot", 21600),
    ("irkst", 28800),
    ("irkt", 28800),
    ("irt", 12600),
    ("ist", 7200),
    ("jayt", 32400),
    ("jst", 32400),
    ("kdt", 36000),
    ("kgst", 21600),
    ("kgt", 21600),
    ("kost", 39600),
    ("krast", 25200),
    ("krat", 25200),
    ("kst", 32400),
    ("lhdt", 39600),
    ("lhst", 37800),
    ("ligt", 36000),
    ("lint", 50400),
    ("lkt", 19800),
    ("magst", 39600),
    ("magt", 39600),
    ("mart", -34200),
    ("mawt", 18000),
    ("mdt", -21600),
    ("mest", 7200),
    ("mesz", 7200),
    ("met", 3600),
    ("metdst", 7200),
    ("mez", 3600),
    ("mht", 43200),
    ("mmt", 23400),
    ("mpt", 36000),
    ("msd", 14400),
    ("msk", 10800),
    ("mst", -25200),
    ("must", 18000),
    ("mut", 14400),
    ("mvt", 18000),
    ("myt", 28800),
    ("ndt", -9000),
    ("nft", -12600),
    ("novst", 25200),
    ("novt", 25200),
    ("npt", 20700),
    ("nst", -12600),
    ("nut", -39600),
    ("nzdt", 46800),
    ("nzst", 43200),
    ("nzt", 43200),
    ("omsst", 21600),
    ("omst", 21600),
    ("pdt", -25200),
    ("pet", -18000),
    ("petst", 43200),
    ("pett", 43200),
    ("pgt", 36000),
    ("pht", 28800),
    ("pkst", 21600),
    ("pkt", 18000),
    ("pmdt", -7200),
    ("pmst", -10800),
    ("pont", 39600),
    ("pst", -28800),
    ("pwt", 32400),
    ("pyst", -10800),
    ("pyt", -10800),
    ("ret", 14400),
    ("sadt", 37800),
    ("sast", 7200),
    ("sct", 14400),
    ("sgt", 28800),
    ("taht", -36000),
    ("tft", 18000),
    ("tjt", 18000),
    ("tkt", 46800),
    ("tmt", 18000),
    ("tot", 46800),
    ("trut", 36000),
    ("tvt", 43200),
    ("ulast", 32400),
    ("ulat", 28800),
    ("uyst", -7200),
    ("uyt", -10800),
    ("uzst", 21600),
    ("uzt", 18000),
    ("vet", -14400),
    ("vlast", 36000),
    ("vlat", 36000),
    ("volt", 10800),
    ("vut", 39600),
    ("wadt", 28800),
    ("wakt", 43200),
    ("wast", 25200),
    ("wat", 3600),
    ("wdt", 32400),
    ("wet", 0),
    ("wetdst", 3600),
    ("wft", 43200),
    ("wgst", -7200),
    ("wgt", -10800),
    ("xjt", 21600),
    ("yakst", 32400),
    ("yakt", 32400),
    ("yapt", 36000),
    ("yekst", 21600),
    ("yekt", 18000),
];

/// Seconds of 400 years: the calendar and its weekdays repeat.
const CYCLE_SECONDS: i64 = 146_097 * 86_400;
/// Seconds since 1970 beyond which a moment is moved by whole cycles before jiff sees it (about years -9900 and 9900).
const JIFF_SECONDS: i64 = 250_000_000_000;

/// The offset in seconds east of UTC that an abbreviation stands for.
pub(in crate::types) fn abbreviation_offset(name: &str) -> Option<i32> {
    ABBREVIATIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, offset)| *offset)
}

fn database() -> &'static jiff::tz::TimeZoneDatabase {
    static DATABASE: LazyLock<&'static jiff::tz::TimeZoneDatabase> = LazyLock::new(jiff::tz::db);
    &DATABASE
}

impl TimeZone {
    /// UTC.
    #[must_use]
    pub fn utc() -> TimeZone {
        TimeZone::default()
    }

    /// A fixed offset in seconds east of UTC; `None` beyond a day. Its name is as SHOW prints it, `<+02>-02`.
    #[must_use]
    pub fn fixed(seconds_east: i32) -> Option<TimeZone> {
        let offset = jiff::tz::Offset::from_seconds(seconds_east).ok()?;
        let part = |sign: char| {
            let total = seconds_east.unsigned_abs();
            let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
            match (minutes, seconds) {
                (0, 0) => format!("{sign}{hours:02}"),
                (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
                _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
            }
        };
        let (sign, inverse) = if seconds_east < 0 { ('-', '+') } else { ('+', '-') };
        Some(TimeZone(jiff::tz::TimeZone::fixed(offset), format!("<{}>{}", part(sign), part(inverse))))
    }

    /// The zone whose name `fixed` made.
    fn fixed_by_name(name: &str) -> Option<TimeZone> {
        let (offset, _) = name.strip_prefix('<')?.split_once('>')?;
        let east = offset.starts_with('+');
        let mut parts = offset.strip_prefix(['+', '-'])?.split(':').map(str::parse::<i32>);
        let mut part = || parts.next().unwrap_or(Ok(0)).ok();
        let seconds = part()?.checked_mul(3600)? + part()? * 60 + part()?;
        TimeZone::fixed(if east { seconds } else { -seconds }).filter(|zone| zone.1 == name)
    }

    /// A zone as SET TIME ZONE takes it: a name in any case, an abbreviation, hours east (`-3`, `5.5`), or a POSIX rule.
    /// Errors: 22023 unknown.
    pub fn parse(name: &str) -> Result<TimeZone> {
        TimeZone::lookup(name.trim()).ok_or_else(|| {
            SqlError::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("invalid value for parameter \"TimeZone\": \"{name}\""),
            )
        })
    }

    /// Like `parse`, `None` if unknown.
    #[must_use]
    pub fn lookup(name: &str) -> Option<TimeZone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(TimeZone::utc());
        }
        if let Ok(hours) = name.parse::<f64>() {
            #[allow(clippy::cast_possible_truncation, reason = "checked against a week")]
            return if hours.abs() <= 168.0 { TimeZone::fixed((hours * 3600.0) as i32) } else { None };
        }
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'-' | b'+'));
        if plain && let Ok(zone) = database().get(name) {
            let canonical = zone.iana_name().unwrap_or(name).to_owned();
            return Some(TimeZone(zone, canonical));
        }
        if let Some(offset) = abbreviation_offset(name) {
            let offset = jiff::tz::Offset::from_seconds(offset).ok()?;
            return Some(TimeZone(jiff::tz::TimeZone::fixed(offset), name.to_ascii_uppercase()));
        }
        if let Some(zone) = TimeZone::fixed_by_name(name) {
            return Some(zone);
        }
        if name.bytes().any(|b| b.is_ascii_digit()) && name.len() <= 100 {
            return jiff::tz::TimeZone::posix(name).ok().map(|zone| TimeZone(zone, name.to_owned()));
        }
        None
    }

    /// Seconds east of UTC at a moment (microseconds since 2000-01-01 UTC).
    #[must_use]
    pub fn offset_at(&self, utc_micros: i64) -> i32 {
        if let Ok(offset) = self.0.to_fixed_offset() {
            return offset.seconds();
        }
        self.0.to_offset(moment(utc_micros)).seconds()
    }

    /// The abbreviation in force at a moment: `CEST`, `+03`.
    #[must_use]
    pub fn abbreviation_at(&self, utc_micros: i64) -> String {
        if self.0 == jiff::tz::TimeZone::UTC {
            return "UTC".to_owned();
        }
        self.0.to_offset_info(moment(utc_micros)).abbreviation().to_owned()
    }

    /// Local time at a moment; infinities stay. Saturates, which only the last hours of the range can need.
    #[must_use]
    pub fn to_local(&self, utc_micros: i64) -> i64 {
        if utc_micros == i64::MIN || utc_micros == i64::MAX {
            return utc_micros;
        }
        utc_micros.saturating_add(i64::from(self.offset_at(utc_micros)) * MICROS_PER_SECOND)
    }

    /// Seconds east of UTC that a local time has. A time that a clock change skips is read with the offset before it,
    /// one that happens twice with the offset after it.
    #[must_use]
    pub fn offset_of_local(&self, local_micros: i64) -> i32 {
        if let Ok(offset) = self.0.to_fixed_offset() {
            return offset.seconds();
        }
        let Some(local) = civil_datetime(local_micros) else { return self.offset_at(local_micros) };
        match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } => before.seconds(),
            AmbiguousOffset::Fold { after, .. } => after.seconds(),
        }
    }

    /// The moment of a local time; infinities stay. May leave the range of timestamps by a day: callers check.
    #[must_use]
    pub fn to_utc(&self, local_micros: i64) -> i64 {
        if local_micros == i64::MIN || local_micros == i64::MAX {
            return local_micros;
        }
        local_micros.saturating_sub(i64::from(self.offset_of_local(local_micros)) * MICROS_PER_SECOND)
    }
}

/// The moment for jiff, moved by whole calendar cycles if it lies beyond what jiff holds.
fn moment(utc_micros: i64) -> jiff::Timestamp {
    let mut seconds = utc_micros.div_euclid(MICROS_PER_SECOND) + UNIX_EPOCH_SECONDS;
    if seconds > JIFF_SECONDS {
        seconds = JIFF_SECONDS - CYCLE_SECONDS + (seconds - JIFF_SECONDS) % CYCLE_SECONDS;
    }
    jiff::Timestamp::from_second(seconds.max(-JIFF_SECONDS)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn civil_datetime(local_micros: i64) -> Option<jiff::civil::DateTime> {
    let (year, month, day) = civil_from_days(local_micros.div_euclid(MICROS_PER_DAY));
    let year = if year > 9900 { 9500 + (year - 9500) % 400 } else { year };
    let seconds = local_micros.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND;
    let small = |n: i64| i8::try_from(n).ok();
    jiff::civil::DateTime::new(
        i16::try_from(year).ok()?,
        small(i64::from(month))?,
        small(i64::from(day))?,
        small(seconds / 3600)?,
        small(seconds / 60 % 60)?,
        small(seconds % 60)?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::super::civil::timestamp_from_parts;
    use super::super::date_from_civil;
    use super::*;

    fn local(year: i64, month: u32, day: u32, hour: i64, minute: i64) -> i64 {
        let date = date_from_civil(year, month, day).expect("valid");
        timestamp_from_parts(i64::from(date), (hour * 60 + minute) * 60 * MICROS_PER_SECOND).expect("in range")
    }

    #[test]
    fn clock_changes_are_resolved_as_postgresql_does() {
        let zone = TimeZone::parse("america/new_york").expect("known");
        assert_eq!(zone.1, "America/New_York");
        assert_eq!(zone.offset_of_local(local(2023, 3, 12, 2, 30)), -5 * 3600);
        assert_eq!(zone.offset_of_local(local(2023, 11, 5, 1, 30)), -5 * 3600);
        assert_eq!(zone.offset_of_local(local(2023, 7, 1, 0, 0)), -4 * 3600);
        assert_eq!(zone.offset_of_local(local(12_023, 7, 1, 0, 0)), -4 * 3600);
        assert_eq!(zone.abbreviation_at(zone.to_utc(local(2023, 7, 1, 0, 0))), "EDT");
        assert_eq!(TimeZone::parse("5.5").expect("hours").1, "<+05:30>-05:30");
        // A name that SHOW gives is taken back.
        assert_eq!(TimeZone::parse("<+05:30>-05:30").expect("a name").offset_at(0), 19_800);
        assert_eq!(TimeZone::parse("<-03>+03").expect("a name").offset_at(0), -10_800);
        assert!(TimeZone::parse("Nowhere/Atall").is_err());
        assert!(TimeZone::parse("").is_err());
    }
}
